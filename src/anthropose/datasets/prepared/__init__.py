"""The project's own database of a data set: a folder that `anthropose prepare` makes of a raw release.

    3dpw-train/
        set.json                        which sequences there are, how they were made, and what was left out
        sequences/NAME.npz              the labels of one sequence
        sequences/NAME.features.npy     its image features, "n f"; mapped into memory, never read as a whole

The arrays in a `.npz` are the fields of `Sequence` under their own names. docs/data.md has the format.
"""

from anthropose.datasets.prepared.features import Extractor
from anthropose.datasets.prepared.making import Prepared, prepare
from anthropose.datasets.prepared.sets import FORMAT, NpyRows, open_set, read_set, taken, write_sequence

__all__ = [
    "FORMAT",
    "Extractor",
    "NpyRows",
    "Prepared",
    "open_set",
    "prepare",
    "read_set",
    "taken",
    "write_sequence",
]
