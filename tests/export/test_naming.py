"""The names that other programs know SMPL's joints by."""

from typing import get_args

import pytest

from anthropose.errors import UserError
from anthropose.export.naming import Naming, joint_names
from anthropose.skeleton import SMPL_24

VRM_PARENTS = {
    "spine": "hips", "chest": "spine", "upperChest": "chest", "neck": "upperChest", "head": "neck",
    "leftUpperLeg": "hips", "leftLowerLeg": "leftUpperLeg", "leftFoot": "leftLowerLeg", "leftToes": "leftFoot",
    "leftShoulder": "upperChest", "leftUpperArm": "leftShoulder", "leftLowerArm": "leftUpperArm",
    "leftHand": "leftLowerArm",
}  # fmt: skip
"""From the VRM 1.0 specification, `VRMC_vrm.humanoid`."""
MIXAMO_PARENTS = {
    "Spine": "Hips", "Spine1": "Spine", "Spine2": "Spine1", "Neck": "Spine2", "Head": "Neck", "LeftUpLeg": "Hips",
    "LeftLeg": "LeftUpLeg", "LeftFoot": "LeftLeg", "LeftToeBase": "LeftFoot", "LeftShoulder": "Spine2",
    "LeftArm": "LeftShoulder", "LeftForeArm": "LeftArm", "LeftHand": "LeftForeArm",
}  # fmt: skip
UNREAL_PARENTS = {
    "spine_01": "pelvis", "spine_02": "spine_01", "spine_03": "spine_02", "neck_01": "spine_03", "head": "neck_01",
    "thigh_l": "pelvis", "calf_l": "thigh_l", "foot_l": "calf_l", "ball_l": "foot_l", "clavicle_l": "spine_03",
    "upperarm_l": "clavicle_l", "lowerarm_l": "upperarm_l", "hand_l": "lowerarm_l",
}  # fmt: skip


@pytest.mark.parametrize("naming", get_args(Naming))
def test_every_joint_has_a_name_of_its_own(naming: Naming) -> None:
    names = joint_names(naming)
    assert len(names) == len(set(names)) == 24


@pytest.mark.parametrize(
    ("naming", "parents"),
    [
        ("vrm", VRM_PARENTS),
        ("mixamo", {f"mixamorig:{c}": f"mixamorig:{p}" for c, p in MIXAMO_PARENTS.items()}),
        ("unreal", UNREAL_PARENTS),
    ],
)
def test_the_tree_of_the_names_is_the_tree_of_the_other_program(naming: Naming, parents: dict[str, str]) -> None:
    names = joint_names(naming)
    ours = {name: names[parent] for name, parent in zip(names, SMPL_24.parents, strict=True) if parent >= 0}
    assert parents.items() <= ours.items()
    assert len(parents) == 13, "all of the trunk and one side but SMPL's hand, which none of them knows"


@pytest.mark.parametrize(
    ("naming", "left", "right"),
    [("smpl", "left_", "right_"), ("mixamo", ":Left", ":Right"), ("vrm", "left", "right"), ("unreal", "_l", "_r")],
)
def test_the_right_side_mirrors_the_left(naming: Naming, left: str, right: str) -> None:
    names = joint_names(naming)
    for joint, counterpart in enumerate(SMPL_24.mirror):
        if SMPL_24.joints[joint].startswith("left_"):
            assert left in names[joint]
            assert names[counterpart] == names[joint].replace(left, right)


def test_an_unknown_convention_is_refused_with_those_that_are_known() -> None:
    with pytest.raises(UserError, match="one of smpl, mixamo, vrm, unreal, found 'rigify'"):
        joint_names("rigify")
