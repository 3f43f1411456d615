"""Parity checks of bodies, rotations, cameras, crops, sets of joints, windows and metrics (vibe_base spec)."""

import re
from typing import Any

import cv2
import numpy as np
import torch

from anthropose.datasets.windows import vibe_windows
from anthropose.geometry.alignment import procrustes
from anthropose.geometry.cameras import (
    crop_camera_to_image,
    crop_points_to_image,
    estimate_translation,
    project,
    project_crop,
)
from anthropose.geometry.crops import (
    IMAGE_STD,
    boxes_around,
    crop_affine,
    crop_image,
    flipped_points,
    normalised_images,
    points_in_crop,
    points_through,
    square_around,
)
from anthropose.geometry.filters import one_euro_as_published
from anthropose.geometry.rotations import (
    rot6d_to_rotmat,
    rotmat_to_quat_as_published,
    rotmat_to_rotvec_as_published,
    rotvec_to_rotmat,
    rotvec_to_rotmat_as_published,
)
from anthropose.metrics import acceleration, acceleration_error, mpjpe, pa_mpjpe, root_relative, vertex_error
from anthropose.skeleton import (
    AICH_14,
    COCO_17,
    H36M_17,
    INSTA_25,
    LSP_14,
    LSP_COCO_19,
    MPII3D_17,
    MPII3D_28,
    MPII_16,
    PENN_13,
    POSETRACK_17,
    SPIN_49,
    SPIN_49_FROM_BODY_54,
    STAF_21,
    THREEDPW_14,
    pick,
)
from tests.parity import rule
from tests.parity.compare import assert_close
from tests.parity.synthetic_smpl import synthetic_smpl
from tests.parity.vibe_base.shared import compare, numbers_in

H36M_TO_J14 = (6, 5, 4, 1, 2, 3, 16, 15, 14, 11, 12, 13, 8, 10)


def check_smpl(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """The body model: 49 joints and vertices, from rotation vectors and matrices, with and without translation."""
    model = synthetic_smpl(meta["smpl_seed"])
    pose, betas, translation = (torch.from_numpy(arrays[name]) for name in ("pose", "betas", "transl"))
    rotations = rotvec_to_rotmat(pose.unflatten(1, (24, 3)))
    assert_close(rotations, arrays["out_rotmat"], "out_rotmat")
    shaped, points = model.shaped(betas), model.points(SPIN_49)
    for prefix, matrices, shift in (
        ("out", rotations, None),
        ("outt", rotations, translation),
        ("outr", torch.from_numpy(arrays["out_rotmat"]), None),
    ):
        posed = shaped.posed(matrices, shift)
        joints = posed.body_54()[:, SPIN_49_FROM_BODY_54]
        assert_close(joints, arrays[f"{prefix}_joints"], f"{prefix}_joints")
        assert_close(points(betas, matrices, shift), arrays[f"{prefix}_joints"], f"{prefix}_joints by points")
        assert_close(posed.vertices[:, :: meta["vertex_stride"]], arrays[f"{prefix}_verts"], f"{prefix}_verts")
    assert_close(shaped.posed(rotations).h36m_17()[:, H36M_TO_J14], arrays["out_joints14"], "out_joints14")


def check_one_euro(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    """Smoothing of rotation vectors, element by element over frame numbers, and the joints of the smoothed poses."""
    pose, betas = torch.from_numpy(arrays["pose"]), torch.from_numpy(arrays["betas"])
    frames = torch.arange(len(pose), dtype=torch.float64)
    smooth = one_euro_as_published(pose, frames)
    assert_close(smooth, arrays["out_pose"], "out_pose")
    assert_close(one_euro_as_published(pose, frames, 0.05, 1.5), arrays["out_pose2"], "out_pose2")
    points = synthetic_smpl(meta["smpl_seed"]).points(SPIN_49)
    joints = points(betas, rotvec_to_rotmat(smooth.unflatten(1, (24, 3))))
    assert_close(joints, arrays["out_joints3d"], "out_joints3d")


SETS = {
    "spin": SPIN_49,
    "common": LSP_14,
    "h36m": H36M_17,
    "mpii3d": MPII3D_28,
    "mpii3d_test": MPII3D_17,
    "insta": INSTA_25,
    "posetrack": POSETRACK_17,
    "pennaction": PENN_13,
    "3dpw": THREEDPW_14,
    "staf": STAF_21,
    "coco": COCO_17,
    "mpii": MPII_16,
    "aich": AICH_14,
    "smplcoco": LSP_COCO_19,
}
"""The published names of the sets."""


def check_joint_sets(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    ours: dict[str, torch.Tensor] = {}
    sets = "|".join(SETS)
    for name in arrays:
        if words := re.fullmatch(r"out_(\w+)__(\w+)", name):
            source, target = SETS[words[1]], SETS[words[2]]
            numbers = torch.arange(1, len(source) + 1, dtype=torch.float64)[:, None]
            ours[name], _ = pick(numbers * torch.tensor([1.0, 10.0, 100.0]), source, target, exact=True)
        elif words := re.fullmatch(rf"out_perm_({sets})_({sets})", name):
            source, target = SETS[words[1]], SETS[words[2]]
            ours[name] = torch.tensor([source.index(joint) for joint in target.joints if joint in source.joints])
    ours["out_hflip"] = flipped_points(torch.arange(12, dtype=torch.float64).reshape(2, 3, 2), 224)
    compare(arrays, ours)


def painted(height: int, width: int) -> np.ndarray:
    """The image of the crop fixtures: waves, a saddle and a slope."""
    y, x = np.mgrid[:height, :width].astype(np.float64)
    planes = ((np.sin(x / 17) + np.cos(y / 23)) * 60 + 128, x * y / 301 % 256, (x + 2 * y) / 4)
    return np.stack(planes, axis=-1).clip(0, 255).astype(np.uint8)


GREY = 2
"""Grey levels that crops may be off by: versions of OpenCV interpolate differently (the fixture's own tolerance)."""


def check_crop(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    boxes, words = arrays["boxes"], meta["outputs"]
    image = painted(*(int(n) for n in numbers_in(words, r"image \((\d+)x(\d+)x3")))
    scales = [float(scale) for scale in re.findall(r"[\d.]+", words[words.index("[") : words.index("]")])]
    turn, enlarged_by = numbers_in(words, r"rotation (\d+) deg scale ([\d.]+)")
    surer, sigma = numbers_in(words, r"thresh ([\d.]+) sigma (\d+)")
    (unseen,) = numbers_in(words, r"first (\d+) frames invisible")
    mats = np.array([[crop_affine(box, scale) for scale in scales] for box in boxes])
    published = torch.from_numpy(mats[:, scales.index(enlarged_by)])
    squares = torch.from_numpy(boxes[:, :3])
    enlarged = squares * torch.tensor([1.0, 1.0, enlarged_by])
    shown = len(arrays["out_crop"])
    crops = np.array([crop_image(image, box, scale=enlarged_by) for box in boxes[:shown]])
    normal = normalised_images(torch.from_numpy(crops)).numpy()
    grey = np.abs(crops[:, ::4, ::4].astype(int) - arrays["out_crop"]).max()
    assert grey <= GREY, f"crops are off by {grey} grey levels"
    off = np.abs(normal[..., ::4, ::4] - arrays["out_crop_norm"]).max()
    assert off <= GREY / 255 / min(IMAGE_STD) + 1e-4, f"normalised crops are off by {off}"
    keypoints = torch.from_numpy(arrays["kp"])
    around = square_around(torch.from_numpy(arrays["kp14"])[..., :2])
    hidden = arrays["kps"].copy()
    hidden[: int(unseen), :, 2] = 0
    found, late = boxes_around(arrays["kps"], surer), boxes_around(hidden, surer)
    compare(
        arrays,
        {
            "out_mats": mats,
            "out_mats_rot": np.array([crop_affine(box, enlarged_by, turn) for box in boxes]),
            "out_mats_inv": np.array([cv2.invertAffineTransform(matrix) for matrix in published.numpy()]),
            "out_kp_crop": points_through(published, keypoints),
            "out_kp_norm": points_in_crop(keypoints, enlarged),
            "out_bbox_kp": around[:, [0, 1, 2, 2]].T,
            "out_bbox_kp1": around[0, [0, 1, 2, 2]],
            "out_all": found.params,
            "out_smooth": found.smoothed(sigma=sigma).params,
            "out_range": np.array([found.start, found.end]),
            "out_smooth2": np.pad(late.smoothed(sigma=sigma).params, ((late.start, 0), (0, 0))),
            "out_range2": np.array([late.start, late.end]),
        },
        apart=("out_crop", "out_crop_norm"),
    )


def check_metrics(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    given = {name: torch.from_numpy(arrays[name]) for name in ("pred", "gt", "vis", "theta")}
    ours, truth = (root_relative(given[name], LSP_14) for name in ("pred", "gt"))
    body = synthetic_smpl(meta["smpl_seed"])
    pose, betas = given["theta"][:, 3:75].unflatten(1, (24, 3)), given["theta"][:, 75:]
    vertices = body.shaped(betas).posed(rotvec_to_rotmat(pose)).vertices
    shift = torch.from_numpy(rule.array("pve_offset", tuple(vertices.shape), meta["seed"], scale=0.02))
    few = len(arrays["out_pve2"])
    moved = (vertices + shift)[:few] + 0.1
    compare(
        arrays,
        {
            "out_mpjpe": mpjpe(ours, truth),
            "out_pa_mpjpe": pa_mpjpe(ours, truth),
            "out_aligned": procrustes(ours, truth),
            "out_accel": acceleration(ours),
            "out_accel_err": acceleration_error(ours, truth),
            "out_accel_err_vis": acceleration_error(ours, truth, given["vis"]),
            "out_errors": mpjpe(ours, truth),
            "out_errors_pa": pa_mpjpe(given["pred"], given["gt"]),
            "out_pve": vertex_error(vertices + shift, vertices),
            "out_pve2": vertex_error(moved, vertices[:few]),
        },
    )


def check_chunks(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    ours: dict[str, torch.Tensor | np.ndarray] = {}
    for number, case in enumerate(meta["cases"]):
        frames = vibe_windows(case["video_lengths"], case["seqlen"], case["stride"]).frames
        ours[f"out_{number}"] = frames[:, [0, -1]]
    compare(arrays, ours)


def check_rotations(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    given = {name: torch.from_numpy(arrays[name]) for name in ("x6", "aa", "mats")}
    spin = len(arrays["out_rot6d_spin"])
    compare(
        arrays,
        {
            "out_rot6d": rot6d_to_rotmat(given["x6"]),
            "out_rot6d_spin": rot6d_to_rotmat(given["x6"][-spin:], eps=1e-12),
            "out_rodrigues_vibe": rotvec_to_rotmat_as_published(given["aa"]),
            "out_rodrigues_smplx": rotvec_to_rotmat(given["aa"]),
            "out_quat": rotmat_to_quat_as_published(given["mats"]),
            "out_aa": rotmat_to_rotvec_as_published(given["mats"]),
        },
    )


def check_camera(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    given = {name: torch.from_numpy(value) for name, value in arrays.items()}
    moved = given["joints"] @ given["rotation"].transpose(1, 2) + given["translation"][:, None]
    focal, width, height = numbers_in(meta["outputs"], r"translation, (\d+),.* in a (\d+)x(\d+) image")
    squares = given["bbox"][:, :3]
    compare(
        arrays,
        {
            "out_projection": project_crop(given["joints"], given["cam"]),
            "out_perspective": project(moved, torch.full((len(moved),), focal), given["camera_center"]),
            "out_orig_cam": crop_camera_to_image(given["c9"], squares, (int(width), int(height))),
            "out_img_coords": crop_points_to_image(given["kp"], squares),
            "out_translation": estimate_translation(given["S"][:, 25:], given["joints2d"][:, 25:]),
        },
    )


KINDS = {
    "vibe_base_smpl": check_smpl,
    "vibe_base_oneeuro": check_one_euro,
    "vibe_base_joint_sets": check_joint_sets,
    "vibe_base_crop": check_crop,
    "vibe_base_metrics": check_metrics,
    "vibe_base_chunks": check_chunks,
    "vibe_base_rotations": check_rotations,
    "vibe_base_camera": check_camera,
}
