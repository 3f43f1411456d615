"""Where the joints that are not SMPL's own lie in the crowd, and which vertices are picked."""

import numpy as np
from jaxtyping import Bool, Float, Int

from anthropose.body.free.posing import SIDES, Rest
from anthropose.body.free.source import Crowd
from anthropose.skeleton import EXTRA_9, H36M_17, PICKED_21, SMPL_24


def extra_points(crowd: Crowd, rest: Rest) -> Float[np.ndarray, "n 9 3"]:
    """The joints of EXTRA_9, where people who label pictures and Human3.6M's skeleton put them.

    LSP's and MPII's hips are clicked on the skin over the joint: further out and a little higher than the joint's
    centre. Their neck is higher than SMPL's, MPII's thorax is between neck and shoulders. Human3.6M: see
    `h36m_points`.
    """
    joint, bone = _joints(rest), _bones(crowd, rest)
    hips = {side: _mix(joint[f"{side}_hip"], bone("upperleg01" + ending), 0.6) for side, (ending, _) in SIDES.items()}
    points = {f"lsp_{side}_hip": hip for side, hip in hips.items()}
    points["lsp_neck"] = _mix(joint["neck"], joint["head"], 0.25)
    points["head_top"] = _head_top(rest)
    points["mpii_pelvis"] = (hips["left"] + hips["right"]) / 2
    points["thorax"] = _mix((joint["left_shoulder"] + joint["right_shoulder"]) / 2, joint["neck"], 0.5)
    h36m = dict(zip(H36M_17.joints, np.moveaxis(h36m_points(crowd, rest), 1, 0), strict=True))
    points["h36m_spine"] = h36m["h36m_spine"]
    points["h36m_jaw"] = h36m["h36m_head"]
    points["h36m_head"] = h36m["head_top"]
    return np.stack([points[name] for name in EXTRA_9.split()], axis=1)


def h36m_points(crowd: Crowd, rest: Rest) -> Float[np.ndarray, "n 17 3"]:
    """The joints of H36M_17 as Human3.6M's own skeleton has them.

    In it the hips are 0.26 m apart for a man of 1.76 m and at the height of the root, which lies between them; the
    spine is 0.23 m above the root; the neck lies at the height of the shoulders; `h36m_head` is at the mouth;
    `head_top` lies within the skull.
    """
    joint, bone = _joints(rest), _bones(crowd, rest)
    points = {}
    for side, (ending, _) in SIDES.items():
        middle = bone("upperleg01.L") / 2 + bone("upperleg01.R") / 2
        points[f"{side}_hip"] = _mix(middle, bone("upperleg01" + ending), 1.2)
        for name in ("knee", "ankle", "shoulder", "elbow", "wrist"):
            points[f"{side}_{name}"] = joint[f"{side}_{name}"]
    points["hip"] = (points["left_hip"] + points["right_hip"]) / 2
    points["h36m_spine"] = _mix(joint["spine1"], joint["spine2"], 0.3)
    points["neck"] = _mix((joint["left_shoulder"] + joint["right_shoulder"]) / 2, joint["neck"], 0.15)
    mouth = joint["head"] + np.array([0.0, -0.02, 0.03])
    points["h36m_head"] = mouth
    points["head_top"] = _mix(mouth, _head_top(rest), 0.6)
    return np.stack([points[name] for name in H36M_17.joints], axis=1)


def _head_top(rest: Rest) -> Float[np.ndarray, "n 3"]:
    """The highest vertex of the mean person, in everyone."""
    return rest.vertices[:, rest.vertices.mean(axis=0)[:, 1].argmax()]


def picked_vertices(crowd: Crowd, rest: Rest) -> Int[np.ndarray, "21"]:
    """The vertices of PICKED_21: the tip of the nose, the front of the eyes, the middle of the ears, tips of toes and
    fingers."""
    mean = rest.vertices.mean(axis=0)
    joints = dict(zip(SMPL_24.joints, rest.joints.mean(axis=0), strict=True))
    found = {"nose": _furthest(mean, (mean[:, 1] > joints["head"][1]) & (np.abs(mean[:, 0]) < 0.01), [0, 0, 1])}
    for side, (ending, sign) in SIDES.items():
        eye = crowd.weights[:, crowd.bones.index("eye" + ending)] > 0.5
        found[f"{side}_eye"] = _furthest(mean, eye, [0, 0, 1])
        skull = (mean[:, 1] > joints["head"][1]) & (sign * mean[:, 0] > 0)
        # The canal, a little before and inwards of the ear's middle.
        ear = skull & (sign * mean[:, 0] > 0.9 * np.abs(mean[skull, 0]).max())
        found[f"{side}_ear"] = _nearest(mean, skull, mean[ear].mean(axis=0) + np.array([-0.008 * sign, 0.0, 0.012]))
        foot = (mean[:, 1] < joints[f"{side}_ankle"][1]) & (sign * mean[:, 0] > 0)
        found[f"{side}_heel"] = _furthest(mean, foot, [0, -0.5, -1])
        found[f"{side}_big_toe"] = _furthest(mean, _follows(crowd, "toe1-2" + ending), [0, 0, 1])
        found[f"{side}_small_toe"] = _furthest(mean, _follows(crowd, "toe5-3" + ending), [0.5 * sign, 0, 1])
        for finger, name in enumerate(("thumb", "index", "middle", "ring", "pinky"), start=1):
            last, before = (
                rest.heads[:, crowd.bones.index(f"finger{finger}-{k}{ending}")].mean(axis=0) for k in (3, 2)
            )
            found[f"{side}_{name}_tip"] = _furthest(mean, _follows(crowd, f"finger{finger}-3{ending}"), last - before)
    return np.array([found[name] for name in PICKED_21.split()])


def _follows(crowd: Crowd, bone: str) -> Bool[np.ndarray, "v"]:
    return crowd.weights[:, crowd.bones.index(bone)] > 0.5


def _furthest(vertices: np.ndarray, among: np.ndarray, direction: np.ndarray | list[float]) -> int:
    return int(np.where(among, vertices @ np.asarray(direction), -np.inf).argmax())


def _nearest(vertices: np.ndarray, among: np.ndarray, point: np.ndarray) -> int:
    return int(np.where(among, np.linalg.norm(vertices - point, axis=1), np.inf).argmin())


def _joints(rest: Rest) -> dict[str, np.ndarray]:
    return dict(zip(SMPL_24.joints, np.moveaxis(rest.joints, 1, 0), strict=True))


def _bones(crowd: Crowd, rest: Rest):
    return lambda name: rest.heads[:, crowd.bones.index(name)]


def _mix(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a + share * (b - a)
