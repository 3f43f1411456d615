"""Parity checks of GLoT's loss, schedule and training steps (glot spec, sections 3 and 5)."""

import re
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anthropose.body.results import Result
from anthropose.datasets.sequence import Batch
from anthropose.methods.glot import GLoTLosses, GLoTNetwork, glot_losses
from anthropose.methods.glot.published import KEYS
from anthropose.methods.glot.transformers import random_masking
from anthropose.nn.weights import renamed
from anthropose.schedules import warmup_cosine
from tests.parity import rule
from tests.parity.compare import published_state
from tests.parity.glot.shared import Arrays, Checker, network_of
from tests.parity.synthetic_smpl import synthetic_smpl

TERMS = {
    "loss_kp_2d": "keypoints_2d",
    "loss_kp_3d": "joints_3d",
    "loss_accel_2d": "motion_2d",
    "loss_accel_3d": "motion_3d",
    "loss_pose": "pose",
    "loss_shape": "betas",
}
BRANCHES = {"mae": "global", "short": "local"}


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


KINDS = {"glot_loss": check_loss, "glot_lr": check_lr, "glot_train_step": check_train_step}
