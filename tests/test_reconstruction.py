"""Smoothing of finished motions, with and without a body, and which motions are refined."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.methods.base import Progress
from anthropose.methods.smplify import SMPLify
from anthropose.motion import Camera, Motion, Track
from anthropose.people.clip import Clip
from anthropose.reconstruction import find_motions, method_for, refiner_for, smoothed
from anthropose.settings import Settings
from anthropose.skeleton import MEDIAPIPE_33
from anthropose.video import open_video
from anthropose.workspace import Workspace
from tests.clips import write_images
from tests.export.made_up import motion, stick_body
from tests.methods.test_dynaboa_windows import install_fed, standing

BODY = stick_body()


def noisy(with_body: bool) -> Motion:
    one = motion(BODY, torch.arange(60) / 30)
    noise = 0.02 * torch.randn(one.joints.shape, generator=torch.Generator().manual_seed(0))
    if with_body:
        return replace(one, translation=one.translation + noise[:, 0])
    return replace(one, joints=one.joints + noise, translation=one.translation + noise[:, 0], body=None, body_model="")


def jitter(points: torch.Tensor) -> float:
    return float(points.diff(n=2, dim=0).norm(dim=-1).mean())


@pytest.mark.parametrize("kind", ["one-euro", "gaussian"])
@pytest.mark.parametrize("with_body", [True, False])
def test_smoothing_takes_the_noise_out_of_what_there_is(kind: str, with_body: bool) -> None:
    one = noisy(with_body)
    smooth = smoothed(one, kind, BODY)
    assert jitter(smooth.translation) < 0.5 * jitter(one.translation)
    if not with_body:
        assert smooth.body is None
        assert jitter(smooth.joints) < 0.5 * jitter(one.joints)


def test_none_leaves_a_motion_as_it_is() -> None:
    one = noisy(False)
    assert smoothed(one, "none", BODY) is one


class FedWithKeypoints:
    """A method as those are whose weights begin with keypoints: what it makes of a clip is `motion`, moved away."""

    name = "learnt"

    def __init__(self, made: Motion, front_end: str = "keypoints") -> None:
        self.made, self.front_end = made, front_end

    def settings(self) -> dict[str, object]:
        return {"front_end": self.front_end}

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        progress(1.0)
        return replace(self.made, track=clip.track, method=self.name)


def test_learnt_bodies_are_refined_where_keypoints_feed_them_or_where_it_is_asked_for() -> None:
    body, made = load_body("free"), motion(BODY, torch.arange(4) / 30)
    fed, looking = FedWithKeypoints(made), FedWithKeypoints(made, front_end="some sum")
    assert isinstance(refiner_for(Settings(), fed, body), SMPLify)
    assert refiner_for(Settings(), looking, body) is None
    assert isinstance(refiner_for(Settings(refine="on"), looking, body), SMPLify)
    assert refiner_for(Settings(refine="off"), fed, body) is None
    assert refiner_for(Settings(refine="on"), SMPLify(body), body) is None


def found_by(made: Motion, track: Track, folder: Path, **settings: Any) -> Motion:
    """What a run makes of a track with the method that gives `made`, which is kept in a folder."""
    video = open_video(write_images(folder / "images", count=6, size=(640, 480)), 30.0)
    shares: list[float] = []
    (found,) = find_motions(
        video, [track], "key", FedWithKeypoints(made), Settings(**settings), Workspace(folder),
        lambda stage, share: shares.append(share),
    )  # fmt: skip
    assert shares == sorted(shares)
    return found


def test_a_run_refines_what_it_can_and_tells_both_from_each_other(tmp_path: Path) -> None:
    made = motion(load_body("free"), torch.arange(6) / 30)
    made = replace(made, camera=Camera.guess(640, 480))
    assert made.track.keypoints is not None
    keypoints = torch.cat([made.track.keypoints[..., :2] * 300, torch.ones(6, 17, 1)], dim=-1)
    track = replace(made.track, keypoints=keypoints)
    assert found_by(made, track, tmp_path).method == "learnt+smplify"
    assert found_by(made, track, tmp_path, refine="off").method == "learnt", "another stage than the refined one"
    unseen = replace(track, keypoints=torch.zeros(6, 17, 3))
    assert found_by(made, unseen, tmp_path / "unseen").method == "learnt"
    joints = replace(made, body=None, body_model="")
    assert found_by(joints, track, tmp_path / "joints").method == "learnt"
    with pytest.raises(UserError, match="joints without a body"):
        found_by(joints, track, tmp_path / "asked", refine="on")


def test_a_motion_of_another_preset_is_not_served_from_what_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    install_fed()
    keypoints = standing(load_body("free"), 16)[0]
    boxes = torch.cat([keypoints[..., :2].amin(1), keypoints[..., :2].amax(1)], dim=1)
    track = Track(0, torch.arange(16), boxes, keypoints, MEDIAPIPE_33)
    video = open_video(write_images(tmp_path / "images", count=16, size=(1280, 720)), 30.0)

    def found(preset: str) -> Motion:
        settings = Settings(method="dynaboa", weights="own", preset=preset, refine="off")
        workspace, method = Workspace(tmp_path / "out"), method_for(settings)
        return find_motions(video, [track], "key", method, settings, workspace, lambda stage, share: None)[0]

    first, again, other = found("web-camera"), found("web-camera"), found("web-camera-plain")
    assert torch.equal(first.joints, again.joints)
    assert not torch.equal(first.joints, other.joints)
    with pytest.raises(UserError, match="dynaboa has no preset 'fast'; it has 3dpw, internet"):
        found("fast")
    with pytest.raises(UserError, match="windows of 16 frames and the weights see 8; take a preset without"):
        found("internet")
