"""Writes an FBX file with Blender. Run by `fbx.py` in a process of its own, under an interpreter that has `bpy`.

Nothing of anthropose is imported here, since that interpreter need not have it: everything comes in one .npz file of
arrays and a JSON text. The lines that it prints are read by `fbx.py`: "progress 0.5" now and then, and "done" once the
file is there.

Armatures are in centimetres with y up, as FBX programs count, under an object that turns and shrinks them into metres
with z up, as Blender counts. The exporter undoes exactly that, so that the file holds no rotated or scaled node.
"""

import json
import math
import os
import sys
import traceback

import numpy as np

try:
    import bpy
except ImportError:
    print("no bpy")
    sys.exit(3)

CENTIMETRE = 0.01
HIDDEN = 1e-4
"""The scale of a person who is not there. Zero would leave their rotation undefined."""


def main() -> None:
    """Reads arrays and settings, builds the scene, exports it."""
    given = sys.argv[sys.argv.index("--") + 1 :] if "--" in sys.argv else sys.argv[1:]
    arrays = np.load(given[0], allow_pickle=False)
    settings = json.loads(str(arrays["settings"]))
    bpy.ops.wm.read_factory_settings(use_empty=True)
    scene = bpy.context.scene
    set_clock(scene, settings["fps"], settings["frames"])
    add_camera(scene, settings["camera"])
    for index, person in enumerate(settings["persons"]):
        own = {name.split("/", 1)[1]: arrays[name] for name in arrays.files if name.startswith(f"{index}/")}
        armature = add_armature(scene, person, own["rest"])
        for key, value in settings["notes"].items():
            armature[key] = value
        add_mesh(scene, person, own, armature)
        add_animation(armature, person, own)
    tell_progress(scene, settings["frames"])
    export(given[1])
    print("done", flush=True)


def set_clock(scene, fps: float, frames: int) -> None:
    """Frame k lies at k / fps seconds; Blender keeps a rate as a whole number over a base."""
    scene.render.fps = max(1, round(fps))
    scene.render.fps_base = scene.render.fps / fps
    scene.frame_start, scene.frame_end = 0, frames - 1
    scene.frame_set(0)


def add_camera(scene, camera: dict) -> None:
    """The video's camera: level, at x = z = 0 of the y-up scene, looking along its -z, which is Blender's +y."""
    width, height = camera["size"]
    data = bpy.data.cameras.new("video_camera")
    data.sensor_fit, data.sensor_width, data.sensor_height = "HORIZONTAL", 36.0, 36.0 * height / width
    data.lens = 36.0 * camera["focal"] / width
    data.shift_x = (width / 2 - camera["center"][0]) / width
    data.shift_y = (camera["center"][1] - height / 2) / width
    data.clip_start, data.clip_end = 0.05, 1000.0
    scene.render.resolution_x, scene.render.resolution_y = width, height
    node = bpy.data.objects.new("video_camera", data)
    node.location, node.rotation_euler = (0.0, 0.0, camera["height"]), (math.pi / 2, 0.0, 0.0)
    scene.collection.objects.link(node)
    scene.camera = node


def add_armature(scene, person: dict, rest: np.ndarray):
    """Bones with the rest joints [cm] as heads. All point up, so that at rest no bone is rotated."""
    data = bpy.data.armatures.new(person["name"])
    armature = bpy.data.objects.new(person["name"], data)
    scene.collection.objects.link(armature)
    armature.rotation_euler, armature.scale = (math.pi / 2, 0.0, 0.0), (CENTIMETRE,) * 3
    bpy.context.view_layer.objects.active = armature
    bpy.ops.object.mode_set(mode="EDIT")
    bones: list = []
    for name, parent, head in zip(person["joints"], person["parents"], rest.tolist(), strict=True):
        bone = data.edit_bones.new(name)
        bone.head, bone.tail, bone.roll = head, (head[0], head[1] + 5.0, head[2]), 0.0
        bone.parent = bones[parent] if parent >= 0 else None
        bones.append(bone)
    bpy.ops.object.mode_set(mode="OBJECT")
    return armature


def add_mesh(scene, person: dict, own: dict, armature) -> None:
    """The person's shape at rest [cm], bound to the bones."""
    name = f"{person['name']}-body"
    mesh = bpy.data.meshes.new(name)
    mesh.from_pydata(own["vertices"].tolist(), [], own["faces"].tolist())
    mesh.polygons.foreach_set("use_smooth", [True] * len(mesh.polygons))
    colour = bpy.data.materials.new(person["name"])
    colour.use_nodes = True
    surface = colour.node_tree.nodes["Principled BSDF"]
    surface.inputs["Base Color"].default_value = (*person["colour"], 1.0)
    surface.inputs["Roughness"].default_value = 0.7
    mesh.materials.append(colour)
    body = bpy.data.objects.new(name, mesh)
    scene.collection.objects.link(body)
    body.parent = armature
    groups = [body.vertex_groups.new(name=joint) for joint in person["joints"]]
    for vertex, joint, weight in zip(
        own["bound"].tolist(), own["bound_to"].tolist(), own["bound_by"].tolist(), strict=True
    ):
        groups[joint].add([vertex], weight, "REPLACE")
    skin = body.modifiers.new("skin", "ARMATURE")
    skin.object = armature
    # The exporter walks through all frames for the bones alone; the surface need not follow.
    skin.show_viewport = False


def add_animation(armature, person: dict, own: dict) -> None:
    """A key for every bone in each of the person's frames, and when the person is there."""
    action = bpy.data.actions.new(person["name"])
    armature.animation_data_create().action = action
    curves = curves_for(armature, action)
    frames = own["frames"].astype(np.float64)
    for joint, name in enumerate(person["joints"]):
        bone = armature.pose.bones[name]
        bone.rotation_mode = "QUATERNION"
        path = bone.path_from_id("rotation_quaternion")
        for axis in range(4):
            add_keys(curves, path, axis, frames, own["quaternions"][:, joint, axis], "LINEAR")
    path = armature.pose.bones[person["joints"][0]].path_from_id("location")
    for axis in range(3):
        # A bone's location counts from where its head rests; at rest its axes are the armature's.
        add_keys(curves, path, axis, frames, own["positions"][:, axis] - own["rest"][0, axis], "LINEAR")
        sizes = np.where(own["shown"], CENTIMETRE, CENTIMETRE * HIDDEN)
        add_keys(curves, "scale", axis, own["changes"].astype(np.float64), sizes, "CONSTANT")


def curves_for(armature, action):
    """Where the action keeps its curves: Blender 4.4 and later have them in a slot's bag, 4.2 in the action itself."""
    if not hasattr(action, "slots"):
        return action.fcurves
    slot = action.slots.new(id_type="OBJECT", name=armature.name)
    armature.animation_data.action_slot = slot
    strip = action.layers.new("Layer").strips.new(type="KEYFRAME")
    return strip.channelbag(slot, ensure=True).fcurves


def add_keys(curves, path: str, axis: int, frames: np.ndarray, values: np.ndarray, interpolation: str) -> None:
    curve = curves.new(path, index=axis)
    curve.keyframe_points.add(len(frames))
    curve.keyframe_points.foreach_set("co", np.stack([frames, values], axis=1).ravel())
    for point in curve.keyframe_points:
        point.interpolation = interpolation
    curve.update()


def tell_progress(scene, frames: int) -> None:
    """Prints how far the exporter is each time that it steps to another frame."""

    def tell(scene, *_) -> None:
        print(f"progress {min(1.0, (scene.frame_current + 1) / frames):.4f}", flush=True)

    bpy.app.handlers.frame_change_post.append(tell)


def export(path: str) -> None:
    """One animation over the scene's frames, with every key kept."""
    if "fbx" not in dir(bpy.ops.export_scene):
        bpy.ops.preferences.addon_enable(module="io_scene_fbx")
    bpy.ops.export_scene.fbx(
        filepath=path,
        object_types={"ARMATURE", "MESH", "CAMERA"},
        use_mesh_modifiers=False,
        apply_unit_scale=True,
        apply_scale_options="FBX_SCALE_NONE",
        axis_forward="-Z",
        axis_up="Y",
        primary_bone_axis="Y",
        secondary_bone_axis="X",
        add_leaf_bones=False,
        use_custom_props=True,
        bake_anim=True,
        bake_anim_use_all_bones=True,
        bake_anim_use_nla_strips=False,
        bake_anim_use_all_actions=False,
        bake_anim_force_startend_keying=True,
        bake_anim_simplify_factor=0.0,
    )


def leave(code: int) -> None:
    """Ends the process at once: some builds of bpy crash or hang while Python shuts down."""
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    try:
        main()
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        leave(1)
    leave(0)
