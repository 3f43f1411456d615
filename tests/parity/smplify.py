"""Parity checks of Temporal SMPLify (temporal_smplify spec)."""

import numpy as np
import torch

from anthropose.body.prior import GaussianMixturePrior
from anthropose.losses import geman_mcclure, wrong_bending
from anthropose.methods.smplify.published import (
    Bodies,
    PublishedConfig,
    body_loss,
    camera_loss,
    refine,
    reprojection,
    without_ignored,
)
from tests.parity import rule
from tests.parity.compare import assert_close
from tests.parity.synthetic_smpl import synthetic_smpl

Arrays = dict[str, np.ndarray]


def made_prior(seed: int) -> GaussianMixturePrior:
    """The mixture of the fixtures, float64 as the real gmm_08.pkl is."""
    spread = rule.array("gmm_A", (8, 69, 69), seed).astype(np.float64)
    covariances = 0.05 * (spread @ spread.transpose(0, 2, 1)) / 69 + 0.05 * np.eye(69)
    weights = np.abs(rule.array("gmm_weights", (8,), seed).astype(np.float64)) + 0.1
    means = rule.array("gmm_means", (8, 69), seed, scale=0.2).astype(np.float64)
    return GaussianMixturePrior(*(torch.from_numpy(a) for a in (means, covariances, weights / weights.sum())))


def check_priors(meta: dict, arrays: Arrays) -> None:
    prior = made_prior(meta["seed"])
    pose = torch.from_numpy(rule.array("body_pose", (6, 69), meta["seed"], scale=0.4)).requires_grad_()
    energy, bending = prior(pose), wrong_bending(pose)
    assert_close(energy, arrays["out_gmm"], "mixture")
    assert_close(torch.autograd.grad(energy.sum(), pose)[0], arrays["out_gmm_grad"], "gradient of the mixture")
    assert (prior.component(pose).numpy() == arrays["out_component"]).all()
    np.testing.assert_allclose(prior.scaled_weights.numpy()[None], arrays["out_nll_weights"], rtol=1e-4)
    assert_close(bending, arrays["out_angle"], "bending")
    assert_close(torch.autograd.grad(bending.sum(), pose)[0], arrays["out_angle_grad"], "gradient of bending")
    residual = torch.from_numpy(rule.array("residual", (6, 4), meta["seed"], scale=120.0))
    assert_close(geman_mcclure(residual, 100.0), arrays["out_gmof"], "robust penalty")


def check_losses(meta: dict, arrays: Arrays) -> None:
    model, prior = synthetic_smpl(meta["seed"]), made_prior(meta["seed"])
    given = {name: torch.from_numpy(arrays[name]) for name in ("pose", "betas", "camt", "keypoints")}
    leaves = [given["pose"][:, :3], given["pose"][:, 3:], given["betas"][:1], given["camt"] + 0.01]
    orientation, body_pose, betas, moved = (leaf.clone().requires_grad_() for leaf in leaves)

    bodies = Bodies(orientation, body_pose, betas, given["camt"])
    joints = bodies.joints(model)
    assert_close(joints, arrays["out_joints"], "joints")

    camera = camera_loss(joints, moved, given["camt"], given["keypoints"])
    gradients = torch.autograd.grad(camera, [orientation, moved], retain_graph=True)
    static = camera_loss(joints, moved, given["camt"], given["keypoints"], other_torso=True)
    kept = without_ignored(given["keypoints"])
    body = body_loss(bodies, joints, kept, prior)
    for name, ours in (("camera", camera), ("camera_static", static), ("body", body)):
        np.testing.assert_allclose(ours.item(), arrays[f"out_{name}"], rtol=1e-4, err_msg=name)
    gradients += torch.autograd.grad(body, [body_pose, betas, orientation])
    names = ("camera_grad_orient", "camera_grad_transl", "body_grad_pose", "body_grad_betas", "body_grad_orient")
    for name, gradient in zip(names, gradients, strict=True):
        assert_close(gradient, arrays[f"out_{name}"], name, tolerance=1e-3)
    assert_close(reprojection(joints, given["camt"], kept), arrays["out_reprojection"], "reprojection")


def check_run(meta: dict, arrays: Arrays) -> None:
    """The fixture's own tolerances: an optimiser amplifies rounding, so they are wider than elsewhere."""
    ctor = meta["ctor"]
    config = PublishedConfig(ctor["step_size"], ctor["num_iters"], ctor["use_lbfgs"], ctor["max_iter"])
    pose, betas, camera, keypoints = (torch.from_numpy(arrays[name]) for name in ("pose", "betas", "cam", "keypoints"))
    refined = refine(synthetic_smpl(meta["seed"]), made_prior(meta["seed"]), pose, betas, camera, keypoints, config)
    loss_tolerance = 1e-2 if config.lbfgs else 1e-3
    np.testing.assert_allclose(refined.loss_before.numpy(), arrays["out_loss_before"], rtol=1e-4)
    np.testing.assert_allclose(refined.loss_after.numpy(), arrays["out_loss_after"], rtol=loss_tolerance)
    assert refined.best_frame == arrays["out_best_frame"]
    assert (refined.improved.numpy() == arrays["out_update"]).all()
    for name, ours in (("out_theta", refined.theta), ("out_kp_3d", refined.joints)):
        limit = 2e-3 if config.lbfgs else 5e-4 * (1 + np.abs(arrays[name]).max())
        assert np.abs(ours.numpy() - arrays[name]).max() <= limit, name


KINDS = {"smplify_priors": check_priors, "smplify_losses": check_losses, "smplify_run": check_run}
