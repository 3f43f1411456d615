"""`anthropose export`, and `--export` of `anthropose run`: what is written, and what a user may do wrong."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from anthropose import cli
from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.export.formats import FORMATS
from anthropose.motion import Motion
from tests import mistakes
from tests.export.made_up import GAP, lifted, motion, with_a_gap

FORMATS_HERE = [one for one in FORMATS.values() if one.ending != ".fbx"]
"""Those without Blender, which test_fbx.py starts."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """person-00.npz with a gap in its track, person-01.npz, and person-02.npz of joints alone."""
    folder, body = tmp_path_factory.mktemp("motions"), load_body("free")
    with_a_gap(body).save(folder / "person-00.npz")
    motion(body, person=1, start=(1.0, 0.1, 4.5)).save(folder / "person-01.npz")
    lifted(motion(body, person=2)).save(folder / "person-02.npz")
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Runs `anthropose WORDS`; gives the exit code and all that was printed."""

    def run(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["anthropose", *map(str, words)])
        code = 0
        try:
            cli.main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


@pytest.fixture
def mistake(call):
    """Expects one line that contains `expected`, and exit code 2."""
    return mistakes.expecting(call)


def skip_where_missing(found) -> None:
    try:
        found.check()
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("found", FORMATS_HERE, ids=lambda found: found.ending)
def test_a_motion_with_frames_missing_in_the_middle_is_written_in_every_format(
    call, folder: Path, tmp_path: Path, found
) -> None:
    skip_where_missing(found)
    out = tmp_path / f"walk{found.ending}"
    assert call("export", folder / "person-00.npz", out) == (0, f"{out}\n")
    assert out.stat().st_size > 1000
    assert [path.name for path in tmp_path.iterdir()] == [out.name]


@pytest.mark.parametrize("found", [one for one in FORMATS_HERE if one.several], ids=lambda found: found.ending)
def test_several_motions_go_into_one_file_where_the_format_allows(call, folder: Path, tmp_path: Path, found) -> None:
    skip_where_missing(found)
    people = (folder / "person-00.npz", folder / "person-01.npz")
    assert call("export", *people, tmp_path / f"one{found.ending}")[0] == 0
    assert call("export", *people, "--out", tmp_path / f"two{found.ending}")[0] == 0
    assert (tmp_path / f"one{found.ending}").stat().st_size == (tmp_path / f"two{found.ending}").stat().st_size


def test_what_is_said_to_the_format_is_heeded(call, folder: Path, tmp_path: Path) -> None:
    person = folder / "person-00.npz"
    assert call("export", person, tmp_path / "a.trc", "--skeleton", "coco", "--unit", "mm", "--fps", "60")[0] == 0
    header = (tmp_path / "a.trc").read_text().split("\n")[2].split("\t")
    assert header[:5] == ["60", "60", "119", "17", "mm"]
    assert call("export", person, tmp_path / "a.csv", "--wide", "--skeleton", "h36m")[0] == 0
    assert "h36m_spine_x" in (tmp_path / "a.csv").read_text().split("\n")[0]
    assert call("export", person, tmp_path / "a.bvh", "--joints", "mixamo", "--start", "0")[0] == 0
    assert "mixamorig:LeftUpLeg" in (tmp_path / "a.bvh").read_text()


def test_joints_alone_are_written_where_they_suffice_and_told_where_not(
    call, mistake, folder: Path, tmp_path: Path
) -> None:
    lone = folder / "person-02.npz"
    for ending in (".glb", ".bvh", ".trc", ".csv"):
        assert call("export", lone, tmp_path / f"a{ending}")[0] == 0
    for ending in (".npz", ".pkl"):
        mistake("method rie gives joints alone; smplify, tcmr,", "export", lone, tmp_path / f"b{ending}")
        assert not (tmp_path / f"b{ending}").exists()


def test_the_list_names_every_format(call) -> None:
    code, printed = call("export", "--list")
    assert code == 0
    assert [line.split()[0] for line in printed.splitlines()] == list(FORMATS)


def test_an_unknown_ending_is_told_before_anything_is_read(mistake, tmp_path: Path) -> None:
    mistake("cannot write .obj; known are .glb", "export", tmp_path / "absent.npz", tmp_path / "a.obj")
    mistake("cannot write a file without ending", "export", tmp_path / "absent.npz", tmp_path / "a")


def test_no_file_to_write_is_told(mistake, folder: Path) -> None:
    mistake("say which motions and the file to write", "export", folder / "person-00.npz")
    mistake("say which motions and the file to write", "export")


def test_motions_alone_do_not_lose_the_last_of_them(mistake, folder: Path) -> None:
    before = (folder / "person-01.npz").read_bytes()
    mistake("is a motion file and is not written over", "export", folder / "person-00.npz", folder / "person-01.npz")
    assert (folder / "person-01.npz").read_bytes() == before


def test_a_motion_of_another_version(mistake, folder: Path, tmp_path: Path) -> None:
    with np.load(folder / "person-00.npz") as file:
        arrays = dict(file)
    np.savez(tmp_path / "old.npz", **arrays | {"format": np.array("anthropose-motion/99")})
    mistake("expected format anthropose-motion/1, found anthropose-motion/99", "export", tmp_path / "old.npz",
            tmp_path / "a.bvh")  # fmt: skip
    assert not (tmp_path / "a.bvh").exists()


@pytest.mark.parametrize("share", [0.02, 0.5, 0.98])
def test_a_cut_motion_file(mistake, folder: Path, tmp_path: Path, share: float) -> None:
    whole = (folder / "person-00.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: int(share * len(whole))])
    mistake("cut.npz: expected a motion file", "export", tmp_path / "cut.npz", tmp_path / "a.csv")
    assert not (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("found", FORMATS_HERE, ids=lambda found: found.ending)
def test_a_folder_without_permission_to_write(mistake, folder: Path, found) -> None:
    skip_where_missing(found)
    mistake("no permission to write", "export", folder / "person-00.npz", f"/sys/anthropose/a{found.ending}")


@pytest.mark.parametrize("found", FORMATS_HERE, ids=lambda found: found.ending)
def test_a_file_where_a_folder_should_be(mistake, folder: Path, tmp_path: Path, found) -> None:
    skip_where_missing(found)
    (tmp_path / "file").write_text("in the way")
    mistake("in the way", "export", folder / "person-00.npz", tmp_path / "file" / f"a{found.ending}")


@pytest.mark.parametrize("found", FORMATS_HERE, ids=lambda found: found.ending)
def test_a_disk_that_is_full_leaves_nothing_behind(mistake, folder: Path, tmp_path: Path, found) -> None:
    skip_where_missing(found)
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(small)], capture_output=True)
    if mounted.returncode:
        pytest.skip("needs the right to mount a small file system")
    try:
        mistake("the disk is full", "export", folder / "person-00.npz", small / f"a{found.ending}")
        assert list(small.iterdir()) == []
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_several_persons_in_a_format_of_one(mistake, folder: Path, tmp_path: Path) -> None:
    people = (folder / "person-00.npz", folder / "person-01.npz")
    mistake("a .trc holds one person, 2 were given", "export", *people, tmp_path / "a.trc")


def test_an_option_of_another_format(mistake, folder: Path, tmp_path: Path) -> None:
    mistake("a .glb does not heed --fps; it heeds --joints, --floor", "export", folder / "person-00.npz",
            tmp_path / "a.glb", "--fps", "25")  # fmt: skip


def test_an_unknown_set_of_joints(mistake, folder: Path, tmp_path: Path) -> None:
    mistake("no set of joints 'cocoa'; known are smpl-24", "export", folder / "person-00.npz", tmp_path / "a.csv",
            "--skeleton", "cocoa")  # fmt: skip


def test_a_format_that_run_does_not_know_is_told_before_the_work(mistake, tmp_path: Path) -> None:
    mistake(
        "no format 'obj'; known are glb", "run", tmp_path / "absent.mp4", "--out", tmp_path / "o", "--export", "obj"
    )


@pytest.mark.slow
def test_a_run_writes_all_the_formats_that_are_asked_for(call, tmp_path: Path) -> None:
    from tests.end_to_end.test_bad_input import FAKES, make_clip

    clip = make_clip(tmp_path / "clip.mp4")
    names = [name for name, one in FORMATS.items() if one in FORMATS_HERE and not one.extra]
    code, printed = call("run", clip, "--out", tmp_path / "out", "--export", ",".join(names), *FAKES)
    assert code == 0, printed
    written = {path.name for path in (tmp_path / "out").iterdir() if path.is_file()}
    assert written >= {
        "scene.glb", "person-00.bvh", "person-00.trc", "scene.csv", "person-00.amass.npz", "scene.pkl",
        "person-00.npz",
    }  # fmt: skip
    assert len(Motion.load(tmp_path / "out" / "person-00.npz")) == 12


def test_the_motion_with_the_gap_has_one(folder: Path) -> None:
    frames = Motion.load(folder / "person-00.npz").track.frames.tolist()
    assert GAP.start not in frames
    assert GAP.stop in frames
