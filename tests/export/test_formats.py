"""The table of formats: endings, names, options, and what each asks of a motion."""

from dataclasses import replace
from pathlib import Path

import pytest

from anthropose.errors import UserError
from anthropose.export.formats import FORMATS, export, format_of, formats_named, formats_table
from anthropose.export.scene import BODY_METHODS
from anthropose.methods.base import METHODS
from anthropose.settings import ExportOptions
from tests.export.made_up import motion, stick_body

BODY = stick_body()


@pytest.mark.parametrize("ending", [ending for one in FORMATS.values() for ending in one.endings])
def test_every_known_ending_writes_a_file_in_capitals_as_well(tmp_path: Path, ending: str) -> None:
    found = format_of(Path(f"a{ending}"))
    if ending == ".fbx":
        pytest.skip("Blender takes its time; test_fbx.py writes one")
    try:
        found.check()
    except UserError as error:
        pytest.skip(str(error))
    export([motion(BODY)], BODY, tmp_path / f"file{ending.upper()}")
    assert (tmp_path / f"file{ending.upper()}").stat().st_size > 1000


@pytest.mark.parametrize("name", ["file.fbxx", "file"])
def test_an_unknown_ending_names_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=r"known are \.glb .*\.fbx .*\.bvh .*\.trc .*\.csv .*\.c3d .*\.npz .*\.pkl"):
        export([motion(BODY)], BODY, tmp_path / name)


@pytest.mark.parametrize("ending", [one.ending for one in FORMATS.values() if not one.several])
def test_some_formats_take_one_person(tmp_path: Path, ending: str) -> None:
    with pytest.raises(UserError, match="one person, 2 were given"):
        export([motion(BODY), motion(BODY)], BODY, tmp_path / f"file{ending}")


def test_an_option_that_a_format_does_not_heed_is_refused_with_those_that_it_does(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a \.bvh does not heed --wide; it heeds --joints, --unit, --fps"):
        export([motion(BODY)], BODY, tmp_path / "file.bvh", ExportOptions(wide=True))
    with pytest.raises(UserError, match=r"does not heed --unit; it heeds no option"):
        export([motion(BODY)], BODY, tmp_path / "file.pkl", ExportOptions(unit="mm"))


@pytest.mark.parametrize("ending", [one.ending for one in FORMATS.values() if one.bodies])
def test_what_joints_alone_lack_is_told_with_the_methods_that_give_it(tmp_path: Path, ending: str) -> None:
    lifted = replace(motion(BODY), body=None, body_model="", method="rie")
    with pytest.raises(UserError, match=f"method rie gives joints alone; {', '.join(BODY_METHODS)} give bodies"):
        export([lifted], BODY, tmp_path / f"file{ending}")


def test_the_methods_that_give_bodies_are_all_but_the_lifter() -> None:
    assert set(BODY_METHODS) == set(METHODS) - {"rie"}


def test_a_motion_file_is_not_written_over(tmp_path: Path) -> None:
    motion(BODY).save(tmp_path / "person-00.npz")
    before = (tmp_path / "person-00.npz").read_bytes()
    with pytest.raises(UserError, match="is a motion file and is not written over"):
        export([motion(BODY)], BODY, tmp_path / "person-00.npz")
    assert (tmp_path / "person-00.npz").read_bytes() == before
    export([motion(BODY)], BODY, tmp_path / "amass.npz")
    export([motion(BODY)], BODY, tmp_path / "amass.npz")


def test_nobody_is_no_scene(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="there is no motion to export"):
        export([], BODY, tmp_path / "file.glb")


def test_formats_are_chosen_by_name_or_ending_with_commas_or_blanks() -> None:
    assert list(formats_named(["csv,bvh", ".NPZ"])) == ["csv", "bvh", "amass"]
    with pytest.raises(UserError, match="no format 'obj'; known are glb, fbx, bvh"):
        formats_named(["glb,obj"])


def test_the_list_of_formats_has_a_line_for_each() -> None:
    lines = formats_table().splitlines()
    assert [line.split()[0] for line in lines] == list(FORMATS)
    assert all(one.holds in line for one, line in zip(FORMATS.values(), lines, strict=True))


def test_an_extra_that_is_missing_is_told_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("anthropose.export.formats.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"ezc3d, which is not here: pip install 'anthropose\[c3d\]'"):
        export([motion(BODY)], BODY, tmp_path / "file.c3d")
    with pytest.raises(UserError, match=r"usd-core, which is not here: pip install 'anthropose\[usd\]'"):
        formats_named(["glb,usd"])
