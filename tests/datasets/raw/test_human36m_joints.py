import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.io import savemat

from anthropose.datasets.lifting import H36M, read_joints, read_keypoints, sequences_of
from anthropose.datasets.raw.lifting import lifting_release, prepare_archives
from anthropose.errors import UserError


def poses(frames: int = 12, seed: int = 0) -> np.ndarray:
    """Joints of a person amid the laboratory [mm], a frame in a row."""
    rng = np.random.default_rng(seed)
    return (300 * rng.standard_normal((frames, 32, 3)) + [0, 0, 900]).reshape(frames, 96)


def folder(root: Path, subject: str) -> Path:
    path = root / subject / "MyPoseFeatures" / "D3_Positions"
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_cdf(path: Path, values: np.ndarray) -> None:
    cdfwrite = pytest.importorskip("cdflib.cdfwrite")
    file = cdfwrite.CDF(str(path), cdf_spec={"Compressed": 0}, delete=True)
    shape = {"Num_Elements": 1, "Rec_Vary": True, "Dim_Sizes": list(values.shape), "Compress": 0}
    file.write_var({"Variable": "Pose", "Data_Type": 45, **shape}, var_data=values[None])
    file.close()


def write_mat(path: Path, values: np.ndarray, in_cell: bool = True) -> None:
    cell = np.empty((1, 1), object)
    cell[0, 0] = values
    savemat(path, {"data": cell if in_cell else values})


def test_originals_are_read(tmp_path: Path) -> None:
    write_cdf(folder(tmp_path, "S1") / "Walking 1.cdf", poses())
    made = prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
    joints = read_joints(made.paths[0])
    np.testing.assert_allclose(joints["S1"]["Walking 1"], poses().reshape(-1, 32, 3) / 1000, rtol=1e-6)


def test_an_original_is_read_in_place_of_its_conversion_and_damage_is_told(tmp_path: Path) -> None:
    pytest.importorskip("cdflib")
    here = folder(tmp_path, "S1")
    write_mat(here / "Eating.cdf.mat", poses())
    write_mat(here / "Walking.cdf.mat", poses())
    (here / "Eating.cdf").write_bytes(b"\xcd\xf3\x00\x01 cut")
    made = prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
    assert made.takes == 1
    assert "Eating.cdf: cut short, or not a CDF file" in made.report()


def test_archives_are_those_that_rie_reads(tmp_path: Path) -> None:
    for subject in ("S1", "S9"):
        write_mat(folder(tmp_path, subject) / "TakingPhoto.cdf.mat", poses())
        write_mat(folder(tmp_path, subject) / "WalkingDog 1.mat", poses(9, 1), in_cell=False)
    made = prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
    assert [path.name for path in made.paths] == ["data_3d_h36m.npz", "data_2d_h36m_gt.npz"]
    joints, keypoints = read_joints(made.paths[0]), read_keypoints(made.paths[1])
    assert {subject: sorted(actions) for subject, actions in joints.items()} == {
        subject: ["Photo", "WalkDog 1"] for subject in ("S1", "S9")
    }
    assert (keypoints.left, keypoints.right) == ((4, 5, 6, 11, 12, 13), (1, 2, 3, 14, 15, 16))
    sequences = sequences_of(H36M, joints, keypoints, ["S1", "S9"])
    assert [len(sequence.keypoints) for sequence in sequences] == [12, 12, 12, 12, 9, 9, 9, 9] * 2
    assert (made.takes, made.frames) == (4, 42)
    with np.load(made.paths[1], allow_pickle=True) as file:  # as VideoPose3D opens it
        metadata = file["metadata"].item()
        assert metadata == {"num_joints": 17, "keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]}
        assert file["positions_2d"].item()["S9"]["Photo"][3].shape == (12, 17, 2)


def test_keypoints_are_near_those_of_opencv(tmp_path: Path) -> None:
    """The release's formula has half of OpenCV's tangential cross terms: some tenths of a pixel."""
    still = np.tile(np.array([[200.0, 300.0, 1000.0]]), (1, 32)).reshape(1, 96)
    write_mat(folder(tmp_path, "S1") / "Sitting.mat", still)
    made = prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
    pixel = read_keypoints(made.paths[1]).positions["S1"]["Sitting"][0][0, 5]
    view = H36M.views("S1")[0]
    point = view.to_camera(torch.tensor([[0.2, 0.3, 1.0]])).double().numpy()
    matrix = np.array([[1145.04944, 0, 512.541504], [0, 1143.78113, 515.451477], [0, 0, 1]])
    lens = np.array([-0.207098916, 0.247775182, -0.00142447161, -0.000975698873, -0.00307515031])
    seen = cv2.projectPoints(point, np.zeros(3), np.zeros(3), matrix, lens)[0][0, 0]
    np.testing.assert_allclose(pixel, seen, atol=1.0)


def test_the_corrupt_take_is_left_out_and_what_is_missing_is_told(tmp_path: Path) -> None:
    for name in ("Directions", "Directions 1"):
        write_mat(folder(tmp_path, "S11") / f"{name}.mat", poses())
    made = prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
    assert list(read_joints(made.paths[0])["S11"]) == ["Directions 1"]
    found = json.loads((tmp_path / "out" / "h36m.json").read_text())["findings"]
    assert found["S11"]["missing: files, of 30"] == 28
    assert found["S1"]["missing: files, of 30"] == 30
    assert any("Directions is left out as published" in text for text in found["S11"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((5, 95)), "expected one array with 96 values in a frame, found 0"),
        (np.full((5, 96), np.nan), "its joints are not numbers in some frames"),
        (None, "damaged, or not a MATLAB file"),
    ],
)
def test_damaged_takes_are_left_out_and_told(tmp_path: Path, content: np.ndarray | None, message: str) -> None:
    here = folder(tmp_path, "S5")
    write_mat(here / "Walking.mat", poses())
    if content is None:
        (here / "Eating.mat").write_bytes((here / "Walking.mat").read_bytes()[:700])
    else:
        write_mat(here / "Eating.mat", content)
    made = prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
    assert made.takes == 1
    assert message in made.report()
    (here / "Walking.mat").unlink()
    with pytest.raises(UserError, match=rf"nothing of h36m could be prepared: S5 Eating: .*{message}"):
        prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")


def test_wrong_folders_are_recognised(tmp_path: Path) -> None:
    write_mat(folder(tmp_path / "h36m", "S1") / "Walking.mat", poses())
    with pytest.raises(UserError, match=r"D3_Positions; did you mean .*h36m\? Expected\n    ROOT/S1"):
        prepare_archives(lifting_release("h36m-lifting"), tmp_path, tmp_path / "out")
