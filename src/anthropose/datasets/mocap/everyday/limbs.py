"""A person whose limbs are placed by where hands and feet are: rotations of SMPL's joints, all frames at once.

The skeleton is that of a body, with limbs made straight as in the project's format of motion capture: a T-pose, x to
the person's left, y up, z forward. Right limbs are solved as mirror images of left ones.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.datasets.mocap.captures import BELOW, LEG, STRAIGHT
from anthropose.datasets.mocap.everyday.stances import Legs
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24

STRETCHED = 0.998
"""How much of a limb's length is used at most."""
FOLDED = 0.3
"""How much of a limb's length there is at least between its ends: knees and elbows bend by 145 degrees."""
SIDES = {"left_": 1.0, "right_": -1.0}


@dataclass(frozen=True)
class Stances:
    """What `n` frames of a person are made from. Pairs are left, right; angles in radians."""

    pelvis: Float[Tensor, "n 3"]
    """In the world [m]."""
    tilt: Float[Tensor, "n 3"]
    """Of the pelvis: forward, to the left (heading), and to the right side."""
    spine: Float[Tensor, "n 3"]
    """Of the whole trunk, in the same order."""
    head: Float[Tensor, "n 3"]
    ankles: Float[Tensor, "n 2 3"]
    """In the world [m]."""
    feet: Float[Tensor, "n 2 2"]
    """Toes down and out."""
    knees: Float[Tensor, "n 2 3"]
    """Where knees point, in the pelvis's axes; of the right one mirrored."""
    hands: Float[Tensor, "n 2 3 3"]
    """Of each wrist three places [m]: from between the shoulders, in the chest's axes; from the hip, in the thigh's (y
    upwards along it, z off it); in the world, which is not mirrored. The right one's others are."""
    held: Float[Tensor, "n 2 3"]
    """The share of each of the three."""
    elbows: Float[Tensor, "n 2 3"]
    """Where elbows point, in the chest's axes; of the right one mirrored."""
    wrists: Float[Tensor, "n 2 3"]
    """Rotation vectors of the wrists; of the right one mirrored."""


class Puppet:
    """A straight-limbed skeleton that takes stances."""

    def __init__(self, rest: Float[Tensor, "24 3"]) -> None:
        """
        Args:
            rest: the joints of a body at rest [m].
        """
        parents = SMPL_24.parents
        offsets = torch.stack(
            [rest[k] - rest[parent] if parent >= 0 else 0 * rest[k] for k, parent in enumerate(parents)]
        )
        for side, sign in SIDES.items():
            for joint, child in BELOW.items():
                if joint in STRAIGHT:
                    row = SMPL_24.index(side + child)
                    way = offsets.new_tensor(STRAIGHT[joint]) * offsets.new_tensor([sign, 1.0, 1.0])
                    offsets[row] = way * offsets[row].norm()
        leg = -(offsets[SMPL_24.index("left_knee")] + offsets[SMPL_24.index("left_ankle")])[1]
        self.offsets = offsets * (LEG / leg)
        self.sole = 0.02 - float(self.offsets[SMPL_24.index("left_foot"), 1])
        """The height of the ankle over the floor in a standing person [m]."""

    @property
    def legs(self) -> Legs:
        """What stances need to know."""
        thigh, shin = self._lengths("left_knee", "left_ankle")
        return Legs(self.sole, -float(self.offsets[SMPL_24.index("left_hip"), 1]), thigh, shin)

    def posed(self, stances: Stances) -> tuple[Float[Tensor, "n 24 3 3"], Float[Tensor, "n 24 3"]]:
        """Local rotations and, in the world, joints [m]."""
        turns: dict[str, Tensor] = {}
        places = {"pelvis": stances.pelvis}
        self._trunk(stances, turns, places)
        for number, side in enumerate(SIDES):
            self._leg(number, side, stances, turns, places)
            self._arm(number, side, stances, turns, places)
        world = torch.stack([turns[name] for name in SMPL_24.joints], dim=1)
        above = world[:, [max(parent, 0) for parent in SMPL_24.parents]].transpose(-1, -2).clone()
        above[:, 0] = torch.eye(3)
        return above @ world, torch.stack([places[name] for name in SMPL_24.joints], dim=1)

    def _place(self, name: str, turns: dict[str, Tensor], places: dict[str, Tensor]) -> Float[Tensor, "n 3"]:
        row = SMPL_24.index(name)
        parent = SMPL_24.joints[SMPL_24.parents[row]]
        places[name] = places[parent] + turns[parent] @ self.offsets[row]
        return places[name]

    def _trunk(self, stances: Stances, turns: dict[str, Tensor], places: dict[str, Tensor]) -> None:
        heading = rotvec_to_rotmat(stances.tilt * torch.tensor([0.0, 1.0, 0.0]))
        turns["pelvis"] = heading @ rotvec_to_rotmat(stances.tilt * torch.tensor([1.0, 0.0, 1.0]))
        shares = {"spine1": (stances.spine, 0.4), "spine2": (stances.spine, 0.34), "spine3": (stances.spine, 0.26),
                  "neck": (stances.head, 0.5), "head": (stances.head, 0.5)}  # fmt: skip
        for name, (angles, share) in shares.items():
            self._place(name, turns, places)
            parent = SMPL_24.joints[SMPL_24.parents[SMPL_24.index(name)]]
            turns[name] = turns[parent] @ rotvec_to_rotmat(angles * share)

    def _leg(
        self, number: int, side: str, stances: Stances, turns: dict[str, Tensor], places: dict[str, Tensor]
    ) -> None:
        mirror = torch.tensor([SIDES[side], 1.0, 1.0])
        hip = self._place(side + "hip", turns, places)
        pole = _applied(turns["pelvis"], stances.knees[:, number] * mirror)
        thigh, shin, hinge = two_bones(
            hip, stances.ankles[:, number], pole, *self._lengths(side + "knee", side + "ankle")
        )
        for name, bone in (("hip", thigh), ("knee", shin)):
            turns[side + name] = torch.stack([hinge, -bone, torch.linalg.cross(hinge, -bone)], dim=-1)
        self._place(side + "knee", turns, places)
        self._place(side + "ankle", turns, places)
        down, out = stances.feet[:, number].unbind(-1)
        zero = torch.zeros_like(down)
        heading = rotvec_to_rotmat(torch.stack([zero, stances.tilt[:, 1] + SIDES[side] * out, zero], dim=-1))
        turns[side + "ankle"] = heading @ rotvec_to_rotmat(torch.stack([down, zero, zero], dim=-1))
        self._place(side + "foot", turns, places)
        turns[side + "foot"] = turns[side + "ankle"]

    def _arm(
        self, number: int, side: str, stances: Stances, turns: dict[str, Tensor], places: dict[str, Tensor]
    ) -> None:
        mirror = torch.tensor([SIDES[side], 1.0, 1.0])
        self._place(side + "collar", turns, places)
        turns[side + "collar"] = turns["spine3"]
        shoulder = self._place(side + "shoulder", turns, places)
        wrist = self._hand(number, side, stances, turns, places)
        pole = _applied(turns["spine3"], stances.elbows[:, number] * mirror)
        upper, fore, hinge = two_bones(shoulder, wrist, pole, *self._lengths(side + "elbow", side + "wrist"))
        hinge = -hinge * SIDES[side]
        for name, bone in (("shoulder", upper), ("elbow", fore)):
            along = bone * SIDES[side]
            turns[side + name] = torch.stack([along, hinge, torch.linalg.cross(along, hinge)], dim=-1)
        self._place(side + "elbow", turns, places)
        self._place(side + "wrist", turns, places)
        bent = stances.wrists[:, number] * torch.tensor([1.0, SIDES[side], SIDES[side]])
        turns[side + "wrist"] = turns[side + "elbow"] @ rotvec_to_rotmat(bent)
        self._place(side + "hand", turns, places)
        turns[side + "hand"] = turns[side + "wrist"]

    def _hand(
        self, number: int, side: str, stances: Stances, turns: dict[str, Tensor], places: dict[str, Tensor]
    ) -> Float[Tensor, "n 3"]:
        """Where the wrist is wanted in the world."""
        mirror = torch.tensor([SIDES[side], 1.0, 1.0])
        shoulders = [self.offsets[SMPL_24.index(f"{one}{part}")] for one in SIDES for part in ("collar", "shoulder")]
        between = places["spine3"] + turns["spine3"] @ (sum(shoulders, torch.zeros(3)) / 2)
        chest, thigh, world = stances.hands[:, number].unbind(1)
        wanted = torch.stack(
            [
                between + _applied(turns["spine3"], chest * mirror),
                places[side + "hip"] + _applied(turns[side + "hip"], thigh * mirror),
                world,
            ],
            dim=1,
        )
        return (stances.held[:, number, :, None] * wanted).sum(1)

    def _lengths(self, *names: str) -> tuple[float, ...]:
        return tuple(float(self.offsets[SMPL_24.index(name)].norm()) for name in names)


def two_bones(
    start: Float[Tensor, "n 3"], end: Float[Tensor, "n 3"], pole: Float[Tensor, "n 3"], upper: float, lower: float
) -> tuple[Float[Tensor, "n 3"], Float[Tensor, "n 3"], Float[Tensor, "n 3"]]:
    """Directions of the two bones of a limb from `start` to `end` that bends towards `pole`, and the axis of its joint.

    An end out of reach is approached as far as the limb goes.
    """
    way = end - start
    length = way.norm(dim=-1, keepdim=True)
    straight = way / length.clamp_min(1e-6)
    length = length.clamp((upper + lower) * FOLDED, (upper + lower) * STRETCHED)
    hinge = torch.nn.functional.normalize(torch.linalg.cross(pole, straight), dim=-1)
    cos = ((upper**2 + length**2 - lower**2) / (2 * upper * length)).clamp(-1, 1)
    first = cos * straight + (1 - cos**2).sqrt() * torch.linalg.cross(straight, hinge)
    second = torch.nn.functional.normalize(length * straight - upper * first, dim=-1)
    return first, second, hinge


def _applied(rotations: Float[Tensor, "n 3 3"], vectors: Float[Tensor, "n 3"]) -> Float[Tensor, "n 3"]:
    return (rotations @ vectors[..., None])[..., 0]
