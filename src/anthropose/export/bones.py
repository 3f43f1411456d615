"""Rotations for joints that a lifter gives without any: a skeleton whose bones point where the joints lie.

Every bone gets a rotation of its own. Where several bones begin at one joint (hip, neck), their common rotation is the
one that fits all of them best, and each bone begins with a joint of its own at the same place, as in CMU's BVH files
(LHipJoint, LowerBack, LeftShoulder). So directions come out as they are, whatever the angles between bones do, and
only lengths, which are constant in a skeleton, are the median of what was found. A turn of a bone about itself cannot
be seen in joints: it is taken as small as can be.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.errors import UserError
from anthropose.geometry.alignment import nearest_rotation
from anthropose.geometry.rotations import quat_to_rotmat
from anthropose.skeleton import Skeleton

END = 0.1
"""Length [m] of the bones that go on beyond the last joints."""


@dataclass(frozen=True)
class Rig:
    """A tree of joints and their rotations over time: all that a BVH file holds."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """Of each joint, -1 for the root, which comes first; a parent comes before its children."""
    offsets: Float[Tensor, "j 3"]
    """From the parent at rest [m]; zero for the root."""
    ends: dict[int, Float[Tensor, "3"]]
    """From each joint without children to the end of its bone [m]."""
    positions: Float[Tensor, "n 3"]
    """Of the root [m]."""
    rotations: Float[Tensor, "n j 3 3"]
    """Relative to the parent."""


def rest_direction(joint: str, parent: str) -> Float[Tensor, "3"]:
    """Where the bone from `parent` to `joint` points in a T-pose: y up, chest along z, the person's left along x."""
    side = 1.0 if "left" in joint else -1.0 if "right" in joint else 0.0
    below_trunk = "hip" in joint and not any(part in parent for part in ("hip", "pelvis"))
    if below_trunk or any(part in joint for part in ("knee", "ankle")):
        return torch.tensor([0.0, -1.0, 0.0], dtype=torch.float64)
    if any(part in joint for part in ("toe", "foot", "heel")):
        return torch.tensor([0.0, 0.0, 1.0], dtype=torch.float64)
    return torch.tensor([side, 0.0 if side else 1.0, 0.0], dtype=torch.float64)


def rig_of_joints(skeleton: Skeleton, places: Float[Tensor, "n j 3"]) -> Rig:
    """The rig of joints [m] in scene axes, y up.

    Raises:
        UserError: the skeleton has more than one root, so that its bones hang together nowhere.
    """
    if skeleton.parents.count(-1) != 1:
        roots = [joint for joint, parent in zip(skeleton.joints, skeleton.parents, strict=True) if parent < 0]
        raise UserError(f"the joints of {skeleton.name} form no tree: {', '.join(roots)} have no parent")
    return _Builder(skeleton, places.double()).built()


class _Builder:
    """Goes down the tree and collects the rig, one joint after the other."""

    def __init__(self, skeleton: Skeleton, places: Float[Tensor, "n j 3"]) -> None:
        self._skeleton, self._places = skeleton, places
        self._names: list[str] = []
        self._parents: list[int] = []
        self._offsets: list[Tensor] = []
        self._ends: dict[int, Tensor] = {}
        self._rotations: list[Tensor] = []

    def built(self) -> Rig:
        root = self._skeleton.parents.index(-1)
        still = torch.eye(3, dtype=torch.float64).expand(len(self._places), 3, 3)
        self._add(root, -1, torch.zeros(3, dtype=torch.float64), still)
        return Rig(
            tuple(self._names),
            tuple(self._parents),
            torch.stack(self._offsets),
            self._ends,
            self._places[:, root],
            torch.stack(self._rotations, dim=1),
        )

    def _add(self, joint: int, parent: int, offset: Tensor, axes: Float[Tensor, "n 3 3"]) -> None:
        """Adds a joint and all below it; `axes` is the orientation of its parent."""
        name = self._skeleton.joints[joint]
        children = [child for child, above in enumerate(self._skeleton.parents) if above == joint]
        if len(children) == 1:
            self._add_bone(name, children[0], parent, offset, axes)
            return
        turn = self._common(joint, children, axes) if children else torch.eye(3).double().expand_as(axes)
        row = self._append(name, parent, offset, turn)
        if not children:
            self._ends[row] = END * self._rest(joint)
        for child in children:
            hub = f"{name}_to_{self._skeleton.joints[child]}"
            self._add_bone(hub, child, row, torch.zeros(3, dtype=torch.float64), axes @ turn)

    def _add_bone(self, name: str, child: int, parent: int, offset: Tensor, axes: Float[Tensor, "n 3 3"]) -> None:
        """Adds the joint at which the bone to `child` begins, then the child at its end."""
        bone = self._bone(child)
        rest = self._rest(child)
        turn = smallest_turns(rest, (axes.transpose(-1, -2) @ bone[..., None])[..., 0])
        row = self._append(name, parent, offset, turn)
        self._add(child, row, bone.norm(dim=-1).median() * rest, axes @ turn)

    def _append(self, name: str, parent: int, offset: Tensor, turn: Float[Tensor, "n 3 3"]) -> int:
        self._names.append(name)
        self._parents.append(parent)
        self._offsets.append(offset)
        self._rotations.append(turn)
        return len(self._names) - 1

    def _rest(self, child: int) -> Float[Tensor, "3"]:
        names, parent = self._skeleton.joints, self._skeleton.parents[child]
        return rest_direction(names[child], names[parent] if parent >= 0 else "")

    def _bone(self, child: int) -> Float[Tensor, "n 3"]:
        return self._places[:, child] - self._places[:, self._skeleton.parents[child]]

    def _common(self, joint: int, children: list[int], axes: Float[Tensor, "n 3 3"]) -> Float[Tensor, "n 3 3"]:
        """The rotation that brings all bones of a joint from rest as near as can be to where they point."""
        rest = torch.stack([self._rest(child) for child in children])
        seen = torch.stack([torch.nn.functional.normalize(self._bone(child), dim=-1) for child in children], dim=1)
        # Seen from the parent: rows are vectors, so the parent's axes come from the right.
        return nearest_rotation((seen @ axes).transpose(-1, -2) @ rest)


def smallest_turns(start: Float[Tensor, "3"], ends: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3 3"]:
    """The smallest rotations from a unit vector to the directions of others; none to a vector of no length."""
    lengths = ends.norm(dim=-1, keepdim=True)
    ends = torch.where(lengths > 1e-9, ends / lengths.clamp_min(1e-9), start.expand_as(ends))
    cosine = ends @ start
    quaternions = torch.cat([torch.linalg.cross(start.expand_as(ends), ends), (1 + cosine)[:, None]], dim=1)
    # Straight back: half a turn about any axis across.
    across = torch.linalg.cross(start, torch.eye(3, dtype=start.dtype)[int(start.abs().argmin())])
    back = torch.cat([across / across.norm(), across.new_zeros(1)])
    quaternions = torch.where((cosine < -1 + 1e-12)[:, None], back.expand_as(quaternions), quaternions)
    return quat_to_rotmat(quaternions)
