"""Motions as an animated scene in Universal Scene Description (.usd, .usda, .usdc): Omniverse, Houdini, Maya, Blender.

Each person is a UsdSkel skeleton with a skinned mesh, as in `scene.glb`. Written by Pixar's `usd-core`, which the extra
`usd` installs.
"""

import errno
import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.export.gltf import smooth_normals, strongest_four, unbroken_quaternions
from anthropose.export.naming import Naming, joint_names
from anthropose.export.points import points_of
from anthropose.export.scene import (
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
from anthropose.motion import Camera, Motion
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file

APERTURE = 36.0
"""Width of the camera's picture; USD wants one and a focal length in the same unit, of which the ratio counts."""
ROUGHNESS = 0.7
"""Of the people's surface, from a mirror (0) to chalk (1), as in `scene.glb`."""
REACH, MARGIN = 1.5, 0.1
"""How far [m] a body reaches from its pelvis, and sticks beyond their joints; for the bounds that viewers cull by."""


def write_usd(
    motions: list[Motion],
    body: BodyModel,
    path: Path,
    floor: float | None = None,
    joints: Naming | str = "smpl",
) -> None:
    """Writes everyone's motion as one USD file, whole or not at all: text for .usda, else binary.

    The scene is that of `scene.glb`: y up, metres, the floor at y = 0, the video's camera with its principal point.
    Time codes are frames of the video at its mean rate; samples lie at the video's time stamps. A person is invisible
    before the first frame, after the last, and in gaps of more than half a second.

    Args:
        body: the model that the motions were made with.
        floor: height of the floor over the camera [m], estimated from the feet when not given.
        joints: whose names the joints of bodies get (`naming.py`); characters that USD's paths lack become `_`.

    Raises:
        UserError: a motion has numbers that are not finite, `joints` is not a known convention, or `path` cannot be
            written.
    """
    from pxr import Tf

    names = joint_names(joints)
    for motion in motions:
        check_finite(motion)
    floor = floor_height(motions, body) if floor is None else floor
    scene = _Scene(motions, making_of(motions, body))
    scene.add_camera(motions[0].camera, -floor)
    for motion in motions:
        if motion.body is None:
            scene.add_sticks(motion, points_of(motion, body, floor).places)
        else:
            scene.add_body(figures_of([motion], body, floor)[0], names)
    with whole_file(path) as part:
        part.touch()  # What is wrong with the folder is told better by Python.
        try:
            scene.stage.GetRootLayer().Export(str(part))
        except Tf.ErrorException as error:
            # USD tells a page; the system's reason is somewhere in it.
            code = errno.ENOSPC if os.strerror(errno.ENOSPC) in str(error) else errno.EIO
            raise OSError(code, os.strerror(code)) from error


class _Scene:
    """A stage in the making."""

    def __init__(self, motions: list[Motion], notes: dict[str, Any]) -> None:
        from pxr import Usd, UsdGeom

        self.stage = Usd.Stage.CreateInMemory()
        self._rate = motions[0].fps
        self._end = max(float(motion.seconds[-1]) for motion in motions)
        UsdGeom.SetStageUpAxis(self.stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(self.stage, 1.0)
        self.stage.SetTimeCodesPerSecond(self._rate)
        self.stage.SetFramesPerSecond(self._rate)
        self.stage.SetStartTimeCode(0.0)
        self.stage.SetEndTimeCode(self._end * self._rate)
        self.stage.GetRootLayer().customLayerData = {
            key: ", ".join(map(str, value)) if isinstance(value, list) else value for key, value in notes.items()
        }
        self.stage.SetDefaultPrim(UsdGeom.Xform.Define(self.stage, "/scene").GetPrim())

    def add_camera(self, camera: Camera, lift: float) -> None:
        """The video's camera; it looks along -z, and its window is shifted by the principal point."""
        from pxr import Gf, UsdGeom

        (width, height), (x, y) = camera.size, camera.center
        made = UsdGeom.Camera.Define(self.stage, "/scene/video_camera")
        made.AddTranslateOp().Set(Gf.Vec3d(0.0, lift, 0.0))
        made.CreateHorizontalApertureAttr(APERTURE)
        made.CreateVerticalApertureAttr(APERTURE * height / width)
        made.CreateHorizontalApertureOffsetAttr(APERTURE * (width / 2 - x) / width)
        made.CreateVerticalApertureOffsetAttr(APERTURE * (y - height / 2) / width)
        made.CreateFocalLengthAttr(APERTURE * camera.focal / width)
        made.CreateClippingRangeAttr(Gf.Vec2f(0.01, 1000.0))

    def add_body(self, figure: Figure, names: tuple[str, ...]) -> None:
        """A person of a shape, whose mesh follows the joints of SMPL's tree."""
        rest, vertices = figure.shape.joints, figure.shape.vertices
        offsets = torch.stack([rest[joint] - rest[max(parent, 0)] for joint, parent in enumerate(SMPL_24.parents)])
        translations = offsets.expand(len(figure.positions), 24, 3).clone()
        translations[:, 0] = figure.positions
        offsets[0] = rest[0]
        paths = _paths(names, SMPL_24.parents)
        model = figure.shape.model
        root = self._add_person(figure.motion, figure.positions[:, None], REACH)
        skeleton = self._add_skeleton(root, paths, names, rest, offsets)
        self._animate(skeleton, figure.motion, paths, translations, unbroken_quaternions(figure.rotations))
        joints, weights = strongest_four(model.skinning)
        self._add_mesh(
            skeleton, figure.motion, vertices, model.faces, smooth_normals(vertices, model.faces), joints, weights
        )

    def add_sticks(self, motion: Motion, places: Float[Tensor, "n j 3"]) -> None:
        """A person of whom joints alone are known: balls and rods that follow joints side by side."""
        names = motion.skeleton.joints
        paths, first = _paths(names, (-1,) * len(names)), places[0]
        root = self._add_person(motion, places, MARGIN)
        skeleton = self._add_skeleton(root, paths, names, first, first)
        still = torch.tensor([0.0, 0.0, 0.0, 1.0]).expand(*places.shape[:2], 4)
        self._animate(skeleton, motion, paths, places, still)
        sticks = stick_figure(motion.skeleton, first)
        owners = sticks.owners.numpy()[:, None]
        self._add_mesh(
            skeleton, motion, sticks.vertices, sticks.faces, sticks.normals, owners, np.ones_like(owners, np.float32)
        )

    def _add_person(self, motion: Motion, places: Float[Tensor, "n j 3"], around: float) -> Any:
        """The prim that holds one person, hidden where they are not seen; `around` [m] is its bounds' margin."""
        from pxr import UsdGeom, UsdSkel, Vt

        root = UsdSkel.Root.Define(self.stage, f"/scene/{_identifier(person_name(motion))}")
        bounds = torch.stack([places.amin((0, 1)) - around, places.amax((0, 1)) + around])
        root.CreateExtentAttr(Vt.Vec3fArray.FromNumpy(_floats(bounds)))
        changes, shown = visibility(motion.seconds, motion.fps, self._end)
        seen = UsdGeom.Imageable(root).CreateVisibilityAttr()
        for time, there in zip(changes.tolist(), shown.tolist(), strict=True):
            seen.Set(UsdGeom.Tokens.inherited if there else UsdGeom.Tokens.invisible, time * self._rate)
        return root

    def _add_skeleton(
        self,
        root: Any,
        paths: list[str],
        names: tuple[str, ...],
        places: Float[Tensor, "j 3"],
        offsets: Float[Tensor, "j 3"],
    ) -> Any:
        """Joints at rest: where they are, and where relative to their parents."""
        from pxr import Gf, UsdSkel, Vt

        def matrices(moves: Float[Tensor, "j 3"]) -> Any:
            return Vt.Matrix4dArray([Gf.Matrix4d().SetTranslate(Gf.Vec3d(*move)) for move in moves.double().tolist()])

        skeleton = UsdSkel.Skeleton.Define(self.stage, root.GetPath().AppendChild("skeleton"))
        skeleton.CreateJointsAttr(paths)
        skeleton.CreateJointNamesAttr(list(names))
        skeleton.CreateBindTransformsAttr(matrices(places))
        skeleton.CreateRestTransformsAttr(matrices(offsets))
        return skeleton

    def _animate(
        self,
        skeleton: Any,
        motion: Motion,
        paths: list[str],
        translations: Float[Tensor, "n j 3"],
        quaternions: Float[Tensor, "n j 4"],
    ) -> None:
        """Samples at the video's time stamps; quaternions are x, y, z, w."""
        from pxr import UsdSkel, Vt

        moving = UsdSkel.Animation.Define(self.stage, skeleton.GetPath().GetParentPath().AppendChild("motion"))
        moving.CreateJointsAttr(paths)
        moving.CreateScalesAttr(Vt.Vec3hArray(len(paths), (1.0, 1.0, 1.0)))
        moves, turns = moving.CreateTranslationsAttr(), moving.CreateRotationsAttr()
        for second, move, turn in zip(motion.seconds.tolist(), translations, quaternions, strict=True):
            moves.Set(Vt.Vec3fArray.FromNumpy(_floats(move)), second * self._rate)
            turns.Set(Vt.QuatfArray.FromNumpy(_floats(turn)), second * self._rate)
        binding = UsdSkel.BindingAPI.Apply(skeleton.GetPrim())
        binding.CreateAnimationSourceRel().SetTargets([moving.GetPath()])

    def _add_mesh(
        self,
        skeleton: Any,
        motion: Motion,
        vertices: Float[Tensor, "v 3"],
        faces: Int[Tensor, "f 3"],
        normals: Float[Tensor, "v 3"],
        joints: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """The person at rest, in the person's colour; `joints` and `weights` (v, k) say what each vertex follows."""
        from pxr import Gf, UsdGeom, UsdSkel, Vt

        mesh = UsdGeom.Mesh.Define(self.stage, skeleton.GetPath().GetParentPath().AppendChild("body"))
        mesh.CreatePointsAttr(Vt.Vec3fArray.FromNumpy(_floats(vertices)))
        mesh.CreateFaceVertexCountsAttr(Vt.IntArray(len(faces), 3))
        mesh.CreateFaceVertexIndicesAttr(Vt.IntArray.FromNumpy(faces.numpy().astype(np.int32).reshape(-1)))
        mesh.CreateSubdivisionSchemeAttr(UsdGeom.Tokens.none)
        mesh.CreateNormalsAttr(Vt.Vec3fArray.FromNumpy(_floats(normals)))
        mesh.SetNormalsInterpolation(UsdGeom.Tokens.vertex)
        mesh.CreateExtentAttr(UsdGeom.PointBased.ComputeExtent(mesh.GetPointsAttr().Get()))
        self._colour(mesh, motion.track.person)
        binding = UsdSkel.BindingAPI.Apply(mesh.GetPrim())
        binding.CreateSkeletonRel().SetTargets([skeleton.GetPath()])
        count = joints.shape[1]
        indices = Vt.IntArray.FromNumpy(joints.astype(np.int32).reshape(-1))
        binding.CreateJointIndicesPrimvar(False, count).Set(indices)
        binding.CreateJointWeightsPrimvar(False, count).Set(Vt.FloatArray.FromNumpy(weights.reshape(-1)))
        binding.CreateGeomBindTransformAttr(Gf.Matrix4d(1.0))

    def _colour(self, mesh: Any, person: int) -> None:
        """The person's colour, as a material for renderers and as what viewers without materials show."""
        from pxr import Gf, Sdf, UsdShade

        colour = Gf.Vec3f(*linear_colour(person))
        mesh.CreateDisplayColorAttr([colour])
        path = mesh.GetPath().GetParentPath().AppendChild("material")
        material = UsdShade.Material.Define(self.stage, path)
        shader = UsdShade.Shader.Define(self.stage, path.AppendChild("surface"))
        shader.CreateIdAttr("UsdPreviewSurface")
        shader.CreateInput("diffuseColor", Sdf.ValueTypeNames.Color3f).Set(colour)
        shader.CreateInput("roughness", Sdf.ValueTypeNames.Float).Set(ROUGHNESS)
        material.CreateSurfaceOutput().ConnectToSource(shader.ConnectableAPI(), "surface")
        UsdShade.MaterialBindingAPI.Apply(mesh.GetPrim()).Bind(material)


def _paths(names: tuple[str, ...], parents: tuple[int, ...]) -> list[str]:
    """Each joint as UsdSkel names it: by the way from the root, `pelvis/left_hip/left_knee`."""
    paths: list[str] = []
    for name, parent in zip(names, parents, strict=True):
        paths.append(_identifier(name) if parent < 0 else f"{paths[parent]}/{_identifier(name)}")
    return paths


def _identifier(name: str) -> str:
    from pxr import Tf

    return Tf.MakeValidIdentifier(name)


def _floats(values: Tensor) -> np.ndarray:
    return np.ascontiguousarray(values.numpy(), np.float32)
