"""C3D files, written by ezc3d and read back by the package c3d."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.export.c3d import write_c3d
from anthropose.skeleton import SMPL_24
from tests.export.made_up import GAP, lifted, motion, scene_joints, stick_body, with_a_gap

pytest.importorskip("ezc3d", reason="writes C3D files; pip install 'anthropose[c3d]'")
c3d = pytest.importorskip("c3d", reason="reads C3D files back; pip install c3d")
pytestmark = pytest.mark.filterwarnings("ignore:No analog data", "ignore:incomplete reading of data blocks")
BODY = stick_body()


class Markers:
    """What c3d finds in a file."""

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            reader = c3d.Reader(file)
            self.rate, self.first, self.last = reader.point_rate, reader.first_frame, reader.last_frame
            self.names = [name.strip() for name in reader.point_labels]
            self.unit = reader.get("POINT:UNITS").string_value.strip()
            self.up = reader.get("POINT:Y_SCREEN").string_value.strip()
            points = np.stack([points for _, points, _ in reader.read_frames()])
        self.places, self.residuals = points[..., :3].astype(np.float64), points[..., 3]


def test_the_joints_come_back(tmp_path: Path) -> None:
    one = motion(BODY, 0.5 + torch.arange(60, dtype=torch.float64) / 30)
    write_c3d([one], BODY, tmp_path / "a.c3d", floor=-1.1)
    read = Markers(tmp_path / "a.c3d")
    assert (read.rate, read.unit, read.up) == (30.0, "mm", "+Y")
    assert (read.first, read.last) == (16, 75), "frame 1 is the video's first"
    assert read.names == list(SMPL_24.joints)
    assert np.abs(read.places / 1000 - scene_joints(one, -1.1)).max() < 1e-5
    assert (read.residuals >= 0).all()


def test_the_residual_is_minus_one_where_a_person_is_not_seen(tmp_path: Path) -> None:
    one = with_a_gap(BODY)
    write_c3d([one], BODY, tmp_path / "a.c3d", unit="m", floor=0.0)
    read = Markers(tmp_path / "a.c3d")
    missing = np.zeros(60, bool)
    missing[GAP] = True
    assert read.unit == "m"
    assert (read.residuals[missing] == -1).all()
    assert (read.residuals[~missing] >= 0).all()
    assert np.abs(read.places[~missing] - scene_joints(one, 0.0)).max() < 1e-5


def test_several_persons_share_the_clock_and_go_by_their_names(tmp_path: Path) -> None:
    people = [motion(BODY, 1 + torch.arange(30) / 30), lifted(motion(BODY, 1.5 + torch.arange(30) / 30, person=7))]
    write_c3d(people, BODY, tmp_path / "a.c3d", unit="m", start=0.0, floor=-1.0)
    read = Markers(tmp_path / "a.c3d")
    assert (read.first, read.last) == (1, 75)
    assert (read.names[0], read.names[24], len(read.names)) == ("person-00:pelvis", "person-07:hip", 41)
    for one, first, columns in ((people[0], 30, slice(24)), (people[1], 45, slice(24, 41))):
        assert np.abs(read.places[first : first + 30, columns] - scene_joints(one, -1.0)).max() < 1e-5
        assert (read.residuals[:first, columns] == -1).all()
        assert (read.residuals[first + 30 :, columns] == -1).all()


def test_more_frames_than_the_format_counts_are_refused(tmp_path: Path) -> None:
    late = motion(BODY, 5000 + torch.arange(3) / 30)
    with pytest.raises(UserError, match="at most 65535 frames"):
        write_c3d([late], BODY, tmp_path / "a.c3d")
    write_c3d([late], BODY, tmp_path / "a.c3d", fps=10.0)
    assert Markers(tmp_path / "a.c3d").first == 50001
