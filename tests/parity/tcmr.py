"""Parity checks of TCMR's network, attention and training step (tcmr spec)."""

import re
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from anthropose.body.results import result_of, vertices_of
from anthropose.datasets.sequence import Batch
from anthropose.losses import LossWeights
from anthropose.methods.tcmr import PUBLISHED, Attention, TCMRNetwork
from anthropose.nn.weights import renamed
from anthropose.skeleton import LSP_14
from tests.parity import rule
from tests.parity.compare import assert_close, published_state, tolerance_of
from tests.parity.synthetic_smpl import synthetic_smpl

Arrays = dict[str, np.ndarray]
Outputs = dict[str, torch.Tensor]


def made_input(meta: dict[str, Any], name: str) -> torch.Tensor:
    """An input that the meta names as made by the rule: "rule.array('y',(5,3,2048),seed,scale=.5); ..."."""
    words = re.match(r"rule\.array\('(\w+)',\(([\d, ]+)\),(\w+)(?:,scale=([\d.]+))?\)", meta["inputs"][name])
    assert words is not None, f"no rule for input {name!r}"
    shape = tuple(int(n) for n in words[2].split(",") if n.strip())
    seed = meta["seed"] if words[3] == "seed" else int(words[3])
    return torch.from_numpy(rule.array(words[1], shape, seed, scale=float(words[4] or 1)))


def compare(meta: dict[str, Any], arrays: Arrays, ours: Outputs) -> None:
    """Each output of the fixture against ours of the same name; none may be without."""
    for name in (name for name in arrays if name.startswith("out")):
        assert name in ours, f"nothing of ours is compared with {name}"
        assert_close(ours[name], arrays[name], name, tolerance_of(meta, name))


def loaded(meta: dict[str, Any]) -> TCMRNetwork:
    """The network of the fixture's settings with its weights, in eval mode."""
    state, settings = renamed(published_state(meta), PUBLISHED.keys), meta["config"]
    config = replace(PUBLISHED.config(state), window=settings["seqlen"])
    assert (config.layers, config.hidden) == (settings["n_layers"], settings["hidden_size"])
    with torch.device("meta"):
        network = TCMRNetwork(config)
    network.load_state_dict(state, assign=True)
    return network.eval()


def check_network(meta: dict[str, Any], arrays: Arrays) -> None:
    network, body, features = loaded(meta), synthetic_smpl(meta["smpl_seed"]), made_input(meta, "features")
    ours: Outputs = {}

    def add(prefix: str, prediction: Any, **settings: Any) -> None:
        result = result_of(prediction, body, **settings)
        ours.update({f"{prefix}_theta": result.theta, f"{prefix}_rotmat": result.rotations})
        ours.update({f"{prefix}_kp_3d": result.joints, f"{prefix}_kp_2d": result.keypoints})
        ours[f"{prefix}_verts"] = vertices_of(prediction, body)[..., :: meta["vertex_stride"], :]

    with torch.no_grad():
        encoding, static = network.encode(features), features[:, :1].expand_as(features)
        three = torch.stack([encoding.past, encoding.future, encoding.mixed], dim=1)
        add("out", network(features))
        add("out14", network(features), joints=LSP_14)
        add("outt", network.supervised(features))
        add("outs", network(static))
        ours |= {"out_encoder": encoding.mixed, "out_scores": encoding.scores}
        ours |= {"outt_scores": encoding.scores, "outs_scores": network.encode(static).scores}
    ours["outt_encoder"] = three[..., :: three.shape[-1] // arrays["outt_encoder"].shape[-1]]
    compare(meta, arrays, ours)


def check_attention(meta: dict[str, Any], arrays: Arrays) -> None:
    published = {f"encoder.attention.{key}": value for key, value in published_state(meta).items()}
    state = {key.removeprefix("attention."): value for key, value in renamed(published, PUBLISHED.keys).items()}
    hidden, features = state["shrink.weight"].shape
    attention = Attention(features, hidden, len(state["score.weight"]))
    attention.load_state_dict(state)
    with torch.no_grad():
        compare(meta, arrays, {"out": attention(made_input(meta, "y"))})


def batch_of(features: torch.Tensor, arrays: Arrays) -> Batch:
    """The stored targets of the windows of 2D sets, of which there may be none, followed by those of 3D sets."""
    count = {kind: len(arrays.get(f"in_{kind}_kp_2d", ())) for kind in ("2d", "3d")}

    def targets(name: str, *shape: int) -> torch.Tensor:
        outputs = next(value.shape[1] for key, value in arrays.items() if key.endswith("kp_2d"))
        stored = [arrays.get(f"in_{kind}_{name}", np.zeros((n, outputs, *shape))) for kind, n in count.items() if n]
        return torch.from_numpy(np.concatenate(stored).astype(np.float32))

    return Batch(
        features=features,
        keypoints=targets("kp_2d", 49, 3),
        joints=targets("kp_3d", 49, 3),
        theta=targets("theta", 85),
        from_3d_set=torch.arange(len(features)) >= count["2d"],
        has_joints=targets("w_3d") > 0,
        has_body=targets("w_smpl") > 0,
    )


TERMS = {
    "loss_kp_2d": "keypoints_2d",
    "loss_kp_3d": "joints_3d",
    "loss_shape": "betas",
    "loss_pose": "pose",
}


def check_train_step(meta: dict[str, Any], arrays: Arrays) -> None:
    """Dropout is off. Gradients agree by their norms, to a thousandth."""
    network, given = loaded(meta), meta["weights"]
    weights = LossWeights(*(float(given[name]) for name in ("kp_2d", "kp_3d", "pose", "shape")))
    batch = batch_of(made_input(meta, "features"), arrays)
    terms = network.loss(batch, synthetic_smpl(meta["smpl_seed"]), weights)
    published = [TERMS[name] for name in arrays["out_loss_names"]]
    assert set(terms) == set(published)
    total = torch.stack(list(terms.values())).sum()
    total.backward()
    norms = {name: value.grad.norm().double() for name, value in network.named_parameters() if value.grad is not None}
    names = [next(iter(renamed({key: torch.empty(0)}, PUBLISHED.keys))) for key in arrays["out_grad_names"]]
    assert set(norms) == set(names)
    np.testing.assert_allclose(torch.stack([norms[name] for name in names]), arrays["out_grad_norms"], rtol=1e-3)
    losses = torch.stack([terms[name] for name in published]).detach()
    np.testing.assert_allclose(losses, arrays["out_losses"], rtol=1e-4)
    np.testing.assert_allclose(total.detach(), arrays["out_gen_loss"], rtol=1e-4)
    looked_at = {"out_loss_names", "out_losses", "out_gen_loss", "out_grad_names", "out_grad_norms"}
    assert looked_at == {name for name in arrays if name.startswith("out")}


KINDS = {
    "tcmr_network": check_network,
    "tcmr_attention": check_attention,
    "tcmr_trainstep": check_train_step,
}
