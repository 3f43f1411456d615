"""Batches: the same from the same numbers, and labels that agree with each other and with the body."""

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.lifting import LiftingBatch
from anthropose.datasets.mocap import (
    LIFTING,
    NO_NOISE,
    NO_VARIATIONS,
    Cameras,
    KeypointNoise,
    MocapBatch,
    MocapConfig,
    MocapSource,
)
from anthropose.datasets.sequence import Batch
from anthropose.errors import UserError
from anthropose.geometry.cameras import crop_camera_to_translation, project
from anthropose.geometry.keypoints import network_inputs
from anthropose.geometry.lens import to_screen
from anthropose.jobs import Share, names_of
from anthropose.losses import vibe_loss
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import COCO_17, H36M_17, H36M_VP3D_17, SPIN_49, coco_to_h36m, pick
from tests.toy_body import toy_body

PLAIN = MocapConfig(noise=NO_NOISE, cameras=Cameras(close=0.0))


@pytest.fixture(scope="module")
def source(folder: Path, body: BodyModel) -> MocapSource:
    return MocapSource(folder, body)


def tensors(batch: MocapBatch) -> dict[str, Tensor]:
    values = {entry.name: getattr(batch, entry.name) for entry in fields(batch)}
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def same(one: MocapBatch, two: MocapBatch) -> bool:
    return one.names == two.names and all(
        torch.equal(value, tensors(two)[name]) for name, value in tensors(one).items()
    )


def test_the_same_numbers_give_the_same_batch_also_from_another_source(
    source: MocapSource, folder: Path, body: BodyModel
) -> None:
    batch = source.batch(1, 2, 6, 5, epoch=3)
    assert same(batch, source.batch(1, 2, 6, 5, epoch=3))
    assert same(batch, MocapSource([folder], body).batch(1, 2, 6, 5, epoch=3))
    for seed, step, epoch in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(batch.rotations, source.batch(seed, step, 6, 5, epoch=epoch).rotations)


def test_shares_of_a_batch_laid_end_to_end_are_the_whole(source: MocapSource) -> None:
    whole = source.batch(1, 2, 7, 5)
    parts = [source.batch(1, 2, 7, 5, rows=Share(rank, 3).part(7)) for rank in range(3)]
    assert sum((part.names for part in parts), ()) == whole.names
    for name, value in tensors(whole).items():
        if name != "labelled":
            joined = torch.cat([tensors(part)[name] for part in parts])
            torch.testing.assert_close(joined, value, atol=2e-3 if "keypoints" in name or name == "squares" else 1e-5,
                                       rtol=1e-5)  # fmt: skip


def test_batches_go_on_by_steps(source: MocapSource) -> None:
    stream = source.batches(4, 3, 5, epoch=1, labelled=(2,))
    assert same(next(stream), source.batch(4, 0, 3, 5, epoch=1, labelled=(2,)))
    assert same(next(stream), source.batch(4, 1, 3, 5, epoch=1, labelled=(2,)))


def test_labels_are_of_the_frames_that_were_asked_for(source: MocapSource) -> None:
    whole, some = source.batch(1, 0, 4, 6), source.batch(1, 0, 4, 6, labelled=(3, -1))
    assert some.labelled.tolist() == [3, 5]
    torch.testing.assert_close(some.joints, whole.joints[:, [3, 5]])
    torch.testing.assert_close(some.crop_camera, whole.crop_camera[:, [3, 5]])
    assert torch.equal(some.keypoints, whole.keypoints)


def test_joints_are_those_of_the_labelled_pose_and_shape(source: MocapSource, body: BodyModel) -> None:
    batch = source.batch(1, 0, 4, 6)
    points = body.points(SPIN_49)(batch.betas[:, None], batch.rotations)
    torch.testing.assert_close(batch.joints, points, atol=1e-5, rtol=0)


def test_joints_project_onto_their_keypoints(folder: Path, body: BodyModel) -> None:
    config = replace(PLAIN, keypoints="spin-49", kinds=(("spin-49", 1.0),))
    batch = MocapSource(folder, body, config).batch(1, 0, 16, 6)
    focal = batch.focal[:, None].expand(-1, 6)
    center = batch.size[:, None].expand(-1, 6, 2) / 2
    seen = project(batch.joints + batch.translation[:, :, None], focal, center)
    torch.testing.assert_close(batch.true_keypoints, seen, atol=0.05, rtol=0)
    torch.testing.assert_close(batch.keypoints[..., :2], seen, atol=0.05, rtol=0)
    assert (batch.keypoints[..., 2] == 1).all()


def test_the_crop_camera_leads_back_to_the_translation(source: MocapSource) -> None:
    batch = source.batch(1, 0, 16, 6)
    focal = batch.focal[:, None].expand(-1, 6)
    center = batch.size[:, None].expand(-1, 6, 2) / 2
    found = crop_camera_to_translation(batch.crop_camera, batch.squares, focal, center)
    torch.testing.assert_close(found, batch.translation, atol=1e-3, rtol=1e-4)


def test_a_prediction_that_is_right_has_no_loss(source: MocapSource, body: BodyModel) -> None:
    """VIBE's loss of the truth itself; this holds all labels of `as_batch` together."""
    batch = source.batch(1, 0, 8, 4, labelled=(1, 2))
    betas = batch.betas[:, None].expand(-1, 2, 10)
    right = Prediction(BodyPose(batch.rotations, betas), batch.crop_camera)
    terms = vibe_loss(result_of(right, body), batch.as_batch())
    assert set(terms) == {"keypoints_2d", "joints_3d", "betas", "pose"}
    assert all(float(term) < 1e-5 for term in terms.values()), terms
    turned = replace(right, pose=BodyPose(batch.rotations.flip(0), betas))
    assert float(vibe_loss(result_of(turned, body), batch.as_batch())["pose"]) > 1


def test_the_crop_camera_sees_people_about_where_they_are(folder: Path, body: BodyModel) -> None:
    config = replace(PLAIN, keypoints="spin-49", kinds=(("spin-49", 1.0),))
    batch = MocapSource(folder, body, config).batch(1, 0, 64, 2)
    half = batch.squares[:, :, None, 2:] / 2
    true = (batch.true_keypoints - batch.squares[:, :, None, :2]) / half
    off = (batch.as_batch().keypoints[..., :2] - true).norm(dim=-1)
    assert float(off.median()) < 0.03
    assert true.abs().max() < 1.0 / 1.1, "without noise the whole person is in the square"


def test_a_video_batch_has_everything_and_inputs_for_an_encoder(source: MocapSource) -> None:
    batch = source.batch(1, 0, 3, 6, labelled=(4,))
    video = batch.as_batch(repeat=3)
    assert video.features.shape == (3, 6, 3 * 33 + 3)
    size = batch.size[:, None].expand(3, 6, 2)
    assert torch.equal(video.features, network_inputs(batch.keypoints, batch.squares, size))
    assert video.joints.shape == (3, 3, 49, 3)
    assert torch.equal(video.theta[:, 0], video.theta[:, 2])
    assert video.from_3d_set.all()
    assert video.has_joints.all()
    assert video.has_body.all()
    assert video.has_body.shape == (3, 3)
    assert names_of(batch) == tuple(dict.fromkeys(batch.names))
    assert isinstance(batch.batches_as(Batch), Batch)
    with pytest.raises(ValueError, match="known are"):
        batch.batches_as(dict)


def test_somebody_who_faces_the_camera_has_the_left_hand_on_the_right(folder: Path, body: BodyModel) -> None:
    config = replace(PLAIN, variations=NO_VARIATIONS, keypoints="coco-17", kinds=(("coco-17", 1.0),))
    batch = MocapSource(folder, body, config).batch(1, 0, 200, 1)
    ahead = batch.rotations[:, 0, 0] @ torch.tensor([0.0, 0.0, 1.0])
    points = batch.true_keypoints[:, 0]
    left, right = (points[:, COCO_17.index(f"{side}_shoulder"), 0] for side in ("left", "right"))
    assert (ahead[:, 2] < -0.7).sum() > 20
    assert (left > right)[ahead[:, 2] < -0.7].all()
    assert (left < right)[ahead[:, 2] > 0.7].all()
    nose, ankle = (points[:, COCO_17.index(name), 1] for name in ("nose", "left_ankle"))
    assert (nose < ankle).all()


def test_kinds_of_keypoints_are_mixed_and_what_one_lacks_is_missing(folder: Path, body: BodyModel) -> None:
    kinds = (("mediapipe-33", 0.5), ("coco-17", 0.3), ("h36m-17", 0.2))
    batch = MocapSource(folder, body, replace(PLAIN, kinds=kinds)).batch(1, 0, 200, 1)
    there = (batch.keypoints[:, 0, :, 2] > 0).sum(1)
    assert set(there.tolist()) == {33, 17, 12}, "12 of Human3.6M's joints have MediaPipe's names"
    assert float((there == 33).float().mean()) == pytest.approx(0.5, abs=0.1)
    alone = MocapSource(folder, body, replace(PLAIN, kinds=(("h36m-17", 1.0),), keypoints="h36m-17"))
    other = alone.batch(1, 0, 200, 1).true_keypoints
    rows = there == 12
    named, valid = pick(other, H36M_17, batch.skeleton)
    torch.testing.assert_close(batch.true_keypoints[rows][:, :, valid], named[rows][:, :, valid], atol=0.05, rtol=0)


def test_lifting_batches_are_what_a_clip_gives(folder: Path, body: BodyModel) -> None:
    batch = MocapSource(folder, body, replace(LIFTING, noise=NO_NOISE)).batch(1, 0, 4, 9, labelled=(4,), edges="held")
    lifting = batch.batches_as(LiftingBatch)
    assert lifting.keypoints.shape == (4, 9, 17, 2)
    for row in range(4):
        size = tuple(int(length) for length in batch.size[row])
        wanted = to_screen(coco_to_h36m(batch.keypoints[row, ..., :2]), size)
        torch.testing.assert_close(lifting.keypoints[row], wanted, atol=1e-5, rtol=0)
    human36m = body.points(H36M_17)(batch.betas[:, None], batch.rotations)
    human36m = pick(human36m, H36M_17, H36M_VP3D_17)[0]
    root = human36m[:, :, :1]
    torch.testing.assert_close(lifting.joints[:, :, 1:], (human36m - root)[:, :, 1:], atol=1e-5, rtol=0)
    torch.testing.assert_close(lifting.joints[:, :, 0], root[:, :, 0] + batch.translation, atol=1e-5, rtol=0)


def test_human36ms_own_keypoints_are_not_converted(folder: Path, body: BodyModel) -> None:
    config = replace(PLAIN, keypoints="h36m-vp3d-17", kinds=(("h36m-vp3d-17", 1.0),), joints="h36m-vp3d-17")
    batch = MocapSource(folder, body, config).batch(1, 0, 4, 3)
    lifting = batch.as_lifting()
    focal, center = batch.focal[:, None].expand(-1, 3), torch.zeros(4, 3, 2)
    in_camera = lifting.joints + torch.cat(
        [torch.zeros(4, 3, 1, 3), lifting.joints[:, :, :1].expand(-1, -1, 16, -1)], 2
    )
    seen = project(in_camera, focal, center) / (batch.size[:, None, None, :1] / 2)
    torch.testing.assert_close(lifting.keypoints, seen, atol=1e-4, rtol=0)


def test_losses_are_told_of_joints_that_are_not_theirs(source: MocapSource, folder: Path, body: BodyModel) -> None:
    with pytest.raises(ValueError, match="h36m-vp3d-17"):
        source.batch(1, 0, 2, 3).as_lifting()
    with pytest.raises(ValueError, match="spin-49"):
        MocapSource(folder, body, LIFTING).batch(1, 0, 2, 3).as_batch()


def test_an_epoch_for_rie_has_a_window_around_every_frame(folder: Path, body: BodyModel) -> None:
    source = MocapSource(folder, body, LIFTING)
    windows = source.lifting_windows(1, 0, 5, 30, reach=4, size=2, flipped=False)
    whole = source.batch(1, 0, 5, 30, rows=slice(0, 2)), source.batch(1, 1, 5, 30, rows=slice(2, 4))
    assert len(windows) == sum(int(source.batch(1, k // 2, 5, 30, rows=slice(k, k + 1)).within.sum()) for k in range(5))
    batch = windows.gather(torch.arange(3))
    assert batch.keypoints.shape == (3, 9, 17, 2)
    lifting = whole[0].as_lifting()
    first = int(whole[0].within[0].int().argmax())
    torch.testing.assert_close(batch.joints[0, 0], lifting.joints[0, first], atol=1e-4, rtol=0)
    assert len(source.lifting_windows(1, 0, 5, 30, reach=4, size=2)) == 2 * len(windows)


def test_clips_are_a_fixed_list_of_whole_motions_as_recorded(folder: Path, body: BodyModel) -> None:
    source = MocapSource(folder, body, MocapConfig(split="test"))
    clips = list(source.clips(views=2, longest=20))
    assert [(len(one), one.keypoints.shape[1], one.names[0]) for one in clips] == [
        (1, frames, "test_0") for _ in range(2) for frames in (16, 17, 17)
    ]
    assert all(bool(one.within.all()) for one in clips)
    again = list(MocapSource(folder, body, MocapConfig(split="test")).clips(views=2, longest=20))
    assert all(same(one, two) for one, two in zip(clips, again, strict=True))
    whole = next(source.clips())
    local = torch.cat([one.rotations[0, :, 1:] for one in clips[:3]])
    torch.testing.assert_close(local, whole.rotations[0, :, 1:], atol=1e-4, rtol=0)


def test_people_who_are_hardly_seen_still_have_squares(folder: Path, body: BodyModel) -> None:
    config = MocapConfig(noise=KeypointNoise(missing=0.95), cameras=Cameras(close=1.0, close_tall=(3.0, 6.0)))
    batch = MocapSource(folder, body, config).batch(1, 0, 100, 8)
    assert batch.squares.isfinite().all()
    assert batch.squares[..., 2].min() > 1
    assert batch.inputs.isfinite().all()
    assert batch.theta.isfinite().all()
    assert batch.inputs.abs().max() <= 4.6


def test_sources_say_what_they_lack(folder: Path, body: BodyModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        MocapSource([folder, tmp_path / "nowhere"], body)
    with pytest.raises(UserError, match="no skeleton 'coco'"):
        MocapSource(folder, body, MocapConfig(keypoints="coco"))
    with pytest.raises(UserError, match="regressor"):
        MocapSource(folder, toy_body())


def test_batches_move_between_devices(source: MocapSource) -> None:
    batch = source.batch(1, 0, 2, 3)
    moved = batch.to("meta")
    assert all(value.is_meta for value in tensors(moved).values())
    assert (moved.names, moved.rate, moved.skeleton) == (batch.names, batch.rate, batch.skeleton)


def test_nothing_of_pictures_is_imported() -> None:
    """The source must run on a machine that has torch and little else."""
    code = (
        "import sys, anthropose.datasets.mocap, anthropose.nn.keypoint_encoder, anthropose.body.files\n"
        "print([name for name in ('cv2', 'av', 'mediapipe', 'moderngl', 'scipy', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
