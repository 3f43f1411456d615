"""What stands side by side in a picture: the video with or without people over it, and views of a floor."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from jaxtyping import UInt8

from anthropose.motion import Camera, Motion
from anthropose.render.meshes import MeshRenderer
from anthropose.render.options import Pictures, ViewName
from anthropose.render.people import draw_people
from anthropose.render.scene import Seen
from anthropose.render.stage import FROM_ABOVE, FROM_SIDE, STICKS_TILT, Look, Stage
from anthropose.render.sticks import draw_keypoints

MESHES: frozenset[ViewName] = frozenset({"overlay", "plain", "side", "above"})
"""The panels that show bodies as surfaces."""

NARROWEST = 0.75
"""Width by height of views of a floor beside videos that are narrow themselves."""


@dataclass(frozen=True)
class Moment:
    """All that panels may show of one frame of a video."""

    rgb: UInt8[np.ndarray, "h w 3"]
    """The video's frame, in the size of the panels that show it."""
    seen: list[tuple[Seen, Camera]]
    """Who is there, and the camera for pictures of that size."""
    rows: list[tuple[Motion, int]]
    """The same people's motions and the rows of the frame in them."""
    truth: list[Seen]
    """Who truly is there, where that is known."""


class Panel(ABC):
    """One picture among those side by side."""

    size: tuple[int, int]
    """Width and height [px]."""

    @abstractmethod
    def draw(self, moment: Moment) -> UInt8[np.ndarray, "h w 3"]:
        """The picture of a moment."""

    def close(self) -> None:  # noqa: B027 - most hold nothing
        """Gives back what the graphics library holds."""


class InputPanel(Panel):
    """The video as it is, or with the keypoints that were found in it."""

    def __init__(self, size: tuple[int, int], keypoints: bool) -> None:
        self.size, self._keypoints = size, keypoints

    def draw(self, moment: Moment) -> UInt8[np.ndarray, "h w 3"]:
        """The frame, with everyone's 2D sticks if wanted."""
        if not self._keypoints:
            return moment.rgb
        picture = moment.rgb.copy()
        for motion, row in moment.rows:
            draw_keypoints(picture, motion.track, row, self.size[0] / motion.camera.size[0])
        return picture


class OverlayPanel(Panel):
    """People in their places in the video, over it or over plain grey."""

    def __init__(self, size: tuple[int, int], plain: bool, pictures: Pictures, opacity: float) -> None:
        self.size, self._plain, self._numbers = size, plain, pictures.numbers
        opacity = 1.0 if plain else opacity
        self._renderer = MeshRenderer(*size, opacity=opacity, wireframe=pictures.wireframe)

    def draw(self, moment: Moment) -> UInt8[np.ndarray, "h w 3"]:
        """Bodies, and sticks for motions without."""
        return draw_people(None if self._plain else moment.rgb, moment.seen, self._renderer, self._numbers)

    def close(self) -> None:
        """Gives back what the graphics library holds."""
        self._renderer.close()


class StagePanel(Panel):
    """People on a floor, seen from somewhere else: bodies, or sticks only."""

    def __init__(self, stage: Stage, meshes: bool, truth: bool, wireframe: bool = False) -> None:
        self.size, self._stage, self._truth = stage.size, stage, truth
        self._renderer = MeshRenderer(*stage.size, wireframe=wireframe) if meshes else None

    def draw(self, moment: Moment) -> UInt8[np.ndarray, "h w 3"]:
        """The people of the moment, or the true ones."""
        return self._stage.draw(moment.truth if self._truth else [seen for seen, _ in moment.seen], self._renderer)

    def close(self) -> None:
        """Gives back what the graphics library holds."""
        if self._renderer is not None:
            self._renderer.close()


def panel_size(view: ViewName, size: tuple[int, int]) -> tuple[int, int]:
    """The size of a panel beside pictures of the video of some size [px]."""
    if view in ("sticks", "truth"):
        return size[1], size[1]
    if view in ("side", "above"):
        return max(min(size), round(NARROWEST * size[1])), size[1]
    return size


def make_panel(
    view: ViewName,
    size: tuple[int, int],
    motions: Sequence[Motion],
    truth: Sequence[Motion],
    pictures: Pictures,
    opacity: float = 0.9,
) -> Panel:
    """The panel of a name.

    Args:
        size: of pictures of the video [px]; other panels are as high.
        motions: all that will be shown.
        truth: the same.
        pictures: how they are drawn.
        opacity: how much of the video a body hides, from 0 to 1.
    """
    own = panel_size(view, size)
    match view:
        case "input" | "keypoints":
            return InputPanel(size, view == "keypoints")
        case "overlay" | "plain":
            return OverlayPanel(size, view == "plain", pictures, opacity)
        case "side" | "above":
            stage = Stage.around(motions or truth, own, FROM_SIDE if view == "side" else FROM_ABOVE)
            return StagePanel(stage, meshes=True, truth=False, wireframe=pictures.wireframe)
        case "sticks" | "truth":
            words = ("reconstruction" if view == "sticks" else "ground truth", "")
            alone = max(len(motions), len(truth)) == 1
            look = Look(pictures.turn, STICKS_TILT, words, follows=alone)
            return StagePanel(Stage.around([*motions, *truth], own, look), meshes=False, truth=view == "truth")
        case _:
            assert_never(view)
