"""Parity checks of GLoT (glot spec)."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import Result, result_of, vertices_of
from anthropose.datasets.sequence import Batch
from anthropose.methods.glot import GLoTLosses, GLoTNetwork, glot_losses
from anthropose.methods.glot.published import (
    KEYS,
    config_of,
    cross_attention_keys,
    global_regressor_keys,
    global_transformer_keys,
    hierarchical_regressor_keys,
    local_transformer_keys,
)
from anthropose.methods.glot.regressors import GlobalRegressor, HierarchicalRegressor
from anthropose.methods.glot.transformers import CrossAttention, FrameTransformer, GlobalTransformer, random_masking
from anthropose.motion import Prediction
from anthropose.nn.attention import drop_path_rates
from anthropose.nn.regressor import RegressorState
from anthropose.nn.weights import KeyTable, renamed
from anthropose.schedules import warmup_cosine
from anthropose.skeleton import LSP_14, SPIN_49
from tests.parity import rule
from tests.parity.compare import assert_close, published_state, tolerance_of
from tests.parity.synthetic_smpl import synthetic_smpl

Arrays = dict[str, np.ndarray]

TERMS = {
    "loss_kp_2d": "keypoints_2d",
    "loss_kp_3d": "joints_3d",
    "loss_accel_2d": "motion_2d",
    "loss_accel_3d": "motion_3d",
    "loss_pose": "pose",
    "loss_shape": "betas",
}
BRANCHES = {"mae": "global", "short": "local"}


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


def losses_of(weights: dict[str, Any]) -> GLoTLosses:
    return GLoTLosses(
        keypoints_2d=weights["e_loss_weight"],
        joints_3d=weights["e_3d_loss_weight"],
        pose=weights["e_pose_loss_weight"],
        betas=weights["e_shape_loss_weight"],
        motion_2d=weights["vel_or_accel_2d_weight"],
        motion_3d=weights["vel_or_accel_3d_weight"],
        motion="acceleration" if weights["use_accel"] else "velocity",
    )


def our_term(published: str) -> str:
    name, branch = published.rsplit("_", 1)
    return f"{TERMS[name]}_{BRANCHES[branch]}"


def batch_of(
    features: Tensor, seed: int, keypoints_2d: np.ndarray | None, keypoints_3d: np.ndarray, w_3d, w_smpl
) -> Batch:
    """The windows of a 2D set, whose 3D labels are missing, and then those of a 3D set."""
    shape = keypoints_3d.shape[:2]
    labels = [
        (rule.array("t_kp3d", (*shape, 49, 3), seed, scale=0.5)),
        (rule.array("t_theta", (*shape, 85), seed, scale=0.5)),
        np.asarray(w_3d) == 1,
        np.asarray(w_smpl) == 1,
        np.ones(len(keypoints_3d), bool),
    ]
    joints, theta, has_joints, has_body, from_3d_set = (
        torch.from_numpy(np.concatenate([np.zeros((len(features) - len(label), *label.shape[1:]), label.dtype), label]))
        for label in labels
    )
    both = [keypoints_3d] if keypoints_2d is None else [keypoints_2d, keypoints_3d]
    keypoints = torch.from_numpy(np.concatenate(both))
    return Batch(features, keypoints, joints, theta, from_3d_set, has_joints, has_body)


def check_loss(meta: dict[str, Any], arrays: Arrays) -> None:
    check = Checker(meta, arrays)
    for case in meta["cases"]:
        i, seed, t = case["case"], case["seed"], case["frames"]
        n = case["batch_2d"] + case["batch_3d"]
        leaves = [
            torch.from_numpy(rule.array(f"{branch}_{name}", (n, frames, *size), seed, scale=0.5)).requires_grad_()
            for branch, frames in (("pg", t), ("pl", 3))
            for name, size in (("theta", (85,)), ("kp2d", (49, 2)), ("kp3d", (49, 3)))
        ]
        whole, local = (
            Result(theta, joints, keypoints, torch.zeros(*theta.shape[:2], 24, 3, 3))
            for theta, keypoints, joints in (leaves[:3], leaves[3:])
        )
        given = [arrays.get(f"in_{name}_{i}") for name in ("kp2d_2d", "kp2d_3d", "w3d", "wsmpl")]
        batch = batch_of(torch.zeros(n, t, 1), seed, *given)
        hidden = torch.from_numpy(arrays[f"in_mask_{i}"])[..., 0]
        near = slice(t // 2 - 1, t // 2 + 2)
        terms = glot_losses(local, whole, hidden, batch, losses_of(case["weights"]), near)
        check_terms(terms, meta["terms"], check.take(f"out_terms_{i}"))
        total = sum(terms.values())
        check(f"out_total_{i}", total)
        gradients = torch.autograd.grad(total, leaves, allow_unused=True)
        norms = torch.stack([torch.zeros(()) if g is None else g.norm() for g in gradients])
        check(f"out_gradnorms_{i}", norms)
    check.done()


def check_terms(terms: dict[str, Tensor], names: list[str], published: np.ndarray, relative: float = 1e-4) -> None:
    """Each term agrees, and those that the published code leaves out are left out."""
    assert len(terms) == np.isfinite(published).sum()
    for name, value in zip(names, published, strict=True):
        if np.isfinite(value):
            np.testing.assert_allclose(terms[our_term(name)].item(), value, rtol=relative, err_msg=name)
        else:
            assert our_term(name) not in terms


def check_lr(meta: dict[str, Any], arrays: Arrays) -> None:
    check = Checker(meta, arrays)
    for case in meta["cases"]:
        limits = case["min_lr"], case["max_lr"], case["warmup_steps"], case["first_cycle_steps"]
        rates = [warmup_cosine(epoch, *limits) for epoch in range(case["epochs"])]
        np.testing.assert_allclose(rates, check.take(f"out_lr_{case['case']}"), rtol=1e-5)
    check.done()


def overridden(meta: dict[str, Any], state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The state with the entries that `meta.overrides` replaces, as it says in words."""
    state = dict(state)
    for entry, value in meta["overrides"].items():
        if entry == "note":
            continue
        keys = [key for key in state if re.fullmatch(entry.replace(".", r"\.").replace(r"0\.\.23", r"\d+"), key)]
        assert keys, f"nothing is overridden by {entry}"
        for key in keys:
            state[key] = override(state[key], value, meta["seed"])
    return state


def override(tensor: Tensor, value: Any, seed: int) -> Tensor:
    if not isinstance(value, str):
        return torch.tensor(value, dtype=torch.float32)
    if factor := re.fullmatch(r"rule value times ([\d.]+)", value):
        return tensor * float(factor[1])
    made = re.fullmatch(
        r'tile\(\[([\d.,]+)\], (\d+)\)\[None\] \+ rule\.array\("(\w+)",\(([\d,]+)\),seed,scale=([\d.]+)\)', value
    )
    assert made is not None, f"what is {value}?"
    tile = np.tile(np.array(made[1].split(","), np.float32), int(made[2]))[None]
    noise = rule.array(made[3], tuple(map(int, made[4].split(","))), seed, scale=float(made[5]))
    return torch.from_numpy(tile + noise)


def check_train_step(meta: dict[str, Any], arrays: Arrays) -> None:
    """The fixture's own tolerances: 1e-3 of the losses, of the gradients' norms, and of the largest norm."""
    check, body = Checker(meta, arrays), synthetic_smpl(meta["seed"])
    network = network_of(meta, overridden(meta, published_state(meta)))
    noise = torch.from_numpy(arrays["in_noise"])
    n2, n3, features = meta["batch_2d"], meta["batch_3d"], network.config.features
    shape = (*arrays["in_kp2d_3d"].shape[1:2], features)
    given = [rule.array(f"features_{k}d", (n, *shape), meta["seed"]) for k, n in ((2, n2), (3, n3)) if n]
    w_smpl = arrays["in_wsmpl"]
    wanted = [arrays.get("in_kp2d_2d"), arrays["in_kp2d_3d"], arrays.get("in_w3d", np.ones_like(w_smpl)), w_smpl]
    batch = batch_of(torch.from_numpy(np.concatenate(given)), meta["seed"], *wanted)
    check("out_mask", random_masking(noise, network.config.mask_ratio).hidden[..., None])

    losses, settings = losses_of(meta["loss_weights"]), meta["optimiser"]
    assert settings["type"] == "Adam"
    optimiser = torch.optim.Adam(
        network.parameters(), settings["lr"], settings["betas"], settings["eps"], settings["weight_decay"]
    )
    totals = []
    for step in range(len(check.take("out_total_after_steps"))):
        terms = network.loss(batch, body, losses, noise)
        total = sum(terms.values())
        totals.append(total.item())
        if step == 0:
            check_terms(terms, meta["terms"], check.take("out_terms"), 1e-3)
            np.testing.assert_allclose(total.item(), check.take("out_total"), rtol=1e-3)
        if step == len(arrays["out_total_after_steps"]) - 1:
            break
        optimiser.zero_grad()
        total.backward()
        if step == 0:
            check_gradients(check, network)
        optimiser.step()
        if step == 0:
            check_after_step(check, network)
    np.testing.assert_allclose(totals, arrays["out_total_after_steps"], rtol=1e-3)
    check.done()


def our_name(key: str) -> str | None:
    return next(iter(renamed({key: torch.zeros(())}, KEYS)), None)


def check_gradients(check: Checker, network: GLoTNetwork) -> None:
    parameters = dict(network.named_parameters())
    norms, firsts = check.take("out_gradnorm"), check.take("out_grad_first4")
    names = [our_name(key) for key in check.meta["grad_names"]]
    assert {name for name in names if name} == parameters.keys()
    assert all(our_name(key) is None for key in check.meta["no_grad_names"])
    for name, norm, first in zip(names, norms, firsts, strict=True):
        gradient = parameters[name].grad
        assert abs(gradient.norm().item() - norm) <= 1e-3 * (norm + 1e-3 * norms.max()), name
        ours = gradient.flatten()[:4].numpy()
        assert np.abs(ours - first[: len(ours)]).max() <= 1e-3 * norm, name


def check_after_step(check: Checker, network: GLoTNetwork) -> None:
    parameters = dict(network.named_parameters())
    for name in sorted(check.left):
        if name.startswith("out_after_"):
            ours = parameters[our_name(name.removeprefix("out_after_"))].detach().flatten()
            check(name, ours[: len(check.arrays[name])])


KINDS = {
    "glot_masking": check_masking,
    "glot_global_transformer": check_global_transformer,
    "glot_local_transformer": check_local_transformer,
    "glot_regressor": check_regressor,
    "glot_hscr": check_hscr,
    "glot_full_eval": check_full_eval,
    "glot_full_train": check_full_train,
    "glot_loss": check_loss,
    "glot_lr": check_lr,
    "glot_train_step": check_train_step,
}
