"""USD scenes, read back by Pixar's own library: skeletons by UsdSkel's queries, skin as UsdSkel deforms it."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.model import BodyModel
from anthropose.export.scene import linear_colour
from anthropose.export.usd import write_usd
from anthropose.motion import Motion
from anthropose.skeleton import SMPL_24
from tests.export.made_up import lifted, motion, scene_joints, stick_body, with_a_gap

pxr = pytest.importorskip("pxr", reason="writes and reads USD; pip install 'anthropose[usd]'")
from pxr import Gf, Usd, UsdGeom, UsdShade, UsdSkel, Vt  # noqa: E402

BODY = stick_body()
SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])


class Person:
    """One person of an open stage."""

    def __init__(self, stage: Usd.Stage, name: str) -> None:
        self._stage = stage  # Prims do not keep their stage alive.
        self.root = UsdSkel.Root(stage.GetPrimAtPath(f"/scene/{name}"))
        self.mesh = UsdGeom.Mesh(stage.GetPrimAtPath(f"/scene/{name}/body"))
        self.skeleton = UsdSkel.Skeleton(stage.GetPrimAtPath(f"/scene/{name}/skeleton"))
        self._cache, self._rate = UsdSkel.Cache(), stage.GetTimeCodesPerSecond()
        self._cache.Populate(self.root, Usd.PrimDefaultPredicate)
        self.query = self._cache.GetSkelQuery(self.skeleton)

    def joints(self, second: float) -> np.ndarray:
        matrices = np.array(self.query.ComputeJointSkelTransforms(Usd.TimeCode(second * self._rate)))
        return matrices[:, 3, :3]

    def vertices(self, second: float) -> np.ndarray:
        points = Vt.Vec3fArray(self.mesh.GetPointsAttr().Get())
        transforms = self.query.ComputeSkinningTransforms(Usd.TimeCode(second * self._rate))
        skinning = self._cache.GetSkinningQuery(self.mesh.GetPrim())
        assert skinning.ComputeSkinnedPoints(transforms, points, Usd.TimeCode(second * self._rate))
        return np.array(points)

    def visible(self, second: float) -> bool:
        return UsdGeom.Imageable(self.root).GetVisibilityAttr().Get(second * self._rate) == UsdGeom.Tokens.inherited


def opened(motions: list[Motion], body: BodyModel, path: Path, **settings) -> Usd.Stage:
    write_usd(motions, body, path, **settings)
    return Usd.Stage.Open(str(path))


@pytest.mark.parametrize("ending", [".usd", ".usda", ".usdc"])
def test_the_joints_of_every_person_come_back_within_a_tenth_of_a_millimetre(tmp_path: Path, ending: str) -> None:
    people = [motion(BODY, betas=SHAPE), motion(BODY, 1 + torch.arange(30) / 30, person=3, start=(1.0, 0.0, 5.0))]
    stage = opened(people, BODY, tmp_path / f"a{ending}", floor=-1.1)
    for one, name in zip(people, ("person_00", "person_03"), strict=True):
        person = Person(stage, name)
        assert person.query.GetJointOrder()[4] == "pelvis/left_hip/left_knee"
        joints = np.stack([person.joints(second) for second in one.seconds.tolist()])
        assert np.abs(joints - scene_joints(one, -1.1)).max() < 1e-4


def test_the_mesh_is_the_posed_body(tmp_path: Path) -> None:
    one = motion(BODY, torch.arange(10) / 30, betas=SHAPE)
    person = Person(opened([one], BODY, tmp_path / "a.usda", floor=0.0), "person_00")
    # The stick body follows at most three joints a vertex, so the four of a file lose nothing.
    posed = BODY.shaped(one.body.betas).posed(one.body.rotations)
    truth = (posed.vertices - posed.joints[:, :1] + one.translation[:, None]).numpy() * [1, -1, -1]
    for row in (0, 4, 9):
        assert np.abs(person.vertices(float(one.seconds[row])) - truth[row]).max() < 1e-4


def test_sticks_follow_lifted_joints(tmp_path: Path) -> None:
    one = lifted(motion(BODY, torch.arange(10) / 30))
    person = Person(opened([one], BODY, tmp_path / "a.usda", floor=-1.0), "person_00")
    truth = scene_joints(one, -1.0)
    for row in (0, 9):
        assert np.abs(person.joints(float(one.seconds[row])) - truth[row]).max() < 1e-5
    moved = person.vertices(float(one.seconds[9])) - person.vertices(0.0)
    owners = np.array(UsdSkel.BindingAPI(person.mesh).GetJointIndicesPrimvar().Get())
    assert np.abs(moved - (truth[9] - truth[0])[owners]).max() < 1e-5


def test_samples_lie_at_the_videos_time_stamps_and_a_long_gap_hides_the_person(tmp_path: Path) -> None:
    seconds = torch.tensor([0.5, 0.53, 0.58, 0.6, 1.6, 1.63, 1.66], dtype=torch.float64)
    one = motion(BODY, seconds)
    stage = opened([one, motion(BODY, person=1)], BODY, tmp_path / "a.usda", floor=0.0)
    person = Person(stage, "person_00")
    animation = UsdSkel.Animation(stage.GetPrimAtPath("/scene/person_00/motion"))
    assert np.abs(np.array(animation.GetRotationsAttr().GetTimeSamples()) - 30 * seconds.numpy()).max() < 1e-6
    assert [person.visible(at) for at in (0.0, 0.45, 0.5, 0.6, 0.7, 1.5, 1.6, 1.69)] == [
        False, False, True, True, False, False, True, True,
    ]  # fmt: skip
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (0.0, pytest.approx(59.0))


def test_a_short_gap_is_bridged_and_the_frames_after_it_keep_their_time(tmp_path: Path) -> None:
    one = with_a_gap(BODY)
    person = Person(opened([one], BODY, tmp_path / "a.usda", floor=0.0), "person_00")
    assert person.visible(0.8)
    assert np.abs(person.joints(1.0) - scene_joints(one, 0.0)[20]).max() < 1e-4


def test_the_camera_sees_the_joints_where_the_motion_projects_them(tmp_path: Path) -> None:
    one = motion(BODY)
    object.__setattr__(one.camera, "center", (300.0, 260.0))
    stage = opened([one], BODY, tmp_path / "a.usda", floor=-1.1)
    view = UsdGeom.Camera(stage.GetPrimAtPath("/scene/video_camera")).GetCamera(Usd.TimeCode(0)).frustum
    matrix = view.ComputeViewMatrix() * view.ComputeProjectionMatrix()
    seen = np.array([matrix.Transform(Gf.Vec3d(*place)) for place in scene_joints(one, -1.1)[0].tolist()])
    pixels = (seen[:, :2] * [1, -1] + 1) / 2 * [640, 480]
    assert np.abs(pixels - one.projected[0].numpy()).max() < 0.01


def test_joints_can_go_by_the_names_of_mixamo_and_the_scene_says_its_axes_and_unit(tmp_path: Path) -> None:
    stage = opened([motion(BODY)], BODY, tmp_path / "a.usda", joints="mixamo")
    person = Person(stage, "person_00")
    assert person.query.GetJointOrder()[1] == "mixamorig_Hips/mixamorig_LeftUpLeg"
    assert person.skeleton.GetJointNamesAttr().Get()[1] == "mixamorig:LeftUpLeg"
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    assert UsdGeom.GetStageMetersPerUnit(stage) == 1.0
    assert stage.GetDefaultPrim().GetName() == "scene"
    assert len(person.query.GetJointOrder()) == len(SMPL_24)


def test_pixars_own_checks_find_nothing_to_say(tmp_path: Path) -> None:
    validation = pytest.importorskip("pxr.UsdValidation", reason="came with usd-core 24.11")
    people = [motion(BODY), lifted(motion(BODY, 1 + torch.arange(30) / 30, person=1))]
    stage = opened(people, BODY, tmp_path / "a.usda")
    validators = validation.ValidationRegistry().GetOrLoadAllValidators()
    assert len(validators) > 10
    found = validation.ValidationContext(validators).Validate(stage)
    assert [error.GetMessage() for error in found] == []


def test_a_person_has_the_colour_of_the_overlay(tmp_path: Path) -> None:
    stage = opened([motion(BODY, person=1)], BODY, tmp_path / "a.usda")
    mesh = Person(stage, "person_01").mesh
    material, _ = UsdShade.MaterialBindingAPI(mesh).ComputeBoundMaterial()
    surface = UsdShade.Shader(stage.GetPrimAtPath(material.GetPath().AppendChild("surface")))
    assert surface.GetInput("diffuseColor").Get() == mesh.GetDisplayColorAttr().Get()[0]
    assert np.abs(np.array(mesh.GetDisplayColorAttr().Get()[0]) - linear_colour(1)).max() < 1e-6
