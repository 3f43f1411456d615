"""What other programs call SMPL's 24 joints: Mixamo, VRM (Unity, VTuber programs) and Unreal's mannequin.

Only the names change. The joints, their places, their rotations and their tree stay SMPL's, whose rest pose is a T-pose
without rotations. Every convention has a name for each joint except the last two, SMPL's joint inside the palm: those
are called the end of the hand, which no program's automatic mapping takes for a finger.
"""

from typing import Literal, get_args

from anthropose.errors import UserError
from anthropose.skeleton import SMPL_24

Naming = Literal["smpl", "mixamo", "vrm", "unreal"]
"""smpl: as in SMPL_24; mixamo: Mixamo's `mixamorig:` bones; vrm: VRM 1.0's humanoid bones; unreal: UE4's mannequin."""
_OTHERS = {
    "pelvis": ("Hips", "hips", "pelvis"),
    "spine1": ("Spine", "spine", "spine_01"),
    "spine2": ("Spine1", "chest", "spine_02"),
    "spine3": ("Spine2", "upperChest", "spine_03"),
    "neck": ("Neck", "neck", "neck_01"),
    "head": ("Head", "head", "head"),
    "left_hip": ("LeftUpLeg", "leftUpperLeg", "thigh_l"),
    "left_knee": ("LeftLeg", "leftLowerLeg", "calf_l"),
    "left_ankle": ("LeftFoot", "leftFoot", "foot_l"),
    "left_foot": ("LeftToeBase", "leftToes", "ball_l"),
    "left_collar": ("LeftShoulder", "leftShoulder", "clavicle_l"),
    "left_shoulder": ("LeftArm", "leftUpperArm", "upperarm_l"),
    "left_elbow": ("LeftForeArm", "leftLowerArm", "lowerarm_l"),
    "left_wrist": ("LeftHand", "leftHand", "hand_l"),
    "left_hand": ("LeftHand_End", "leftHandEnd", "hand_end_l"),
    "right_hip": ("RightUpLeg", "rightUpperLeg", "thigh_r"),
    "right_knee": ("RightLeg", "rightLowerLeg", "calf_r"),
    "right_ankle": ("RightFoot", "rightFoot", "foot_r"),
    "right_foot": ("RightToeBase", "rightToes", "ball_r"),
    "right_collar": ("RightShoulder", "rightShoulder", "clavicle_r"),
    "right_shoulder": ("RightArm", "rightUpperArm", "upperarm_r"),
    "right_elbow": ("RightForeArm", "rightLowerArm", "lowerarm_r"),
    "right_wrist": ("RightHand", "rightHand", "hand_r"),
    "right_hand": ("RightHand_End", "rightHandEnd", "hand_end_r"),
}
"""SMPL's joint -> Mixamo's bone without its prefix, VRM's, Unreal's."""


def joint_names(naming: Naming | str = "smpl") -> tuple[str, ...]:
    """The names of SMPL_24's joints in a convention, in the order of SMPL_24.

    Raises:
        UserError: the convention is not known.
    """
    match naming:
        case "smpl":
            return SMPL_24.joints
        case "mixamo":
            return tuple(f"mixamorig:{_OTHERS[joint][0]}" for joint in SMPL_24.joints)
        case "vrm":
            return tuple(_OTHERS[joint][1] for joint in SMPL_24.joints)
        case "unreal":
            return tuple(_OTHERS[joint][2] for joint in SMPL_24.joints)
        case _:
            raise UserError(f"--joints is one of {', '.join(get_args(Naming))}, found {naming!r}")
