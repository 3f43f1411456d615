"""What the methods on image features share: gaps, the place in the full image, weights and their front end."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.geometry.cameras import crop_points_to_image
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.base import make_method
from anthropose.methods.video import FeatureMethod, ImageFeatures, in_turns, motion_of, stretches
from anthropose.motion import BodyPose, Camera, Prediction, Track
from anthropose.nn.checkpoints import find_weights, load_network, write_weights
from anthropose.nn.compute import Compute
from anthropose.people.clip import Clip
from anthropose.skeleton import SMPL_24
from anthropose.video import open_video
from anthropose.workspace import Workspace
from tests.clips import write_images
from tests.methods.small import FEATURES, install_small, published_of
from tests.toy_body import toy_body

SIZE = (160, 96)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for what is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return toy_body()


def clip(frames: list[int], camera: Camera | None = None, **more: Any) -> Clip:
    n = len(frames)
    boxes = torch.tensor([60.0, 10.0, 90.0, 80.0]) + torch.arange(n)[:, None]
    track = Track(0, torch.tensor(frames), boxes)
    seconds = torch.tensor(frames, dtype=torch.float64) / 30
    return Clip(track, 30.0, seconds, camera or Camera.guess(*SIZE), **more)


def prediction(n: int, seed: int = 0) -> Prediction:
    generator = torch.Generator().manual_seed(seed)
    turns = 0.3 * torch.randn(n, 24, 3, generator=generator)
    camera = torch.tensor([0.8, 0.1, -0.05]) + 0.1 * torch.randn(n, 3, generator=generator)
    return Prediction(BodyPose(rotvec_to_rotmat(turns), torch.randn(n, 10, generator=generator)), camera)


def test_stretches_end_at_gaps_that_are_longer_than_a_window() -> None:
    frames = torch.tensor([0, 1, 5, 21, 38, 39, 100])
    parts = stretches(frames, 16)
    assert [frames[part].tolist() for part in parts] == [[0, 1, 5, 21], [38, 39], [100]]
    assert stretches(frames[:1], 16) == [slice(0, 1)]


@pytest.mark.parametrize("focal", [200.0, 1e6])
def test_the_body_lands_where_the_crops_camera_saw_it(body: BodyModel, focal: float) -> None:
    """Exactly through a camera far away, which is what a weak-perspective one means; nearly so through a near one."""
    found = prediction(5)
    one = clip(list(range(5)), Camera(focal, (70.0, 50.0), SIZE))
    squares = one.squares * torch.tensor([1.0, 1.0, 1.2])
    motion = motion_of(found, one, squares, body, "name", "weights")
    points = body.points(SMPL_24)(found.pose.betas, found.pose.rotations)
    in_crop = found.camera[:, None, :1] * (points[..., :2] + found.camera[:, None, 1:])
    expected = crop_points_to_image(in_crop, squares)
    off = (motion.projected - expected).norm(dim=-1) / squares[:, 2:]
    assert off.max() < (0.15 if focal < 1e3 else 1e-3)


def test_a_motion_has_root_relative_joints_and_all_that_was_predicted(body: BodyModel) -> None:
    found, one = prediction(3), clip([4, 5, 9])
    motion = motion_of(found, one, one.squares, body, "tcmr", "mine")
    assert motion.body is found.pose
    assert motion.crop_camera is found.camera
    assert (motion.method, motion.weights, motion.body_model) == ("tcmr", "mine", "toy")
    assert motion.skeleton is SMPL_24
    assert motion.joints[:, 0].abs().max() == 0
    moved = replace(found, camera=found.camera + torch.tensor([0.0, 0.3, 0.0]))
    shift = motion_of(moved, one, one.squares, body, "tcmr", "").translation - motion.translation
    assert torch.allclose(shift, torch.tensor([0.3, 0.0, 0.0]).expand(3, 3), atol=1e-5), "tx is metres to the right"


class Recording:
    """A network that tells which features it was given at once."""

    def __init__(self) -> None:
        self.given: list[list[float]] = []

    def over_track(self, features: Tensor) -> Prediction:
        self.given.append(features[:, 0].tolist())
        return prediction(len(features))


class RowNumbers:
    """Features that are the crop's number in the track."""

    name, size, batch, settings = "rows", 8, 4, {"version": 1}

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, crops: Tensor) -> Tensor:
        rows = torch.arange(self.seen, self.seen + len(crops)).float()
        self.seen += len(crops)
        return rows[:, None].expand(-1, FEATURES).clone()


def method(name: str, body: BodyModel, **replaced: Any) -> FeatureMethod:
    """A method with small weights, and other parts in place of its own."""
    install_small(["spin", name])
    made = make_method(name, body)
    assert isinstance(made, FeatureMethod)
    vars(made).update(replaced)  # In the place where its cached properties would be.
    return made


def test_frames_left_out_are_bridged_and_a_gap_longer_than_a_window_divides(body: BodyModel, tmp_path: Path) -> None:
    video = open_video(write_images(tmp_path / "images", 40, SIZE))
    frames = [0, 1, 2, 6, 7, 30, 31]
    network = Recording()
    made = method("tcmr", body, network=network, extractor=RowNumbers())
    motion = made.reconstruct(clip(frames, video=video))
    assert network.given == [[0, 1, 2, 3, 4], [5, 6]]
    assert len(motion) == len(frames)


@pytest.mark.parametrize(("name", "scale"), [("tcmr", 1.2), ("glot", 1.2), ("vibe", 1.1), ("parallel-branch", 1.1)])
def test_the_square_that_was_cropped_is_the_one_that_the_camera_belongs_to(
    body: BodyModel, tmp_path: Path, name: str, scale: float
) -> None:
    video = open_video(write_images(tmp_path / "images", 4, SIZE))
    made = method(name, body, network=Recording(), extractor=RowNumbers())
    one = clip([0, 1, 2, 3], video=video)
    expected = motion_of(prediction(4), one, one.squares * torch.tensor([1.0, 1.0, scale]), body, name, name)
    assert torch.allclose(made.reconstruct(one).translation, expected.translation)


def test_two_methods_extract_the_same_features_once(
    body: BodyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = open_video(write_images(tmp_path / "images", 6, SIZE))
    calls = []
    plain = ImageFeatures.__call__
    monkeypatch.setattr(ImageFeatures, "__call__", lambda self, crops: calls.append(len(crops)) or plain(self, crops))
    one = clip(list(range(6)), video=video, workspace=Workspace(tmp_path / "out"), key="video")
    method("tcmr", body).reconstruct(one)
    assert calls == [6]
    method("glot", body).reconstruct(one)
    assert calls == [6], "GLoT wants what TCMR wanted"
    method("vibe", body).reconstruct(one)
    assert calls == [6, 6], "VIBE's crops are smaller"


def test_short_numbers_move_the_result_a_little(body: BodyModel, tmp_path: Path) -> None:
    video = open_video(write_images(tmp_path / "images", 6, SIZE))
    install_small(["spin", "tcmr"])
    one = clip(list(range(6)), video=video)
    exact = make_method("tcmr", body, compute=Compute("cpu")).reconstruct(one)
    short = make_method("tcmr", body, compute=Compute("cpu", "bfloat16")).reconstruct(one)
    assert short.joints.dtype == torch.float32
    assert 0 < (short.joints - exact.joints).abs().max() < 0.05


def test_both_files_are_named_where_both_are_missing(body: BodyModel) -> None:
    with pytest.raises(UserError) as caught:
        make_method("tcmr", body)
    line = str(caught.value)
    for part in ("tcmr_demo_model.pth.tar", "TCMR_RELEASE", "spin_model_checkpoint.pth.tar", "nkolot/SPIN"):
        assert part in line
    assert line.count("anthropose weights add") == 2
    assert "\n" not in line
    install_small(["tcmr"])
    with pytest.raises(UserError) as caught:
        make_method("tcmr", body)
    assert "tcmr_demo_model" not in str(caught.value)


def test_weights_that_say_another_front_end_than_they_have_are_refused(body: BodyModel) -> None:
    path, _ = install_small(["tcmr", "spin"])
    weights = find_weights("tcmr", published_of("tcmr"))
    state = load_network(weights, published_of("tcmr")).state_dict()
    write_weights(replace(weights, front_end="keypoints"), state, path)
    made = make_method("tcmr", body)
    assert isinstance(made, FeatureMethod)
    with pytest.raises(UserError, match="does not fit TCMR"):
        _ = made.network


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_a_gpu_that_is_not_there_is_told_before_any_work(body: BodyModel) -> None:
    install_small(["spin", "tcmr"])
    with pytest.raises(UserError, match="no GPU"):
        make_method("tcmr", body, compute=Compute("cuda"))


def test_a_network_of_fewer_frames_a_second_sees_each_frame_among_its_own() -> None:
    shown: list[Tensor] = []

    def over_track(features: Tensor) -> Prediction:
        shown.append(features[:, 0])
        count = len(features)
        pose = BodyPose(torch.eye(3).expand(count, 24, 3, 3), features.repeat(1, 10))
        return Prediction(pose, features.repeat(1, 3))

    features = torch.arange(11.0)[:, None]
    found = in_turns(over_track, features, 3)
    assert [one.tolist() for one in shown] == [[0, 3, 6, 9], [1, 4, 7, 10], [2, 5, 8]]
    expected = torch.tensor([1 / 3, *range(1, 10), 10 - 1 / 3])
    torch.testing.assert_close(found.camera[:, 0], expected, msg="in order, the mean of three frames")
    assert in_turns(over_track, features[:5], 3).camera[:, 0].tolist() == [0, 1, 2, 3, 4], "too short for turns"
