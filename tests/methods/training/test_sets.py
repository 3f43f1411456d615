"""Which prepared set takes the place of a published file, for every training that is listed."""

from collections.abc import Iterator
from importlib import import_module
from itertools import product
from pathlib import Path

import pytest

from anthropose.datasets.prepared.names import STAND_INS, SetName
from anthropose.datasets.raw.base import RAW_SETS, raw_set
from anthropose.errors import UserError
from anthropose.evaluate.sources import DATABASES, FRONTAL
from anthropose.methods.base import METHODS
from anthropose.methods.training.sets import find_sets

MADE_AS = {
    "insta_train_db.h5": "insta-train",
    "posetrack_train_db.pt": "posetrack-train",
    "posetrack_train_occ_db.pt": "posetrack-train-occ",
    "amass_db.pt": "amass-train",
    "3dpw_train_db.pt": "3dpw-train",
    "3dpw_train_occ_db.pt": "3dpw-train-occ",
    "3dpw_val_db.pt": "3dpw-val",
    "3dpw_test_db.pt": "3dpw-test",
    "3dpw_test_all_db.pt": "3dpw-whole-test",
    "mpii3d_train_db.pt": "mpii3d-train-crop1.3",
    "mpii3d_train_scale12_db.pt": "mpii3d-train",
    "mpii3d_train_scale12_occ_db.pt": "mpii3d-train-occ",
    "mpii3d_train_scale12_new_occ_db.pt": "mpii3d-train-occ",
    "mpii3d_train_scale1_db.pt": "mpii3d-train-crop1.0",
    "mpii3d_val_db.pt": "mpii3d-test-crop1.3",
    "mpii3d_val_scale12_db.pt": "mpii3d-test",
    "h36m_train_db.pt": "h36m-train",
    "h36m_train_25fps_db.pt": "h36m-train",
    "h36m_train_25fps_nosmpl_db.pt": "h36m-train",
    "h36m_train_25fps_occ_db.pt": "h36m-train-occ",
    "h36m_train_25fps_occ_nosmpl_db.pt": "h36m-train-occ",
    "h36m_train_25fps_tight_db.pt": "h36m-tight-train",
    "h36m_test_25fps_db.pt": "h36m-test",
    "h36m_test_25fps_nosmpl_db.pt": "h36m-test",
    "h36m_test_front_25fps_tight_db.pt": "h36m-tight-test",
    "h36m_test_front_25fps_tight_nosmpl_db.pt": "h36m-tight-test",
    "h36m_train.npz": "h36m-train",
}
"""By the specs: tcmr 4.2 and 4.3, glot 4.1, vibe_base 9, parallel_branch 7."""
UNMADE = {
    "h36m_test.npz": "no test part of Human3.6M has bodies",
    "data_2d_h36m_cpn_ft_h36m_dbb.npz": "detections come from their makers",
    "data_2d_h36m_gt.npz": "prepare writes it under this name",
    "data_3d_h36m.npz": "prepare writes it under this name",
}
TRAINED = ("tcmr", "glot", "parallel-branch", "vibe", "rie", "dynaboa")


def trainings() -> Iterator[tuple[str, dict[str, str]]]:
    """All that `anthropose train --list` names and that learns from sets: its title and files."""
    for method in TRAINED:
        module = METHODS[method].partition(":")[0]
        for name, preset in import_module(module).TRAININGS.items():
            first = preset[0] if isinstance(preset, tuple) else preset
            if first.mocap is None:
                yield f"{method} {name}", dict(first.files)


TRAININGS = dict(trainings())


def made(folder: Path, occluded: bool = True, crops: tuple[float | None, ...] = (None, 1.0, 1.3)) -> Path:
    """A folder with an empty one for every set that `prepare` can write of every release."""
    for release in RAW_SETS:
        for subset, crop, things in product(raw_set(release).subsets, crops, (False, True) if occluded else (False,)):
            (folder / SetName(release, subset, crop, things).folder).mkdir(parents=True)
    return folder


def test_every_published_training_is_looked_at() -> None:
    assert len(TRAININGS) >= 6 + 3 + 8 + 1 + 12 + 1
    asked = {file for files in TRAININGS.values() for file in files.values()}
    assert asked - {*MADE_AS} == {*UNMADE}
    assert {*MADE_AS} == {*STAND_INS}, "and every file that has a set in its place is known here"
    tested = {file for files in (*DATABASES.values(), FRONTAL) for file in files}
    assert tested <= {*MADE_AS}, "as is every file that an evaluation asks for"


@pytest.mark.parametrize("title", TRAININGS)
def test_a_training_finds_the_set_that_is_made_as_each_of_its_files(title: str, tmp_path: Path) -> None:
    made(tmp_path)
    files = TRAININGS[title]
    unmade = {key: file for key, file in files.items() if file in UNMADE}
    found = find_sets(title, files, tmp_path, optional=list(unmade))
    assert {key: path.name for key, path in found.items()} == {
        key: MADE_AS[file] for key, file in files.items() if key not in unmade
    }
    if unmade:
        with pytest.raises(UserError, match="also needs") as refused:
            find_sets(title, files, tmp_path)
        told = str(refused.value).partition("also needs ")[2].split(", ")
        assert [line.split(" ")[0] for line in told] == list(unmade.values()), (
            "others are named, no set takes their place"
        )


@pytest.mark.parametrize("title", [title for title, files in TRAININGS.items() if "_occ_" in str(files)])
def test_a_training_on_occluded_people_is_refused_sets_of_people_that_are_not(title: str, tmp_path: Path) -> None:
    made(tmp_path, occluded=False)
    occluded = [file for file in TRAININGS[title].values() if "_occ_" in file]
    with pytest.raises(UserError) as refused:
        find_sets(title, TRAININGS[title], tmp_path)
    line = str(refused.value)
    assert "\n" not in line
    for file in occluded:
        assert f"{file} (or {MADE_AS[file]}, by `anthropose prepare " in line
        assert f"{MADE_AS[file].removesuffix('-occ')}" in line
    assert line.count("--occluders VOC2012`; ") == line.count("are made otherwise") == len(occluded)
    assert line.count("_db.pt") == len(occluded), "the others are found"


def test_a_set_with_other_crops_takes_no_files_place(tmp_path: Path) -> None:
    made(tmp_path, crops=(None,))
    with pytest.raises(UserError, match=r"mpii3d-train-crop1\.0, by .*--crop-scale 1\.0`; mpii3d-train and mpii3d-tr"):
        find_sets("tcmr table6-h36m", TRAININGS["tcmr table6-h36m"], tmp_path)
    with pytest.raises(UserError, match=r"vibe without-3dpw also needs mpii3d_train_db\.pt \(or .*--crop-scale 1\.3`"):
        find_sets("vibe without-3dpw", TRAININGS["vibe without-3dpw"], tmp_path)


def test_published_files_come_first_then_what_its_owner_calls_so(tmp_path: Path) -> None:
    made(tmp_path)
    files = {"3dpw": "3dpw_train_occ_db.pt"}
    (tmp_path / "3dpw_train_occ").mkdir()
    assert find_sets("some", files, tmp_path)["3dpw"].name == "3dpw_train_occ"
    (tmp_path / "3dpw_train_occ_db.pt").touch()
    assert find_sets("some", files, tmp_path)["3dpw"].name == "3dpw_train_occ_db.pt"


def test_what_stands_in_is_a_release_that_can_be_prepared(tmp_path: Path) -> None:
    for name in STAND_INS.values():
        assert name.subset in raw_set(name.release).subsets
        assert name.command.startswith(f"anthropose prepare {name.release} ROOT --subset {name.subset}")
    assert STAND_INS["mpii3d_train_scale1_db.pt"].command.endswith("--features spin --crop-scale 1.0")
