"""scene.fbx and scene.glb, read back by Blender's importers; and what is told where Blender is missing or fails."""

import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.export import fbx
from anthropose.export.fbx import key_frames, write_fbx
from anthropose.export.gltf import write_glb
from anthropose.export.naming import joint_names
from anthropose.geometry.filters import interpolate, interpolate_rotations
from anthropose.motion import Camera, Motion
from anthropose.skeleton import SMPL_24
from tests.export import blender
from tests.export.made_up import motion, stick_body

BODY = stick_body()
FLOOR = -1.2
MILLIMETRE = 1e-3
RATE = 30000 / 1001
SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])
LONG = replace(
    motion(BODY, torch.arange(0, 160) / RATE, person=0, fps=RATE),
    camera=Camera(700.0, (300.0, 260.0), (640, 480)),
)
GAPPY = motion(
    BODY, torch.cat([torch.arange(20, 40), torch.arange(44, 60), torch.arange(100, 150)]) / RATE,
    person=3, fps=RATE, betas=SHAPE, start=(-1.0, 0.0, 6.0), velocity=(0.4, -0.1, -0.5),
)  # fmt: skip
"""Four frames are missing in one place, forty in another; taller, elsewhere, with another path."""


def in_scene(points: torch.Tensor, floor: float = FLOOR) -> np.ndarray:
    return points.numpy() * [1, -1, -1] - [0, floor, 0]


def joints_of(one: Motion) -> np.ndarray:
    return in_scene(one.joints + one.translation[:, None])


def surface_of(one: Motion) -> np.ndarray:
    posed = BODY.shaped(one.body.betas).posed(one.body.rotations)
    return in_scene(posed.vertices - posed.joints[:, :1] + one.translation[:, None])


@pytest.fixture(scope="module", autouse=True)
def interpreter() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(fbx.INTERPRETER, blender.PYTHON)
        yield


@pytest.fixture(scope="module")
def shares() -> list[float]:
    """What `write_fbx` told of its progress while it wrote the file of `in_fbx`."""
    return []


@pytest.fixture(scope="module")
def in_fbx(shares: list[float], tmp_path_factory: pytest.TempPathFactory) -> blender.Reading:
    path = tmp_path_factory.mktemp("scene") / "scene.fbx"
    write_fbx([LONG, GAPPY], BODY, path, floor=FLOOR, joints="mixamo", progress=shares.append)
    return blender.read(path, LONG.seconds.tolist())


@pytest.fixture(scope="module")
def in_glb(tmp_path_factory: pytest.TempPathFactory) -> blender.Reading:
    path = tmp_path_factory.mktemp("scene") / "scene.glb"
    write_glb([LONG, GAPPY], BODY, path, floor=FLOOR, joints="mixamo")
    return blender.read(path, LONG.seconds.tolist())


@pytest.fixture(params=["in_fbx", "in_glb"])
def reading(request: pytest.FixtureRequest) -> blender.Reading:
    return request.getfixturevalue(request.param)


@pytest.mark.slow
@blender.needed
class TestReadBack:
    def test_every_joint_is_where_the_motion_has_it_at_every_frame(self, reading: blender.Reading) -> None:
        names = joint_names("mixamo")
        for one, frames in ((LONG, slice(None)), (GAPPY, GAPPY.track.frames.numpy())):
            joints = reading.joints_named(f"person-{one.track.person:02d}", names)[frames]
            assert joints.shape == (len(one), 24, 3)
            assert np.abs(joints - joints_of(one)).max() < 0.05 * MILLIMETRE

    def test_the_people_move_through_the_scene_and_not_in_place(self, reading: blender.Reading) -> None:
        for one, frames in ((LONG, slice(None)), (GAPPY, GAPPY.track.frames.numpy())):
            pelvis = reading.joint(f"person-{one.track.person:02d}", "mixamorig:Hips")[frames]
            assert np.linalg.norm(pelvis[-1] - pelvis[0]) > 2

    def test_every_vertex_is_on_the_persons_own_shape(self, reading: blender.Reading) -> None:
        for one in (LONG, GAPPY):
            frames = one.track.frames.numpy()
            vertices = reading.vertices[f"person-{one.track.person:02d}"][frames]
            assert np.abs(vertices - surface_of(one)).max() < 0.05 * MILLIMETRE
        tall, mean = (np.ptp(surface_of(one)[0, :, 1]) for one in (GAPPY, LONG))
        assert tall > mean + 0.1, "else the shape would not show"

    def test_short_gaps_are_bridged_and_in_long_ones_nobody_is_there(self, reading: blender.Reading) -> None:
        sizes = np.ptp(reading.vertices["person-03"], axis=1).max(1)
        shown = np.flatnonzero(sizes > 1)
        assert shown.tolist() == [*range(20, 60), *range(100, 150)]
        assert np.delete(sizes, shown).max() < MILLIMETRE
        assert np.ptp(reading.vertices["person-00"], axis=1).max(1).min() > 1

    def test_the_camera_is_the_videos(self, reading: blender.Reading) -> None:
        ((name, camera),) = reading.notes["cameras"].items()
        assert name == "video_camera"
        assert camera["place"] == pytest.approx([0, -FLOOR, 0], abs=1e-6)
        assert camera["forward"] == pytest.approx([0, 0, -1], abs=1e-6)
        assert camera["up"] == pytest.approx([0, 1, 0], abs=1e-6)
        assert camera["focal"] == pytest.approx(LONG.camera.focal / LONG.camera.size[camera["along"]], rel=1e-5)

    def test_each_person_is_a_body_on_an_armature_with_names_of_the_chosen_kind(self, reading: blender.Reading) -> None:
        assert set(reading.notes["persons"]) == {"person-00", "person-03"}
        for name, person in reading.notes["persons"].items():
            assert set(person["bones"]) == set(joint_names("mixamo"))
            assert person["bodies"] == [f"{name}-body"]


@pytest.mark.slow
@blender.needed
class TestFbx:
    def test_frames_are_the_videos_from_its_beginning_and_none_is_cut_off(self, in_fbx: blender.Reading) -> None:
        assert in_fbx.notes["rate"] == pytest.approx(RATE, rel=1e-6)
        for person in in_fbx.notes["persons"].values():
            assert np.abs(np.array(person["keys"]) - np.arange(160) / RATE).max() < 1e-5

    def test_bones_are_not_turned_at_rest_and_lie_in_centimetres(self, in_fbx: blender.Reading) -> None:
        person = in_fbx.notes["persons"]["person-00"]
        assert person["turns"] < 1e-5
        place, turn, scale = person["place"]
        assert place == pytest.approx([0, 0, 0], abs=1e-6)
        assert turn == pytest.approx([np.pi / 2, 0, 0], abs=1e-6), "y up, to Blender"
        assert scale == pytest.approx([0.01] * 3)

    def test_through_the_files_camera_the_joints_fall_on_the_picture_where_the_motions_do(
        self, in_fbx: blender.Reading
    ) -> None:
        camera, (width, height) = in_fbx.notes["cameras"]["video_camera"], LONG.camera.size
        right, up, back = np.moveaxis(in_fbx.joints_named("person-00", joint_names("mixamo")) - camera["place"], -1, 0)
        # Blender's lens shift is a share of the width, and moves the view, not the picture.
        x = width * (0.5 + camera["focal"] * right / -back - camera["shift"][0])
        y = height / 2 - width * (camera["focal"] * up / -back - camera["shift"][1])
        assert np.abs(np.stack([x, y], axis=-1) - LONG.projected.numpy()).max() < 0.01

    def test_the_file_tells_of_its_making_and_of_the_bodys_licence(self, in_fbx: blender.Reading) -> None:
        notes = in_fbx.notes["persons"]["person-00"]["notes"]
        assert (notes["body"], notes["method"]) == ("stick", "made-up")
        assert "licence" in notes["bodyLicence"]

    def test_progress_rises_to_one(self, in_fbx: blender.Reading, shares: list[float]) -> None:
        assert len(shares) > 150
        assert shares == sorted(shares)
        assert shares[-1] == 1.0

    def test_another_frame_rate_lasts_as_long_and_keeps_uneven_times(self, tmp_path: Path) -> None:
        generator = torch.Generator().manual_seed(1)
        uneven = (torch.arange(45) + 0.6 * torch.rand(45, generator=generator)) / 30
        one = motion(BODY, uneven, start=(0.0, 0.0, 3.0))
        begin, rate = 0.2, 25.0
        write_fbx([one], BODY, tmp_path / "scene.fbx", floor=FLOOR, joints="unreal", fps=rate, start=begin)
        times = begin + torch.arange(int((float(uneven[-1]) - begin) * rate) + 1) / rate
        reading = blender.read(tmp_path / "scene.fbx", (times - begin).tolist())
        assert len(reading.notes["persons"]["person-00"]["keys"]) == len(times)
        rotations = interpolate_rotations(one.body.rotations, uneven, times)
        posed = BODY.shaped(one.body.betas[:1].expand(len(times), 10)).posed(rotations).joints
        truth = in_scene(posed - posed[:, :1] + interpolate(one.translation, uneven, times)[:, None])
        joints = reading.joints_named("person-00", joint_names("unreal"))
        assert np.abs(joints - truth).max() < 0.05 * MILLIMETRE

    def test_a_clip_of_one_frame_is_a_pose(self, tmp_path: Path) -> None:
        one = motion(BODY, torch.tensor([0.0]))
        write_fbx([one], BODY, tmp_path / "scene.fbx", floor=FLOOR)
        joints = blender.read(tmp_path / "scene.fbx", [0.0]).joints_named("person-00", SMPL_24.joints)
        assert np.abs(joints - joints_of(one)).max() < 0.05 * MILLIMETRE

    def test_a_full_disk_is_told_as_such(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "limited.sh").write_text(f'#!/bin/sh\nulimit -f 4\nexec "{blender.PYTHON}" "$@"\n')
        (tmp_path / "limited.sh").chmod(0o755)
        monkeypatch.setenv(fbx.INTERPRETER, str(tmp_path / "limited.sh"))
        with pytest.raises(UserError, match=r"scene\.fbx: could not be written \(File too large\)"):
            write_fbx([motion(BODY)], BODY, tmp_path / "out" / "scene.fbx")
        assert list((tmp_path / "out").iterdir()) == []


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A program in Blender's place; its fourth argument is the file to write. Gives a path to export to."""
    program = folder / "stand-in.sh"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv(fbx.INTERPRETER, str(program))
    (folder / "out").mkdir()
    return folder / "out" / "scene.fbx"


def test_where_blender_is_missing_one_line_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fbx.INTERPRETER)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: None)
    with pytest.raises(UserError, match=r"pip install 'anthropose\[fbx\]' .* set ANTHROPOSE_BPY_PYTHON") as caught:
        write_fbx([motion(BODY)], BODY, tmp_path / "scene.fbx")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_blender_on_the_path_runs_the_worker_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(fbx.INTERPRETER)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    monkeypatch.setattr("shutil.which", lambda name: f"/opt/{name}")
    command = fbx.blender_command()
    assert command[0] == "/opt/blender"
    assert "--background" in command
    assert command[-3:] == ["--python", str(fbx.WORKER), "--"]


def test_a_wrong_interpreter_is_told_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fbx.INTERPRETER, "/no/such/python")
    with pytest.raises(UserError, match="ANTHROPOSE_BPY_PYTHON is /no/such/python, which is no program"):
        write_fbx([motion(BODY)], BODY, tmp_path / "scene.fbx")


def test_an_interpreter_without_bpy_is_told_as_such(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(tmp_path, monkeypatch, f'exec "{sys.executable}" -S "$@"')
    (tmp_path / "numpy.py").write_text("")  # -S leaves out site-packages, where numpy is but no bpy could be either.
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(UserError, match=r"stand-in\.sh has no bpy, which writes the FBX; pip install bpy into it"):
        write_fbx([motion(BODY)], BODY, path)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo progress 0.5; echo half > $4; echo it broke; exit 11", "ended with code 11 .* it broke$"),
        ("echo half > $4; echo 'OSError: [Errno 28] No space left'; exit 1", "the disk is full"),
        ("exit 0", "ended with code 0 and wrote no FBX; the last that it said was: nothing"),
        ("echo half > $4; exec sleep 60", "silent for 1 s"),
    ],
)
def test_a_failed_export_is_one_line_and_leaves_the_old_file(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stand_in(tmp_path, monkeypatch, script)
    path.write_text("old")
    with pytest.raises(UserError, match=message) as caught:
        write_fbx([motion(BODY)], BODY, path, silence=1.0)
    assert "\n" not in str(caught.value)
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupted_export_stops_blender_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stand_in(tmp_path, monkeypatch, "echo half > $4; echo progress 0.1; exec sleep 60")

    def interrupt(share: float) -> None:
        raise KeyboardInterrupt

    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        write_fbx([motion(BODY)], BODY, path, progress=interrupt)
    assert time.perf_counter() - began < 30
    assert list(path.parent.iterdir()) == []


def test_a_motion_without_a_body_is_told_which_methods_give_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = stand_in(tmp_path, monkeypatch, "exit 1")
    sticks = replace(motion(BODY), body=None, body_model="", method="rie")
    with pytest.raises(UserError, match=r"method rie gives joints without a body, .* smplify, tcmr, glot") as caught:
        write_fbx([motion(BODY, person=1), sticks], BODY, path)
    assert "\n" not in str(caught.value)


def test_a_file_that_would_begin_after_the_motions_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(UserError, match=r"the motions end at 1\.97 s, before the file would begin at 3\.00 s"):
        write_fbx([motion(BODY)], BODY, path, start=3.0)


@pytest.mark.parametrize("rate", [0.0, -5.0, float("nan")])
def test_a_frame_rate_that_is_none_is_refused(rate: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = stand_in(tmp_path, monkeypatch, "exit 1")
    with pytest.raises(UserError, match="a frame rate is greater than 0"):
        write_fbx([motion(BODY)], BODY, path, fps=rate)


def test_key_frames_are_those_within_the_track_and_at_least_one() -> None:
    seconds = torch.arange(10, 20, dtype=torch.float64) / 29.97
    assert key_frames(seconds, 29.97).tolist() == list(range(10, 20))
    assert key_frames(seconds, 15.0).tolist() == [5, 6, 7, 8, 9], "10 / 29.97 s is a hair after frame 5"
    assert key_frames(seconds, 14.0).tolist() == [5, 6, 7, 8]
    assert key_frames(torch.tensor([0.3]), 1.0).tolist() == [0]
