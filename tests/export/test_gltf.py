"""scene.glb, read back by a reader of our own made from the specification, and by trimesh."""

import errno
from dataclasses import replace
from pathlib import Path

import numpy as np
import pygltflib
import pytest
import torch
import trimesh
from scipy.spatial.transform import Rotation
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.gltf import smooth_normals, strongest_four, unbroken_quaternions, write_glb
from anthropose.export.naming import joint_names
from anthropose.export.scene import visibility
from anthropose.export.sticks import BALL, stick_figure
from anthropose.geometry.rotations import quat_to_rotmat, rotvec_to_rotmat
from anthropose.motion import Motion, Track
from anthropose.skeleton import SMPL_24, Skeleton
from tests.export.made_up import motion, stick_body
from tests.export.read_glb import Glb

SHAPE = torch.tensor([2.0, -1.0, 1.5, 0, 0, 0, 0.5, 0, 0, -1])
GAPPY = torch.cat([torch.arange(20, 40), torch.arange(44, 60), torch.arange(100, 150)]) / 29.97


@pytest.fixture
def body() -> BodyModel:
    return stick_body()


def camera_vertices(body: BodyModel, motion: Motion, frame: int) -> Tensor:
    """The surface in the camera, by the formula of the motion file."""
    assert motion.body is not None
    posed = body.shaped(motion.body.betas[frame]).posed(motion.body.rotations[frame])
    return posed.vertices - posed.joints[:1] + motion.translation[frame]


def in_scene(vertices: Tensor, floor: float) -> np.ndarray:
    return vertices.numpy() * [1, -1, -1] - [0, floor, 0]


def test_the_skinned_meshes_are_the_bodies_at_every_key(body: BodyModel, tmp_path: Path) -> None:
    motions = [motion(body, person=0), motion(body, GAPPY, person=3, fps=29.97, betas=SHAPE, start=(-1, 0, 6))]
    write_glb(motions, body, tmp_path / "scene.glb", floor=-1.2)
    glb = Glb(tmp_path / "scene.glb")
    for one in motions:
        for frame in range(0, len(one), 7):
            vertices = glb.vertices(f"person-{one.track.person:02d}-body", float(one.seconds[frame]))
            assert np.abs(vertices - in_scene(camera_vertices(body, one, frame), -1.2)).max() < 1e-4


def test_the_free_body_loses_nothing(tmp_path: Path) -> None:
    free = load_body("free")
    one = motion(free, torch.arange(3) / 30, betas=SHAPE)
    write_glb([one], free, tmp_path / "scene.glb", floor=0.0)
    vertices = Glb(tmp_path / "scene.glb").vertices("person-00-body", float(one.seconds[2]))
    assert np.abs(vertices - in_scene(camera_vertices(free, one, 2), 0.0)).max() < 1e-4


def test_corrections_that_depend_on_the_pose_are_left_out(body: BodyModel, tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    corrected = replace(body, pose_basis=0.01 * torch.randn(207, 3 * len(body.template), generator=generator))
    one = motion(corrected)
    write_glb([one], corrected, tmp_path / "scene.glb", floor=0.0)
    vertices = Glb(tmp_path / "scene.glb").vertices("person-00-body", float(one.seconds[9]))
    assert np.abs(vertices - in_scene(camera_vertices(body, one, 9), 0.0)).max() < 1e-4
    assert np.abs(vertices - in_scene(camera_vertices(corrected, one, 9), 0.0)).max() > 1e-3


def test_between_two_keys_the_body_is_between_them(body: BodyModel, tmp_path: Path) -> None:
    write_glb([one := motion(body)], body, tmp_path / "scene.glb", floor=0.0)
    glb = Glb(tmp_path / "scene.glb")
    halfway = glb.vertices("person-00-body", float(one.seconds[20] + one.seconds[21]) / 2)
    around = [in_scene(camera_vertices(body, one, frame), 0.0) for frame in (20, 21)]
    assert np.abs(halfway - np.mean(around, axis=0)).max() < 1e-3 < np.abs(around[0] - around[1]).max()


def test_a_picture_through_the_files_camera_is_the_picture_of_the_motion(body: BodyModel, tmp_path: Path) -> None:
    from anthropose.render.meshes import Mesh, MeshRenderer

    one = motion(body, betas=SHAPE)
    write_glb([one], body, tmp_path / "scene.glb")
    glb = Glb(tmp_path / "scene.glb")
    view = glb.tree["cameras"][glb.node("video_camera")["camera"]]["perspective"]
    place = np.array(glb.node("video_camera")["translation"])
    width, height = 640, 480
    focal = height / 2 / np.tan(view["yfov"] / 2)
    assert view["aspectRatio"] == pytest.approx(width / height)
    for frame in (0, 30, 59):
        seen = (glb.vertices("person-00-body", float(one.seconds[frame])) - place) * [1, -1, -1]
        with MeshRenderer(width, height) as renderer:
            faces, colour = body.faces.numpy(), (0.8, 0.5, 0.2)
            ours = renderer.draw(None, [Mesh(seen.astype(np.float32), faces, colour)], float(focal), (320.0, 240.0))
            vertices = camera_vertices(body, one, frame).numpy()
            truth = renderer.draw(None, [Mesh(vertices, faces, colour)], one.camera.focal, one.camera.center)
        assert (truth != truth[0, 0]).any(-1).mean() > 0.02
        assert (np.abs(ours.astype(int) - truth).max(-1) > 8).mean() < 1e-3


def test_trimesh_reads_the_persons_at_rest(body: BodyModel, tmp_path: Path) -> None:
    motions = [motion(body, person=0), motion(body, person=1, betas=SHAPE)]
    write_glb(motions, body, tmp_path / "scene.glb")
    scene = trimesh.load_scene(tmp_path / "scene.glb", process=False)
    for one in motions:
        mesh = scene.geometry[f"person-{one.track.person:02d}-body"]
        rest = body.shaped(one.body.betas[0]).vertices.numpy()
        assert np.abs(mesh.vertices - rest).max() < 1e-6
        assert np.array_equal(mesh.faces, body.faces.numpy())
        outward = (mesh.face_normals * mesh.vertex_normals[mesh.faces[:, 0]]).sum(1)
        assert (outward > 0).mean() > 0.95


def test_every_person_keeps_time_with_the_video(body: BodyModel, tmp_path: Path) -> None:
    late = motion(body, torch.arange(60, 90) / 30, person=1)
    write_glb([motion(body), late], body, tmp_path / "scene.glb")
    glb = Glb(tmp_path / "scene.glb")
    (animation,) = glb.tree["animations"]
    times = [glb.array(s["input"]) for s in animation["samplers"] if s["interpolation"] == "LINEAR"]
    assert {(float(t[0]), round(float(t[-1]), 3)) for t in times} == {(0.0, 1.967), (2.0, 2.967)}


def test_a_person_is_hidden_before_after_and_in_long_gaps_but_not_in_short_ones(
    body: BodyModel, tmp_path: Path
) -> None:
    long = motion(body, torch.arange(180) / 29.97, person=0, fps=29.97)
    short = motion(body, GAPPY, person=1, fps=29.97)
    write_glb([long, short], body, tmp_path / "scene.glb")
    glb = Glb(tmp_path / "scene.glb")

    def size(person: int, frame: float) -> float:
        return float(np.ptp(glb.vertices(f"person-{person:02d}-body", frame / 29.97), axis=0).max())

    shown = {f: size(1, f) > 1 for f in (0, 19.5, 20.1, 39, 42, 59, 60.5, 80, 99.5, 100.1, 149, 150.5, 170)}
    assert [frame for frame, there in shown.items() if there] == [20.1, 39, 42, 59, 100.1, 149]
    assert all(size(0, f) > 1 for f in (0, 90, 179, 400))


def test_visibility_of_a_slow_time_lapse_is_not_cut_into_single_frames() -> None:
    changes, shown = visibility(torch.arange(10, dtype=torch.float64), fps=1.0, end=9.0)
    assert changes.tolist() == [0.0]
    assert shown.tolist() == [True]


def test_one_frame_makes_a_file_that_stands_still(body: BodyModel, tmp_path: Path) -> None:
    one = motion(body, torch.tensor([0.4]))
    write_glb([one], body, tmp_path / "scene.glb", floor=0.0)
    glb = Glb(tmp_path / "scene.glb")
    for time in (0.4, 9.0):
        vertices = glb.vertices("person-00-body", time)
        assert np.abs(vertices - in_scene(camera_vertices(body, one, 0), 0.0)).max() < 1e-4


def test_the_soles_stand_on_the_floor_and_the_camera_above_it(body: BodyModel, tmp_path: Path) -> None:
    upright = torch.eye(3).repeat(40, 24, 1, 1)
    upright[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    one = motion(body, torch.arange(40) / 30, rotations=upright)
    write_glb([one], body, tmp_path / "scene.glb")
    glb = Glb(tmp_path / "scene.glb")
    vertices = glb.vertices("person-00-body", 1.0)
    assert vertices[:, 1].min() == pytest.approx(0.0, abs=1e-4)
    pelvis_over_sole = float(body.shaped(torch.zeros(10)).joints[0, 1] - body.template[:, 1].min())
    assert glb.node("video_camera")["translation"] == pytest.approx([0, 0.1 + pelvis_over_sole, 0], abs=1e-4)


def test_joints_carry_the_names_of_smpl_and_the_persons_their_colours(body: BodyModel, tmp_path: Path) -> None:
    write_glb([motion(body, person=0), motion(body, person=1)], body, tmp_path / "scene.glb")
    glb = Glb(tmp_path / "scene.glb")
    first, second = glb.tree["skins"]
    names = [glb.tree["nodes"][j]["name"] for j in second["joints"]]
    assert names[:3] == ["pelvis", "left_hip", "right_hip"]
    assert len(set(first["joints"]) | set(second["joints"])) == 48
    colours = [m["pbrMetallicRoughness"]["baseColorFactor"] for m in glb.tree["materials"]]
    assert colours[0] == pytest.approx([0.0931, 0.4564, 0.8148, 1.0], abs=1e-3)  # #56b4e9 as linear light
    assert colours[0] != colours[1]


def test_what_the_format_demands_of_accessors_holds(body: BodyModel, tmp_path: Path) -> None:
    write_glb([motion(body, GAPPY, betas=SHAPE)], body, tmp_path / "scene.glb")
    glb = Glb(tmp_path / "scene.glb")
    total = 0
    for index, accessor in enumerate(glb.tree["accessors"]):
        view = glb.tree["bufferViews"][accessor["bufferView"]]
        values = glb.array(index)
        assert view["byteOffset"] % 4 == 0
        assert view["byteLength"] == values.nbytes
        total += -(-values.nbytes // 4) * 4
        if "min" in accessor:
            rows = values.reshape(len(values), -1)
            assert (accessor["min"], accessor["max"]) == (rows.min(0).tolist(), rows.max(0).tolist())
    assert glb.tree["buffers"][0]["byteLength"] <= total <= glb.tree["buffers"][0]["byteLength"] + 3
    (primitive,) = glb.tree["meshes"][0]["primitives"]
    needing_bounds = {primitive["attributes"]["POSITION"]}
    needing_bounds |= {s["input"] for s in glb.tree["animations"][0]["samplers"]}
    assert all("min" in glb.tree["accessors"][a] for a in needing_bounds)
    for sampler in glb.tree["animations"][0]["samplers"]:
        assert len(glb.array(sampler["input"])) == len(glb.array(sampler["output"]))
        assert (np.diff(glb.array(sampler["input"])) > 0).all()


def test_quaternion_keys_do_not_flip_their_sign_and_stay_the_same_rotations() -> None:
    angle = torch.linspace(0, 12, 200)[:, None, None] * torch.tensor([[0.0, 1.0, 0.0], [0.6, 0.0, -0.8]])
    rotations = rotvec_to_rotmat(angle)
    quaternions = unbroken_quaternions(rotations)
    assert ((quaternions[1:] * quaternions[:-1]).sum(-1) > 0.9).all()
    assert torch.allclose(quat_to_rotmat(quaternions), rotations, atol=1e-5)


def test_the_four_strongest_weights_sum_to_one_and_absent_joints_are_zero() -> None:
    skinning = torch.zeros(2, 24)
    skinning[0, 5] = 1.0
    skinning[1, :6] = torch.tensor([0.1, 0.3, 0.05, 0.2, 0.2, 0.15])
    joints, weights = strongest_four(skinning)
    assert joints[0].tolist() == [5, 0, 0, 0]
    assert set(joints[1].tolist()) == {1, 3, 4, 5}
    assert weights.sum(1) == pytest.approx([1, 1])
    assert weights[1, 0] == pytest.approx(0.3 / 0.85)


def test_normals_of_a_cube_point_away_from_its_middle() -> None:
    cube = trimesh.creation.box()
    normals = smooth_normals(torch.tensor(cube.vertices).float(), torch.tensor(cube.faces))
    assert torch.allclose(normals.norm(dim=1), torch.ones(8))
    assert ((normals * torch.tensor(cube.vertices).float()).sum(1) > 0.5).all()


def _with_nan(one: Motion) -> Motion:
    one.translation[17, 1] = float("nan")
    return one


def _without_body(one: Motion) -> Motion:
    return Motion(one.track, one.skeleton, one.fps, one.seconds, one.camera, one.joints, one.translation, method="rie")


def _without_frames(one: Motion) -> Motion:
    track = Track(0, one.track.frames[:0], one.track.boxes[:0])
    return Motion(track, one.skeleton, one.fps, one.seconds[:0], one.camera, one.joints[:0], one.translation[:0])


def test_a_person_without_a_body_is_sticks_that_follow_the_joints(body: BodyModel, tmp_path: Path) -> None:
    one = _without_body(motion(body, GAPPY, fps=29.97))
    write_glb([one, motion(body, person=1)], body, tmp_path / "scene.glb", floor=-1.2)
    glb = Glb(tmp_path / "scene.glb")
    assert "person-01-body" in [node.get("name") for node in glb.tree["nodes"]], "the other has a body"
    rest, faces = stick_figure(one.skeleton, torch.zeros(24, 3)), glb.faces("person-00-body")
    for frame in range(0, len(one), 7):
        joints = in_scene(one.joints[frame] + one.translation[frame], -1.2)
        vertices = glb.vertices("person-00-body", float(one.seconds[frame]))
        assert np.abs(vertices - joints[rest.owners] - rest.vertices.numpy()).max() < 1e-4
    assert faces.max() == len(vertices) - 1
    hidden = glb.vertices("person-00-body", 2.5)
    assert np.ptp(hidden, axis=0).max() < 1e-6, "in a long gap the person is not there"


def test_sticks_alone_need_no_body_model(body: BodyModel, tmp_path: Path) -> None:
    write_glb([_without_body(motion(body))], None, tmp_path / "scene.glb")
    assert "body" not in Glb(tmp_path / "scene.glb").tree["asset"]["extras"]
    assert len(trimesh.load(tmp_path / "scene.glb").geometry) == 1


def test_the_balls_of_a_stick_figure_are_closed_and_face_outwards() -> None:
    skeleton = Skeleton("two", ("a", "b"), (-1, 0))
    sticks = stick_figure(skeleton, torch.tensor([[0.0, 0, 0], [0.2, 0.3, 0.1]]))
    count = len(stick_figure(Skeleton("one", ("a",), (-1,)), torch.zeros(1, 3)).vertices)
    ball = sticks.faces[(sticks.faces < count).all(1)]
    mesh = trimesh.Trimesh(sticks.vertices[:count].numpy(), ball.numpy(), process=False)
    assert mesh.is_watertight
    assert mesh.volume > 0.6 * 4 / 3 * np.pi * BALL**3
    assert torch.allclose(sticks.normals.norm(dim=1), torch.ones(len(sticks.normals)), atol=1e-5)
    assert sticks.owners.unique().tolist() == [0, 1]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_with_nan, r"person 0: translation of 1 frames, the first of them 17, are not finite"),
        (_without_frames, r"person 0 has no frames"),
        (
            lambda one: replace(one, body_model="mine"),
            r"made with body 'mine', not 'stick'; export with --body mine",
        ),
    ],
)
def test_motions_that_cannot_be_posed_are_refused_with_one_line(spoil, message, body, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message) as caught:
        write_glb([spoil(motion(body))], body, tmp_path / "scene.glb")
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_no_motion_at_all_is_refused(body: BodyModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no motion to export"):
        write_glb([], body, tmp_path / "scene.glb")


def test_a_full_disk_leaves_the_old_file_and_no_half_of_the_new(
    body: BodyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "scene.glb"
    path.write_bytes(b"old")

    def full(self: object, name: str) -> None:
        Path(name).write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("pygltflib.GLTF2.save_binary", full)
    with pytest.raises(UserError, match="disk is full"):
        write_glb([motion(body)], body, path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_path_below_a_file_is_refused(body: BodyModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="in the way"):
        write_glb([motion(body)], body, tmp_path / "file" / "scene.glb")


@pytest.mark.parametrize("naming", ["mixamo", "vrm", "unreal"])
def test_joints_can_have_the_names_of_other_programs(naming: str, body: BodyModel, tmp_path: Path) -> None:
    write_glb(
        [motion(body, person=0), _without_body(motion(body, person=1))], body, tmp_path / "scene.glb", joints=naming
    )
    glb = Glb(tmp_path / "scene.glb")
    bodily, sticks = ([glb.tree["nodes"][j]["name"] for j in skin["joints"]] for skin in glb.tree["skins"])
    assert tuple(bodily) == joint_names(naming)
    assert tuple(sticks) == SMPL_24.joints, "sticks keep the names of what they are"


def test_pygltflib_finds_every_joint_where_the_motion_has_it(body: BodyModel, tmp_path: Path) -> None:
    one = motion(body, GAPPY, person=3, fps=29.97, betas=SHAPE, start=(-1, 0, 6))
    write_glb([motion(body), one], body, tmp_path / "scene.glb", floor=-1.2)
    gltf = pygltflib.GLTF2().load_binary(tmp_path / "scene.glb")

    def array(index: int) -> np.ndarray:
        accessor = gltf.accessors[index]
        start = gltf.bufferViews[accessor.bufferView].byteOffset
        width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor.type]
        return np.frombuffer(gltf.binary_blob(), np.float32, accessor.count * width, start).reshape(-1, width)

    nodes = gltf.skins[1].joints
    turns, paths = {}, {}
    for channel in gltf.animations[0].channels:
        sampler = gltf.animations[0].samplers[channel.sampler]
        if channel.target.node in nodes and channel.target.path in ("rotation", "translation"):
            assert array(sampler.input)[:, 0] == pytest.approx(one.seconds.numpy(), abs=1e-6)
            of = turns if channel.target.path == "rotation" else paths
            of[channel.target.node] = array(sampler.output)
    places, directions = np.zeros((24, len(one), 3)), [Rotation.identity()] * 24
    for joint, (node, parent) in enumerate(zip(nodes, SMPL_24.parents, strict=True)):
        above = directions[parent] if parent >= 0 else Rotation.identity()
        offset = paths.get(node, np.array(gltf.nodes[node].translation)[None])
        places[joint] = above.apply(offset) + (places[parent] if parent >= 0 else 0)
        directions[joint] = above * Rotation.from_quat(turns[node])
    truth = in_scene(one.joints + one.translation[:, None], -1.2)
    assert np.abs(places.transpose(1, 0, 2) - truth).max() < 1e-5
