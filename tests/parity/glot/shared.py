"""What the parity checks of GLoT share: published weights into our modules, and results array by array."""

from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of, vertices_of
from anthropose.methods.glot import GLoTNetwork
from anthropose.methods.glot.published import KEYS, config_of
from anthropose.motion import Prediction
from anthropose.nn.weights import KeyTable, renamed
from anthropose.skeleton import SPIN_49
from tests.parity import rule
from tests.parity.compare import assert_close, tolerance_of

Arrays = dict[str, np.ndarray]


class Checker:
    """Compares arrays by name, and tells which of the published ones nobody looked at."""

    def __init__(self, meta: dict[str, Any], arrays: Arrays) -> None:
        self.meta, self.arrays = meta, arrays
        self.left = {name for name in arrays if name.startswith(("out_", "mid_"))}

    def __call__(self, name: str, ours: Tensor) -> None:
        """Our `ours` agrees with the published array, exactly where it holds no floating-point numbers."""
        published = self.take(name)
        if published.dtype.kind == "f":
            assert_close(ours, published, name, tolerance_of(self.meta, name))
        else:
            np.testing.assert_array_equal(ours.numpy(), published, name)

    def take(self, name: str) -> np.ndarray:
        self.left.discard(name)
        return self.arrays[name]

    def done(self) -> None:
        assert not self.left, f"not looked at: {sorted(self.left)}"


def array(meta: dict[str, Any], name: str) -> Tensor:
    """An input of the fixture, made by the rule as `meta.inputs` says."""
    entry = meta["inputs"][name]
    made = rule.array(entry["rule_array"], tuple(entry["shape"]), meta["seed"], scale=entry.get("scale", 1.0))
    return torch.from_numpy(made)


def loaded(network: nn.Module, state: dict[str, Tensor], table: KeyTable) -> nn.Module:
    """The network with published weights, strictly, in eval mode."""
    network.load_state_dict(renamed(state, table), assign=True)
    return network.eval()


def without_initialising(make: type[nn.Module], *args: Any, **options: Any) -> nn.Module:
    """A module whose weights, all loaded afterwards, are not drawn at random before."""
    with torch.device("meta"):
        return make(*args, **options)


def network_of(meta: dict[str, Any], state: dict[str, Tensor]) -> GLoTNetwork:
    ctor = meta["constructor"]
    config = replace(
        config_of(renamed(state, KEYS)),
        mask_ratio=ctor["mask_ratio"],
        heads=ctor["num_head"],
        dropout=ctor["dropout"],
        attention_dropout=ctor["atten_drop"],
        drop_path=ctor["drop_path_r"],
        local_heads=ctor["short_num_head"],
        local_dropout=ctor["short_dropout"],
        local_attention_dropout=ctor["short_atten_drop"],
        local_drop_path=ctor["short_drop_path_r"],
        local_regressor_dropout=ctor["drop_reg_short"],
    )
    sizes = config.window, config.width, config.depth, config.reach, config.local_width, config.local_depth
    names = "seqlen", "d_model", "n_layers", "stride_short", "short_d_model", "short_n_layers"
    assert sizes == tuple(ctor[name] for name in names)
    return loaded(without_initialising(GLoTNetwork, config), state, KEYS)


def stored_vertices(vertices: Tensor, published: np.ndarray) -> Tensor:
    """Every so many-th vertex, of the steps that give the stored number the one that agrees best."""
    total, stored = vertices.shape[-2], published.shape[-2]
    steps = [step for step in range(1, total) if -(-total // step) == stored]
    picked = [vertices[..., ::step, :] for step in steps]
    return min(picked, key=lambda some: float((some - torch.from_numpy(published)).abs().max()))


def check_result(check: Checker, prefix: str, prediction: Prediction, body: BodyModel, joints=SPIN_49) -> None:
    """Those of a result's arrays that the fixture has under a prefix."""
    result = result_of(prediction, body, joints)
    for name, ours in (
        ("theta", result.theta),
        ("kp_2d", result.keypoints),
        ("kp_3d", result.joints),
        ("rotmat", result.rotations),
    ):
        if prefix + name in check.arrays:
            check(prefix + name, ours)
    if prefix + "verts" in check.arrays:
        vertices = vertices_of(prediction, body)
        check(prefix + "verts", stored_vertices(vertices, check.arrays[prefix + "verts"]))
