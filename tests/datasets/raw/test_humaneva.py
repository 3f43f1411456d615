from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.io import savemat

from anthropose.datasets.lifting import HUMANEVA, read_joints, read_keypoints, sequences_of
from anthropose.datasets.raw.humaneva import ENDS_20, joints_of_ends
from anthropose.datasets.raw.lifting import Archives, lifting_release, prepare_archives
from anthropose.errors import UserError
from anthropose.skeleton import HUMANEVA_15

FRAMES = 1203
"""What the first subject's Walking ends with."""


def trial(frames: int = FRAMES, points: int = 15) -> dict[str, Any]:
    """Points that tell their frame, and where three cameras see them."""
    still = np.random.default_rng(0).standard_normal((points, 3)) * 300
    moving = still + np.arange(frames)[:, None, None]
    return {"poses_3d": moving} | {f"poses_2d_C{k}": moving[..., :2] / 10 + 100 * k for k in (1, 2, 3)}


def write(root: Path, subject: str = "S1", action: str = "Walking", **content: Any) -> Path:
    path = root / subject / f"{action}_1.mat"
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, content)
    return path


def made_of(root: Path) -> Archives:
    return prepare_archives(lifting_release("humaneva15"), root, root / "out")


def test_a_trial_falls_into_its_published_parts(tmp_path: Path) -> None:
    content = trial()
    write(tmp_path, **content)
    made = made_of(tmp_path)
    assert [path.name for path in made.paths] == ["data_3d_humaneva15.npz", "data_2d_humaneva15_gt.npz"]
    joints, keypoints = read_joints(made.paths[0]), read_keypoints(made.paths[1])
    assert list(joints) == ["Train/S1", "Validate/S1"]
    np.testing.assert_allclose(
        joints["Train/S1"]["Walking 1 chunk0"], content["poses_3d"][590:1203] / 1000, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        joints["Validate/S1"]["Walking 1 chunk0"], content["poses_3d"][5:590] / 1000, rtol=1e-5, atol=1e-6
    )
    np.testing.assert_allclose(
        keypoints.positions["Validate/S1"]["Walking 1 chunk0"][2], content["poses_2d_C3"][5:590], rtol=1e-5
    )
    assert (keypoints.left, keypoints.right) == ((2, 3, 4, 8, 9, 10), (5, 6, 7, 11, 12, 13))
    assert len(sequences_of(HUMANEVA, joints, keypoints, ["Train/S1", "Validate/S1"], ["Walk"])) == 6
    report = made.report()
    assert "Jog_1.mat" in report
    assert "ThrowCatch_1.mat" in report


def test_gaps_of_the_capture_make_pieces_and_are_counted_among_them(tmp_path: Path) -> None:
    content = trial()
    content["poses_3d"][[5, 6, 100, 300, 301], 3] = np.nan
    content["poses_2d_C2"][700, 2] = np.nan
    write(tmp_path, **content)
    made = made_of(tmp_path)
    joints = read_joints(made.paths[0])
    assert {name: len(piece) for name, piece in joints["Validate/S1"].items()} == {
        "Walking 1 chunk1": 93,
        "Walking 1 chunk3": 199,
        "Walking 1 chunk5": 288,
    }
    assert list(joints["Train/S1"]) == ["Walking 1 chunk0", "Walking 1 chunk2"]
    assert made.findings.counts["S1 Walking 1"]["missing: frames of Validate, gaps of the capture"] == 5


def test_joints_lie_in_the_middle_where_two_limbs_meet(tmp_path: Path) -> None:
    names = ENDS_20.split()
    ends = np.random.default_rng(1).standard_normal((4, 20, 3))
    joints = joints_of_ends(ends)

    def end(name: str) -> np.ndarray:
        return ends[:, names.index(name)]

    for joint, expected in (
        ("hip", end("torso_distal")),
        ("neck", (end("torso_proximal") + end("head_proximal")) / 2),
        ("left_shoulder", end("left_upper_arm_proximal")),
        ("left_elbow", (end("left_upper_arm_distal") + end("left_lower_arm_proximal")) / 2),
        ("right_ankle", end("right_lower_leg_distal")),
        ("head_top", end("head_distal")),
    ):
        np.testing.assert_allclose(joints[:, HUMANEVA_15.index(joint)], expected)
    mirrored = joints_of_ends(ends[:, [names.index(_other_side(name)) for name in names]])
    np.testing.assert_allclose(mirrored[:, list(HUMANEVA_15.mirror)], joints)
    write(tmp_path, **trial(points=20))
    assert read_joints(made_of(tmp_path).paths[0])["Train/S1"]["Walking 1 chunk0"].shape == (613, 15, 3)


def _other_side(name: str) -> str:
    if name.startswith("left_"):
        return name.replace("left_", "right_")
    return name.replace("right_", "left_")


def test_without_keypoints_there_are_joints_alone(tmp_path: Path) -> None:
    content = trial()
    del content["poses_2d_C2"]
    write(tmp_path, **content)
    made = made_of(tmp_path)
    assert [path.name for path in made.paths] == ["data_3d_humaneva15.npz"]
    assert made.findings.counts["S1 Walking 1"]["missing: keypoints of cameras"] == 1


def test_damaged_trials_are_left_out_and_told(tmp_path: Path) -> None:
    write(tmp_path, **trial(600))
    write(tmp_path, "S1", "Jog", **trial(740, points=17))
    write(tmp_path, "S1", "Box", keypoints=np.zeros((4, 4)))
    write(tmp_path, "S2", "Box", **(trial(734) | {"poses_2d_C1": np.zeros((700, 15, 2))}))
    cut = write(tmp_path, "S3", "Box", **trial(1021))
    cut.write_bytes(cut.read_bytes()[:9000])
    made = made_of(tmp_path)
    assert (made.takes, made.frames, len(made.left_out)) == (2, 595, 4)
    report = made.report()
    for line in (
        "Jog_1.mat: expected poses_3d of 15 or 20 points with 3 values, found an array (740, 17, 3)",
        "Box_1.mat: it has no poses_3d; it has keypoints",
        "Box_1.mat: 734 frames of joints, but [700, 734, 734] of keypoints",
        "Box_1.mat: damaged, or not a MATLAB file",
    ):
        assert line in report
    assert made.findings.counts["S1 Walking 1"]["missing: frames at the end"] == 603


def test_wrong_folders_are_recognised(tmp_path: Path) -> None:
    write(tmp_path / "HumanEva", **trial(10))
    with pytest.raises(UserError, match=r"it has no S\[123\]/\*_1\.mat; did you mean .*HumanEva\? Expected\n"):
        made_of(tmp_path)
