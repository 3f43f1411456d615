"""Where a detector's keypoints, and the joints that are learned, lie on posed bodies."""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.landmarks import STAND_INS, landmarks_of
from anthropose.body.model import READINGS, BodyModel
from anthropose.errors import UserError
from anthropose.skeleton import BODY_54, H36M_17, H36M_VP3D_17, SPIN_49, Skeleton, pick

_HUMAN36M = len(BODY_54)
"""The row of Human3.6M's first joint, among BODY_54 followed by H36M_17."""
SMALL = {
    "mediapipe-33": {
        "eye_inner": ("eye", (-0.022, 0.0, -0.015)),
        "eye_outer": ("eye", (0.008, 0.0, -0.02)),
        "thumb": ("thumb_tip", (-0.033, 0.044, -0.058)),
    }
}
"""Skeleton -> keypoint without its side -> the point of BODY_54 near which it lies, and how far off [m], as
`body.landmarks.OFFSETS`. Too small to fit a body to; but a network must be shown all that it will be given."""


class Figure:
    """The points of some kinds of keypoints on a body, and joints, from one pass over the poses."""

    def __init__(self, body: BodyModel, kinds: Sequence[Skeleton], target: Skeleton, joints: Skeleton) -> None:
        """
        Args:
            kinds: what detectors give; each keeps its own idea of where a hip or an ear is.
            target: the set in which all of them are written, by name.
            joints: SPIN-49 or H36M-VP3D-17.

        Raises:
            UserError: the body lacks what some of the points are regressed with.
        """
        if joints not in (SPIN_49, H36M_VP3D_17):
            raise ValueError(f"joints can be of {SPIN_49.name} or {H36M_VP3D_17.name}, not of {joints.name}")
        self._body = body
        self._kinds = [_Kind(body, kind, target) for kind in kinds]
        self._joints = _rows_of(joints)
        rows = {row for wanted in (self._joints, *(kind.rows for kind in self._kinds)) for row in wanted} - {None}
        named = sorted(row for row in rows if row is not None and row < _HUMAN36M)
        self._points = body.points(_named(named))
        self._columns = {row: k for k, row in enumerate(named)}
        self._human36m = any(row is not None and row >= _HUMAN36M for kind in self._kinds for row in kind.rows)
        lacking = bool(rows & {*range(_HUMAN36M, _HUMAN36M + 17)}) and body.h36m_regressor is None
        if lacking or not bool(self._points.valid.all()):
            raise UserError(f"body {body.name!r} has no regressor for all of these joints; the free body has")
        self.valid = torch.stack([kind.valid for kind in self._kinds])
        """For each kind, which keypoints of the target it has; "i k"."""

    def __call__(
        self,
        betas: Float[Tensor, "b 10"],
        rotations: Float[Tensor, "b t 24 3 3"],
        kind: Int[Tensor, "b"],
        labelled: Int[Tensor, "o"],
    ) -> tuple[Float[Tensor, "b t k 3"], Float[Tensor, "b o j 3"]]:
        """The keypoints of every frame, each row in its own kind, and the joints of the labelled frames [m]."""
        points, axes = self._points.with_axes(betas[:, None], rotations)
        if self._human36m:
            points = torch.cat([points, self._body.points(H36M_17)(betas[:, None], rotations)], dim=2)
        keypoints = self._keypoints(self._kinds[0], points, axes)
        for number, one in enumerate(self._kinds[1:], 1):
            keypoints = torch.where(
                (kind == number)[:, None, None, None], self._keypoints(one, points, axes), keypoints
            )
        return keypoints, self._joints_of(points[:, labelled], betas, rotations[:, labelled])

    def _keypoints(
        self, kind: "_Kind", points: Float[Tensor, "b t n 3"], axes: Float[Tensor, "b t 24 3 3"]
    ) -> Float[Tensor, "b t k 3"]:
        found = points[:, :, [self._column(row) for row in kind.rows]]
        if kind.is_offset:
            found = found + (axes[:, :, kind.owners] @ kind.offsets[..., None])[..., 0]
        return pick(found, kind.skeleton, kind.target)[0]

    def _joints_of(
        self, points: Float[Tensor, "b o n 3"], betas: Float[Tensor, "b 10"], rotations: Float[Tensor, "b o 24 3 3"]
    ) -> Float[Tensor, "b o j 3"]:
        if self._joints[0] is not None and self._joints[0] >= _HUMAN36M and not self._human36m:
            return pick(self._body.points(H36M_17)(betas[:, None], rotations), H36M_17, H36M_VP3D_17)[0]
        return points[:, :, [self._column(row) for row in self._joints]]

    def _column(self, row: int | None) -> int:
        """Where a point is among those computed; a point that nobody has is any."""
        if row is not None and row >= _HUMAN36M:
            return len(self._columns) + row - _HUMAN36M
        return 0 if row is None else self._columns[row]


class _Kind:
    """One detector's keypoints: the points that they are measured from, and how far off those they lie."""

    def __init__(self, body: BodyModel, skeleton: Skeleton, target: Skeleton) -> None:
        landmarks = landmarks_of(body, skeleton)
        self.skeleton, self.target = skeleton, target
        self.rows = _rows_of(skeleton)
        known = torch.tensor([[float(row is not None)] for row in self.rows])
        self.valid = (pick(known, skeleton, target)[0][:, 0] > 0).to(body.template.device)
        self.owners, self.offsets = list(landmarks.owners), landmarks.offsets.to(body.template).clone()
        for joint, name in enumerate(skeleton.joints):
            side, part = _parted(name)
            if part in SMALL.get(skeleton.name, {}):
                x, y, z = SMALL[skeleton.name][part][1]
                self.offsets[joint] = self.offsets.new_tensor([-x if side == "right_" else x, y, z])
        self.is_offset = bool((self.offsets != 0).any())


def _rows_of(skeleton: Skeleton) -> tuple[int | None, ...]:
    """For each joint its row in BODY_54 followed by H36M_17."""
    if skeleton == H36M_VP3D_17:
        return tuple(_HUMAN36M + H36M_17.index(name) for name in skeleton.joints)
    if skeleton.name in READINGS:
        return READINGS[skeleton.name]
    stand_ins = {"op_mid_hip": "pelvis", "hip": "pelvis"} | STAND_INS.get(skeleton.name, {})
    for name in skeleton.joints:
        side, part = _parted(name)
        if part in SMALL.get(skeleton.name, {}):
            stand_ins[name] = side + SMALL[skeleton.name][part][0]
    names = [stand_ins.get(name, name.removeprefix("op_")) for name in skeleton.joints]
    return tuple(BODY_54.joints.index(name) if name in BODY_54.joints else None for name in names)


def _parted(name: str) -> tuple[str, str]:
    """The side, and the name without it."""
    side = next((side for side in ("left_", "right_") if name.startswith(side)), "")
    return side, name.removeprefix(side)


def _named(rows: Sequence[int]) -> Skeleton:
    return Skeleton("points of a figure", tuple(BODY_54.joints[row] for row in rows), (-1,) * len(rows))
