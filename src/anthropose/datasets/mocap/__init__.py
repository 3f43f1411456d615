"""Motion capture as an endless source of labelled keypoints: bodies that move as people did, before made-up cameras.

`MocapSource(folders, body, config).batch(seed, step, size, frames)` gives a `MocapBatch`; the same numbers give the same
batch on every machine. Only torch and numpy are needed.
"""

from anthropose.datasets.mocap.batch import MocapBatch

__all__ = ["MocapBatch"]
