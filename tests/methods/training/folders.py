"""Folders with small sets of every kind that a published preset learns from."""

from pathlib import Path

import h5py
import numpy as np

from anthropose.methods.base import Preset
from tests.datasets.databases import database
from tests.datasets.dumps import dump

LENGTHS = (40, 23)


def published_folder(folder: Path, preset: Preset, features: int) -> Path:
    """The preset's files that are not there yet, of two videos each, with features of so many numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (name, file) in enumerate(preset.files):
        if (folder / file).exists():
            continue
        arrays = database(LENGTHS, 49, 14 if name == "validation" else 49, seed, features)
        if file.endswith(".h5"):
            insta = database(LENGTHS, 25, seed=seed, f=features)
            with h5py.File(folder / file, "w") as opened:
                opened["vid_name"] = insta["vid_name"].astype("S20")
                opened["joints2D"], opened["features"] = insta["joints2D"], insta["features"]
            continue
        if name == "amass":
            theta = 0.2 * np.random.default_rng(seed).standard_normal((sum(LENGTHS), 82))
            arrays = {"vid_name": arrays["vid_name"], "theta": theta.astype(np.float32)}
        elif name in preset.sets_2d:
            arrays = {key: value for key, value in arrays.items() if key not in ("joints3D", "pose", "shape")}
        elif name == "mpii3d":
            arrays = {key: value for key, value in arrays.items() if key not in ("pose", "shape")}
        dump(folder / file, arrays)
    return folder
