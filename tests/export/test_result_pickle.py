"""The results file of VIBE's family, read back by joblib and by pickle."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.evaluate.recorded import read_motions
from anthropose.export.result_pickle import squares_of, translation_to_crop_camera, write_results
from anthropose.geometry.cameras import crop_camera_to_translation
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.motion import Motion
from anthropose.skeleton import COCO_17, STAF_21
from tests.export.made_up import motion

BODY = load_body("free")
SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])
FRAMES = torch.tensor([3, 4, 5, 9, 10])


@pytest.fixture(scope="module")
def people() -> list[Motion]:
    return [motion(BODY, FRAMES / 30, betas=SHAPE), motion(BODY, FRAMES / 30, person=4, with_keypoints=False)]


@pytest.fixture(scope="module")
def results(people: list[Motion], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("results") / "vibe_output.pkl"
    write_results(people, BODY, path)
    return path


def test_joblib_and_pickle_read_the_documented_keys_and_shapes(results: Path) -> None:
    joblib = pytest.importorskip("joblib", reason="what VIBE's own tools read results with; pip install joblib")
    read = joblib.load(results)
    with results.open("rb") as file:
        assert sorted(pickle.load(file)) == sorted(read) == [0, 4]
    shapes = {key: None if value is None else value.shape for key, value in read[0].items()}
    assert shapes == {
        "pred_cam": (5, 3), "orig_cam": (5, 4), "verts": (5, len(BODY.template), 3), "pose": (5, 72), "betas": (5, 10),
        "joints3d": (5, 49, 3), "joints2d": (5, 21, 3), "joints2d_img_coord": (5, 49, 2), "bboxes": (5, 4),
        "frame_ids": (5,),
    }  # fmt: skip
    assert all(type(value) is np.ndarray for value in read[0].values())
    assert read[4]["joints2d"] is None
    assert read[0]["frame_ids"].tolist() == FRAMES.tolist(), "gaps are kept"


def test_poses_shapes_and_surfaces_are_the_motions(results: Path, people: list[Motion]) -> None:
    with results.open("rb") as file:
        read = pickle.load(file)
    for one in people:
        mine, body = read[one.track.person], one.body
        rotations = rotvec_to_rotmat(torch.from_numpy(mine["pose"]).unflatten(1, (24, 3)))
        assert (rotations - body.rotations).abs().max() < 1e-5
        assert np.array_equal(mine["betas"], body.betas.numpy())
        posed = BODY.shaped(body.betas).posed(body.rotations)
        assert np.abs(mine["verts"] - posed.vertices.numpy()).max() < 1e-5
        assert np.abs(mine["joints3d"][:, 8] - posed.joints[:, 0].numpy()).max() < 1e-5, "OpenPose's mid hip"


def test_the_published_overlay_would_draw_the_body_where_the_motion_has_it(results: Path, people: list[Motion]) -> None:
    """`orig_cam` is applied as VIBE's renderer does: orthographic, -1 to 1 over the whole picture."""
    with results.open("rb") as file:
        mine = pickle.load(file)[0]
    sx, sy, tx, ty = mine["orig_cam"].T
    pelvis = mine["joints3d"][:, 8]
    width, height = people[0].camera.size
    pixels = np.stack([(sx * (pelvis[:, 0] + tx) + 1) * width / 2, (sy * (pelvis[:, 1] + ty) + 1) * height / 2], 1)
    assert np.abs(pixels - people[0].projected[:, 0].numpy()).max() < 1.0
    assert np.abs(mine["joints2d_img_coord"][:, 8] - people[0].projected[:, 0].numpy()).max() < 1.5


def test_the_crops_camera_is_that_of_the_network_where_the_square_is_the_same() -> None:
    camera = torch.tensor([[0.9, 0.05, 0.2], [1.1, -0.1, 0.3]])
    one = motion(BODY, torch.arange(2) / 30)
    squares = squares_of(one)
    focal, center = torch.full((2,), one.camera.focal), torch.tensor(one.camera.center).expand(2, 2)
    origin = crop_camera_to_translation(camera, squares, focal, center)
    assert (translation_to_crop_camera(origin, squares, one.camera) - camera).abs().max() < 1e-5


def test_the_detectors_keypoints_are_in_the_published_order(results: Path, people: list[Motion]) -> None:
    with results.open("rb") as file:
        seen = pickle.load(file)[0]["joints2d"]
    keypoints = people[0].track.keypoints.numpy()
    assert np.array_equal(seen[:, STAF_21.index("op_right_knee")], keypoints[:, COCO_17.index("right_knee")])
    assert not seen[:, STAF_21.index("op_neck")].any(), "COCO has no neck"


def test_our_own_reader_of_other_tools_results_takes_it(results: Path, people: list[Motion]) -> None:
    first, second = read_motions(results)
    assert first.frames.tolist() == FRAMES.tolist()
    assert (first.body.rotations - people[0].body.rotations).abs().max() < 1e-5
    assert len(second) == 5


def test_a_motion_of_another_body_is_refused(tmp_path: Path, people: list[Motion]) -> None:
    with pytest.raises(Exception, match="was made with body 'smpl'"):
        write_results([replace(people[0], body_model="smpl")], BODY, tmp_path / "a.pkl")
