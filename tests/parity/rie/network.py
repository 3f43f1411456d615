"""Parity checks of RIE's network, its parts and its training steps (rie spec)."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anthropose.datasets.lifting import LiftingBatch
from anthropose.datasets.windows import centred_windows
from anthropose.geometry.mirror import mirror_order, mirrored
from anthropose.methods.base import Optimizer
from anthropose.methods.rie.blocks import DenseBlock, ResidualBlock, TemporalEncoder
from anthropose.methods.rie.method import lift
from anthropose.methods.rie.network import RIEConfig, RIENetwork, encoder_inputs, groups_of
from anthropose.methods.rie.published import PUBLISHED, PUBLISHED_GROUPS, dense_keys, encoder_keys, residual_keys
from anthropose.methods.rie.training import loss, make_optimizer, set_training, take_over, trained_parameters
from anthropose.nn.weights import KeyTable, renamed
from tests.parity.compare import assert_close
from tests.parity.rie.common import SKELETONS, Arrays, Compared, Meta, made_input, state_of


def config_of(meta: Meta, **changes: Any) -> RIEConfig:
    """The configuration that a fixture names, in our words."""
    given = meta["config"]
    settings = {
        "fusion": given["stage"] > 1,
        "widths": tuple(given["filter_widths"]),
        "channels": given["channels"],
        "latent": given["latent"],
        "groups": changes.pop("groups", None) or groups_of(SKELETONS[given["joints"]]),
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


@torch.no_grad()
def check_stage(meta: Meta, arrays: Arrays) -> None:
    """The whole network, its features, and its way over a track of those windows."""
    compared, network = Compared(meta, arrays), made(meta)
    assert PUBLISHED.config(network.state_dict()) == network.config
    assert network.config.frames == meta.get("receptive_field", network.config.frames)
    assert meta.get("params") in (None, sum(p.numel() for p in network.parameters()))
    windows = made_input(meta, "input_2d")
    _check_features(compared, network, windows)
    compared.done()
    _check_track(network, windows, arrays["out_pose"])


def _check_features(compared: Compared, network: RIENetwork, windows: Tensor) -> None:
    """The pose, and whichever features the fixture holds."""
    features = network.features(windows)
    compared("out_pose", network.decode(features)[:, None])
    for name, ours in (("out_local", features.local), ("out_global", features.whole), ("out_mix", features.fused)):
        if name in compared.arrays and ours is not None:
            compared(name, ours)


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
    compared, network = Compared(meta, arrays), made(meta, config_of(meta, groups=groups))
    with torch.no_grad():
        _check_features(compared, network, made_input(meta, "input_2d"))
    assert sum(p.numel() for p in network.parameters()) == meta["params"]
    compared.done()


@torch.no_grad()
def check_temporal_block(meta: Meta, arrays: Arrays) -> None:
    given, compared = meta["config"], Compared(meta, arrays)
    with torch.device("meta"):
        encoder = TemporalEncoder(
            given["in_channels"], given["channels"], given["latent"], tuple(given["filter_widths"])
        )
    filled(encoder, state_of(meta["state"], meta["seed"]), encoder_keys())
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
        dense = DenseBlock(inputs, len(state["fc_2.bias"]), hidden, blocks)
        block = ResidualBlock(arrays["out_linear"].shape[1], 0.25)
    filled(dense, state, dense_keys())
    compared("out_y", dense(made_input(meta, "x")))
    filled(block, state_of(meta["state_linear"], meta["seed"]), residual_keys())
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
