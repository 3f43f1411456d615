"""The video methods with an encoder of keypoints before them: no pictures, and no weights of image features."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from anthropose.body import load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.mocap import NO_NOISE, Cameras, MocapConfig, MocapSource
from anthropose.errors import UserError
from anthropose.methods.base import known_systems, make_method
from anthropose.methods.keypoint_fed import KeypointFed, KeypointFedConfig, mirrored_body
from anthropose.methods.video import FeatureMethod, keypoints_of
from anthropose.motion import BodyPose, Camera, Prediction, Track
from anthropose.nn.checkpoints import Weights, install_weights, weights_folder, weights_table, write_weights
from anthropose.nn.keypoint_encoder import KeypointEncoderConfig
from anthropose.people.clip import Clip
from anthropose.skeleton import COCO_17, HUMANEVA_15, MEDIAPIPE_33, PENN_13, SMPL_24, Skeleton, pick
from tests.datasets.mocap.folders import write_folder
from tests.methods.small import CONFIGS, FEATURES, install_small, published_of
from tests.toy_body import toy_body

METHODS = ["tcmr", "vibe", "glot", "parallel-branch"]
ENCODER = KeypointEncoderConfig(features=FEATURES, hidden=16, blocks=1)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for what is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return toy_body()


def small(system: str, path: Path | None = None) -> tuple[KeypointFed, Path]:
    """A small network with an encoder, and its weights: installed under the system's name, or at a path."""
    torch.manual_seed(0)
    config = KeypointFedConfig(CONFIGS[system], ENCODER)
    network = KeypointFed(config, published_of(system).network)
    path = path or weights_folder() / f"{system}.safetensors"
    header = Weights(path.stem, system, asdict(config), "keypoints", "made-up", system, path)
    write_weights(header, network.state_dict(), path)
    return network.eval(), path


def keypoints(frames: int, count: int = 33) -> Tensor:
    points = torch.rand(frames, count, 3, generator=torch.Generator().manual_seed(frames))
    return points * torch.tensor([90.0, 80.0, 0.7]) + torch.tensor([30.0, 10.0, 0.3])


def clip(points: Tensor | None, skeleton: Skeleton | None = MEDIAPIPE_33, frames: list[int] | None = None) -> Clip:
    frames = frames or list(range(5 if points is None else len(points)))
    boxes = torch.tensor([60.0, 10.0, 90.0, 80.0]).expand(len(frames), 4)
    track = Track(0, torch.tensor(frames), boxes, points, None if points is None else skeleton)
    return Clip(track, 30.0, torch.tensor(frames).double() / 30, Camera.guess(160, 96))


@pytest.mark.parametrize("name", METHODS)
def test_a_method_runs_on_keypoints_alone(name: str, body: BodyModel, monkeypatch: pytest.MonkeyPatch) -> None:
    # Without the mirror image, whose mean of random rotations amplifies the last digits; it has a test of its own.
    monkeypatch.setattr(KeypointFed, "over_track_both_ways", KeypointFed.over_track)
    network, _ = small(name)
    made = make_method(name, body)
    assert isinstance(made, FeatureMethod)
    one = clip(keypoints(20))
    shares: list[float] = []
    motion = made.reconstruct(one, shares.append)
    seen, _ = keypoints_of(one, MEDIAPIPE_33, "x")
    with torch.no_grad():
        wanted = network.over_track(seen)
    assert motion.body is not None
    torch.testing.assert_close(motion.body.rotations, wanted.pose.rotations, atol=1e-5, rtol=0)
    assert motion.crop_camera is not None
    torch.testing.assert_close(motion.crop_camera, wanted.camera, atol=1e-5, rtol=0)
    assert shares[-1] == 1
    assert made.settings()["front_end"] == "keypoints"
    with pytest.raises(ValueError, match="no features of crops"):
        _ = made.extractor


@pytest.mark.parametrize("name", METHODS)
def test_the_mirror_image_of_a_clip_gives_the_mirror_image_of_its_motion(name: str, body: BodyModel) -> None:
    small(name)
    made = make_method(name, body)
    points = keypoints(20)
    across = points[:, list(MEDIAPIPE_33.mirror)] * torch.tensor([-1.0, 1, 1]) + torch.tensor([160.0, 0, 0])
    one, other = made.reconstruct(clip(points)), made.reconstruct(clip(across))
    assert one.body is not None
    assert other.body is not None
    turned = mirrored_body(Prediction(other.body, other.crop_camera))  # type: ignore[arg-type]
    torch.testing.assert_close(turned.pose.rotations, one.body.rotations, atol=1e-4, rtol=0)
    torch.testing.assert_close(turned.pose.betas, one.body.betas, atol=1e-4, rtol=0)
    torch.testing.assert_close(turned.camera, one.crop_camera, atol=1e-4, rtol=0)


def test_weights_of_both_front_ends_live_beside_each_other(body: BodyModel) -> None:
    install_small(["spin", "tcmr"])
    small("tcmr", weights_folder() / "mine.safetensors")
    assert make_method("tcmr", body).front_end is not None  # type: ignore[attr-defined]
    assert make_method("tcmr", body, "mine").front_end is None  # type: ignore[attr-defined]


def test_weights_of_keypoints_are_taken_in_from_another_machine(body: BodyModel, tmp_path: Path) -> None:
    _, path = small("glot", tmp_path / "trained.safetensors")
    kept, _ = install_weights(path, known_systems())
    assert (kept.name, kept.system, kept.front_end) == ("trained", "glot", "keypoints")
    assert "trained: GLoT (CVPR 2023), from made-up, fed with keypoints" in weights_table(known_systems())
    motion = make_method("glot", body).reconstruct(clip(keypoints(3)))
    assert motion.weights == "trained"


def test_what_is_seen_does_not_depend_on_frames_on_the_other_side_of_a_gap(body: BodyModel) -> None:
    small("tcmr")
    made = make_method("tcmr", body)
    points = keypoints(10)
    whole = made.reconstruct(clip(points, frames=[*range(5), *range(40, 45)]))
    after = made.reconstruct(clip(points[5:], frames=list(range(40, 45))))
    torch.testing.assert_close(whole.joints[5:], after.joints, atol=1e-5, rtol=0)
    torch.testing.assert_close(whole.translation[5:], after.translation, atol=1e-4, rtol=0)


def test_keypoints_of_another_set_are_taken_over_by_name() -> None:
    points = keypoints(6)
    coco = pick(points, MEDIAPIPE_33, COCO_17)[0]
    seen, squares = keypoints_of(clip(coco, COCO_17), MEDIAPIPE_33, "x")
    back = pick(coco, COCO_17, MEDIAPIPE_33)[0]
    wanted, same_squares = keypoints_of(clip(back), MEDIAPIPE_33, "x")
    assert torch.equal(seen, wanted)
    assert torch.equal(squares, same_squares)
    confidence = seen[:, :-3].unflatten(1, (33, 3))[..., 2]
    assert ((confidence > 0).sum(1) == 17).all()


def test_keypoints_that_are_no_numbers_count_as_not_seen() -> None:
    points = keypoints(6)
    points[2, 4, 0], points[3, 5, 2] = torch.nan, torch.inf
    without = points.clone()
    without[2, 4], without[3, 5] = 0, 0
    assert torch.equal(
        keypoints_of(clip(points), MEDIAPIPE_33, "x")[0], keypoints_of(clip(without), MEDIAPIPE_33, "x")[0]
    )


def test_a_frame_without_keypoints_takes_the_tracks_box() -> None:
    points = torch.zeros(3, 33, 3)
    seen, squares = keypoints_of(clip(points), MEDIAPIPE_33, "x")
    assert (seen[:, :-3] == 0).all()
    torch.testing.assert_close(squares, torch.tensor([75.0, 45.0, 70 * 1.2]).expand(3, 3))


@pytest.mark.parametrize(
    ("one", "said"),
    [
        (clip(None), "boxes only"),
        (clip(keypoints(5, 2), Skeleton("two", ("nose", "left_hip"), (-1, -1))), "two has too few"),
    ],
)
def test_tracks_that_do_not_tell_enough_are_refused(body: BodyModel, one: Clip, said: str) -> None:
    small("tcmr")
    with pytest.raises(UserError, match=said) as caught:
        make_method("tcmr", body).reconstruct(one)
    assert "\n" not in str(caught.value)


class Knowing:
    """A network that knows the truth."""

    def __init__(self, truth: Prediction) -> None:
        self.truth = truth
        self.config = KeypointFedConfig(None, ENCODER)
        self.seen: Any = None

    def over_track(self, seen: Tensor) -> Prediction:
        self.seen = seen
        return self.truth


def test_a_clip_is_seen_as_in_training_and_placed_as_it_was(tmp_path: Path) -> None:
    """A motion of the source, as a clip: the same inputs, and the true prediction lands on the true place."""
    free = load_body("free")
    folder = write_folder(tmp_path / "made", {"test": [30]})
    config = MocapConfig(split="test", noise=NO_NOISE, cameras=Cameras(focal=(1.0, 1.0)))
    batch = next(MocapSource(folder, free, config).clips())
    size = tuple(int(length) for length in batch.size[0])
    keypoints_seen = batch.keypoints[0]
    boxes = torch.cat([keypoints_seen[..., :2].amin(1), keypoints_seen[..., :2].amax(1)], dim=1)
    track = Track(0, torch.arange(30), boxes, keypoints_seen, batch.skeleton)
    one = Clip(track, 30.0, torch.arange(30).double() / 30, Camera.guess(*size))
    small("tcmr")
    made = make_method("tcmr", free)
    truth = Prediction(BodyPose(batch.rotations[0], batch.betas.expand(30, 10)), batch.crop_camera[0])
    vars(made)["network"] = network = Knowing(truth)
    motion = made.reconstruct(one)
    torch.testing.assert_close(network.seen, batch.inputs[0], atol=1e-5, rtol=0)
    pelvis = free.points(SMPL_24)(batch.betas[:, None], batch.rotations)[0, :, 0]
    torch.testing.assert_close(motion.translation, batch.translation[0] + pelvis, atol=2e-3, rtol=1e-3)
    knee = SMPL_24.index("left_knee")
    true_knee = batch.true_keypoints[0, :, MEDIAPIPE_33.index("left_knee")]
    assert (motion.projected[:, knee] - true_knee).norm(dim=-1).max() < 0.05 * batch.squares[0, 0, 2]


def test_sets_of_few_joints_are_enough() -> None:
    for skeleton in (PENN_13, HUMANEVA_15):
        seen, _ = keypoints_of(clip(keypoints(4, len(skeleton)), skeleton), MEDIAPIPE_33, "x")
        assert seen.shape == (4, 102)


def test_a_header_that_names_other_sizes_is_refused(body: BodyModel) -> None:
    network, path = small("tcmr")
    config = KeypointFedConfig(CONFIGS["tcmr"], replace(ENCODER, hidden=24))
    write_weights(
        Weights("tcmr", "tcmr", asdict(config), "keypoints", "made-up", "tcmr", path), network.state_dict(), path
    )
    with pytest.raises(UserError, match="does not fit"):
        make_method("tcmr", body).reconstruct(clip(keypoints(3)))
