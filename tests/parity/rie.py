"""Parity checks of RIE, and of VideoPose3D's conventions that it stands on (rie spec)."""

import re
import tempfile
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anthropose.datasets.lifting import (
    H36M,
    LiftingBatch,
    LiftingWindows,
    best_detections,
    projected_keypoints,
    read_joints,
    read_keypoints,
    sequences_of,
    stretch_of,
)
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
from anthropose.datasets.windows import centred_windows
from anthropose.evaluate.lifting import evaluate_lifting, mean_over_actions
from anthropose.geometry.lens import to_pixels, to_screen
from anthropose.geometry.mirror import mirror_order, mirrored
from anthropose.methods.base import Optimizer
from anthropose.methods.rie.blocks import DenseBlock, ResidualBlock, TemporalEncoder
from anthropose.methods.rie.method import lift
from anthropose.methods.rie.network import RIEConfig, RIENetwork, encoder_inputs, groups_of
from anthropose.methods.rie.published import (
    PUBLISHED,
    PUBLISHED_GROUPS,
    dense_keys,
    encoder_keys,
    residual_keys,
)
from anthropose.methods.rie.training import (
    Decay,
    loss,
    make_optimizer,
    set_training,
    take_over,
    trained_parameters,
)
from anthropose.metrics import (
    absolute_error,
    cosine_similarity,
    mpjpe,
    pa_mpjpe,
    scaled_mpjpe,
    velocity_error,
    weighted_mpjpe,
)
from anthropose.nn.weights import KeyTable, renamed
from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15, coco_to_h36m, mpii_to_h36m
from tests.parity import rule
from tests.parity.compare import assert_close, published_state

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]
SKELETONS = {17: H36M_VP3D_17, 15: HUMANEVA_15}


def state_of(entries: Iterable[tuple[str, list[int], str]], seed: int) -> dict[str, Tensor]:
    """A state dict under its published keys, by the rule."""
    return published_state({"state": entries, "seed": seed})


def config_of(meta: Meta, **changes: Any) -> RIEConfig:
    """The configuration that a fixture names, in our words."""
    given = meta["config"]
    settings = {
        "fusion": given["stage"] > 1,
        "widths": tuple(given["filter_widths"]),
        "channels": given["channels"],
        "latent": given["latent"],
        "groups": groups_of(SKELETONS[given["joints"]]),
    }
    return RIEConfig(**{**settings, **changes})


def filled(network: nn.Module, state: Mapping[str, Tensor], keys: KeyTable) -> Any:
    """A network made on the meta device, with published weights put in their places; in eval mode."""
    network.load_state_dict(renamed(state, keys), assign=True)
    return network.eval()


def made(meta: Meta, config: RIEConfig | None = None, seed: int | None = None) -> RIENetwork:
    """The network of a fixture; its configuration must be the one that the weights' shapes tell."""
    config = config or config_of(meta)
    state = state_of(meta["state"], meta["seed"] if seed is None else seed)
    with torch.device("meta"):
        return filled(RIENetwork(config), state, PUBLISHED.keys)


def made_input(meta: Meta, name: str) -> Tensor:
    """An input that the fixture names but does not hold."""
    given = meta["inputs"][name]
    values = rule.array(name, tuple(given["shape"]), given.get("seed", meta.get("seed")), scale=given["scale"])
    return torch.from_numpy(values)


def tolerance_in_words(meta: Meta, default: float = 1e-4) -> float:
    """The first number of a tolerance that is given as a sentence."""
    found = re.search(r"\d+(\.\d+)?e-\d+", str(meta.get("tolerance", "")))
    return float(found.group()) if found else default


class Compared:
    """The fixture's outputs, of which none may be left without a comparison."""

    def __init__(self, meta: Meta, arrays: Arrays, also: Iterable[str] = ()) -> None:
        self.arrays, self.tolerance = arrays, tolerance_in_words(meta)
        self.left = {name for name in arrays if name.startswith("out_")} | set(also)

    def __call__(self, name: str, ours: Tensor | np.ndarray, tolerance: float | None = None) -> None:
        assert_close(ours, self.arrays[name], name, self.tolerance if tolerance is None else tolerance)
        self.left.discard(name)

    def same(self, name: str, ours: Tensor | np.ndarray | int) -> None:
        """For whole numbers and tables."""
        np.testing.assert_array_equal(np.asarray(ours), self.arrays[name], name)
        self.left.discard(name)

    def done(self) -> None:
        assert not self.left, f"not compared: {', '.join(sorted(self.left))}"


@torch.no_grad()
def check_stage(meta: Meta, arrays: Arrays) -> None:
    """The whole network, its features, and its way over a track of those windows."""
    compared, network = Compared(meta, arrays), made(meta)
    assert PUBLISHED.config(network.state_dict()) == network.config
    assert network.config.frames == meta.get("receptive_field", network.config.frames)
    assert meta.get("params") in (None, sum(p.numel() for p in network.parameters()))
    windows = made_input(meta, "input_2d")
    features = network.features(windows)
    compared("out_pose", network.decode(features)[:, None])
    if "out_local" in arrays:
        compared("out_local", features.local)
        compared("out_global", features.whole)
    if features.fused is not None and "out_mix" in arrays:
        compared("out_mix", features.fused)
    compared.done()
    _check_track(network, windows, arrays["out_pose"])


def _check_track(network: RIENetwork, windows: Tensor, published: np.ndarray) -> None:
    """A track that is one published window gives the published pose in its middle."""
    ours = network.over_track(windows[0], batch=64)[network.config.reach]
    assert_close(ours, published[0, 0], "the track's middle frame")


def check_ext(meta: Meta, arrays: Arrays) -> None:
    """Other joints, with the groups that the fixture says."""
    groups = tuple(tuple(meta["groups"][name]) for name in meta.get("group_order", PUBLISHED_GROUPS))
    joints = meta["config"]["joints"]
    if joints in SKELETONS:
        assert groups == groups_of(SKELETONS[joints])
    network, compared = (
        made(meta, config_of(meta | {"config": {**meta["config"], "joints": 17}}, groups=groups)),
        Compared(meta, arrays),
    )
    with torch.no_grad():
        compared("out_pose", network(made_input(meta, "input_2d"))[:, None])
    assert sum(p.numel() for p in network.parameters()) == meta["params"]
    compared.done()


@torch.no_grad()
def check_temporal_block(meta: Meta, arrays: Arrays) -> None:
    given, compared = meta["config"], Compared(meta, arrays)
    with torch.device("meta"):
        encoder = TemporalEncoder(
            given["in_channels"], given["channels"], given["latent"], tuple(given["filter_widths"])
        )
    filled(encoder, state_of(meta["state"], meta["seed"]), encoder_keys("", ""))
    seen: dict[str, Tensor] = {}
    for name, module in encoder.named_modules():
        if isinstance(module, nn.BatchNorm1d):
            module.register_forward_hook(partial(_remember, seen, name))
    x = made_input(meta, "x")
    compared("out_y", encoder(x))
    names = {"out_bn_expand": "first_norm"}
    for layer in range(len(encoder.layers)):
        names[f"out_bn_{2 * layer}"] = f"layers.{layer}.wide_norm"
        names[f"out_bn_{2 * layer + 1}"] = f"layers.{layer}.narrow_norm"
    step = int(re.search(r"every (\d+)", meta["layout"]["out_bn_expand"]).group(1))
    for out, name in names.items():
        compared(out, seen[name][: len(arrays[out]), ::step])
    compared("out_y_dilated", encoder(x, dilated=True))
    compared("out_y_long", encoder(made_input(meta, "x_long"), dilated=True).flatten(0, 1)[:, None])
    compared.done()


def _remember(seen: dict[str, Tensor], name: str, _module: nn.Module, _given: Any, out: Tensor) -> None:
    """A hook that keeps what a module gave first; it must return None, or it would take the output's place."""
    seen.setdefault(name, out)


@torch.no_grad()
def check_dense(meta: Meta, arrays: Arrays) -> None:
    compared, state = Compared(meta, arrays), state_of(meta["state"], meta["seed"])
    hidden, inputs = state["fc_1.weight"].shape
    blocks = len({key.split(".")[1] for key in state if key.startswith("layers.")})
    with torch.device("meta"):
        dense, block = DenseBlock(inputs, len(state["fc_2.bias"]), hidden, blocks), ResidualBlock(hidden, 0.25)
    filled(dense, state, dense_keys("", ""))
    compared("out_y", dense(made_input(meta, "x")))
    filled(block, state_of(meta["state_linear"], meta["seed"]), residual_keys("", ""))
    compared("out_linear", block(made_input(meta, "z")))
    compared.done()


def check_encoding(meta: Meta, arrays: Arrays) -> None:
    compared, windows = Compared(meta, arrays), made_input(meta, "input_2d")
    codes = encoder_inputs(windows, groups_of(SKELETONS[windows.shape[2]]))
    for name, code in zip(PUBLISHED_GROUPS, codes, strict=True):
        compared(f"out_{name}", code)
    compared("out_global", windows[:, windows.shape[1] // 2].flatten(1))
    compared.done()


@torch.no_grad()
def check_transition(meta: Meta, arrays: Arrays) -> None:
    """The second stage's network begins with the first's encoders."""
    compared = Compared(meta, arrays)
    before = renamed(state_of(meta["state_stage1"], meta["seed_stage1"]), PUBLISHED.keys)
    with torch.device("meta"):
        config = PUBLISHED.config(renamed(state_of(meta["state"], 0), PUBLISHED.keys))
        network = RIENetwork(config)
    filled(network, state_of(meta["state"], meta["seed_stage2"]), PUBLISHED.keys)
    assert take_over(network, before, "encoders") == meta["n_taken"]
    compared("out_pose", network(made_input(meta, "input_2d"))[:, None])
    compared.done()


def check_train(meta: Meta, arrays: Arrays) -> None:
    """Three steps on one batch, with the fixture's own tolerances: AdamW amplifies the rounding of small gradients."""
    compared = Compared(meta, arrays)
    network = made(meta, config_of(meta, dropout=0.0, dense_dropout=0.0))
    frozen = meta["frozen_first_167_parameters"]
    set_training(network, frozen)
    optimizer = make_optimizer(trained_parameters(network, frozen), Optimizer(meta["lr"], 0.01, "adamw"))
    batch = LiftingBatch(made_input(meta, "input_2d"), made_input(meta, "target"))
    poses: list[Tensor] = []
    network.register_forward_hook(lambda _module, _given, pose: poses.append(pose.detach()))
    losses = []
    for step in range(len(arrays["out_losses"])):
        optimizer.zero_grad()
        total = sum(loss(network, batch).values())
        total.backward()
        losses.append(total.item())
        if step == 0:
            _check_first_step(meta, compared, network, poses[0])
        optimizer.step()
    np.testing.assert_allclose(losses[0], arrays["out_losses"][0], rtol=1e-4)
    np.testing.assert_allclose(losses, arrays["out_losses"], rtol=2e-3)
    compared.left -= {"out_losses", "out_grad_norms"}
    compared.done()


def _check_first_step(meta: Meta, compared: Compared, network: RIENetwork, pose: Tensor) -> None:
    compared("out_pose", pose[:, None])
    # Names alone are renamed: what they stand for here is their place in the list.
    names = renamed({key: torch.tensor(place) for place, key in enumerate(meta["grad_names"])}, PUBLISHED.keys)
    parameters = dict(network.named_parameters())
    assert {name for name, parameter in parameters.items() if parameter.grad is not None} == set(names)
    norms = np.array([parameters[name].grad.norm().item() for name in sorted(names, key=lambda n: int(names[n]))])
    np.testing.assert_allclose(norms, compared.arrays["out_grad_norms"], rtol=1e-3, atol=1e-5)
    places = renamed({key: torch.tensor(place) for place, key in enumerate(meta["bn_names"])}, PUBLISHED.keys)
    buffers = dict(network.named_buffers())
    ordered = [buffers[name] for name in sorted(places, key=lambda n: int(places[n]))]
    compared("out_bn_mean", torch.stack([buffer.mean() for buffer in ordered]))
    compared("out_bn_norm", torch.stack([buffer.norm() for buffer in ordered]))


@torch.no_grad()
def check_tta(meta: Meta, arrays: Arrays) -> None:
    """Every frame of a short clip, by the fast way over the track and window by window."""
    compared, network = Compared(meta, arrays), made(meta)
    sequence = torch.from_numpy(arrays["in_sequence"])
    order = mirror_order(meta["kps_left"], meta["kps_right"], sequence.shape[1])
    compared("out_plain", lift(network, sequence))
    compared("out_flipped_raw", lift(network, mirrored(sequence, order)))
    compared("out_tta", lift(network, sequence, order))
    compared.done()
    windows = sequence[centred_windows(len(sequence), network.config.frames, "clamp").frames]
    assert_close(network(windows), arrays["out_plain"], "windows")


def check_metrics(meta: Meta, arrays: Arrays) -> None:
    """Absolute tolerances, as the fixture says."""
    target, weight = torch.from_numpy(arrays["in_target"]), torch.from_numpy(arrays["in_w"])[:, 0]
    tolerance, compared = tolerance_in_words(meta, 1e-5), 0
    for case in meta["cases"]:
        poses = torch.from_numpy(arrays[f"in_{case}"])
        ours = {
            "mpjpe": mpjpe(poses, target).mean(),
            "n_mpjpe": scaled_mpjpe(poses, target).mean(),
            "n_mpjpe_each": scaled_mpjpe(poses, target),
            "p_mpjpe": pa_mpjpe(poses, target).mean(),
            "p_mpjpe_each": pa_mpjpe(poses, target),
            "velocity": velocity_error(poses, target).mean(),
            "weighted_mpjpe": weighted_mpjpe(poses, target, weight).mean(),
            "l1": absolute_error(poses, target).mean(),
            "cosine": cosine_similarity(poses, target).mean(),
        }
        for name, value in ours.items():
            np.testing.assert_allclose(
                value.numpy(), arrays[f"out_{name}_{case}"], rtol=0, atol=tolerance, err_msg=name
            )
            compared += 1
    assert compared == sum(name.startswith("out_") for name in arrays)


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


def check_eval_protocol(meta: Meta, arrays: Arrays) -> None:
    """The whole evaluation, from archives as VideoPose3D writes them to the scores that the script printed."""
    compared, network = Compared(meta, arrays), made(meta)
    with tempfile.TemporaryDirectory() as folder:
        joints_file, keypoints_file = _write_archives(Path(folder), meta, arrays)
        joints, noisy = read_joints(joints_file), read_keypoints(keypoints_file)
    truth = projected_keypoints(H36M, joints)
    files = {"noisy": noisy, "gt": truth}
    first_subject = next(iter(meta["sequences"]))
    first_action = next(iter(meta["sequences"][first_subject]))
    compared("out_gt2d_first", np.stack(truth.positions[first_subject][first_action]))

    known: dict[Any, Tensor] = {}

    def remembered(order: Any, keypoints: Tensor) -> Tensor:
        """Several runs score the same predictions in different ways."""
        key = (order, keypoints.numpy().tobytes())
        if key not in known:
            with torch.no_grad():
                known[key] = lift(network, keypoints, order)
        return known[key]

    def lifted(args: list[str]) -> Any:
        file = files[args[args.index("-k") + 1]]
        order = None if "-no-tta" in args else mirror_order(file.left, file.right, 17)
        return partial(remembered, order), file

    for name, run in meta["runs"].items():
        run_lift, file = lifted(run["args"])
        actions = run["args"][run["args"].index("-a") + 1].split(",") if "-a" in run["args"] else ()
        sequences = sequences_of(H36M, joints, file, list(meta["sequences"]), actions)
        scores = evaluate_lifting(run_lift, sequences, by_subject="--by-subject" in run["args"])
        assert ["/".join(filter(None, (score.subject, score.action))) for score in scores] == run["order"]
        ours = np.array([(score.protocol1, score.protocol2) for score in scores])
        np.testing.assert_allclose(ours, arrays[f"out_errors_{name}"], rtol=1e-4)
        compared.left.discard(f"out_errors_{name}")
        means = [value for mean in mean_over_actions(scores) for value in (mean.protocol1, mean.protocol2)]
        np.testing.assert_allclose(means, run["average_printed"], rtol=1e-4, atol=0.051)  # printed to 0.1 mm
    for name, (subject, action, camera, args) in meta["export"].items():
        run_lift, file = lifted(args)
        [sequence] = [
            one for one in sequences_of(H36M, joints, file, [subject]) if (one.action, one.camera) == (action, camera)
        ]
        compared(f"out_export_{name}", run_lift(sequence.keypoints))
    compared.done()


def _write_archives(folder: Path, meta: Meta, arrays: Arrays) -> tuple[Path, Path]:
    """The fixture's data as files that hold pickled dictionaries, as VideoPose3D's do."""
    joints: dict[str, dict[str, np.ndarray]] = {}
    keypoints: dict[str, dict[str, list[np.ndarray]]] = {}
    for subject, actions in meta["sequences"].items():
        joints[subject] = {action: arrays[f"in_3d|{subject}|{action}"] for action in actions}
        cameras = range(len(h36m_views(subject)))
        keypoints[subject] = {
            action: [arrays[f"in_2d|{subject}|{action}|{camera}"] for camera in cameras] for action in actions
        }
    left, right = [4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]
    metadata = {"layout_name": "h36m", "num_joints": 17, "keypoints_symmetry": [left, right]}
    paths = folder / "data_3d_h36m.npz", folder / "data_2d_h36m_noisy.npz"
    np.savez_compressed(paths[0], positions_3d=np.array(joints, dtype=object))
    np.savez_compressed(paths[1], positions_2d=np.array(keypoints, dtype=object), metadata=np.array(metadata))
    return paths


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


KINDS = {
    "rie_stage": check_stage,
    "rie_ext": check_ext,
    "rie_temporal_block": check_temporal_block,
    "rie_fcblock": check_dense,
    "rie_relative_encoding": check_encoding,
    "rie_stage_transition": check_transition,
    "rie_train": check_train,
    "rie_tta": check_tta,
    "rie_metrics": check_metrics,
    "rie_camera": check_camera,
    "rie_cameras": check_cameras,
    "rie_humaneva_camera": check_humaneva_camera,
    "rie_generators": check_generators,
    "rie_schedule_subset": check_schedule,
    "rie_eval_protocol": check_eval_protocol,
    "rie_custom_clip": check_custom_clip,
    "rie_coco_to_h36m": check_coco_to_h36m,
}
