"""How DynaBOA and BOA adapt, as published and for a clip of one's own (dynaboa spec, sections 9, 13 and 15)."""

from dataclasses import dataclass, field, replace
from typing import Literal

from anthropose.errors import UserError
from anthropose.methods.dynaboa.losses import MotionMask
from anthropose.methods.dynaboa.preprocessing import Rows


@dataclass(frozen=True)
class PartWeights:
    """What the parts of the teacher's and of the exemplar's loss are multiplied with before they are added up."""

    keypoints: float = 5.0
    joints: float = 5.0
    shape: float = 0.001
    pose: float = 1.0


@dataclass(frozen=True)
class LossWeights:
    """What the terms are multiplied with; the defaults are those published for 3DPW."""

    keypoints: float = 10.0
    shape_prior: float = 2e-6
    pose_prior: float = 1e-4
    teacher: float = 0.1
    motion: float = 0.8
    labelled: float = 0.1
    teacher_parts: PartWeights = PartWeights()
    labelled_parts: PartWeights = PartWeights()


@dataclass(frozen=True)
class Level:
    """Which losses one level of the adaptation has."""

    frame: bool = True
    """Keypoints and priors."""
    temporal: bool = False
    """Teacher and motion."""
    labelled: bool = True
    """Exemplars, where there are any."""


@dataclass(frozen=True)
class BilevelConfig:
    """How weights are moved, whatever they see; the defaults are those published for 3DPW."""

    learning_rate: float = 3e-6
    betas: tuple[float, float] = (0.5, 0.9)
    """Of Adam."""
    bilevel: bool = True
    """False: one update by the lower level's losses per frame, and no probe, teacher or further updates."""
    probe_rate: float = 8e-6
    """Step length of the probe's plain gradient descent."""
    probe_steps: int = 1
    second_order: bool = False
    """Whether the update is differentiated through the probe (BOA), or taken at its end as if there were none."""
    lower: Level = field(default_factory=Level)
    upper: Level = field(default_factory=lambda: Level(temporal=True))
    robust: float = 0.0
    """As in `keypoint_error`; 0 is the published loss."""
    dynamic: bool = True
    """Whether to go on while an update still turns the steering feature by more than `threshold`."""
    threshold: float = 3.1e-4
    """1 - cosine of the angle."""
    most_steps: int = 7
    """Further updates per frame."""
    use_teacher: bool = True
    teacher_memory: float = 0.1
    """The share of itself that the teacher keeps in each update; the rest becomes the newest weights."""
    use_motion: bool = True
    guard: bool = False
    """Whether a frame that makes matters worse is undone."""
    worst_rise: float = 3.0
    """The keypoints' error after a frame's updates over that before, above which the frame is undone."""
    share_passes: bool = True
    """False: every pass of the published program is made anew, also where an earlier one had the same weights and
    image. The results are the same; this is what the sharing is compared with."""

    def __post_init__(self) -> None:
        for level, name in ((self.lower, "lower"), (self.upper, "upper")):
            if not (level.frame or level.labelled or (level.temporal and self.use_teacher)):
                raise UserError(f"the {name} level of the adaptation has no loss; switch one on")


@dataclass(frozen=True)
class AdaptationConfig(BilevelConfig):
    """How the weights of an image network adapt; the defaults are those published for 3DPW."""

    weights: LossWeights = field(default_factory=LossWeights)
    rows: Rows = "labelled"
    """The part of SPIN-49 that keypoints and motion are compared in."""
    teacher_rows: Rows = "all"
    teacher_aligned: bool = False
    teacher_dropout: bool = False
    """Whether the teacher's dropout is active, as it is, by an oversight, in the published programs for files."""
    interval: int = 5
    """How many frames before the present one the motion is measured from."""
    first_frame: int = 1
    """The first frame that it may be measured from: the published programs never use frame 0."""
    motion_mask: MotionMask = "certain"
    labelled_confidence: Literal["keypoints", "joints"] = "keypoints"


@dataclass(frozen=True)
class WindowWeights:
    """What the terms are multiplied with where windows of keypoints are adapted to; found on CMU's subjects 01, 03."""

    keypoints: float = 30.0
    shape_prior: float = 2e-4
    pose_prior: float = 1e-3
    one_shape: float = 0.01
    motion: float = 10.0
    jerk: float = 10.0
    teacher: float = 1.0
    labelled: float = 1.0
    teacher_parts: PartWeights = PartWeights()
    labelled_parts: PartWeights = PartWeights()


@dataclass(frozen=True)
class WindowConfig(BilevelConfig):
    """How the weights of a network adapt that sees windows of keypoints; the rates were found likewise."""

    learning_rate: float = 5e-5
    robust: float = 0.3
    """Of the square's half width: it bounds what gross errors of a detector do, and hardly slows large mistakes."""
    dynamic: bool = False
    teacher_memory: float = 0.99
    """A teacher that follows slowly holds the network to what it has learnt; the published one is nearly its pupil."""
    guard: bool = True
    weights: WindowWeights = field(default_factory=WindowWeights)
    step: int = 8
    """Frames of a window from one window to the next."""
    lag: float = 0.1
    """Time [s] within which movement is compared."""
    exemplars: int = 1
    """How many are drawn at once."""
    most_drift: float = 0.25
    """Mean distance [m] of joints from where the network would have them that nothing has adapted, above which the
    adaptation begins anew."""
    passes: int = 3
    """How often a track is gone through; only the last one's predictions count. A live stream has but one."""


THREEDPW = AdaptationConfig()
"""The published command for 3DPW, which takes keypoints projected from the true body."""
INTERNET = replace(THREEDPW, weights=LossWeights(shape_prior=2e-4))
_FRAME, _FRAME_AND_TIME = Level(labelled=False), Level(temporal=True, labelled=False)
WEB_CAMERA = replace(THREEDPW, lower=_FRAME, upper=_FRAME_AND_TIME, rows="openpose", interval=4)
"""With the options of its README. The published interval of 5 is 4 in truth: its counter is ahead by one."""
WEB_CAMERA_PLAIN = replace(WEB_CAMERA, bilevel=False, dynamic=False)
"""With that program's defaults: one update a frame, by keypoints and priors."""
BOA = replace(
    THREEDPW,
    betas=(0.5, 0.999),
    second_order=True,
    dynamic=False,
    weights=LossWeights(motion=0.1),
    teacher_rows="labelled",
    teacher_aligned=True,
    motion_mask="none",
    labelled_confidence="joints",
)
"""BOA (CVPR 2021) on 3DPW; its exemplars come in order, the same for both levels of a frame."""
CLIP = replace(INTERNET, lower=_FRAME, upper=_FRAME_AND_TIME, motion_mask="product", first_frame=0, guard=True)
"""For a clip of one's own: the internet preset without exemplars, for soft confidences, and with the guard."""

KEYPOINTS = WindowConfig(lower=_FRAME, upper=_FRAME_AND_TIME)
"""For weights that are fed with keypoints."""
WINDOWS_3DPW = WindowConfig(dynamic=True, passes=1, weights=WindowWeights(shape_prior=2e-6))
"""The published command for 3DPW on windows of keypoints: what is switched on, and how terms relate to those of the
other commands, are its own; rates, the teacher and the guard are those found for windows."""
WINDOWS_WEB_CAMERA = replace(WINDOWS_3DPW, lower=_FRAME, upper=_FRAME_AND_TIME)

PRESETS: dict[str, AdaptationConfig] = {
    "3dpw": THREEDPW,
    "internet": INTERNET,
    "web-camera": WEB_CAMERA,
    "web-camera-plain": WEB_CAMERA_PLAIN,
    "boa-3dpw": BOA,
    "clip": CLIP,
}
"""For a BaseModel."""

WINDOW_PRESETS: dict[str, WindowConfig] = {
    "3dpw": WINDOWS_3DPW,
    "internet": replace(WINDOWS_3DPW, weights=WindowWeights()),
    "web-camera": WINDOWS_WEB_CAMERA,
    "web-camera-plain": replace(WINDOWS_WEB_CAMERA, bilevel=False, dynamic=False),
    "boa-3dpw": replace(
        WINDOWS_3DPW,
        betas=BOA.betas,
        second_order=True,
        dynamic=False,
        weights=replace(WINDOWS_3DPW.weights, motion=1.25),
    ),
    "clip": KEYPOINTS,
}
"""The same for weights that are fed with keypoints."""


def preset_named(name: str) -> tuple[AdaptationConfig, WindowConfig]:
    """A preset for a BaseModel, and for weights that are fed with keypoints.

    Raises:
        UserError: there is none of that name.
    """
    if name not in PRESETS:
        raise UserError(f"dynaboa has no preset {name!r}; it has {', '.join(PRESETS)}")
    return PRESETS[name], WINDOW_PRESETS[name]
