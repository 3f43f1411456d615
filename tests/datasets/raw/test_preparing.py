"""Small releases through the whole of `prepare`."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.datasets.items import Targets, WindowSet
from anthropose.datasets.prepared import prepare, read_set
from anthropose.datasets.published import sequences_of
from anthropose.datasets.raw.base import raw_set
from anthropose.datasets.windows import vibe_windows
from anthropose.skeleton import MPII3D_28, SPIN_49, pick
from tests.clips import write_clip
from tests.datasets.raw import test_instavariety, test_internet, test_mpi_inf_3dhp, test_penn_action, test_posetrack
from tests.datasets.raw.releases import MeanColour, write_pictures
from tests.datasets.raw.tfrecord_files import write_records


def mpii3d(root: Path) -> list[Path]:
    test_mpi_inf_3dhp.write_train(root / "S1" / "Seq1")
    write_pictures(root / "S1/Seq1/imageFrames/video_0", [f"{k:06d}.jpg" for k in range(9)], (2048, 2048))
    return [root / "S1/Seq1/imageFrames/video_0/000004.jpg"]


def mpii3d_test(root: Path) -> list[Path]:
    points, joints = test_mpi_inf_3dhp.labels(0, 17)
    test_mpi_inf_3dhp.write_test(root / "TS1", points, joints, np.ones(9))
    write_pictures(root / "TS1/imageSequence", [f"img_{k + 1:06d}.jpg" for k in range(9)], (2048, 2048))
    return [root / "TS1/imageSequence/img_000003.jpg"]


def posetrack(root: Path) -> list[Path]:
    test_posetrack.write(root, test_posetrack.release(tracks=1))
    write_pictures(root / "images/train" / test_posetrack.VIDEO, [f"{k:06d}.jpg" for k in range(12)])
    (root / "annotations/train/000002_damaged.json").write_text('{"images": [')
    return [root / "images/train" / test_posetrack.VIDEO / "000007.jpg"]


def penn(root: Path) -> list[Path]:
    test_penn_action.write(root)
    write_pictures(root / "frames/0001", [f"{k + 1:06d}.jpg" for k in range(4)])
    (root / "labels/0002.mat").write_bytes(b"no labels")
    return [root / "frames/0001/000002.jpg"]


def insta(root: Path) -> list[Path]:
    write_records(root / "train/a.tfrecord", [test_instavariety.made(), test_instavariety.made()])
    (root / "train/b.tfrecord").write_bytes(b"no records")
    return []


def internet(root: Path) -> list[Path]:
    names = [f"{k:06d}.png" for k in range(1, 6)]
    write_pictures(root / "images/a", names, test_internet.SIZE)
    rows = [test_internet.detection(name, test_internet.person(k), idx=1) for k, name in enumerate(names)]
    (root / "a.json").write_text(json.dumps(rows))
    write_clip(root / "undetected.mp4", 2)
    return [root / "images/a/000003.png"]


RELEASES: dict[str, Callable[[Path], list[Path]]] = {
    "mpii3d": mpii3d,
    "mpii3d-test": mpii3d_test,
    "mpii3d-test-whole": mpii3d_test,
    "posetrack": posetrack,
    "pennaction": penn,
    "pennaction-tcmr": penn,
    "insta": insta,
    "internet": internet,
    "internet-dynaboa": internet,
}


@pytest.mark.parametrize("name", list(RELEASES))
def test_a_release_becomes_a_set_with_features_without_what_is_damaged(tmp_path: Path, name: str) -> None:
    damaged = RELEASES[name](tmp_path)
    labels = prepare(raw_set(name), tmp_path, tmp_path / "labels")
    assert labels.left_out
    assert labels.frames > 1
    for picture in damaged:
        picture.write_bytes(picture.read_bytes()[:40])
    prepared = prepare(raw_set(name), tmp_path, tmp_path / "out", "", MeanColour())
    assert all(path.name in prepared.report() for path in damaged)
    whole = {sequence.name: sequence for sequence in read_set(labels.path)}
    assert prepared.frames == sum(len(whole[sequence.name]) for sequence in read_set(prepared.path)) - len(damaged)
    for sequence in read_set(prepared.path):
        assert len(sequence.required_features()) == len(sequence)
        assert sequence.frames is not None
        kept = np.isin(whole[sequence.name].frames, sequence.frames)
        np.testing.assert_array_equal(sequence.keypoints, whole[sequence.name].keypoints[kept])  # type: ignore[index]


def test_a_prepared_take_gives_the_windows_of_the_published_database(tmp_path: Path) -> None:
    truth = test_mpi_inf_3dhp.write_train(tmp_path / "S1" / "Seq1")
    prepare(raw_set("mpii3d"), tmp_path, tmp_path)
    (sequence,) = [one for one in read_set(tmp_path / "mpii3d-train") if one.name == "subj1_seq1_vid0_seg0"]
    points, joints = (torch.from_numpy(array) for array in truth[0])
    points_49 = pick(torch.cat([points, torch.ones(9, 28, 1)], 2), MPII3D_28, SPIN_49, exact=True)[0]
    joints_49 = pick(joints / 1000, MPII3D_28, SPIN_49, exact=True)[0]
    (published,) = sequences_of(
        {
            "vid_name": np.array([sequence.name] * 9),
            "features": np.zeros((9, 4), np.float32),
            "joints2D": points_49.numpy(),
            "joints3D": (joints_49 - joints_49[:, 39:40]).numpy(),
            "bbox": sequence.boxes,
        }
    )
    windows = vibe_windows([9], 8)
    ours = WindowSet([replace(sequence, features=published.features)], windows, Targets(half=True))[0]
    theirs = WindowSet([published], windows, Targets(half=True))[0]
    known = [k for k, joint in enumerate(SPIN_49.joints) if joint in MPII3D_28.joints]
    torch.testing.assert_close(ours.keypoints, theirs.keypoints)
    torch.testing.assert_close(ours.joints[:, known], theirs.joints[:, known], atol=1e-3, rtol=0)
    assert len(known) == 17
    assert not ours.has_body.any()


def test_what_people_do_stays_in_the_set(tmp_path: Path) -> None:
    mpii3d_test(tmp_path)
    prepare(raw_set("mpii3d-test"), tmp_path, tmp_path)
    (sequence,) = read_set(tmp_path / "mpii3d-test")
    assert sequence.activities.tolist() == [1, 2, 3, 4, 5, 6, 7, 1, 2]  # type: ignore[union-attr]
