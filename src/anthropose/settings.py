"""What a user can set about a reconstruction; light to import, since the command line is made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

Unit = Literal["m", "cm", "mm"]


@dataclass(frozen=True)
class Settings:
    """Everything that the people and motions found in a video depend on."""

    method: Annotated[str, arg(metavar="NAME")] = "default"
    """How keypoints or pixels become a body: default (parallel-branch with weights that come along, then refined),
    smplify, dynaboa, rie, parallel-branch, or with weights of yours tcmr, glot, vibe; or package.module:Class."""
    weights: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """Weights of the method: a name that `anthropose weights` lists, or a file; the installed ones when not given."""
    preset: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """How dynaboa adapts: as the published programs do (3dpw, internet, web-camera, web-camera-plain, boa-3dpw), or
    clip, which is meant when not given."""
    exemplars: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """For dynaboa: labelled examples that `anthropose exemplars` wrote; where its preset wants some and none are given,
    those that come along are taken, which are for weights that are fed with keypoints."""
    body: Annotated[str, arg(metavar="NAME")] = "free"
    """The body model: free, the name of one that was brought in with `anthropose body`, or a SMPL file."""
    detector: Annotated[str, arg(metavar="NAME")] = "mediapipe"
    """What finds people and their keypoints: mediapipe, or rtmlib where that extra is installed."""
    tracker: Literal["default", "sort"] = "default"
    """How detections become tracks; sort is the one that the VIBE family used."""
    tracks: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """People found by another program (AlphaPose, OpenPose, COCO or MOT file) in place of the detector."""
    persons: Annotated[tuple[int, ...], arg(metavar="N ...", help_behavior_hint="")] = ()
    """Only these persons, by number; all when empty."""
    focal: Annotated[float | None, arg(metavar="PIXELS", help_behavior_hint="")] = None
    """Focal length of the camera in pixels; guessed from the size of the picture when not given."""
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="")] = None
    """Frames per second of a folder of images (30 when not given); a video brings its own."""
    seconds: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="")] = None
    """Only the first so many seconds."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where networks run; auto takes the GPU where there is one."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    """Of the networks' products; the short ones are faster on a GPU and a little less exact."""
    refine: Literal["auto", "on", "off"] = "auto"
    """Whether a few steps of smplify bring a learnt body onto the keypoints, and its standing feet to rest; auto does
    where weights are fed with keypoints."""
    smooth: Literal["none", "one-euro", "gaussian"] = "none"
    """Smoothing of the finished motion over time, on top of the method's own."""


@dataclass(frozen=True)
class Outputs:
    """Which files are made of the motions, beside the motion files themselves."""

    overlay: bool = True
    """The bodies drawn over the video, as overlay.mp4."""
    side_view: bool = False
    """A second panel in overlay.mp4 that shows the people from the side."""
    export: Annotated[tuple[str, ...], arg(metavar="NAME,NAME")] = ("glb", "bvh")
    """Formats for other programs, of those that `anthropose export` lists: scene.glb holds everyone, person-NN.bvh one
    person each."""
    report: bool = True
    """The page report.html with the video, plots over time, settings and versions."""


@dataclass(frozen=True)
class ExportOptions:
    """What the formats of other programs can be told; each heeds some of it, as docs/export.md says."""

    joints: Literal["smpl", "mixamo", "vrm", "unreal"] = "smpl"
    """Whose names the joints of bodies get (.glb, .fbx, .bvh, .usd)."""
    skeleton: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """Which joints tables hold (.csv, .trc, .c3d): coco, h36m, smpl, body-25, halpe or another set; the motion's own
    when not given."""
    unit: Annotated[Unit | None, arg(help_behavior_hint="")] = None
    """Of lengths; what is usual in the format when not given."""
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="")] = None
    """Frames per second of formats that have a constant rate; the video's mean rate when not given."""
    start: Annotated[float | None, arg(metavar="SECONDS", help_behavior_hint="")] = None
    """The time in the video at which such a file begins; when the first person comes when not given (.fbx: the video's
    beginning)."""
    floor: Annotated[float | None, arg(metavar="METRES", help_behavior_hint="")] = None
    """Height of the floor over the camera, negative as a rule; found from the feet when not given."""
    wide: bool = False
    """A .csv with a row for each frame in place of one for each joint."""
