"""Tables, read back by pandas."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.export.tables import write_csv
from anthropose.skeleton import COCO_17, SMPL_24
from tests.export.made_up import GAP, lifted, motion, scene_joints, stick_body, with_a_gap

pandas = pytest.importorskip("pandas", reason="reads tables back; pip install pandas")
BODY = stick_body()


def test_every_joint_of_every_person_has_a_row(tmp_path: Path) -> None:
    people = [motion(BODY), motion(BODY, 1 + torch.arange(30) / 30, person=3, start=(1.0, 0.0, 5.0))]
    write_csv(people, BODY, tmp_path / "a.csv", floor=-1.1)
    table = pandas.read_csv(tmp_path / "a.csv")
    assert list(table.columns) == ["person", "frame", "seconds", "joint", "x", "y", "z"]
    for one in people:
        mine = table[table.person == one.track.person]
        assert list(mine.joint[:24]) == list(SMPL_24.joints)
        assert mine.frame[::24].tolist() == one.track.frames.tolist()
        assert np.abs(mine.seconds[::24] - one.seconds.numpy()).max() < 1e-6
        read = mine[["x", "y", "z"]].to_numpy().reshape(-1, 24, 3)
        assert np.abs(read - scene_joints(one, -1.1)).max() < 1e-6


def test_a_wide_table_has_a_row_for_each_frame_and_millimetres_where_asked(tmp_path: Path) -> None:
    one = motion(BODY)
    write_csv([one], BODY, tmp_path / "a.csv", unit="mm", wide=True, floor=-1.1)
    table = pandas.read_csv(tmp_path / "a.csv")
    assert len(table) == 60
    columns = [f"{name}_{axis}" for name in SMPL_24.joints for axis in "xyz"]
    assert list(table.columns) == ["person", "frame", "seconds", *columns]
    read = table[columns].to_numpy().reshape(-1, 24, 3)
    assert np.abs(read - 1000 * scene_joints(one, -1.1)).max() < 1e-3


@pytest.mark.parametrize("wide", [True, False])
def test_frames_missing_in_the_middle_have_empty_rows_and_the_time_in_between(tmp_path: Path, wide: bool) -> None:
    one = with_a_gap(BODY)
    write_csv([one], BODY, tmp_path / "a.csv", wide=wide)
    table = pandas.read_csv(tmp_path / "a.csv").drop_duplicates("frame")
    assert table.frame.tolist() == list(range(60))
    assert np.abs(table.seconds - np.arange(60) / 30).max() < 1e-6
    empty = table[table.columns[-3:]].isna().all(axis=1)
    assert table.frame[empty].tolist() == list(range(GAP.start, GAP.stop))
    assert table[~empty].notna().all(axis=None)


def test_time_stamps_that_vary_are_told_as_they_are(tmp_path: Path) -> None:
    seconds = torch.tensor([0.0, 0.031, 0.072, 0.1])
    write_csv([motion(BODY, seconds)], BODY, tmp_path / "a.csv", wide=True)
    assert np.abs(pandas.read_csv(tmp_path / "a.csv").seconds - seconds.numpy()).max() < 1e-6


def test_persons_of_different_methods_need_one_set_for_all(tmp_path: Path) -> None:
    people = [motion(BODY), lifted(motion(BODY, person=1))]
    with pytest.raises(UserError, match=r"joints of smpl-24 and h36m-vp3d-17; choose one set for all by --skeleton"):
        write_csv(people, BODY, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_the_set_of_joints_can_be_chosen(tmp_path: Path) -> None:
    write_csv([motion(BODY)], BODY, tmp_path / "a.csv", skeleton="coco")
    assert pandas.read_csv(tmp_path / "a.csv").joint[:17].tolist() == list(COCO_17.joints)
