"""Tracks of markers, read back by pandas as Pose2Sim reads them, and by the layout that OpenSim asks for.

OpenSim 4.6 itself reads them too (TimeSeriesTableVec3 and MarkerData); it is no package of the tests' surroundings.
"""

from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.export.trc import write_trc
from anthropose.skeleton import COCO_17, SMPL_24
from tests.export.made_up import lifted, motion, scene_joints, stick_body, with_a_gap

pandas = pytest.importorskip("pandas", reason="reads tables back; pip install pandas")
BODY = stick_body()


def read(path: Path) -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Markers, numbers and times of the frames, and positions (n, j, 3), as Pose2Sim's `read_trc` goes about it."""
    markers = [name for name in path.read_text().split("\n")[3].split("\t")[2::3] if name]
    table = pandas.read_csv(path, sep="\t", skiprows=4)
    places = table.drop(columns=table.columns[[0, 1]])
    places = places.loc[:, ~places.columns.str.startswith("Unnamed")]
    return (
        markers,
        table.iloc[:, 0].to_numpy(),
        table.iloc[:, 1].to_numpy(),
        places.to_numpy().reshape(len(table), -1, 3),
    )


@pytest.mark.parametrize(("unit", "per_metre"), [("m", 1), ("mm", 1000)])
def test_the_joints_and_times_come_back(tmp_path: Path, unit, per_metre: int) -> None:
    one = motion(BODY, 0.5 + torch.arange(60, dtype=torch.float64) / 30)
    write_trc(one, BODY, tmp_path / "a.trc", unit=unit, floor=-1.1)
    markers, numbers, times, places = read(tmp_path / "a.trc")
    assert markers == list(SMPL_24.joints)
    assert numbers.tolist() == list(range(16, 76))
    assert np.abs(times - one.seconds.numpy()).max() < 1e-6
    assert np.abs(places / per_metre - scene_joints(one, -1.1)).max() < 1e-5


def test_the_header_says_what_follows_and_every_line_has_a_cell_for_every_axis(tmp_path: Path) -> None:
    one = with_a_gap(BODY)
    write_trc(one, BODY, tmp_path / "walk.trc", skeleton="coco", unit="mm", start=0.0)
    lines = (tmp_path / "walk.trc").read_text().split("\n")
    assert lines[0] == "PathFileType\t4\t(X/Y/Z)\twalk.trc"
    values = dict(zip(lines[1].split("\t"), lines[2].split("\t"), strict=True))
    assert values == {
        "DataRate": "30", "CameraRate": "30", "NumFrames": "60", "NumMarkers": "17", "Units": "mm",
        "OrigDataRate": "30", "OrigDataStartFrame": "1", "OrigNumFrames": "60",
    }  # fmt: skip
    assert lines[3].split("\t")[:6] == ["Frame#", "Time", "nose", "", "", "left_eye"]
    assert lines[4].split("\t")[:6] == ["", "", "X1", "Y1", "Z1", "X2"]
    assert lines[5] == ""
    # A tab more than cells, without which OpenSim misses an empty cell at the end.
    assert {line.count("\t") for line in lines[6:-1]} == {2 + 3 * len(COCO_17)}
    assert len(lines[6:-1]) == 60


def test_cells_are_empty_where_the_person_is_not_seen(tmp_path: Path) -> None:
    frames = torch.cat([torch.arange(3, 20), torch.arange(30, 60)])
    one = motion(BODY, frames / 30)
    write_trc(one, BODY, tmp_path / "a.trc", start=0.0, floor=0.0)
    _, numbers, times, places = read(tmp_path / "a.trc")
    assert numbers.tolist() == list(range(1, 61))
    seen = ~np.isnan(places).any(axis=(1, 2))
    assert np.isnan(places[~seen]).all()
    assert (numbers[seen] - 1).tolist() == one.track.frames.tolist()
    assert np.abs(times[seen] - one.seconds.numpy()).max() < 1e-6
    assert np.abs(places[seen] - scene_joints(one, 0.0)).max() < 1e-5


def test_uneven_time_stamps_become_even_ones(tmp_path: Path) -> None:
    one = motion(BODY, torch.tensor([0.0, 0.025, 0.1], dtype=torch.float64), fps=20.0)
    one.track.frames[:] = torch.arange(3)
    write_trc(one, BODY, tmp_path / "a.trc", fps=40.0, floor=0.0)
    _, _, times, places = read(tmp_path / "a.trc")
    assert times.tolist() == [0.0, 0.025, 0.05, 0.075, 0.1]
    truth = scene_joints(one, 0.0)
    assert np.abs(places[2] - (2 * truth[1] + truth[2]) / 3).max() < 1e-5


def test_lifted_joints_are_markers_as_well(tmp_path: Path) -> None:
    one = lifted(motion(BODY))
    write_trc(one, BODY, tmp_path / "a.trc", floor=-1.0)
    markers, _, _, places = read(tmp_path / "a.trc")
    assert markers == list(one.skeleton.joints)
    assert np.abs(places - scene_joints(one, -1.0)).max() < 1e-5


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    one = motion(BODY)
    one.joints[3, 2, 1] = float("nan")
    with pytest.raises(UserError, match="joints of 1 frames, the first of them 3, are not finite"):
        write_trc(one, BODY, tmp_path / "a.trc")
    assert list(tmp_path.iterdir()) == []
