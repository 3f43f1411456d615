"""Parity checks of windows, prepared databases and evaluation protocols (specs tcmr 3, 4, 7; glot 4, 6; pck)."""

from typing import Any

import numpy as np
import torch

from anthropose.datasets.items import Targets, WindowSet
from anthropose.datasets.published import body_counts_as_published, sequences_of
from anthropose.datasets.windows import (
    Windows,
    centred_windows,
    glot_published_test_windows,
    tcmr_windows,
    vibe_windows,
)
from anthropose.skeleton import LSP_14, MPII3D_17, SPIN_49
from tests.parity import rule

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


VALIDATED = {"3dpw": LSP_14, "mpii3d": MPII3D_17, "h36m": LSP_14}
"""The joints that a validation on each set compares."""


def _window_set(arrays: dict[str, Any], name: str, split: str, title: str, windows: Windows, repeat: int) -> WindowSet:
    """A set as the published code reads it, with its targets in half precision."""
    training = split == "train"
    sequences = sequences_of(arrays, body_counts_as_published(title, name), bodies=training or name != "h36m")
    targets = Targets(SPIN_49 if training else VALIDATED[name], repeat if training else 1, half=True)
    return WindowSet(sequences, windows, targets)


def _assert_within_half_step(ours: torch.Tensor, published: np.ndarray, name: str) -> None:
    assert ours.shape == published.shape, f"{name}: shape {tuple(ours.shape)}, published {published.shape}"
    step = np.spacing(np.abs(published).astype(np.float16)).astype(np.float32)
    assert (np.abs(ours.numpy() - published) <= step).all(), name


def _tcmr_database(meta: dict[str, Any], arrays: Arrays, case: str, setting: dict[str, Any]) -> dict[str, Any]:
    lengths = meta["video_lengths"]
    frames = sum(lengths)
    database: dict[str, Any] = {
        "vid_name": np.repeat([f"video_{k}" for k in range(len(lengths))], lengths),
        "joints2D": arrays[f"{case}_in_joints2D"],
    }
    for key in ("bbox", "valid_i"):
        if f"{case}_in_{key}" in arrays:
            database[key] = arrays[f"{case}_in_{key}"]
    seed = setting.get("array_seed")
    if seed is None:
        return database | {"features": np.zeros((frames, 2048), np.float32)}
    database["joints3D"] = rule.array("joints3D", tuple(setting["joints3D_shape"]), seed)
    database["features"] = rule.array("features", (frames, 2048), seed)
    if setting["dataset"] != "mpii3d":
        database["pose"] = rule.array("pose", (frames, 72), seed, scale=0.5)
        database["shape"] = rule.array("shape", (frames, 10), seed)
    return database


def check_tcmr_dataset(meta: dict[str, Any], arrays: Arrays) -> None:
    """Items of every set; a training's are three times over, one for each of the network's outputs."""
    unseen = {name for name in arrays if "_out_" in name}
    for case, setting in meta["cases"].items():
        split = setting.get("set", "train")
        length = arrays.get(f"{case}_out_feature_col0", np.zeros((1, 16))).shape[1]
        windows = tcmr_windows(meta["video_lengths"], length, 1, split == "train")
        database = _tcmr_database(meta, arrays, case, setting)
        ours = _window_set(database, setting["dataset"], split, setting.get("load_opt", ""), windows, repeat=3)
        assert len(ours) == setting["length"]
        items = [ours[number] for number in setting["items"]]
        for item in items:
            assert torch.equal(item.joints, item.joints[:1].expand_as(item.joints))
            assert len(item.theta) == (3 if split == "train" else 1)
        fields = {
            "theta": torch.stack([item.theta[0] for item in items]),
            "kp_2d": torch.stack([item.keypoints[0] for item in items]),
            "kp_3d": torch.stack([item.joints[0] for item in items]),
            "w_smpl": torch.stack([item.has_body[0] for item in items]).float(),
            "w_3d": torch.stack([item.has_joints[0] for item in items]).float(),
            "valid": torch.stack([item.scored[:1] for item in items]).double(),
            "feature_col0": torch.stack([item.features[:, 0] for item in items]),
            "vid_indices": windows.frames[:, [0, -1]],
        }
        for field, value in fields.items():
            name = f"{case}_out_{field}"
            if name in arrays:
                unseen.remove(name)
                _assert_within_half_step(value, arrays[name], name)
    assert not unseen


def check_glot_dataset(meta: dict[str, Any], arrays: Arrays) -> None:
    unseen = {name for name in arrays if name.startswith("out_")}
    for case in meta["cases"]:
        number, name, training = case["case"], case["dataset"], case["split"] == "train"
        lengths = [case["frames"]]
        windows = vibe_windows(lengths) if training else tcmr_windows(lengths, training=False)
        assert windows.frames[case["item"], [0, -1]].tolist() == case["window"]
        database = _glot_database(meta["seed"], name, case["frames"], training) | {
            "joints2D": arrays[f"in_joints2D_{number}"]
        }
        item = _window_set(database, name, case["split"], case["title"], windows, repeat=1)[case["item"]]
        fields = {
            "kp_2d": item.keypoints,
            "kp_3d": item.joints,
            "theta": item.theta,
            "w_3d": item.has_joints.float(),
            "w_smpl": item.has_body.float(),
        }
        published = {"features": item.features[:, :4]}
        published |= {field: value if training else value[0] for field, value in fields.items()}
        for field, value in published.items():
            key = f"out_{field}_{number}"
            if key in arrays:
                unseen.remove(key)
                _assert_within_half_step(value, arrays[key], key)
    assert not unseen


def _glot_database(seed: int, name: str, frames: int, training: bool) -> dict[str, Any]:
    def array(key: str, *shape: int, scale: float = 1.0) -> np.ndarray:
        return rule.array(f"{name}_{key}", (frames, *shape), seed, scale=scale)

    database: dict[str, Any] = {"vid_name": np.repeat("video", frames), "features": array("features", 2048)}
    if name == "insta":
        return database
    side = 300 + 50 * np.abs(array("size", 1))
    database["bbox"] = np.concatenate([500 + 20 * array("center", 2), side, side], axis=1)
    database["joints3D"] = array("joints3D", 14 if name == "3dpw" and not training else 49, 3)
    if name != "mpii3d":
        database |= {"pose": array("pose", 72, scale=0.5), "shape": array("shape", 10)}
    return database


KINDS = {
    "tcmr_chunks": check_tcmr_chunks,
    "tcmr_demo_windows": check_tcmr_demo_windows,
    "glot_windows": check_glot_windows,
    "tcmr_dataset": check_tcmr_dataset,
    "glot_dataset": check_glot_dataset,
}
