"""Reads an FBX or GLB file with Blender's own importers, and says where everything is: run by tests, under `bpy`.

    python read_in_blender.py -- FILE OUT.npz SECONDS...

Places are metres in the axes of the file: x right, y up.
"""

import json
import sys

import bpy
import numpy as np

Y_UP = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
"""From Blender's axes, z up, to the file's."""


def main() -> None:
    path, out, *seconds = sys.argv[sys.argv.index("--") + 1 :]
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    if path.endswith(".fbx"):
        bpy.ops.import_scene.fbx(filepath=path, anim_offset=0.0)
    else:
        scene.render.fps, scene.render.fps_base = 1000, 1.0  # The importer rounds nothing; keys lie at seconds x rate.
        bpy.ops.import_scene.gltf(filepath=path, import_shading="NORMALS")
    found: dict[str, list] = {}
    armatures = [thing for thing in bpy.data.objects if thing.type == "ARMATURE"]
    for second in seconds:
        # Both importers multiply times with the whole-numbered rate, and leave its base out.
        frame = float(second) * scene.render.fps
        scene.frame_set(int(frame), subframe=frame - int(frame))
        for armature in armatures:
            heads = [armature.matrix_world @ bone.head for bone in armature.pose.bones]
            found.setdefault(f"{armature.name}/joints", []).append(np.array(heads) @ Y_UP.T)
            for mesh in meshes_of(armature):
                found.setdefault(f"{armature.name}/vertices", []).append(surface(mesh))
    arrays = {name: np.array(frames) for name, frames in found.items()}
    notes = {
        "rate": scene.render.fps / scene.render.fps_base,
        "persons": {
            armature.name: {
                "bones": [bone.name for bone in armature.data.bones],
                "turns": float(
                    max(np.abs(np.array(bone.matrix_local.to_3x3()) - np.eye(3)).max() for bone in armature.data.bones)
                ),
                "keys": sorted({point.co[0] / scene.render.fps for point in rotation_curve(armature)}),
                "notes": {key: value for key, value in armature.items() if isinstance(value, str | float)},
                "place": [list(armature.location), list(armature.rotation_euler), list(armature.scale)],
                "bodies": [mesh.name for mesh in meshes_of(armature)],
            }
            for armature in armatures
        },
        "cameras": {thing.name: camera(thing) for thing in bpy.data.objects if thing.type == "CAMERA"},
    }
    np.savez(out, notes=np.array(json.dumps(notes)), **arrays)


def meshes_of(armature) -> list:
    return [
        thing
        for thing in bpy.data.objects
        if thing.type == "MESH" and any(mod.type == "ARMATURE" and mod.object == armature for mod in thing.modifiers)
    ]


def rotation_curve(armature) -> list:
    data = armature.animation_data
    if data is None or data.action is None:
        return []
    return next(list(curve.keyframe_points) for curve in data.action.fcurves if "rotation" in curve.data_path)


def surface(mesh) -> np.ndarray:
    shown = mesh.evaluated_get(bpy.context.evaluated_depsgraph_get())
    points = np.empty(3 * len(shown.data.vertices), np.float32)
    shown.data.vertices.foreach_get("co", points)
    world = np.array(shown.matrix_world)
    return (points.reshape(-1, 3) @ world[:3, :3].T + world[:3, 3]) @ Y_UP.T


def camera(thing) -> dict:
    world, data = np.array(thing.matrix_world), thing.data
    along = int(data.sensor_fit == "VERTICAL")
    return {
        "place": (Y_UP @ world[:3, 3]).tolist(),
        "forward": (Y_UP @ -world[:3, 2]).tolist(),
        "up": (Y_UP @ world[:3, 1]).tolist(),
        "along": along,  # The side of the picture that the focal length is a multiple of: 0 width, 1 height.
        "focal": data.lens / (data.sensor_width, data.sensor_height)[along],
        "shift": [data.shift_x, data.shift_y],
    }


main()
