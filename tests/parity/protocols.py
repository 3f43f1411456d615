"""Parity checks of windows, prepared databases and evaluation protocols (specs tcmr 3, 4, 7; glot 4, 6; pck)."""

from typing import Any

import numpy as np
import torch

from anthropose.datasets.windows import (
    Windows,
    centred_windows,
    glot_published_test_windows,
    tcmr_windows,
    vibe_windows,
)

Arrays = dict[str, np.ndarray]


def _spans(windows: Windows) -> np.ndarray:
    """First and last frame of each window, as published; equal ones mean one frame repeated."""
    return windows.frames[:, [0, -1]].numpy()


def check_tcmr_chunks(meta: dict[str, Any], arrays: Arrays) -> None:
    assert set(arrays) == {f"out_{i}" for i in range(len(meta["cases"]))}
    for i, case in enumerate(meta["cases"]):
        ours = tcmr_windows(case["video_lengths"], case["seqlen"], case["stride"], case["is_train"], case["match_vibe"])
        np.testing.assert_array_equal(_spans(ours), arrays[f"out_{i}"], f"case {i}")


def check_tcmr_demo_windows(meta: dict[str, Any], arrays: Arrays) -> None:
    for name, published in arrays.items():
        _, n, length = name.split("_")
        np.testing.assert_array_equal(centred_windows(int(n), int(length)).frames.numpy(), published, name)


def check_glot_windows(meta: dict[str, Any], arrays: Arrays) -> None:
    """The test's windows in the published order; the training's and the validation's by their ends."""
    for name, published in arrays.items():
        _, kind, *_, number = name.split("_")
        if kind == "test":
            n = int(number)
            ours = glot_published_test_windows(n).frames if n >= 16 else torch.zeros(0, 16)
            np.testing.assert_array_equal(ours.numpy(), published, name)
        elif kind == "demo":
            np.testing.assert_array_equal(centred_windows(int(number)).frames.numpy(), published, name)
        else:
            lengths = meta["groups"][int(number)]
            windows = vibe_windows(lengths) if kind == "train" else tcmr_windows(lengths, training=False)
            np.testing.assert_array_equal(_spans(windows), published, name)


KINDS = {
    "tcmr_chunks": check_tcmr_chunks,
    "tcmr_demo_windows": check_tcmr_demo_windows,
    "glot_windows": check_glot_windows,
}
