"""Parity checks of GLoT's network and its parts (glot spec, section 2)."""

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anthropose.methods.glot import GLoTNetwork
from anthropose.methods.glot.published import (
    cross_attention_keys,
    global_regressor_keys,
    global_transformer_keys,
    hierarchical_regressor_keys,
    local_transformer_keys,
)
from anthropose.methods.glot.regressors import GlobalRegressor, HierarchicalRegressor
from anthropose.methods.glot.transformers import CrossAttention, FrameTransformer, GlobalTransformer, random_masking
from anthropose.nn.attention import drop_path_rates
from anthropose.nn.regressor import RegressorState
from anthropose.skeleton import LSP_14, SPIN_49
from tests.parity import rule
from tests.parity.compare import published_state
from tests.parity.glot.shared import Arrays, Checker, array, check_result, loaded, network_of, without_initialising
from tests.parity.synthetic_smpl import synthetic_smpl


def check_masking(meta: dict[str, Any], arrays: Arrays) -> None:
    check = Checker(meta, arrays)
    for case in meta["cases"]:
        i = case["case"]
        shape = re.search(r'"(\w+)",\(([\d,]+)\)', case["x"])
        assert shape is not None
        x = torch.from_numpy(rule.array(shape[1], tuple(map(int, shape[2].split(","))), meta["seed"]))
        masking = random_masking(torch.from_numpy(arrays[f"in_noise_{i}"]), case["mask_ratio"])
        assert masking.kept == case["kept"]
        check(f"out_kept_{i}", masking.seen(x))
        check(f"out_mask_{i}", masking.hidden[..., None])
        check(f"out_ids_restore_{i}", masking.restore)
    check.done()


def check_global_transformer(meta: dict[str, Any], arrays: Arrays) -> None:
    check, ctor, state = Checker(meta, arrays), meta["constructor"], published_state(meta)
    inner = state.get("decoder_blocks.0.mlp.fc1.weight")
    transformer = without_initialising(
        GlobalTransformer,
        ctor["length"],
        ctor["embed_dim"],
        ctor["depth"],
        ctor["h"],
        hidden=ctor["mlp_hidden_dim"],
        decoder_hidden=0 if inner is None else len(inner),
        token_hidden=(len(state["mask_token_mlp.0.weight"]), len(state["mask_token_mlp.2.weight"])),
        dropout=ctor["drop_rate"],
        attention_dropout=ctor["attn_drop_rate"],
        drop_path=ctor["drop_path_rate"],
    )
    transformer = loaded(transformer, state, global_transformer_keys())
    mean = RegressorState(
        *(
            torch.from_numpy(rule.array(f"mean_{name}", (1, size), meta["seed"], scale=0.3)[0])
            for name, size in (("pose", 144), ("shape", 10), ("cam", 3))
        )
    )
    tokens = array(meta, "input")
    masking = random_masking(torch.from_numpy(arrays["in_noise"]), meta["inputs"]["mask_ratio"])
    with torch.no_grad():
        for suffix, hidden in (("", None), ("_masked", masking)):
            memory = transformer.encode(tokens, hidden)
            check(f"out_encoder{suffix}", memory)
            check(f"out_decoder{suffix}", transformer.decode(memory, mean, hidden))
        check("out_mask_token", transformer.mask_token(mean.cat())[None])
    check("out_mask", masking.hidden[..., None])
    check("out_ids_restore", masking.restore)
    check.done()


def check_local_transformer(meta: dict[str, Any], arrays: Arrays) -> None:
    check, ctor = Checker(meta, arrays), meta["constructor"]
    encoder = without_initialising(
        FrameTransformer,
        ctor["length"],
        ctor["embed_dim"],
        ctor["h"],
        ctor["mlp_hidden_dim"],
        drop_path_rates(ctor["drop_path_rate"], ctor["depth"]),
        ctor["drop_rate"],
        ctor["attn_drop_rate"],
    )
    cross = without_initialising(CrossAttention, ctor["embed_dim"], ctor["cross_heads"], ctor["cross_qkv_bias"])
    both = nn.ModuleDict({"transformer": encoder, "cross": cross})
    loaded(both, published_state(meta), (*local_transformer_keys(), *cross_attention_keys()))
    with torch.no_grad():
        encoded = encoder(array(meta, "input"))
        check("out_encoder", encoded)
        middle, queries = ctor["length"] // 2, arrays["out_cross"].shape[1]
        asking = encoded[:, middle - queries // 2 : middle + queries // 2 + 1]
        check("out_cross", cross(asking, array(meta, "memory")))
    check.done()


def check_regressor(meta: dict[str, Any], arrays: Arrays) -> None:
    check, state, body = Checker(meta, arrays), published_state(meta), synthetic_smpl(meta["seed"])
    features = array(meta, "input")
    hidden = len(state["fc1.weight"])
    regressor = loaded(
        without_initialising(GlobalRegressor, features.shape[-1], hidden), state, global_regressor_keys()
    )
    middle = features.shape[1] // 2
    iterations = int(m[1]) if (m := re.search(r"n_iter=(\d+)", meta["network"])) else 3
    with torch.no_grad():
        every = regressor(features, iterations)
        one = regressor(features[:, middle : middle + 1], iterations)
        check_result(check, "out_", flattened(every).prediction(), body)
        check_result(check, "out_eval_", flattened(one).prediction(), body)
        check_result(check, "out_eval_h36m_", flattened(one).prediction(), body, LSP_14)
    near = slice(middle - 1, middle + 2)
    for name, ours in (("pose", every.pose6d), ("shape", every.betas), ("cam", every.camera)):
        check(f"out_next_{name}", ours[:, near])
    for name, ours in (("pose", one.pose6d), ("shape", one.betas), ("cam", one.camera)):
        check(f"out_eval_next_{name}", ours)
    check.done()


def flattened(state: RegressorState) -> RegressorState:
    return RegressorState(*(part.flatten(0, 1) for part in (state.pose6d, state.betas, state.camera)))


def check_hscr(meta: dict[str, Any], arrays: Arrays) -> None:
    check, ctor, body = Checker(meta, arrays), meta["constructor"], synthetic_smpl(meta["seed"])
    features, pose, shape = (array(meta, name) for name in ("input", "init_pose", "init_shape"))
    camera = rule.array("init_cam", (*features.shape[:2], 3), meta["seed"], scale=0.3)
    guess = RegressorState(pose, shape, torch.from_numpy(camera + np.float32([0.9, 0, 0])))
    regressor = without_initialising(HierarchicalRegressor, features.shape[-1], ctor["hidden_dim"], ctor["drop"])
    loaded(regressor, published_state(meta), hierarchical_regressor_keys())
    with torch.no_grad():
        by_pose = regressor.pose_hidden(torch.cat([features, pose], dim=-1))
        check("out_hidden_pose", by_pose)
        check("out_ktd", regressor.limbs(by_pose, pose))
        check_result(check, "out_", flattened(regressor(features, guess)).prediction(), body)
    check.done()


def check_full_eval(meta: dict[str, Any], arrays: Arrays) -> None:
    check, body = Checker(meta, arrays), synthetic_smpl(meta["seed"])
    network = network_of(meta, published_state(meta))
    features = array(meta, "input")
    joints = LSP_14 if meta["J_regressor"] else SPIN_49
    with torch.no_grad():
        check_result(check, "out_", network(features), body, joints)
        estimates = network.estimates(features)
        check_result(check, "out_global_", estimates.whole, body, joints)
        np.testing.assert_array_equal(estimates.local.camera[:, 0], network(features).camera)
        if "mid_mem" in arrays:
            check_inside(check, network, features)
    check.done()


def check_inside(check: Checker, network: GLoTNetwork, features: Tensor) -> None:
    """The tensors between the parts of the network."""
    whole, local, middle, reach = network.whole, network.local, network.config.middle, network.config.reach
    memory = whole.transformer.encode(whole.embed(features))
    check("mid_mem", memory)
    check("mid_global_decoder", whole.transformer.decode(memory, whole.regressor.mean()))
    near = features[:, middle - reach : middle + reach + 1]
    check("mid_local_encoder", local.transformer(local.embed(near)))
    check("mid_local_decoder", local(near, memory, slice(reach - 1, reach + 2)))
    guess = whole.decode(memory, slice(middle, middle + 1))
    for name, ours in (("pose", guess.pose6d), ("shape", guess.betas), ("cam", guess.camera)):
        check(f"mid_init_{name}", ours)


def check_full_train(meta: dict[str, Any], arrays: Arrays) -> None:
    check, body = Checker(meta, arrays), synthetic_smpl(meta["seed"])
    network = network_of(meta, published_state(meta))
    with torch.no_grad():
        estimates = network.masked_estimates(array(meta, "input"), torch.from_numpy(arrays["in_noise"]))
        check("out_mask", estimates.hidden[..., None])
        check_result(check, "out_", estimates.local, body)
        check_result(check, "out_global_", estimates.whole, body)
    check.done()


KINDS = {
    "glot_masking": check_masking,
    "glot_global_transformer": check_global_transformer,
    "glot_local_transformer": check_local_transformer,
    "glot_regressor": check_regressor,
    "glot_hscr": check_hscr,
    "glot_full_eval": check_full_eval,
    "glot_full_train": check_full_train,
}
