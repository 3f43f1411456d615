"""Motions as an animated glTF 2.0 scene (`scene.glb`), for Blender, three.js, Godot, Unity and the rest.

Each person is a skinned mesh of their own shape on SMPL's skeleton. Pose-dependent corrections of
the surface have no place in a plain skin and are left out: a few millimetres, a centimetre in strong bends. A person
without a body is a figure of sticks on joints with their own names, each of which has a path and no rotation.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pygltflib
import torch
from jaxtyping import Float, Int, UInt8
from torch import Tensor

from anthropose import __version__
from anthropose.body.model import BodyModel
from anthropose.export.naming import Naming, joint_names
from anthropose.export.scene import (
    CAMERA_TO_SCENE,
    Figure,
    check_finite,
    figures_of,
    floor_height,
    linear_colour,
    making_of,
    person_name,
    visibility,
)
from anthropose.export.sticks import stick_figure
from anthropose.geometry.rotations import rotmat_to_quat
from anthropose.motion import Camera, Motion
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file

_TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4", (4, 4): "MAT4"}
_NUMBERS = {"float32": pygltflib.FLOAT, "uint32": pygltflib.UNSIGNED_INT, "uint8": pygltflib.UNSIGNED_BYTE}


def write_glb(
    motions: list[Motion],
    body: BodyModel | None,
    path: Path,
    floor: float | None = None,
    joints: Naming | str = "smpl",
) -> None:
    """Writes everyone's motion as one binary glTF file, whole or not at all.

    The scene has y up and metres, the floor at y = 0, and the video's camera as a camera node that looks along -z. Keys
    lie at the video's time stamps, so that the persons stay in step with it and with each other. A person is
    hidden (scale 0, glTF's way to animate visibility) before the first frame, after the last, and in gaps of more than
    half a second; shorter gaps are bridged.

    Args:
        body: the model that the motions were made with; None where all have joints only.
        floor: height of the floor over the camera [m], negative for a camera above it; estimated from the feet when
            not given. 0 leaves the camera at the origin.
        joints: whose names the joints of the bodies get (`naming.py`); those of sticks keep their own.

    Raises:
        UserError: there is no motion, one has numbers that are not finite, `joints` is not a known convention, or
            `path` cannot be written.
    """
    names = joint_names(joints)
    for motion in motions:
        check_finite(motion)
    floor = floor_height(motions, body) if floor is None else floor
    with_body = [motion for motion in motions if motion.body is not None] if body is not None else []
    figures = figures_of(with_body, body, floor) if body is not None and (with_body or not motions) else []
    document = _Document()
    first = min(0.0, *(float(motion.seconds[0]) for motion in motions))
    last = max(float(motion.seconds[-1]) for motion in motions)
    animation = pygltflib.Animation(name="motion")
    document.add_camera(motions[0].camera, -floor)
    for figure in figures:
        _add_person(document, animation, figure, names, first, last)
    for motion in motions:
        if motion.body is None or body is None:
            _add_stick_person(document, animation, motion, floor, first, last)
    gltf = document.finish([animation], making_of(motions, body))
    with whole_file(path) as part:
        gltf.save_binary(str(part))


@dataclass
class _Document:
    """A glTF file in the making: one buffer, and the tables that point into it."""

    gltf: pygltflib.GLTF2 = field(default_factory=pygltflib.GLTF2)
    roots: list[int] = field(default_factory=list)
    """The nodes of the scene that have no parent."""
    data: bytearray = field(default_factory=bytearray)

    def add_array(self, array: np.ndarray, target: int | None = None, bounds: bool = False) -> int:
        """Appends an array and gives the index of its accessor; `bounds` are required for positions and times."""
        array = np.ascontiguousarray(array)
        self.data.extend(b"\0" * (-len(self.data) % 4))
        view = pygltflib.BufferView(buffer=0, byteOffset=len(self.data), byteLength=array.nbytes, target=target)
        self.data.extend(array.tobytes())
        self.gltf.bufferViews.append(view)
        accessor = pygltflib.Accessor(
            bufferView=len(self.gltf.bufferViews) - 1,
            componentType=_NUMBERS[array.dtype.name],
            count=len(array),
            type=_TYPES[array.shape[1:]],
        )
        if bounds:
            rows = array.reshape(len(array), -1)
            accessor.min, accessor.max = rows.min(0).tolist(), rows.max(0).tolist()
        self.gltf.accessors.append(accessor)
        return len(self.gltf.accessors) - 1

    def add_node(self, root: bool = False, **settings: Any) -> int:
        self.gltf.nodes.append(pygltflib.Node(**settings))
        index = len(self.gltf.nodes) - 1
        if root:
            self.roots.append(index)
        return index

    def add_camera(self, camera: Camera, lift: float) -> None:
        """The video's camera; glTF has no principal point, so it is that of a centred image."""
        width, height = camera.size
        view = pygltflib.Perspective(
            yfov=2 * math.atan(height / 2 / camera.focal), aspectRatio=width / height, znear=0.01, zfar=1000.0
        )
        self.gltf.cameras.append(pygltflib.Camera(name="video", type="perspective", perspective=view))
        self.add_node(root=True, name="video_camera", camera=0, translation=[0.0, lift, 0.0])

    def finish(self, animations: list[pygltflib.Animation], notes: dict[str, Any]) -> pygltflib.GLTF2:
        gltf = self.gltf
        gltf.asset = pygltflib.Asset(version="2.0", generator=f"anthropose {__version__}", extras=notes)
        gltf.scenes, gltf.scene = [pygltflib.Scene(name="people", nodes=self.roots)], 0
        gltf.animations = animations
        gltf.buffers = [pygltflib.Buffer(byteLength=len(self.data))]
        gltf.set_binary_blob(bytes(self.data))
        return gltf


def _add_person(
    document: _Document,
    animation: pygltflib.Animation,
    figure: Figure,
    names: tuple[str, ...],
    first: float,
    last: float,
) -> None:
    name = person_name(figure.motion)
    joints = _add_joints(document, figure, names)
    group = document.add_node(root=True, name=name, children=[joints[0]])
    model, vertices = figure.shape.model, figure.shape.vertices
    normals = smooth_normals(vertices, model.faces)
    mesh = _add_mesh(document, figure.motion, vertices, normals, model.faces, *strongest_four(model.skinning))
    skin = _add_skin(document, figure.shape.joints, joints, group, name)
    document.add_node(root=True, name=f"{name}-body", mesh=mesh, skin=skin)
    _add_keys(document, animation, figure, joints, group, first, last)


def _add_stick_person(
    document: _Document, animation: pygltflib.Animation, motion: Motion, floor: float, first: float, last: float
) -> None:
    """Joints as nodes side by side, each with a path, and sticks that follow them."""
    name = person_name(motion)
    paths = motion.joints.new_tensor(CAMERA_TO_SCENE) * (motion.joints + motion.translation[:, None])
    paths[..., 1] -= floor
    nodes = [
        document.add_node(name=joint, translation=place.tolist())
        for joint, place in zip(motion.skeleton.joints, paths[0], strict=True)
    ]
    group = document.add_node(root=True, name=name, children=nodes)
    sticks = stick_figure(motion.skeleton, paths[0])
    joints, weights = np.zeros((2, len(sticks.owners), 4))
    joints[:, 0], weights[:, 0] = sticks.owners.numpy(), 1.0
    mesh = _add_mesh(
        document, motion, sticks.vertices, sticks.normals, sticks.faces,
        joints.astype(np.uint8), weights.astype(np.float32),
    )  # fmt: skip
    skin = _add_skin(document, paths[0], nodes, group, name)
    document.add_node(root=True, name=f"{name}-body", mesh=mesh, skin=skin)
    times = document.add_array((motion.seconds - first).numpy().astype(np.float32), bounds=True)
    for joint, node in enumerate(nodes):
        _add_channel(document, animation, node, "translation", times, paths[:, joint].numpy(), "LINEAR")
    _add_presence(document, animation, motion, group, first, last)


def _add_joints(document: _Document, figure: Figure, names: tuple[str, ...]) -> list[int]:
    """The joint nodes in the first frame's pose, so that programs without animation show the person as well."""
    rest = figure.shape.joints
    turns = rotmat_to_quat(figure.rotations[0])
    base = len(document.gltf.nodes)
    for joint, (name, parent) in enumerate(zip(names, SMPL_24.parents, strict=True)):
        place = figure.positions[0] if parent < 0 else rest[joint] - rest[parent]
        children = [base + j for j, p in enumerate(SMPL_24.parents) if p == joint] or None
        document.add_node(name=name, translation=place.tolist(), rotation=turns[joint].tolist(), children=children)
    return list(range(base, base + len(SMPL_24)))


def _add_mesh(
    document: _Document,
    motion: Motion,
    vertices: Float[Tensor, "v 3"],
    normals: Float[Tensor, "v 3"],
    faces: Int[Tensor, "f 3"],
    joints: UInt8[np.ndarray, "v 4"],
    weights: Float[np.ndarray, "v 4"],
) -> int:
    """The person at rest, in the person's colour, with the joints that each vertex follows and how much."""
    gltf, name = document.gltf, person_name(motion)
    vertex, index = pygltflib.ARRAY_BUFFER, pygltflib.ELEMENT_ARRAY_BUFFER
    attributes = pygltflib.Attributes(
        POSITION=document.add_array(vertices.numpy(), vertex, bounds=True),
        NORMAL=document.add_array(normals.numpy(), vertex),
        JOINTS_0=document.add_array(joints, vertex),
        WEIGHTS_0=document.add_array(weights, vertex),
    )
    colour = [*linear_colour(motion.track.person), 1.0]
    surface = pygltflib.PbrMetallicRoughness(baseColorFactor=colour, metallicFactor=0.0, roughnessFactor=0.7)
    gltf.materials.append(pygltflib.Material(name=name, pbrMetallicRoughness=surface))
    primitive = pygltflib.Primitive(
        attributes=attributes,
        indices=document.add_array(faces.numpy().astype(np.uint32).reshape(-1), index),
        material=len(gltf.materials) - 1,
    )
    gltf.meshes.append(pygltflib.Mesh(name=f"{name}-body", primitives=[primitive]))
    return len(gltf.meshes) - 1


def _add_skin(document: _Document, rest: Float[Tensor, "j 3"], joints: list[int], group: int, name: str) -> int:
    inverse_bind = np.tile(np.eye(4, dtype=np.float32), (len(joints), 1, 1))
    inverse_bind[:, 3, :3] = -rest.numpy()  # glTF stores columns one after the other
    accessor = document.add_array(inverse_bind)
    document.gltf.skins.append(pygltflib.Skin(name=name, inverseBindMatrices=accessor, skeleton=group, joints=joints))
    return len(document.gltf.skins) - 1


def _add_keys(
    document: _Document,
    animation: pygltflib.Animation,
    figure: Figure,
    joints: list[int],
    group: int,
    first: float,
    last: float,
) -> None:
    """Rotations of all joints, the path of the pelvis, and when the person is there."""
    times = document.add_array((figure.motion.seconds - first).numpy().astype(np.float32), bounds=True)
    turns = unbroken_quaternions(figure.rotations)
    _add_channel(document, animation, joints[0], "translation", times, figure.positions.numpy(), "LINEAR")
    for joint, node in enumerate(joints):
        _add_channel(document, animation, node, "rotation", times, turns[:, joint].numpy(), "LINEAR")
    _add_presence(document, animation, figure.motion, group, first, last)


def _add_presence(
    document: _Document, animation: pygltflib.Animation, motion: Motion, group: int, first: float, last: float
) -> None:
    """When the person is there, as the scale of all that is theirs."""
    changes, shown = visibility(motion.seconds - first, motion.fps, last - first)
    if not shown.all() or len(shown) > 1:
        scales = np.repeat(shown.astype(np.float32)[:, None], 3, axis=1)
        times = document.add_array(changes.astype(np.float32), bounds=True)
        _add_channel(document, animation, group, "scale", times, scales, "STEP")


def _add_channel(
    document: _Document,
    animation: pygltflib.Animation,
    node: int,
    path: str,
    times: int,
    values: np.ndarray,
    interpolation: str,
) -> None:
    """One property of a node over time; `times` is the accessor of its keys."""
    output = document.add_array(values)
    animation.samplers.append(pygltflib.AnimationSampler(input=times, output=output, interpolation=interpolation))
    target = pygltflib.AnimationChannelTarget(node=node, path=path)
    animation.channels.append(pygltflib.AnimationChannel(sampler=len(animation.samplers) - 1, target=target))


def unbroken_quaternions(rotations: Float[Tensor, "n j 3 3"]) -> Float[Tensor, "n j 4"]:
    """Quaternions x, y, z, w whose sign does not flip from frame to frame: interpolation takes the short way."""
    quaternions = torch.nn.functional.normalize(rotmat_to_quat(rotations), dim=-1)
    flips = torch.where((quaternions[1:] * quaternions[:-1]).sum(-1) < 0, -1.0, 1.0)
    signs = torch.cat([torch.ones_like(quaternions[:1, ..., 0]), flips.cumprod(0)])
    return quaternions * signs[..., None]


def strongest_four(skinning: Float[Tensor, "v 24"]) -> tuple[np.ndarray, np.ndarray]:
    """The joints (v, 4) uint8 and weights (v, 4) float32 of each vertex; what is weaker than the fourth is dropped."""
    weights, joints = skinning.double().topk(4, dim=1)
    weights = weights / weights.sum(1, keepdim=True)
    joints = torch.where(weights > 0, joints, torch.zeros_like(joints))
    return joints.numpy().astype(np.uint8), weights.numpy().astype(np.float32)


def smooth_normals(vertices: Float[Tensor, "v 3"], faces: Int[Tensor, "f 3"]) -> Float[Tensor, "v 3"]:
    """Unit normals of the vertices: those of the faces around, weighted by area."""
    corner, one, two = vertices[faces].unbind(1)
    across = torch.linalg.cross(one - corner, two - corner)
    summed = torch.zeros_like(vertices)
    for column in faces.T:
        summed.index_add_(0, column, across)
    normals = torch.nn.functional.normalize(summed, dim=1)
    up = torch.tensor([0.0, 1.0, 0.0]).to(normals)
    return torch.where(normals.norm(dim=1, keepdim=True) > 0.5, normals, up)
