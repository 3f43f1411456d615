"""A body in SMPL's format: shape and pose in, vertices and joints out.

Loper et al., SMPL: A Skinned Multi-Person Linear Model, SIGGRAPH Asia 2015; the arithmetic is the smplx package's.
Axes of the rest pose: x to the person's left, y up, z forward; metres. A value goes through the stages
BodyModel -> Shaped -> Posed.
"""

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.body.skinning import rigid_transforms, skin
from anthropose.errors import UserError
from anthropose.skeleton import (
    AICH_14,
    BODY_54,
    H36M_17,
    INSTA_25,
    LSP_14,
    LSP_COCO_19,
    LSP_H36M_17,
    MPII3D_17,
    PENN_13,
    POSETRACK_17,
    SMPL_24,
    SPIN_24,
    SPIN_49,
    SPIN_49_FROM_BODY_54,
    THREEDPW_14,
    Skeleton,
)


@dataclass(frozen=True, eq=False)
class BodyModel:
    """What a SMPL-format file holds, for `v` vertices and `f` triangles."""

    name: str
    """What motion files remember the body by: "free", an installed name, or the file's path."""
    template: Float[Tensor, "v 3"]
    """The mean person at rest [m]."""
    shape_basis: Float[Tensor, "v 3 10"]
    """Displacement [m] per standard deviation of each shape component."""
    pose_basis: Float[Tensor, "207 w"] | None
    """Displacement [m] per entry of (rotation - identity) of joints 1 to 23; `w = 3 v`, vertex by vertex."""
    joint_regressor: Float[Tensor, "24 v"]
    """Rest joints from rest vertices."""
    skinning: Float[Tensor, "v 24"]
    """How much each vertex follows each joint; rows sum to one."""
    faces: Int[Tensor, "f 3"]
    """Triangles, counter-clockwise seen from outside."""
    extra_regressor: Float[Tensor, "9 v"] | None
    """The rows of skeleton.EXTRA_9, over posed vertices."""
    h36m_regressor: Float[Tensor, "17 v"] | None
    """The rows of skeleton.H36M_17, over posed vertices."""
    picked: Int[Tensor, "21"]
    """The vertices of skeleton.PICKED_21."""
    approximate: bool = False
    """Whether `extra_regressor` was guessed from the tree joints, for want of the published file."""

    def to(self, device: torch.device | str | None = None, dtype: torch.dtype | None = None) -> "BodyModel":
        """The same body elsewhere, or in another precision; indices keep their type."""
        moved: dict[str, Any] = {}
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Tensor):
                moved[field.name] = value.to(device, dtype if value.is_floating_point() else None)
        return replace(self, **moved)

    def shaped(self, betas: Float[Tensor, "*b 10"]) -> "Shaped":
        """The person that `betas` (in standard deviations) describe, at rest."""
        return Shaped(self, betas)

    def points(self, skeleton: Skeleton) -> "PointModel":
        """The points of `skeleton` without the whole mesh; see PointModel for which they are. Made once per set."""
        if skeleton not in self._point_models:
            self._point_models[skeleton] = PointModel(self, skeleton)
        return self._point_models[skeleton]

    @cached_property
    def _point_models(self) -> dict[Skeleton, "PointModel"]:
        return {}

    @cached_property
    def planes(self) -> tuple[Float[Tensor, "3 v"], Float[Tensor, "3 c v"], Float[Tensor, "24 v"]]:
        """Template, directions of shape and pose together, and weights, as `skin` wants them: vertices run fastest."""
        basis = self.shape_basis.permute(1, 2, 0)
        if self.pose_basis is not None:
            basis = torch.cat([basis, self.pose_basis.unflatten(1, (-1, 3)).permute(2, 0, 1)], dim=1)
        return self.template.T.contiguous(), basis.contiguous(), self.skinning.T.contiguous()

    @cached_property
    def rest_joints(self) -> tuple[Float[Tensor, "24 3"], Float[Tensor, "24 3 10"]]:
        """The mean person's joints, and how they move with shape: the regressor applied once, not for each person."""
        basis = torch.einsum("jv,vcs->jcs", self.joint_regressor, self.shape_basis)
        return self.joint_regressor @ self.template, basis

    def coefficients(self, betas: Float[Tensor, "n 10"], rotations: Float[Tensor, "n 24 3 3"]) -> Float[Tensor, "n c"]:
        """What multiplies the directions in `planes`: shape, then (rotation - identity) of joints 1 to 23 by rows."""
        if self.pose_basis is None:
            return betas
        feature = rotations[:, 1:] - torch.eye(3, dtype=rotations.dtype, device=rotations.device)
        return torch.cat([betas, feature.flatten(1)], dim=1)


@dataclass(frozen=True, eq=False)
class Shaped:
    """A person of a certain shape, at rest."""

    model: BodyModel
    betas: Float[Tensor, "*b 10"]

    @cached_property
    def vertices(self) -> Float[Tensor, "*b v 3"]:
        """The surface at rest [m]."""
        return self.model.template + torch.einsum("...s,vcs->...vc", self.betas, self.model.shape_basis)

    @cached_property
    def joints(self) -> Float[Tensor, "*b 24 3"]:
        """The joints of SMPL_24 at rest [m]."""
        mean, basis = self.model.rest_joints
        return mean + torch.einsum("...s,jcs->...jc", self.betas, basis)

    def posed(
        self, rotations: Float[Tensor, "*b 24 3 3"], translation: Float[Tensor, "*#b 3"] | None = None
    ) -> "Posed":
        """The person in a pose.

        Args:
            rotations: of each joint relative to its parent, the root's relative to the world. Its batch axes and those
                of the shape are broadcast, so that one person takes many poses.
            translation: added to vertices and joints [m]: SMPL's `transl`, which is not the place of the pelvis.
        """
        batch = torch.broadcast_shapes(rotations.shape[:-3], self.betas.shape[:-1])
        flat_rotations = rotations.expand(*batch, 24, 3, 3).reshape(-1, 24, 3, 3)
        flat_betas = self.betas.expand(*batch, 10).reshape(-1, 10)
        rest = self.joints.expand(*batch, 24, 3).reshape(-1, 24, 3)
        joints, transforms = rigid_transforms(flat_rotations, rest, SMPL_24.parents)
        template, basis, weights = self.model.planes
        vertices = skin(template, basis, self.model.coefficients(flat_betas, flat_rotations), weights, transforms)
        vertices, joints = (points.reshape(*batch, *points.shape[1:]) for points in (vertices, joints))
        if translation is not None:
            vertices, joints = vertices + translation[..., None, :], joints + translation[..., None, :]
        return Posed(self.model, vertices, joints)


@dataclass(frozen=True, eq=False)
class Posed:
    """A person in a pose, in the axes that the root's rotation leads to."""

    model: BodyModel
    vertices: Float[Tensor, "*b v 3"]
    """The surface [m]."""
    joints: Float[Tensor, "*b 24 3"]
    """The joints of SMPL_24 [m]."""

    def body_54(self) -> Float[Tensor, "*b 54 3"]:
        """The joints of BODY_54 [m]: those of the tree, the picked vertices, the regressed ones.

        Raises:
            UserError: the body has no regressor for the last nine.
        """
        if self.model.extra_regressor is None:
            raise UserError(f"body {self.model.name!r} has no extra joints; put J_regressor_extra.npy beside its file")
        picked = self.vertices[..., self.model.picked, :]
        return torch.cat([self.joints, picked, self.model.extra_regressor @ self.vertices], dim=-2)

    def h36m_17(self) -> Float[Tensor, "*b 17 3"]:
        """The joints of H36M_17 [m], as the published evaluations on Human3.6M regress them from the surface.

        Raises:
            UserError: the body has no such regressor.
        """
        if self.model.h36m_regressor is None:
            raise UserError(
                f"body {self.model.name!r} has no regressor of {H36M_17.name}; put J_regressor_h36m.npy beside its file"
            )
        return self.model.h36m_regressor @ self.vertices


_SPIN_NAMED = dict(zip(SPIN_49.joints, SPIN_49_FROM_BODY_54, strict=True))
_READ_AS_SPIN_49 = (
    SPIN_24,
    LSP_14,
    LSP_COCO_19,
    MPII3D_17,
    INSTA_25,
    POSETRACK_17,
    PENN_13,
    THREEDPW_14,
    AICH_14,
)
READINGS: dict[str, tuple[int | None, ...]] = {
    SPIN_49.name: SPIN_49_FROM_BODY_54,
    H36M_17.name: tuple(range(54, 71)),
    LSP_H36M_17.name: tuple(54 + H36M_17.index(name) for name in LSP_H36M_17.joints),
    **{skeleton.name: tuple(_SPIN_NAMED[name] for name in skeleton.joints) for skeleton in _READ_AS_SPIN_49},
}
"""Sets whose joints the published systems read in their own way: for each joint its row in BODY_54 followed by
H36M_17. In them "right_hip" is LSP's hip, not the joint of the tree."""
_OTHER_NAMES = {"op_mid_hip": "pelvis", "hip": "pelvis"}


def _readings(skeleton: Skeleton) -> tuple[int | None, ...]:
    """For each joint its row in BODY_54 followed by H36M_17, by name where the set has no published reading."""
    if skeleton.name in READINGS:
        return READINGS[skeleton.name]
    names = [_OTHER_NAMES.get(name, name.removeprefix("op_")) for name in skeleton.joints]
    return tuple(BODY_54.joints.index(name) if name in BODY_54.joints else None for name in names)


class PointModel:
    """The named points of a posed body, without its mesh; differentiable.

    A regressed point is a weighted sum of vertices, and a vertex a sum over the joints it follows. The two sums are
    contracted when the model is made, so that a call costs one small matrix product and a few transforms per point.

    In SPIN-49, the sets of READINGS that go with it, and H36M-17 the joints are those that the published systems read
    (an LSP hip is the regressed `lsp_right_hip`). Other sets are looked up in BODY-54 by name, OpenPose's prefix off.
    """

    skeleton: Skeleton
    valid: Bool[Tensor, "k"]
    """Which points the body has."""

    def __init__(self, model: BodyModel, skeleton: Skeleton) -> None:
        rows = [row if _has_row(model, row) else None for row in _readings(skeleton)]
        self.skeleton, self._model = skeleton, model
        self.valid = torch.tensor([row is not None for row in rows], device=model.template.device)
        regressed = sorted({row for row in rows if row is not None and row >= 24})
        place = {row: 24 + k for k, row in enumerate(regressed)} | {row: row for row in range(24)}
        self._order = [24 + len(regressed) if row is None else place[row] for row in rows]
        self._regressed = len(regressed)
        pairs = [_contract(model, _regressor_row(model, row)) for row in regressed]
        like = model.template.new_zeros
        self._point = torch.tensor(
            [k for k, pair in enumerate(pairs) for _ in pair[0]], dtype=torch.long, device=like(0).device
        )
        self._joint = torch.cat([pair[0] for pair in pairs]) if pairs else self._point
        terms = torch.cat([pair[1] for pair in pairs]) if pairs else like(0, model.planes[1].shape[1] + 1, 3)
        self._mass = torch.cat([pair[2] for pair in pairs]) if pairs else like(0)
        self._mean, self._basis = terms[:, 0].flatten(), terms[:, 1:].transpose(0, 1).flatten(1)

    def __call__(
        self,
        betas: Float[Tensor, "*#b 10"],
        rotations: Float[Tensor, "*#b 24 3 3"],
        translation: Float[Tensor, "*#b 3"] | None = None,
    ) -> Float[Tensor, "... k 3"]:
        """The points [m] of bodies of shape `betas` in the pose `rotations`; zeros where not valid.

        Batch axes are broadcast. `translation` is SMPL's `transl`: added to every point that is valid.
        """
        return self.with_axes(betas, rotations, translation)[0]

    def with_axes(
        self,
        betas: Float[Tensor, "*#b 10"],
        rotations: Float[Tensor, "*#b 24 3 3"],
        translation: Float[Tensor, "*#b 3"] | None = None,
    ) -> tuple[Float[Tensor, "... k 3"], Float[Tensor, "... 24 3 3"]]:
        """The points as of a call, and the orientation of each joint of SMPL_24, which takes the same transforms."""
        batch = torch.broadcast_shapes(rotations.shape[:-3], betas.shape[:-1])
        flat_rotations = rotations.expand(*batch, 24, 3, 3).reshape(-1, 24, 3, 3)
        flat_betas = betas.expand(*batch, 10).reshape(-1, 10)
        rest = Shaped(self._model, flat_betas).joints
        joints, transforms = rigid_transforms(flat_rotations, rest, SMPL_24.parents)
        points = torch.cat([joints, self._surface(flat_betas, flat_rotations, transforms)], dim=1)
        points = points.reshape(*batch, *points.shape[1:])
        if translation is not None:
            points = points + translation[..., None, :]
        missing = torch.zeros_like(points[..., :1, :])
        axes = transforms[..., :3].reshape(*batch, 24, 3, 3)
        return torch.cat([points, missing], dim=-2)[..., self._order, :], axes

    def _surface(
        self, betas: Float[Tensor, "n 10"], rotations: Float[Tensor, "n 24 3 3"], transforms: Float[Tensor, "n 24 3 4"]
    ) -> Float[Tensor, "n r 3"]:
        """The points that hang on the surface: picked vertices and regressed joints."""
        rest = torch.addmm(self._mean, self._model.coefficients(betas, rotations), self._basis).unflatten(1, (-1, 3))
        moves = transforms[:, self._joint]
        terms = (moves[..., :3] * rest[:, :, None]).sum(-1) + moves[..., 3] * self._mass[:, None]
        return terms.new_zeros(len(terms), self._regressed, 3).index_add(1, self._point, terms)


def _has_row(model: BodyModel, row: int | None) -> bool:
    if row is None or 45 <= row < 54:
        return row is not None and model.extra_regressor is not None
    return row < 54 or model.h36m_regressor is not None


def _regressor_row(model: BodyModel, row: int) -> Float[Tensor, "v"]:
    """The weights of the vertices in a point of BODY_54 (from row 24 on) followed by H36M_17."""
    if row < 45:
        return torch.nn.functional.one_hot(model.picked[row - 24], len(model.template)).to(model.template)
    regressor = model.extra_regressor if row < 54 else model.h36m_regressor
    assert regressor is not None
    return regressor[row - 45 if row < 54 else row - 54]


def _contract(
    model: BodyModel, regressor: Float[Tensor, "v"]
) -> tuple[Int[Tensor, "p"], Float[Tensor, "p c 3"], Float[Tensor, "p"]]:
    """The joints that a regressed point follows; for each its weighted rest position, and the weight."""
    used = regressor.nonzero()[:, 0]
    shares = regressor[used, None] * model.skinning[used]
    joints = shares.abs().sum(0).nonzero()[:, 0]
    template, basis, _ = model.planes
    rest = torch.cat([template[:, None, used], basis[:, :, used]], dim=1)
    return joints, torch.einsum("vp,xcv->pcx", shares[:, joints], rest), shares[:, joints].sum(0)
