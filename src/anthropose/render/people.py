"""People drawn over a picture, nearer ones in front: `draw_people`."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from anthropose.colours import person_colour
from anthropose.motion import Camera
from anthropose.render.meshes import MeshRenderer
from anthropose.render.scene import Seen
from anthropose.render.sticks import draw_joints_seen_by


def draw_people(
    picture: UInt8[np.ndarray, "h w 3"] | None,
    seen: Sequence[tuple[Seen, Camera]],
    renderer: MeshRenderer,
    numbers: bool = True,
) -> UInt8[np.ndarray, "h w 3"]:
    """A new picture with the people drawn over `picture`, or over plain grey.

    Bodies that share a camera hide each other by depth, as do almost always all of a video; otherwise, as with sticks,
    who is nearer is drawn later.

    Args:
        numbers: whether each person's number is written over the head.
    """
    from_far = sorted(seen, key=lambda pair: -_depth(pair[0]))
    drawn = renderer.draw(picture, [], 1.0, (0.0, 0.0)) if not seen else picture
    for camera in dict.fromkeys(camera for _, camera in from_far):
        meshes = [person.mesh for person, its in from_far if person.mesh is not None and its == camera]
        drawn = renderer.draw(drawn, meshes, camera.focal, camera.center)
    assert drawn is not None
    for person, camera in from_far:
        if person.mesh is None:
            draw_joints_seen_by(drawn, person.joints, person.skeleton, camera.focal, camera.center)
    for person, camera in from_far if numbers else ():
        _label(drawn, person, camera)
    return drawn


def _depth(person: Seen) -> float:
    """How far the person is from the camera's plane [m]; those that went wrong count as nearest, like any number."""
    return float(np.nan_to_num(person.joints[0, 2]))


def _label(picture: np.ndarray, person: Seen, camera: Camera) -> None:
    """Writes the person's number above the head, on a pill of the person's colour."""
    above = _above_head(person)
    if above[2] <= 0.1 or not np.isfinite(above).all():
        return
    x, y = above[:2] / above[2] * camera.focal + np.asarray(camera.center)
    scale = max(0.4, picture.shape[0] / 1400)
    text, font = str(person.person), cv2.FONT_HERSHEY_SIMPLEX
    (width, height), _ = cv2.getTextSize(text, font, scale, 1)
    if not (0 <= x < picture.shape[1] and -height <= y < picture.shape[0]):
        return
    left, bottom = round(x - width / 2), max(round(y), height + 6)
    colour = [round(255 * part) for part in person_colour(person.person)]
    cv2.rectangle(picture, (left - 5, bottom - height - 5), (left + width + 5, bottom + 5), colour, -1, cv2.LINE_AA)
    cv2.putText(picture, text, (left, bottom), font, scale, (0, 0, 0), max(1, round(scale * 1.5)), cv2.LINE_AA)


def _above_head(person: Seen) -> Float[np.ndarray, "3"]:
    """A point in camera axes [m] a little above the highest part of head and neck."""
    names = [name for name in ("head_top", "head", "nose", "neck") if name in person.skeleton.joints]
    joints = person.joints[[person.skeleton.index(name) for name in names]] if names else person.joints
    highest = joints[joints[:, 1].argmin()]
    return highest - np.array([0, 0.3, 0], np.float32)
