from dataclasses import replace
from pathlib import Path

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.datasets.mocap import MocapSource
from anthropose.evaluate.mocap import KnownClip, recorded_clips
from anthropose.evaluate.mocap_errors import LIMBS_12, detector_errors_of, limbs_on, origin_of
from anthropose.evaluate.mocap_film import FILMED, chosen_windows, filmed_clips, overlaps_of, track_on
from anthropose.geometry.cameras import project
from anthropose.motion import Track
from anthropose.progress import silent
from anthropose.reconstruction import find_people
from anthropose.settings import Settings
from anthropose.skeleton import MEDIAPIPE_33, pick
from anthropose.synthetic.captures import write_captures
from anthropose.video import Video
from anthropose.workspace import Workspace


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MocapSource:
    folder = write_captures(tmp_path_factory.mktemp("captures") / "made-up", train=1, val=1, test=3, seconds=2.0)
    return MocapSource(folder, load_body(), FILMED)


def test_motions_are_taken_in_turn_in_pieces_that_are_no_shorter_than_wanted(source: MocapSource) -> None:
    chosen = chosen_windows(source, 2, longest=40, shortest=10)
    assert [batch.names[0] for batch in chosen] == ["test_000", "test_001"]
    assert all(batch.keypoints.shape[1] == 30 for batch in chosen)
    assert len(chosen_windows(source, 9, longest=40, shortest=10)) == 3
    assert chosen_windows(source, 9, longest=40, shortest=31) == []


def test_boxes_overlap_by_what_they_share() -> None:
    boxes = torch.tensor([[0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0], [0.0, 0.0, 2.0, 2.0]])
    others = torch.tensor([[0.0, 0.0, 2.0, 2.0], [1.0, 0.0, 3.0, 2.0], [5.0, 0.0, 6.0, 2.0]])
    assert torch.allclose(overlaps_of(boxes, others), torch.tensor([1.0, 1 / 3, 0.0]))


def test_the_longest_track_on_the_person_is_taken_and_no_other_persons(source: MocapSource) -> None:
    known = next(recorded_clips(source))
    track = known.clip.track
    assert track.keypoints is not None
    half = replace(track, person=1, frames=track.frames[:20], boxes=track.boxes[:20], keypoints=track.keypoints[:20])
    beside = replace(track, person=2, boxes=track.boxes + 3000)
    assert track_on(known.truth, [half, beside]) is half
    assert track_on(known.truth, [half, beside, track]) is track
    assert track_on(known.truth, [beside]) is None


def _detected_and_true(known: KnownClip) -> tuple[torch.Tensor, torch.Tensor]:
    body = load_body()
    places = limbs_on(known.truth, body) + origin_of(known.truth, body)[:, None]
    camera = known.truth.camera
    focal = torch.full((len(known),), camera.focal)
    true = project(places, focal, torch.tensor(camera.center).expand(len(known), 2))
    assert known.clip.track.keypoints is not None
    return pick(known.clip.track.keypoints, MEDIAPIPE_33, LIMBS_12)[0][..., :2], true


def find(video: Video, workspace: Workspace) -> list[Track]:
    return find_people(video, Settings(), workspace, silent)[0]


@pytest.mark.slow
def test_the_detector_finds_who_was_filmed_and_a_second_run_makes_nothing(source: MocapSource, tmp_path: Path) -> None:
    made = next(filmed_clips(source, tmp_path, 1, find, longest=20, shortest=10))
    assert made.known is not None
    assert made.frames == 20
    assert made.known.clip.track.frames.tolist() == made.known.truth.track.frames.tolist()
    assert len(made.known) >= 15
    found, true = _detected_and_true(made.known)
    tall = (made.known.clip.track.boxes[:, 3] - made.known.clip.track.boxes[:, 1]).median()
    assert (found - true).norm(dim=-1).median() < 0.06 * tall
    errors = detector_errors_of(made.known.clip, made.known.truth, load_body(), made.name)
    assert errors.pa_mpjpe.mean() < 150
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    again = next(filmed_clips(source, tmp_path, 1, find, longest=20, shortest=10))
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()} == written
    assert again.known is not None
    assert torch.equal(again.known.clip.track.boxes, made.known.clip.track.boxes)
