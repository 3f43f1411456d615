"""What `anthropose prepare` does: a raw release into a prepared set, or into VideoPose3D's archives."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path

from anthropose.body.files import SMPL_PAGE, installed_bodies, load_body
from anthropose.body.model import BodyModel
from anthropose.datasets.occlusion import Occluding, read_occluders
from anthropose.datasets.prepared import Extractor, prepare
from anthropose.datasets.raw.base import RAW_SETS, RawOptions, raw_set
from anthropose.datasets.raw.lifting import LIFTING_RELEASES, lifting_release, prepare_archives
from anthropose.datasets.sequence import Gender
from anthropose.errors import UserError
from anthropose.methods.video import ImageFeatures
from anthropose.nn.checkpoints import find_weights
from anthropose.nn.compute import Compute, Device, Precision
from anthropose.nn.hmr import PUBLISHED as SPIN
from anthropose.progress import StageProgress, silent


@dataclass(frozen=True)
class Bodies:
    """Which bodies labels are made of, by the names that `anthropose body` lists or as files; found where empty."""

    neutral: str = ""
    male: str = ""
    female: str = ""
    gendered: bool = False
    """Whether each person's labels are made of the body of their gender; the published tools take the neutral one."""

    def options(self) -> RawOptions:
        """How releases are read with them; a body is read when a release asks for it."""
        return RawOptions(self._finder(), self.gendered)

    def _finder(self) -> Callable[[Gender], BodyModel]:
        @cache
        def body(gender: Gender) -> BodyModel:
            return load_body(getattr(self, gender) or _installed(gender))

        return body


_NAMED = {
    "neutral": r"neutral|(?<![a-z])n(?![a-z])",
    "male": r"(?<!fe)male|(?<![a-z])m(?![a-z])",
    "female": r"female|(?<![a-z])f(?![a-z])",
}
"""How SMPL's files are named: SMPL_NEUTRAL, basicmodel_m_lbs_10_207_0_v1.1.0."""


def _installed(gender: Gender) -> str:
    """The name of a SMPL body of that gender that the user has brought in."""
    names = [name for name in installed_bodies()[1:] if re.search(_NAMED[gender], name)]
    if len(names) != 1:
        several = f"several are here: {', '.join(names)}" if names else "none is here"
        option = "--body" if gender == "neutral" else f"--{gender}"
        raise UserError(
            f"labels of this set are made of SMPL's {gender} body, and {several}; `anthropose body add FILE` brings in "
            f"one from {SMPL_PAGE}; {option} NAME says which; the free body stands in for it with {option} free"
        )
    return names[0]


def prepare_release(
    name: str,
    root: Path,
    out: Path,
    subset: str = "",
    features: str = "",
    bodies: Bodies = Bodies(),
    crop_scale: float | None = None,
    half: bool = False,
    occluders: Path | None = None,
    device: Device = "auto",
    precision: Precision = "float32",
    progress: StageProgress = silent,
) -> str:
    """Prepares a release and tells what has been made, what was odd in it, and what was left out.

    Args:
        name: one of RAW_SETS or LIFTING_RELEASES.
        root: the release's folder.
        out: gets the folder NAME-SUBSET, or the archives.
        features: SPIN's weights, installed or as a file, "spin" for the installed ones; none are made when empty.
        crop_scale: by how much boxes are widened for the features; the release's own scale where None.
        half: whether features are stored in 16 bits.
        occluders: the folder of Pascal VOC 2012 whose objects are pasted over the people before their features are
            made, as TCMR's `occ` sets have it.

    Raises:
        UserError: there is no such release, its folder is another, or something that it needs is missing.
    """
    if name in LIFTING_RELEASES:
        if subset or features:
            raise UserError(f"{name} becomes archives of keypoints and joints: it has no subsets and no features")
        return prepare_archives(lifting_release(name), root, out, progress).report()
    if name not in RAW_SETS:
        raise UserError(f"no data set {name!r}; known are {', '.join([*RAW_SETS, *LIFTING_RELEASES])}")
    extractor: Extractor | None = None
    if features:
        weights = find_weights("" if features == SPIN.system else features, SPIN)
        extractor = ImageFeatures(weights, Compute(device, precision))
    if occluders is not None:
        if extractor is None:
            raise UserError("objects are pasted over pictures before features are made of them; give --features too")
        extractor = Occluding(extractor, read_occluders(occluders))
    return prepare(
        raw_set(name, bodies.options()), root, out, subset, extractor, progress,
        crop_scale=crop_scale, half=half, settings={"bodies": asdict(bodies)},
    ).report()  # fmt: skip


def releases_table() -> str:
    """All releases that can be prepared, and what they become."""
    lines = ["`anthropose prepare NAME ROOT` makes a set to train with or to evaluate on of"]
    lines += [f"    {name:<20} {', '.join(raw_set(name).subsets)}" for name in RAW_SETS]
    lines += ["and VideoPose3D's archives of", *(f"    {name}" for name in LIFTING_RELEASES)]
    lines.append("`anthropose prepare NAME` shows how the folder ROOT should look.")
    return "\n".join(lines)


def layout_of(name: str) -> str:
    """How the folder of a release should look.

    Raises:
        UserError: there is no such release.
    """
    return lifting_release(name).layout if name in LIFTING_RELEASES else raw_set(name).layout
