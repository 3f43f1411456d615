"""What `--data` means: prepared sets, published databases, VideoPose3D's archives, or a folder with some of them."""

from collections.abc import Mapping
from collections.abc import Sequence as List
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from anthropose.datasets.lifting import (
    SETS,
    LiftingSequence,
    LiftingSet,
    projected_keypoints,
    read_joints,
    read_keypoints,
    sequences_of,
)
from anthropose.datasets.prepared import open_set
from anthropose.datasets.prepared.sets import INDEX, read_index
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError

TestSetName = Literal["3dpw", "mpii3d", "h36m", "humaneva"]
DATABASES: dict[str, tuple[str, ...]] = {
    "3dpw": ("3dpw_test_db.pt", "3dpw_test_all_db.pt"),
    "mpii3d": ("mpii3d_val_scale12_db.pt", "mpii3d_val_db.pt"),
    "h36m": ("h36m_test_25fps_nosmpl_db.pt", "h36m_test_25fps_db.pt"),
}
"""The published files of each test set; the first that is there counts."""
PREPARED = {
    "3dpw": ("3dpw", "3dpw-whole", "3dpw-dynaboa"),
    "mpii3d": ("mpii3d-test", "mpii3d-test-whole", "mpii3d-test-annot3"),
    "h36m": ("h36m", "h36m-tight"),
}
"""The releases of which a prepared set can be of each test set, the usual one first."""
FRONTAL = ("h36m_test_front_25fps_tight_nosmpl_db.pt", "h36m_test_front_25fps_tight_db.pt")
"""Human3.6M as TCMR's Table 6 has it: the fourth camera and tight boxes."""
ARCHIVES = {"h36m": "h36m", "humaneva": "humaneva15"}
"""The names in VideoPose3D's files."""
H36M_SUBJECTS = ("S9", "S11")
HUMANEVA_SUBJECTS = ("Validate/S1", "Validate/S2", "Validate/S3")
HUMANEVA_ACTIONS = ("Walk", "Jog", "Box")
_NONE_FOUND = (
    "a prepared set (`anthropose prepare`), a published database such as 3dpw_test_db.pt, VideoPose3D's "
    "data_3d_h36m.npz, or a folder with one of them"
)


@dataclass(frozen=True)
class Source:
    """The data of one test set."""

    test_set: str
    path: Path
    is_archive: bool = False
    """Whether it is VideoPose3D's archive of joints, for lifters."""
    subset: str = ""
    """Of a prepared set."""
    made_with: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """The same: what it was made of, and how."""

    def sequences(self) -> list[Sequence]:
        """All of them.

        Raises:
            UserError: it is an archive for lifters, or damaged.
        """
        if self.is_archive:
            raise UserError(
                f"{self.path}: it holds keypoints and joints for lifters such as rie, and no image features"
            )
        # In tests on Human3.6M the published code looks at joints alone.
        return open_set(self.path, bodies=self.test_set != "h36m")


def find_sources(path: Path, wanted: List[str] = (), archives: bool = False, frontal: bool = False) -> list[Source]:
    """What there is at a path, one source for each test set.

    Args:
        path: a file or folder.
        wanted: the test sets; all that are there when empty. A single one also says what a file is that does not say it
            by its name.
        archives: whether to take VideoPose3D's archives where a folder holds both kinds.
        frontal: whether to prefer Human3.6M with the frontal camera alone.

    Raises:
        UserError: there is no such path, nothing of the kind at it, or not the sets that are wanted.
    """
    path = Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder; expected {_NONE_FOUND}")
    if path.is_file() or (path / INDEX).exists():
        source = _single(path)
        if source.test_set == "" and len(wanted) != 1:
            raise UserError(f"{path}: of which test set it is cannot be told; say --set 3dpw, mpii3d or h36m")
        if source.test_set == "" or wanted == [source.test_set]:
            return [replace(source, test_set=source.test_set or wanted[0])]
        if wanted and source.test_set not in wanted:
            raise UserError(f"{path}: it is of {source.test_set}, not of {' or '.join(wanted)}")
        return [source]
    found = _in_folder(path, archives, frontal)
    if not found:
        raise UserError(f"{path}: it holds nothing to evaluate on; expected {_NONE_FOUND}")
    missing = [name for name in wanted if name not in found]
    if missing:
        raise UserError(f"{path}: nothing of {', '.join(missing)} in it; it has {', '.join(found)}")
    return [found[name] for name in wanted or found]


def _single(path: Path) -> Source:
    """What one file or prepared folder is, its test set empty where it does not say."""
    if path.name.startswith("data_3d_"):
        for test_set, name in ARCHIVES.items():
            if path.stem == f"data_3d_{name}":
                return Source(test_set, path, is_archive=True)
        raise UserError(f"{path}: expected data_3d_h36m.npz or data_3d_humaneva15.npz")
    if path.name.startswith("data_2d_"):
        raise UserError(f"{path}: these are keypoints; name data_3d_h36m.npz, the joints, which lie beside them")
    if path.is_dir() or path.name == INDEX:
        folder = path if path.is_dir() else path.parent
        index = read_index(folder) or {}
        made_with = index.get("made_with", {})
        test_set = _set_of(str(made_with.get("set", "")))
        return Source(test_set, folder, subset=str(made_with.get("subset", "")), made_with=made_with)
    return Source(_set_of(path.name), path)


def _set_of(name: str) -> str:
    return next((known for known in DATABASES if name.startswith(known)), "")


def _in_folder(folder: Path, archives: bool, frontal: bool) -> dict[str, Source]:
    """By test set, in a fixed order: archives first or last, then prepared test sets, then published files."""
    found: dict[str, Source] = {}
    lifting = [
        Source(test_set, folder / f"data_3d_{name}.npz", is_archive=True)
        for test_set, name in ARCHIVES.items()
        if (folder / f"data_3d_{name}.npz").is_file()
    ]
    prepared = [_single(child) for child in sorted(folder.iterdir()) if (child / INDEX).is_file()]
    tests = [source for source in prepared if source.test_set and source.subset == "test"]
    tests.sort(key=partial(_unusual, frontal))
    files = {**DATABASES, "h36m": (*(FRONTAL if frontal else ()), *DATABASES["h36m"], *FRONTAL)}
    databases = [
        Source(test_set, folder / name)
        for test_set, names in files.items()
        for name in names
        if (folder / name).is_file()
    ]
    for source in (*(lifting if archives else ()), *tests, *databases, *lifting):
        found.setdefault(source.test_set, source)
    return found


def _unusual(frontal: bool, source: Source) -> tuple[int, bool, int, bool]:
    """By test set; then low for the prepared set that papers report on, where a folder has several of the same."""
    order = PREPARED[source.test_set]
    order = order[::-1] if frontal and source.test_set == "h36m" else order
    release, how = str(source.made_with["set"]), source.made_with
    rank = order.index(release) if release in order else len(order)
    occluded = "occluders" in (how.get("extractor") or {})
    return list(DATABASES).index(source.test_set), occluded, rank, how.get("crop_scale") is not None


def lifting_sequences(source: Source, keypoints: str) -> tuple[LiftingSet, list[LiftingSequence], str]:
    """The sequences of the test subjects in an archive, how it is read, and which keypoints they have.

    Args:
        keypoints: the name in VideoPose3D's files, such as "gt" or "cpn_ft_h36m_dbb". True ones are projected where
            there is no file of them.

    Raises:
        UserError: the archive, or the file of keypoints beside it, is missing or damaged.
    """
    name = ARCHIVES[source.test_set]
    lifting_set = SETS[name]
    joints = read_joints(source.path)
    path = source.path.with_name(f"data_2d_{name}_{keypoints}.npz")
    if path.is_file():
        points = read_keypoints(path)
    elif keypoints == "gt" and source.test_set == "h36m":
        points = projected_keypoints(
            lifting_set, {subject: joints[subject] for subject in H36M_SUBJECTS if subject in joints}
        )
    else:
        others = ", ".join(sorted(other.name for other in source.path.parent.glob(f"data_2d_{name}_*.npz"))) or "none"
        raise UserError(f"{path}: no such file of keypoints; there are {others}")
    if source.test_set == "humaneva":
        subjects = [subject for subject in HUMANEVA_SUBJECTS if subject in joints]
        return lifting_set, sequences_of(lifting_set, joints, points, subjects, HUMANEVA_ACTIONS), path.name
    return lifting_set, sequences_of(lifting_set, joints, points, H36M_SUBJECTS), path.name


def sound_features(sequences: List[Sequence], features: int | None) -> None:
    """Makes sure that sequences have image features of the length that a network takes.

    Raises:
        UserError: they have none, or others.
    """
    for sequence in sequences:
        width = sequence.required_features().shape[1]
        if features is not None and width != features:
            raise UserError(
                f"{sequence.name}: its image features have {width} numbers, the network takes {features}; prepare the "
                "set with the features that it was trained on"
            )


def genders_in(sequences: List[Sequence]) -> list[str]:
    """Of the people in a set, where it says so and has bodies."""
    return sorted({sequence.gender for sequence in sequences if sequence.pose is not None} - {"neutral"})
