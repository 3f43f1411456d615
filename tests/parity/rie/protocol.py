"""Parity checks of metrics and of the whole published evaluation (rie spec)."""

import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anthropose.datasets.lifting import H36M, projected_keypoints, read_joints, read_keypoints, sequences_of
from anthropose.datasets.lifting.cameras import h36m_views
from anthropose.evaluate.lifting import evaluate_lifting, mean_over_actions
from anthropose.geometry.mirror import mirror_order
from anthropose.methods.rie.method import lift
from anthropose.metrics import (
    absolute_error,
    cosine_similarity,
    mpjpe,
    pa_mpjpe,
    scaled_mpjpe,
    velocity_error,
    weighted_mpjpe,
)
from tests.parity.rie.common import Arrays, Compared, Meta, tolerance_in_words
from tests.parity.rie.network import made


def check_metrics(meta: Meta, arrays: Arrays) -> None:
    """Absolute tolerances, as the fixture says."""
    target, weight = torch.from_numpy(arrays["in_target"]), torch.from_numpy(arrays["in_w"])[:, 0]
    tolerance, compared = tolerance_in_words(meta, 1e-5), 0
    for case in meta["cases"]:
        poses = torch.from_numpy(arrays[f"in_{case}"])
        ours = {
            "mpjpe": mpjpe(poses, target).mean(),
            "n_mpjpe": scaled_mpjpe(poses, target).mean(),
            "n_mpjpe_each": scaled_mpjpe(poses, target),
            "p_mpjpe": pa_mpjpe(poses, target).mean(),
            "p_mpjpe_each": pa_mpjpe(poses, target),
            "velocity": velocity_error(poses, target).mean(),
            "weighted_mpjpe": weighted_mpjpe(poses, target, weight).mean(),
            "l1": absolute_error(poses, target).mean(),
            "cosine": cosine_similarity(poses, target).mean(),
        }
        for name, value in ours.items():
            np.testing.assert_allclose(
                value.numpy(), arrays[f"out_{name}_{case}"], rtol=0, atol=tolerance, err_msg=name
            )
            compared += 1
    assert compared == sum(name.startswith("out_") for name in arrays)


def check_eval_protocol(meta: Meta, arrays: Arrays) -> None:
    """The whole evaluation, from archives as VideoPose3D writes them to the scores that the script printed."""
    compared, network = Compared(meta, arrays), made(meta)
    with tempfile.TemporaryDirectory() as folder:
        joints_file, keypoints_file = _write_archives(Path(folder), meta, arrays)
        joints, noisy = read_joints(joints_file), read_keypoints(keypoints_file)
    truth = projected_keypoints(H36M, joints)
    files = {"noisy": noisy, "gt": truth}
    first_subject = next(iter(meta["sequences"]))
    first_action = next(iter(meta["sequences"][first_subject]))
    compared("out_gt2d_first", np.stack(truth.positions[first_subject][first_action]))

    known: dict[Any, Tensor] = {}

    def remembered(order: Any, keypoints: Tensor) -> Tensor:
        """Several runs score the same predictions in different ways."""
        key = (order, keypoints.numpy().tobytes())
        if key not in known:
            with torch.no_grad():
                known[key] = lift(network, keypoints, order)
        return known[key]

    def lifted(args: list[str]) -> Any:
        file = files[option(args, "-k")]
        order = None if "-no-tta" in args else mirror_order(file.left, file.right, 17)
        return partial(remembered, order), file

    for name, run in meta["runs"].items():
        run_lift, file = lifted(run["args"])
        subjects = option(run["args"], "-ste", ",".join(meta["sequences"])).split(",")
        actions = [name for name in option(run["args"], "-a").split(",") if name]
        step = int(option(run["args"], "--downsample", "1"))
        sequences = sequences_of(H36M, joints, file, subjects, actions, step=step)
        scores = evaluate_lifting(run_lift, sequences, by_subject="--by-subject" in run["args"])
        assert ["/".join(filter(None, (score.subject, score.action))) for score in scores] == run["order"]
        ours = np.array([(score.protocol1, score.protocol2) for score in scores])
        np.testing.assert_allclose(ours, arrays[f"out_errors_{name}"], rtol=1e-4)
        compared.left.discard(f"out_errors_{name}")
        means = [value for mean in mean_over_actions(scores) for value in (mean.protocol1, mean.protocol2)]
        np.testing.assert_allclose(means, run["average_printed"], rtol=1e-4, atol=0.051)  # printed to 0.1 mm
    for name, (subject, action, camera, args) in meta["export"].items():
        run_lift, file = lifted(args)
        [sequence] = [
            one for one in sequences_of(H36M, joints, file, [subject]) if (one.action, one.camera) == (action, camera)
        ]
        compared(f"out_export_{name}", run_lift(sequence.keypoints))
    compared.done()


def option(args: list[str], name: str, default: str = "") -> str:
    """The word after an option of the published script."""
    return args[args.index(name) + 1] if name in args else default


def _write_archives(folder: Path, meta: Meta, arrays: Arrays) -> tuple[Path, Path]:
    """The fixture's data as files that hold pickled dictionaries, as VideoPose3D's do."""
    joints: dict[str, dict[str, np.ndarray]] = {}
    keypoints: dict[str, dict[str, list[np.ndarray]]] = {}
    for subject, actions in meta["sequences"].items():
        joints[subject] = {action: arrays[f"in_3d|{subject}|{action}"] for action in actions}
        cameras = range(len(h36m_views(subject)))
        keypoints[subject] = {
            action: [arrays[f"in_2d|{subject}|{action}|{camera}"] for camera in cameras] for action in actions
        }
    left, right = [4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [left, right]}
    paths = folder / "data_3d_h36m.npz", folder / "data_2d_h36m_noisy.npz"
    np.savez_compressed(paths[0], positions_3d=np.array(joints, dtype=object))
    np.savez_compressed(paths[1], positions_2d=np.array(keypoints, dtype=object), metadata=np.array(metadata))
    return paths
