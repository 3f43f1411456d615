"""Parity checks of the networks and the training step (vibe_base spec, sections 6, 7, 11)."""

from typing import Any

import numpy as np
import torch

from anthropose.body.results import result_of, vertices_of
from anthropose.datasets.sequence import Batch
from anthropose.losses import LossWeights, body_motion
from anthropose.methods import vibe
from anthropose.methods.vibe import VIBENetwork
from anthropose.motion import BodyPose, Prediction
from anthropose.nn import hmr
from anthropose.nn.discriminator import DISCRIMINATOR_KEYS, DiscriminatorConfig, MotionDiscriminator
from anthropose.nn.regressor import IterativeRegressor, RegressorState, regressor_keys
from anthropose.nn.temporal import RecurrentConfig
from anthropose.nn.weights import KeyTable, renamed
from anthropose.skeleton import (
    LSP_14,
)
from tests.parity import rule
from tests.parity.compare import published_state
from tests.parity.synthetic_smpl import synthetic_smpl
from tests.parity.vibe_base.shared import all_looked_at, compare, made_input, numbers_in, result_outputs


def check_regressor(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    body, features = synthetic_smpl(meta["smpl_seed"]), made_input(meta, "x")
    regressor = IterativeRegressor(features.shape[1])
    regressor.load_state_dict(renamed(published_state(meta), regressor_keys()))
    regressor.eval()
    given = {
        name: torch.from_numpy(rule.array(f"init_{name}_in", (len(features), size), meta["seed"], scale=scale))
        for name, size, scale in (("pose", 144, 1.0), ("shape", 10, 1.0), ("cam", 3, 0.1))
    }
    start = RegressorState(given["pose"], given["shape"], given["cam"] + torch.tensor([0.9, 0.0, 0.0]))
    with torch.no_grad():
        (iterations,) = numbers_in(meta["inputs"]["init"], r"n_iter=(\d+)")
        prediction = regressor(features).prediction()
        once = regressor(features, start, int(iterations)).prediction()
        ours = result_outputs(result_of(prediction, body), "out", arrays)
        ours |= result_outputs(result_of(prediction, body, LSP_14), "out14", arrays)
        ours |= result_outputs(result_of(once, body), "out1", arrays)
        ours["out_verts"] = vertices_of(prediction, body)[:, :: meta["vertex_stride"]]
    compare(arrays, ours)


def check_hmr(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    network, images = hmr.HMR(), made_input(meta, "images")
    network.load_state_dict(renamed(published_state(meta), hmr.PUBLISHED.keys))
    network.eval()
    body = synthetic_smpl(meta["smpl_seed"])
    with torch.no_grad():
        prediction = network(images)
        ours = result_outputs(result_of(prediction, body), "out", arrays)
        ours["out_verts"] = vertices_of(prediction, body)[:, :: meta["vertex_stride"]]
        ours["out_features"] = network.features(images)
    compare(arrays, ours)


def made_vibe(meta: dict[str, Any], features: int) -> VIBENetwork:
    """The network of a fixture, in eval mode."""
    settings = meta["config"]
    config = RecurrentConfig(
        features=features,
        hidden=settings["hidden_size"],
        layers=settings["n_layers"],
        bidirectional=settings["bidirectional"],
        linear=settings["add_linear"],
        residual=settings["use_residual"],
    )
    network = VIBENetwork(config)
    network.load_state_dict(renamed(published_state(meta), vibe.PUBLISHED.keys))
    return network.eval()


def check_vibe(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    features, body = made_input(meta, "features"), synthetic_smpl(meta["smpl_seed"])
    network = made_vibe(meta, features.shape[-1])
    with torch.no_grad():
        prediction = network(features)
        ours = result_outputs(result_of(prediction, body), "out", arrays)
        ours |= result_outputs(result_of(prediction, body, LSP_14), "out14", arrays)
        (every,) = numbers_in(meta["outputs"], r"\[\.\.\., ::(\d+)\]")
        ours["out_encoder"] = network.encoder(features)[..., :: int(every)]
        frames = slice(None, None, int(*numbers_in(meta["outputs"], r"frames ::(\d+)")))
        pose, camera = prediction.pose, prediction.camera
        few = Prediction(BodyPose(pose.rotations[:, frames], pose.betas[:, frames]), camera[:, frames])
        ours["out_verts"] = vertices_of(few, body)[..., :: meta["vertex_stride"], :]
    compare(arrays, ours)


def made_batch(features: torch.Tensor, arrays: dict[str, np.ndarray]) -> Batch:
    """Windows of 2D sets first, whose 3D labels are zero and absent, then those of 3D sets."""
    given = {name.removeprefix("in_"): torch.from_numpy(arrays[name]) for name in arrays if name.startswith("in_")}
    count = len(features) - len(given["3d_theta"])

    def after_2d(labels: torch.Tensor) -> torch.Tensor:
        return torch.cat([labels.new_zeros(count, *labels.shape[1:]), labels])

    keypoints = [given[name] for name in ("2d_kp_2d", "3d_kp_2d") if name in given]
    return Batch(
        features=features,
        keypoints=torch.cat(keypoints),
        joints=after_2d(given["3d_kp_3d"]),
        theta=after_2d(given["3d_theta"]),
        from_3d_set=torch.arange(len(features)) >= count,
        has_joints=after_2d(given["3d_w_3d"]) > 0,
        has_body=after_2d(given["3d_w_smpl"]) > 0,
    )


def check_norms(network: torch.nn.Module, keys: KeyTable, names: np.ndarray, norms: np.ndarray) -> None:
    """The 2-norms of the parameters' gradients, which the fixture lists by published names."""
    parameters = dict(network.named_parameters())
    ours = []
    for name in names:
        (own,) = renamed({str(name): torch.zeros(())}, keys)
        gradient = parameters.pop(own).grad
        assert gradient is not None, f"{name} has no gradient"
        ours.append(gradient.double().norm().item())
    assert not parameters, f"gradients that the fixture does not list: {', '.join(parameters)}"
    np.testing.assert_allclose(ours, norms, rtol=1e-3, err_msg="norms of gradients")


TERMS = {
    "keypoints_2d": "loss_kp_2d",
    "joints_3d": "loss_kp_3d",
    "betas": "loss_shape",
    "pose": "loss_pose",
    "adversarial": "e_m_disc_loss",
    "real": "d_m_disc_real",
    "made": "d_m_disc_fake",
}
"""The published names of the terms."""


def check_trainstep(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    features, given = made_input(meta, "features"), meta["weights"]
    network = made_vibe(meta, features.shape[-1])
    discriminator = MotionDiscriminator(discriminator_config(meta["discriminator_config"]))
    state = published_state({"state": meta["discriminator_state"], "seed": meta["discriminator_seed"]})
    discriminator.load_state_dict(renamed(state, DISCRIMINATOR_KEYS))
    discriminator.eval()
    weights = LossWeights(*(float(given[name]) for name in ("kp_2d", "kp_3d", "pose", "shape", "d_motion")))
    recorded = body_motion(torch.from_numpy(arrays["in_motion_theta"]))
    batch, body = made_batch(features, arrays), synthetic_smpl(meta["smpl_seed"])
    own, judge = network.losses(batch, body, discriminator, recorded, weights)
    total, judged = (torch.stack(list(terms.values())).sum() for terms in (own, judge))
    ours = {TERMS[name]: value for name, value in (own | judge).items()} | {"d_m_disc_loss": judged}
    assert set(ours) == set(arrays["out_loss_names"])
    losses = torch.stack([ours[name] for name in arrays["out_loss_names"]])
    np.testing.assert_allclose(losses.detach().numpy(), arrays["out_losses"], rtol=1e-4)
    np.testing.assert_allclose(
        [total.item(), judged.item()], [arrays["out_gen_loss"], arrays["out_dis_loss"]], rtol=1e-4
    )
    total.backward()
    check_norms(network, vibe.PUBLISHED.keys, arrays["out_grad_names"], arrays["out_grad_norms"])
    discriminator.zero_grad()
    judged.backward()
    check_norms(discriminator, DISCRIMINATOR_KEYS, arrays["out_dgrad_names"], arrays["out_dgrad_norms"])
    looked_at = {f"out_{name}" for name in ("losses", "loss_names", "gen_loss", "dis_loss")}
    all_looked_at(arrays, looked_at | {f"out_{d}grad_{what}" for d in ("", "d") for what in ("names", "norms")})


def discriminator_config(settings: dict[str, Any]) -> DiscriminatorConfig:
    """The published constructor's settings in our names; a pool other than the two named ones means the last state."""
    pool = settings["feature_pool"]
    return DiscriminatorConfig(
        inputs=settings["input_size"],
        hidden=settings["rnn_size"],
        layers=settings["num_layers"],
        outputs=settings["output_size"],
        pool=pool if pool in ("attention", "concat") else "last",
        attention_layers=settings["attention_layers"] or 1,
        attention_dropout=settings["attention_dropout"] or 0.0,
    )


def check_discriminator(meta: dict[str, Any], arrays: dict[str, np.ndarray]) -> None:
    network = MotionDiscriminator(discriminator_config(meta["config"]))
    network.load_state_dict(renamed(published_state(meta), DISCRIMINATOR_KEYS))
    network.eval()
    with torch.no_grad():
        compare(arrays, {"out": network(made_input(meta, "motion"))})


KINDS = {
    "vibe_base_regressor": check_regressor,
    "vibe_base_hmr": check_hmr,
    "vibe_base_vibe": check_vibe,
    "vibe_base_trainstep": check_trainstep,
    "vibe_base_discriminator": check_discriminator,
}
