"""Parity checks of VideoPose3D's data: cameras, windows, schedules and clips (rie spec)."""

import re
from functools import partial

import numpy as np
import torch
from torch import Tensor

from anthropose.datasets.lifting import LiftingWindows, best_detections, stretch_of
from anthropose.datasets.lifting.cameras import (
    H36M_LENSES,
    H36M_PLACES,
    HUMANEVA_AZIMUTHS,
    HUMANEVA_PLACES,
    h36m_views,
    humaneva_subjects,
    humaneva_views,
)
from anthropose.datasets.lifting.sequences import HUMANEVA
from anthropose.geometry.lens import to_pixels, to_screen
from anthropose.geometry.mirror import mirror_order, mirrored
from anthropose.methods.rie.training import Decay
from anthropose.skeleton import HUMANEVA_15, coco_to_h36m, mpii_to_h36m
from tests.parity import rule
from tests.parity.rie.common import Arrays, Compared, Meta


def check_camera(meta: Meta, arrays: Arrays) -> None:
    compared, world = Compared(meta, arrays), torch.from_numpy(arrays["in_world"])
    for name in meta["cameras"]:
        subject, number = name.split("_")
        view = h36m_views(subject)[int(number)]
        assert view.lens is not None
        in_camera = view.to_camera(world)
        projected = view.lens.project(in_camera)
        pixels = to_pixels(projected, view.size)
        compared(f"out_intrinsic_{name}", view.lens.intrinsics)
        compared(f"out_camera_{name}", in_camera)
        compared(f"out_projected_{name}", projected)
        compared(f"out_linear_{name}", view.lens.project(in_camera, distort=False))
        compared(f"out_pixels_{name}", pixels)
        compared(f"out_renormalised_{name}", to_screen(pixels, view.size))
        compared(f"out_world_back_{name}", view.to_world(in_camera))
    near = torch.from_numpy(arrays["in_near"])
    views = [h36m_views(name.split()[0])[int(name.split()[-1])] for name in meta["near"]["cameras"]]
    lenses = [view.lens for view in views if view.lens is not None]
    pairs = list(zip(lenses, near, strict=True))
    compared("out_near_projected", torch.stack([lens.project(points) for lens, points in pairs]))
    compared("out_near_linear", torch.stack([lens.project(points, distort=False) for lens, points in pairs]))
    subject, number = re.search(r"orientation of (\w+) camera (\d)", meta["rendered_world"]).groups()
    upright = h36m_views(subject)[int(number)].upright(torch.from_numpy(arrays["in_relative"]))
    compared("out_rendered_world", upright)
    compared.done()


def check_cameras(meta: Meta, arrays: Arrays) -> None:
    """The tables of calibration, number by number as float32."""
    compared = Compared(meta, {name: array.astype(np.float32) for name, array in arrays.items()}, also=arrays)
    for name, field in (("focal_length", "focal"), ("center", "center"), ("radial", "radial"), ("res", "size")):
        compared.same(f"h36m_{name}", np.float32([getattr(lens, field) for lens in H36M_LENSES]))
    compared.same("h36m_tangential", np.float32([lens.tangential for lens in H36M_LENSES]))
    compared.same("h36m_azimuth", np.float32([view.azimuth for view in h36m_views("S1")]))
    compared.same("humaneva_azimuth", np.float32(HUMANEVA_AZIMUTHS))
    compared.same("humaneva_res", np.float32([view.size for view in humaneva_views("S1")]))
    for prefix, places in (("h36m", H36M_PLACES), ("humaneva", HUMANEVA_PLACES)):
        assert list(places) == meta[f"{prefix}_subjects"]
        compared.same(f"{prefix}_orientation", np.float32([[one[0] for one in row] for row in places.values()]))
        compared.same(f"{prefix}_translation", np.float32([[one[1] for one in row] for row in places.values()]))
    assert [lens.identity for lens in H36M_LENSES] == meta["h36m_camera_ids"]
    compared.done()


def check_humaneva_camera(meta: Meta, arrays: Arrays) -> None:
    compared, world = Compared(meta, arrays), torch.from_numpy(arrays["in_world"])
    for name in [name for name in arrays if name.startswith("out_camera_")]:
        subject, number = name.removeprefix("out_camera_").split("_")
        compared(name, humaneva_views(f"Validate/{subject}")[int(number)].to_camera(world))
    pixels = torch.from_numpy(arrays["in_pixels"])
    compared("out_normalised", to_screen(pixels, humaneva_views("S1")[0].size))
    assert list(HUMANEVA_15.parents) == meta["parents"]
    assert HUMANEVA_15.mirror == mirror_order(meta["left"], meta["right"], len(HUMANEVA_15))
    assert (HUMANEVA.fps, humaneva_subjects()) == (meta["fps"], meta["subject_keys"])
    compared.done()


def check_generators(meta: Meta, arrays: Arrays) -> None:
    """Windows in training's order for as many epochs as there are, and in evaluation's."""
    compared = Compared(meta, arrays)
    joints = int(re.search(r"length,(\d+),2", meta["inputs"]["p2_i"]).group(1))

    def given(name: str, *shape: int) -> list[Tensor]:
        sizes = [(length, *shape) if len(shape) > 1 else shape for length in meta["lengths"]]
        return [torch.from_numpy(rule.array(f"{name}_{i}", size, meta["seed"])) for i, size in enumerate(sizes)]

    order = mirror_order(meta["kps_left"], meta["kps_right"], joints)
    sequences = given("p2", joints, 2), given("p3", joints, 3)
    settings = {"chunk": meta["chunk_length"], "causal_shift": meta["causal_shift"]}
    build = partial(LiftingWindows, *sequences, (order, order), meta["pad"], given("cam", 9), **settings)
    training, orders = build(flipped=meta["augment"]), build(flipped=meta["augment"])
    compared.same("out_pairs", training.chunks)
    size = meta["batch_size"]
    compared.same("out_num_batches", training.batches(size))
    compared.same("out_num_frames", training.batches(size) * size)  # counted as if the last batch were full
    for epoch in range(sum(name.startswith("out_order_epoch") for name in arrays)):
        compared.same(f"out_order_epoch{epoch}", orders.order())
        batches = list(training.epoch(size))
        compared.same(f"out_epoch{epoch}_batch_sizes", [len(batch.keypoints) for batch in batches])
        compared(f"out_epoch{epoch}_2d", torch.cat([batch.keypoints for batch in batches])[:, :, ::4])
        compared(f"out_epoch{epoch}_3d", torch.cat([batch.joints for batch in batches])[:, :, ::4])
        compared(f"out_epoch{epoch}_cam", torch.cat([batch.intrinsics for batch in batches]))
    plain = build(flipped=False)
    batch = plain.gather(torch.arange(len(plain)))
    compared("out_eval_2d", batch.keypoints[:, :, ::4])
    compared("out_eval_3d", batch.joints[:, :, ::4])
    if "out_eval_2d_flip" in arrays:
        compared("out_eval_2d_flip", mirrored(batch.keypoints, order)[:, :, ::4])
    compared.done()


def check_schedule(meta: Meta, arrays: Arrays) -> None:
    compared, decay = Compared(meta, arrays), Decay()
    settings = [
        (float(share), int(step))
        for shares, step in re.findall(r"([\d.,]+) \(stride (\d+)\)", meta["what"])
        for share in shares.split(",")
    ]
    rows = arrays["out_subset"]
    ours = []
    for row, length in enumerate(rows[:, 0].tolist()):
        stretch = stretch_of(length, *settings[row % len(settings)])
        ours.append((length, stretch.frames, stretch.first, stretch.step))
    compared.same("out_subset", np.array(ours))
    for name, initial in meta["lr0"].items():
        epochs = range(1, int(name) + 1)
        compared(f"out_lr_{name}", np.array([decay.learning_rate(initial, epoch) for epoch in epochs]), 1e-9)
        momenta = np.array([decay.norm_momentum(epoch, len(epochs)) for epoch in epochs])
        compared(f"out_bn_momentum_{name}", momenta, 1e-9)
    compared.done()


def check_custom_clip(meta: Meta, arrays: Arrays) -> None:
    compared, borders = Compared(meta, arrays), np.cumsum(meta["detections_per_frame"])[:-1]
    boxes, keypoints = (np.split(arrays[name], borders) for name in ("in_boxes", "in_keypoints"))
    points, corners = best_detections(boxes, keypoints)
    compared("out_keypoints", points)
    compared("out_boxes", corners)
    compared.done()


def check_coco_to_h36m(meta: Meta, arrays: Arrays) -> None:
    compared, coco = Compared(meta, arrays), torch.from_numpy(arrays["in_coco"])
    compared("out_h36m", coco_to_h36m(coco))
    compared("out_h36m_from_mpii", mpii_to_h36m(torch.from_numpy(arrays["in_mpii"])))
    assert (coco != 0).any(-1).any(-1).nonzero()[:, 0].tolist() == meta["valid_frames"]
    compared.done()
