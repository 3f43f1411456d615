"""What a user can ask of pictures; light to import, since the command line is made from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from tyro.conf import arg

from anthropose.errors import UserError

ViewName = Literal["input", "overlay", "plain", "side", "above", "keypoints", "sticks", "truth"]

SMALLEST, LARGEST = 32, 4320
"""Heights of panels [px] that are allowed."""


@dataclass(frozen=True)
class Pictures:
    """What is drawn, of which frames, and how large."""

    views: Annotated[tuple[ViewName, ...], arg(help_behavior_hint="")] = ()
    """Panels from left to right. input: the video as it is; overlay: bodies over it; plain: bodies in its place on
    grey; side, above: bodies on a floor; keypoints: what the detector found; sticks: 3D joints in a room; truth: the
    same of --truth. Overlay when not given, or plain without a video; keypoints, sticks and truth where there is
    one."""
    side_view: bool = False
    """Add the panel side."""
    plain: bool = False
    """Draw on a plain background: the panel plain in place of overlay."""
    wireframe: bool = False
    """Draw the edges of the bodies' faces alone."""
    persons: Annotated[tuple[int, ...], arg(metavar="N ...", help_behavior_hint="")] = ()
    """Only these persons, by number; all when empty."""
    size: Annotated[int | None, arg(metavar="PIXELS", help_behavior_hint="")] = None
    """Height of the panels; the video's own for .mp4, 360 for .gif and 270 for contact sheets when not given."""
    skip: Annotated[int, arg(metavar="FRAMES")] = 0
    """Frames of the video to leave out at its beginning."""
    limit: Annotated[int | None, arg(metavar="FRAMES", help_behavior_hint="")] = None
    """How many frames of the video to draw at most, with those that downsampling leaves out."""
    downsample: Annotated[int, arg(metavar="K")] = 1
    """Draw every K-th frame."""
    max_fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="")] = None
    """Leave out frames until there are at most so many per second; 15 for .gif when not given."""
    bitrate: Annotated[int | None, arg(metavar="KBIT", help_behavior_hint="")] = None
    """Kilobits per second of the .mp4; as many as a good picture takes when not given."""
    turn: Annotated[float, arg(metavar="DEGREES")] = 0.0
    """From how far to the right of the camera sticks and truth are seen."""
    moments: Annotated[int, arg(metavar="N")] = 12
    """How many pictures a contact sheet has."""
    numbers: bool = True
    """Write each person's number over the head."""
    save_obj: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None
    """Also write each body in each frame as DIR/person-NN/FRAME.obj."""

    def __post_init__(self) -> None:
        """Raises UserError for numbers that make no sense."""
        wrong = [
            (self.size is not None and not SMALLEST <= self.size <= LARGEST, "size", f"{SMALLEST} to {LARGEST} pixels"),
            (self.skip < 0, "skip", "0 frames or more"),
            (self.limit is not None and self.limit < 1, "limit", "1 frame or more"),
            (self.downsample < 1, "downsample", "1 or more"),
            (self.max_fps is not None and not self.max_fps > 0, "max-fps", "a rate above 0"),
            (self.bitrate is not None and self.bitrate < 1, "bitrate", "1 kbit/s or more"),
            (self.moments < 1, "moments", "1 or more"),
        ]
        for is_wrong, name, expected in wrong:
            if is_wrong:
                raise UserError(f"--{name} {getattr(self, name.replace('-', '_'))}: expected {expected}")

    def panels(self, has_video: bool, has_truth: bool) -> tuple[ViewName, ...]:
        """The panels from left to right, where it is known what there is to show.

        Raises:
            UserError: panels that need a video or a truth, and there is none.
        """
        usual: list[ViewName] = ["overlay" if has_video else "plain"]
        views = list(self.views) or (["keypoints", "sticks", "truth"] if has_truth else usual)
        if self.plain:
            views = ["plain" if view == "overlay" else view for view in views]
        if self.side_view and "side" not in views:
            views.append("side")
        for view in ("input", "overlay"):
            if view in views and not has_video:
                raise UserError(f"--views {view}: of which video? name it by --video, or ask for --views plain")
        if "truth" in views and not has_truth:
            raise UserError("--views truth: there is no truth to show; name its motion files by --truth")
        return tuple(views)


@dataclass(frozen=True)
class Recorded:
    """A sequence of VideoPose3D's archives, lifted by RIE and shown beside the truth, in place of motion files."""

    data: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None
    """data_3d_h36m.npz or data_3d_humaneva15.npz, or the folder that it is in."""
    subject: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """Such as S11; the first of the file when not given."""
    action: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """Such as "Walking 1"; the subject's first when not given."""
    camera: Annotated[int, arg(metavar="N")] = 0
    """Counted from 0."""
    keypoints: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """What is lifted: data_2d_h36m_NAME.npz, or gt, which is projected from the joints where there is no such file."""
    weights: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = ""
    """RIE's weights: a name that `anthropose weights` lists, or a file; the installed ones when not given."""
    flip: bool = True
    """Lift the mirrored keypoints as well and take the mean, as published."""
    save_joints: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None
    """Also write what is predicted: .npy as published, (frames, joints, 3) in camera axes [m], relative to the root; or
    .npz, a motion file."""
