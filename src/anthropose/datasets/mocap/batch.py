"""What a source of motion capture gives, and the forms in which the methods' losses want it."""

from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from anthropose.datasets.lifting.windows import LiftingBatch
from anthropose.datasets.sequence import Batch
from anthropose.geometry.cameras import project_crop
from anthropose.geometry.keypoints import network_inputs
from anthropose.geometry.rotations import rotmat_to_rotvec
from anthropose.skeleton import COCO_17, H36M_VP3D_17, SPIN_49, Skeleton, coco_to_h36m, pick


@dataclass(frozen=True)
class MocapBatch:
    """Windows of `t` frames of people before cameras: what a detector says of them, and the truth.

    Labels are of `o` frames of each window, which `labelled` names. Camera axes: x right, y down, z forward.
    """

    keypoints: Float[Tensor, "b t k 3"]
    """x, y [px of the picture] and a confidence, with a detector's errors; all zero where there is none."""
    skeleton: Skeleton
    """The names of `keypoints`."""
    true_keypoints: Float[Tensor, "b t k 2"]
    """The same without errors [px], also where the detector sees nothing."""
    squares: Float[Tensor, "b t 3"]
    """The person's square, centre x, centre y and side [px], as it is made from `keypoints`: the crop."""
    size: Float[Tensor, "b 2"]
    """Width and height of the picture [px]; its principal point is in the middle."""
    focal: Float[Tensor, "b"]
    """[px]"""
    labelled: Int[Tensor, "o"]
    """Which frames of the windows the labels are of."""
    joints: Float[Tensor, "b o j 3"]
    """[m], camera axes. The body's own origin is at zero, as it is for what networks predict."""
    joint_set: Skeleton
    rotations: Float[Tensor, "b o 24 3 3"]
    """Of each joint relative to its parent, the root's to camera axes."""
    betas: Float[Tensor, "b 10"]
    translation: Float[Tensor, "b o 3"]
    """Of the body's own origin [m]: `joints + translation` projects onto the picture."""
    camera_from_world: Float[Tensor, "b 3 3"]
    """Turns the world, whose y axis points up, into camera axes."""
    within: Bool[Tensor, "b t"]
    """False where a motion has not begun or has ended, and its first or last frame is held."""
    rate: float
    """Frames per second."""
    names: tuple[str, ...] = ()
    """Of the motion of each window."""

    def __len__(self) -> int:
        return len(self.keypoints)

    def to(self, device: torch.device | str) -> "MocapBatch":
        """The same batch elsewhere."""
        values: dict[str, Any] = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        moved: dict[str, Any] = {key: value.to(device) for key, value in values.items() if isinstance(value, Tensor)}
        return replace(self, **moved)

    @property
    def inputs(self) -> Float[Tensor, "b t i"]:
        """What encoders of keypoints see (`geometry.keypoints.network_inputs`)."""
        size = self.size[:, None].expand(*self.squares.shape[:2], 2)
        return network_inputs(self.keypoints, self.squares, size)

    @property
    def crop_camera(self) -> Float[Tensor, "b o 3"]:
        """The weak-perspective camera s, tx, ty of each crop: `geometry.cameras.crop_camera_to_translation` inverted.

        The scale is that at the body's origin, which is as deep in the picture as the pelvis is in a standing body.
        """
        x, y, depth = self.translation.unbind(-1)
        cx, cy, side = self.squares[:, self.labelled].unbind(-1)
        scale = 2 * self.focal[:, None] / (side * depth)
        middle = self.size[:, None] / 2
        tx = x - 2 * (cx - middle[..., 0]) / (side * scale)
        ty = y - 2 * (cy - middle[..., 1]) / (side * scale)
        return torch.stack([scale, tx, ty], dim=-1)

    @property
    def theta(self) -> Float[Tensor, "b o 85"]:
        """Crop camera, rotation vectors of the 24 joints, shape."""
        rotvecs = rotmat_to_rotvec(self.rotations).flatten(-2)
        betas = self.betas[:, None].expand(*rotvecs.shape[:2], 10)
        return torch.cat([self.crop_camera, rotvecs, betas], dim=-1)

    def batches_as(self, kind: type) -> Any:
        """This batch as `datasets.sequence.Batch` or `datasets.lifting.LiftingBatch`, with all labels.

        Raises:
            ValueError: another kind, or joints other than the kind's.
        """
        if kind is Batch:
            return self.as_batch()
        if kind is LiftingBatch:
            return self.as_lifting()
        raise ValueError(f"no way to make {kind.__name__} from motion capture; known are Batch and LiftingBatch")

    def as_batch(self, repeat: int = 1) -> Batch:
        """For the losses of the video methods; `features` are `inputs`, which an encoder has yet to turn into features.

        The labels' keypoints are the joints as the crop's own camera sees them, since that is the camera with which
        the losses project: a prediction can then be right in all terms at once.

        Args:
            repeat: how often the labels stand there: three times for TCMR, which has three outputs to teach.

        Raises:
            ValueError: the joints are not SPIN-49.
        """
        if self.joint_set != SPIN_49:
            raise ValueError(f"the video losses want joints of {SPIN_49.name}, these are {self.joint_set.name}")
        seen = project_crop(self.joints, self.crop_camera)
        keypoints = torch.cat([seen, torch.ones_like(seen[..., :1])], dim=-1)
        everywhere = torch.ones(self.joints.shape[:2], dtype=torch.bool, device=self.joints.device).repeat(1, repeat)
        return Batch(
            features=self.inputs,
            keypoints=keypoints.repeat(1, repeat, 1, 1),
            joints=self.joints.repeat(1, repeat, 1, 1),
            theta=self.theta.repeat(1, repeat, 1),
            from_3d_set=everywhere[:, 0],
            has_joints=everywhere,
            has_body=everywhere,
            names=self.names,
        )

    def as_lifting(self) -> LiftingBatch:
        """For RIE: keypoints of H36M-VP3D-17 in screen coordinates, converted as they are for a clip.

        As in the published files joint 0 has the trajectory, and the others are relative to it.

        Raises:
            ValueError: the joints are not H36M-VP3D-17, or the keypoints neither these nor those of COCO-17.
        """
        if self.joint_set != H36M_VP3D_17:
            raise ValueError(f"RIE wants joints of {H36M_VP3D_17.name}, these are {self.joint_set.name}")
        root = self.joints[..., :1, :]
        in_camera = root + self.translation[..., None, :]
        return LiftingBatch(
            keypoints=lifting_keypoints(self.keypoints[..., :2], self.skeleton, self.size),
            joints=torch.cat([in_camera, (self.joints - root)[..., 1:, :]], dim=-2),
        )


def lifting_keypoints(
    keypoints: Float[Tensor, "b t k 2"], skeleton: Skeleton, size: Float[Tensor, "b 2"]
) -> Float[Tensor, "b t 17 2"]:
    """H36M-VP3D-17 in screen coordinates: x from -1 to 1 over the picture's width, y with the same unit."""
    found, valid = pick(keypoints, skeleton, H36M_VP3D_17)
    if not bool(valid.all()):
        found, valid = pick(keypoints, skeleton, COCO_17)
        if not bool(valid.all()):
            raise ValueError(f"RIE's keypoints can be made of {COCO_17.name}, {skeleton.name} lacks some of them")
        found = coco_to_h36m(found)
    return (found - size[:, None, None] / 2) / (size[:, None, None, :1] / 2)
