"""Parity checks of windows, prepared databases and evaluation protocols (specs tcmr 3, 4, 7; glot 4, 6; pck)."""

import re
from typing import Any

import numpy as np
import torch

from anthropose.datasets.items import Targets, WindowSet
from anthropose.datasets.published import sequences_of
from anthropose.datasets.windows import (
    Windows,
    centred_windows,
    glot_published_test_windows,
    tcmr_windows,
    vibe_windows,
)
from anthropose.evaluate.pck import evaluate_pck, pose_errors
from anthropose.evaluate.protocols import PROTOCOLS, evaluate, predictor
from anthropose.evaluate.scores import Evaluation
from anthropose.geometry.filters import slerp_recursively
from anthropose.methods import glot, tcmr
from anthropose.methods.glot import GLoTNetwork
from anthropose.methods.tcmr import TCMRConfig, TCMRNetwork
from anthropose.metrics import acceleration, acceleration_error, mpjpe, pa_mpjpe, root_relative
from anthropose.nn.weights import KeyTable, renamed
from anthropose.skeleton import LSP_14, MPII3D_17, SPIN_49
from tests.parity import rule
from tests.parity.compare import assert_close, published_state
from tests.parity.synthetic_smpl import synthetic_smpl

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


def check_slerp(meta: dict[str, Any], arrays: Arrays) -> None:
    """`out` is at the published share of 0.3; `outN` at N tenths."""
    rotations = torch.from_numpy(arrays["rotmat"])
    for name in set(arrays) - {"rotmat"}:
        share = float(f"0.{name.removeprefix('out') or 3}")
        assert_close(slerp_recursively(rotations, share), arrays[name], name)


VALIDATED = {"3dpw": LSP_14, "mpii3d": MPII3D_17, "h36m": LSP_14}
"""The joints that a validation on each set compares."""


def _body_counts(title: str, name: str) -> bool:
    """The published code decides by the configuration's title, which our presets are named after."""
    preset = tcmr.PRESETS.get(title.removeprefix("repr_").removesuffix("_model").replace("_", "-"))
    return name != "h36m" or preset is None or name in preset.bodies_from


def _window_set(arrays: dict[str, Any], name: str, split: str, title: str, windows: Windows, repeat: int) -> WindowSet:
    """A set as the published code reads it, with its targets in half precision."""
    training = split == "train"
    sequences = sequences_of(arrays, _body_counts(title, name), bodies=training or name != "h36m")
    targets = Targets(SPIN_49 if training else VALIDATED[name], repeat if training else 1, half=True)
    return WindowSet(sequences, windows, targets)


def _assert_within_half_step(ours: torch.Tensor, published: np.ndarray, name: str, limit: float = np.inf) -> None:
    """At most one step of half precision apart, and at most `limit`."""
    assert ours.shape == published.shape, f"{name}: shape {tuple(ours.shape)}, published {published.shape}"
    step = np.spacing(np.abs(published).astype(np.float16)).astype(np.float32)
    assert (np.abs(ours.numpy() - published) <= np.minimum(step, limit)).all(), name


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
    found = (re.search(rf"{word} (\d+)", meta["what"]) for word in ("seqlen", "stride"))
    length, stride = (int(match[1]) if match else default for match, default in zip(found, (16, 1), strict=True))
    for case, setting in meta["cases"].items():
        split = setting.get("set", "train")
        windows = tcmr_windows(meta["video_lengths"], length, stride, split == "train")
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
    """The fixture's own limit for 2D keypoints is 2e-3; a step of half precision is below its relative 1e-3."""
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
                _assert_within_half_step(value, arrays[key], key, 2e-3 if field == "kp_2d" else np.inf)
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


NAMES = {"mpjpe": "mpjpe", "mpjpe_pa": "pa_mpjpe", "accel_err": "acceleration_error", "mpvpe": "vertex_error"}
"""The published names of the figures -> ours."""


def _loaded(network: torch.nn.Module, keys: KeyTable, meta: dict[str, Any]) -> torch.nn.Module:
    network.load_state_dict(renamed(published_state(meta), keys), assign=True)
    return network.eval()


def _evaluated(
    network: torch.nn.Module,
    protocol: str,
    database: dict[str, Any],
    test_set: str,
    smpl_seed: int,
    filter_share: float | None = None,
) -> Evaluation:
    sequences = sequences_of(database)
    predict = predictor(network, PROTOCOLS[protocol])
    return evaluate(sequences, predict, synthetic_smpl(smpl_seed), test_set, protocol, filter_share)


def check_tcmr_eval(meta: dict[str, Any], arrays: Arrays) -> None:
    """The whole evaluation; the dataset and the filter are in the published command line."""
    command, seed, given = meta["what"].split(), meta["seed"], meta["database"]
    test_set = command[command.index("--dataset") + 1]
    lengths = given["video_lengths"]
    frames = sum(lengths)
    joints = 14 if test_set == "3dpw" else 49
    database = {
        "vid_name": np.repeat(given["vid_name"], lengths),
        "features": rule.array("features", (frames, 2048), seed, scale=0.5),
        "joints3D": rule.array("joints3D", (frames, joints, 3), seed, scale=0.3),
        "pose": rule.array("pose", (frames, 72), seed, scale=0.5),
        "shape": rule.array("shape", (frames, 10), seed),
    } | {key: arrays[key] for key in ("valid", "valid_i") if key in arrays}
    config = meta["config"]
    with torch.device("meta"):
        network = TCMRNetwork(TCMRConfig(config["seqlen"], config["n_layers"], config["hidden_size"]))
    _loaded(network, tcmr.PUBLISHED.keys, meta)
    share = 0.3 if "--filter" in command else None
    ours = _evaluated(network, "tcmr", database, test_set, meta["smpl_seed"], share)

    means, last = ours.means(), ours.sequences[-1]
    names = [str(name) for name in arrays["out_names"]]
    assert set(names) == {name for name, figure in NAMES.items() if figure in means}
    assert_close(np.array([means[NAMES[name]] for name in names]), arrays["out_values"], "out_values")
    assert ours.frames == arrays["out_num_poses"]
    assert last.name == meta["last_sequence"]
    for name in names:
        assert_close(getattr(last, NAMES[name]), arrays[f"out_last_{name}"], f"out_last_{name}")
    known = {"out_names", "out_values", "out_num_poses", *(f"out_last_{name}" for name in names)}
    assert {name for name in arrays if name.startswith("out_")} == known


def check_glot_evaluate(meta: dict[str, Any], arrays: Arrays) -> None:
    """The published script with its reversed tails; the fixture's own limits are 0.02 and 0.1 mm."""
    command, seed = meta["command"].split(), meta["seed"]
    test_set = command[command.index("--dataset") + 1]
    lengths = [sequence["frames"] for sequence in meta["sequences"]]
    frames = sum(lengths)
    database = {
        "vid_name": np.repeat([sequence["vid_name"] for sequence in meta["sequences"]], lengths),
        "features": rule.array("db_features", (frames, 2048), seed),
        "joints3D": rule.array("db_joints3D", (frames, 14 if test_set == "3dpw" else 49, 3), seed, scale=0.5),
        "pose": rule.array("db_pose", (frames, 72), seed, scale=0.3),
        "shape": rule.array("db_shape", (frames, 10), seed),
    } | {key.removeprefix("in_"): arrays[key] for key in arrays if key.startswith("in_")}
    state = renamed(published_state(meta), glot.PUBLISHED.keys)
    with torch.device("meta"):
        network = GLoTNetwork(glot.PUBLISHED.config(state))
    _loaded(network, glot.PUBLISHED.keys, meta)
    share = 0.3 if "--filter" in command else None
    ours = _evaluated(network, "glot", database, test_set, seed, share)

    means = ours.means()
    assert ours.frames == arrays["out_num_poses"]
    unseen = {name for name in arrays if name.startswith("out_")} - {"out_num_poses"}
    for name, figure in NAMES.items():
        if figure in means:
            unseen -= {f"out_mean_{name}", f"out_frames_{name}"}
            assert abs(means[figure] - arrays[f"out_mean_{name}"]) <= 0.02, name
            difference = np.abs(ours.values(figure).numpy() - arrays[f"out_frames_{name}"])
            assert difference.max() <= 0.1, name
    assert not unseen


def check_metrics(meta: dict[str, Any], arrays: Arrays) -> None:
    """VIBE's metrics on one sequence of LSP-14; each side relative to the middle of its hips."""
    predicted, target = (root_relative(torch.from_numpy(arrays[name]), LSP_14) for name in ("pred", "gt"))
    seen = torch.from_numpy(arrays["vis"])
    ours = {
        "mpjpe": mpjpe(predicted, target),
        "pampjpe": pa_mpjpe(predicted, target),
        "accel": acceleration(predicted),
        "accel_err": acceleration_error(predicted, target),
    }
    summary = torch.stack([values.mean() for values in ours.values()]) * 1000
    ours |= {"summary": summary, "accel_err_vis": acceleration_error(predicted, target, seen)}
    assert {f"out_{name}" for name in ours} == {name for name in arrays if name.startswith("out_")}
    for name, values in ours.items():
        assert_close(values, arrays[f"out_{name}"], name)


def _assert_tables(errors: list[torch.Tensor], activities: list[torch.Tensor], arrays: Arrays) -> None:
    """The fixtures' own limit is 1e-4 percent or millimetres; NaN where an activity has no frame."""
    ours = evaluate_pck(errors, activities)
    unseen = {name for name in arrays if name.startswith("out_")}
    for prefix, table in (("seq", ours.sequences), ("act", ours.activities)):
        for figure in ("pck", "auc", "mpjpe"):
            name = f"out_{prefix}_{figure}"
            unseen.remove(name)
            difference = np.abs(getattr(table, figure).numpy() - arrays[name])
            assert ((difference <= 1e-4) | (np.isnan(arrays[name]) & np.isnan(difference))).all(), name
    assert not unseen


def _numbered(arrays: Arrays, name: str) -> list[torch.Tensor]:
    count = sum(key.startswith("act") for key in arrays)
    return [torch.from_numpy(arrays[f"{name}{k + 1}"]) for k in range(count)]


def check_pck_errors(meta: dict[str, Any], arrays: Arrays) -> None:
    _assert_tables(_numbered(arrays, "err"), _numbered(arrays, "act"), arrays)


def check_pck_poses(meta: dict[str, Any], arrays: Arrays) -> None:
    valid = _numbered(arrays, "valid")
    poses = zip(_numbered(arrays, "pred"), _numbered(arrays, "univ_gt"), valid, strict=True)
    activities = [doing[kept] for doing, kept in zip(_numbered(arrays, "act"), valid, strict=True)]
    _assert_tables([pose_errors(*given) for given in poses], activities, arrays)


KINDS = {
    "tcmr_chunks": check_tcmr_chunks,
    "tcmr_demo_windows": check_tcmr_demo_windows,
    "glot_windows": check_glot_windows,
    "tcmr_slerp": check_slerp,
    "tcmr_dataset": check_tcmr_dataset,
    "glot_dataset": check_glot_dataset,
    "tcmr_eval": check_tcmr_eval,
    "glot_evaluate": check_glot_evaluate,
    "parallel_branch_metrics": check_metrics,
    "pck_errors": check_pck_errors,
    "pck_poses": check_pck_poses,
}
