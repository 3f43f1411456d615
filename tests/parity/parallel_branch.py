"""Parity checks of Parallel-Branch (parallel_branch spec) and of the published keys for the SMPL-Unity rig."""

import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from anthropose.body.results import Result, result_of, vertices_of
from anthropose.datasets.sequence import Batch
from anthropose.export.unity_rig import unity_rig_keys
from anthropose.geometry.crops import boxes_around
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.losses import joints_3d_loss
from anthropose.methods.parallel_branch import (
    PUBLISHED,
    ParallelBranchConfig,
    ParallelBranchLosses,
    ParallelBranchNetwork,
    parallel_branch_loss,
)
from anthropose.methods.parallel_branch.attention_encoder import AttentionEncoder
from anthropose.methods.parallel_branch.loss import lifted_loss
from anthropose.methods.parallel_branch.published import ENCODER_KEYS
from anthropose.motion import Prediction
from anthropose.nn.hrnet import PUBLISHED as HRNET
from anthropose.nn.kinematic import KINEMATIC_KEYS, KinematicRegressor
from anthropose.nn.lifting import LIFTING_KEYS, Lifting, LiftingConfig
from anthropose.nn.temporal import RecurrentConfig, RecurrentEncoder
from anthropose.nn.weights import renamed
from anthropose.skeleton import LSP_14
from tests.parity import rule
from tests.parity.compare import assert_close, published_state
from tests.parity.synthetic_smpl import synthetic_smpl

Arrays = dict[str, np.ndarray]


@dataclass
class Outputs:
    """The published outputs of a fixture, each of which must be compared once."""

    arrays: Arrays
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        self.left = {name for name in self.arrays if name.startswith("out_")}

    def take(self, name: str) -> np.ndarray:
        self.left.discard(name)
        return self.arrays[name]

    def compare(self, name: str, ours: Tensor) -> None:
        published = self.take(name)
        # A sum over nothing is published as one number in an array.
        assert_close(ours.detach().reshape(published.shape), published, name, self.tolerance)

    def finish(self) -> None:
        assert not self.left, f"published outputs that were not compared: {sorted(self.left)}"


def inputs(meta: dict[str, Any], name: str) -> Tensor:
    """The input that the description says is made by rule, as in `kp_2d = rule.array('kp_2d',(2,16),seed,scale=.5)`."""
    made = re.search(rf"rule\.array\('{name}',\s*\(([\d,\s]+)\),\s*seed(?:,\s*scale=([\d.]+))?\)", meta["input"])
    assert made is not None, f"no input {name} in: {meta['input']}"
    shape = tuple(int(size) for size in made[1].split(",") if size.strip())
    return torch.from_numpy(rule.array(name, shape, meta["seed"], scale=float(made[2] or 1)))


def stride(meta: dict[str, Any], name: str) -> int:
    """What `name = verts[:, :, ::97]` in the description of the outputs says."""
    found = re.search(rf"{name} = [\w]+\[[:,\s]*::(\d+)\]", meta["output"])
    return int(found[1]) if found else 1


def filled(network: nn.Module, state: dict[str, Tensor]) -> Any:
    network.load_state_dict(state, assign=True)
    return network.eval()


def check_encoder(meta: dict[str, Any], arrays: Arrays) -> None:
    """Either encoder by itself."""
    ctor, outputs = meta["ctor"], Outputs(arrays)
    state = renamed(published_state(meta), ENCODER_KEYS)
    features = inputs(meta, "features")
    width = features.shape[-1]
    with torch.device("meta"):
        network: nn.Module
        if ctor["model_choice"] == "gru":
            network = RecurrentEncoder(
                RecurrentConfig(
                    width,
                    ctor["hidden_size"],
                    ctor["n_layers"],
                    ctor["bidirectional"],
                    ctor["add_linear"],
                    ctor["use_residual"],
                )
            )
        else:
            network = AttentionEncoder(
                width,
                ctor["hidden_size"],
                ctor["n_layers"],
                frames=ctor["frames"],
                linear=ctor["add_linear"],
                residual=ctor["use_residual"],
            )
    with torch.no_grad():
        encoded = filled(network, state)(features)
    outputs.compare("out_features", encoded[:, :, :: stride(meta, "out_features")])
    outputs.finish()


def check_lifting(meta: dict[str, Any], arrays: Arrays) -> None:
    """The spatial-temporal branch by itself, of any number of frames, joints and channels."""
    ctor, outputs = meta["ctor"], Outputs(arrays)
    config = LiftingConfig(
        ctor["num_frame"],
        ctor["num_joints"],
        ctor["in_chans"],
        ctor["embed_dim_ratio"],
        ctor["depth"],
        ctor["num_heads"],
        ctor["mlp_ratio"],
        ctor["drop_path_rate"],
        bias=ctor.get("qkv_bias", True),
        scale=ctor.get("qk_scale"),
    )
    with torch.device("meta"):
        network = Lifting(config)
    with torch.no_grad():
        lifted = filled(network, renamed(published_state(meta), LIFTING_KEYS))(inputs(meta, "kp_2d"))
    outputs.compare("out_pose", lifted[:, None])
    outputs.finish()


def check_kinematic(meta: dict[str, Any], arrays: Arrays) -> None:
    """The regressor that goes joint by joint."""
    outputs, features = Outputs(arrays), inputs(meta, "features")
    with torch.device("meta"):
        network = KinematicRegressor(meta["ctor"]["feat_dim"], meta["ctor"]["hidden_dim"])
    with torch.no_grad():
        state = filled(network, renamed(published_state(meta), KINEMATIC_KEYS))(features)
        compare_results(meta, outputs, state.prediction())
    outputs.finish()


def compare_results(meta: dict[str, Any], outputs: Outputs, prediction: Prediction) -> None:
    """What follows from a prediction and the synthetic body."""
    body = synthetic_smpl(meta["seed"])
    result, evaluated = result_of(prediction, body), result_of(prediction, body, LSP_14)
    ours = {
        "out_theta": result.theta,
        "out_kp_2d": result.keypoints,
        "out_kp_3d": result.joints,
        "out_rotmat": result.rotations,
        "out_verts": vertices_of(prediction, body)[..., :: stride(meta, "out_verts"), :],
        "out_kp_3d_14": evaluated.joints,
        "out_kp_2d_14": evaluated.keypoints,
    }
    for name in ours.keys() & outputs.left:
        outputs.compare(name, ours[name])


def network_of(meta: dict[str, Any]) -> ParallelBranchNetwork:
    """The whole network of a fixture; that its configuration is found again from the tensors is checked by the way."""
    ctor, published = meta["ctor"], PUBLISHED[0]
    state = renamed(published_state(meta), published.keys)
    config = ParallelBranchConfig(
        encoder=ctor["model_choice"],
        hidden=ctor["hidden_size"],
        layers=ctor["n_layers"],
        bidirectional=ctor["bidirectional"],
        linear=ctor["add_linear"],
        residual=ctor["use_residual"],
        window=ctor["seqlen"],
        lifting=LiftingConfig(frames=ctor["seqlen"]),
    )
    # Whether the input is added shows in no tensor; and both directions are always brought together by a linear layer.
    shown = replace(config, residual=True, linear=config.linear or config.bidirectional)
    assert published.config(state) == shown
    with torch.device("meta"):
        network = published.network(config)
    return filled(network, state)


def check_model(meta: dict[str, Any], arrays: Arrays) -> None:
    """The whole generator, with its lifted pose."""
    outputs, network = Outputs(arrays), network_of(meta)
    with torch.no_grad():
        compare_results(meta, outputs, network(inputs(meta, "features")))
        outputs.compare("out_kp_3d_2d", network.lift(inputs(meta, "kp_2d"))[:, None])
    outputs.finish()


def check_hrnet(meta: dict[str, Any], arrays: Arrays) -> None:
    """HRNet's features; the network's sizes are read from the tensors."""
    outputs = Outputs(arrays)
    state = renamed(published_state(meta), HRNET.keys)
    config, stages = HRNET.config(state), [meta["ctor"][f"STAGE{number}"] for number in (2, 3, 4)]
    assert config.widths == tuple(tuple(stage["NUM_CHANNELS"]) for stage in stages)
    assert config.modules == tuple(stage["NUM_MODULES"] for stage in stages)
    with torch.device("meta"):
        network = HRNET.network(config)
    with torch.no_grad():
        outputs.compare("out_features", filled(network, state)(inputs(meta, "image")))
    outputs.finish()


def weights_of(meta: dict[str, Any]) -> ParallelBranchLosses:
    weights = meta["weights"]
    return ParallelBranchLosses(
        keypoints_2d=weights["KP_2D_W"],
        joints_3d=weights["KP_3D_W"],
        lifted=weights["KP_3D_W"],
        pose=weights["POSE_W"],
        betas=weights["SHAPE_W"],
    )


def batch_of(
    features: Tensor, keypoints: Tensor, joints: Tensor, theta: Tensor, has_joints: Tensor, has_body: Tensor
) -> Batch:
    """A batch whose first windows have 2D labels only; `joints` and what follows are of the others."""
    missing = len(keypoints) - len(joints)

    def padded(labels: Tensor) -> Tensor:
        return torch.cat([labels.new_zeros(missing, *labels.shape[1:]), labels])

    return Batch(
        features=features,
        keypoints=keypoints,
        joints=padded(joints),
        theta=padded(theta),
        from_3d_set=padded(torch.ones(len(joints), dtype=torch.bool)),
        has_joints=padded(has_joints != 0),
        has_body=padded(has_body != 0),
    )


def published_terms(terms: dict[str, Tensor]) -> dict[str, Tensor]:
    """Our terms under the names of the published ones."""
    names = {"out_loss_kp_2d": "keypoints_2d", "out_loss_shape": "betas", "out_loss_pose": "pose"}
    published = {name: terms[ours] for name, ours in names.items() if ours in terms}
    published["out_loss_kp_3d"] = terms["joints_3d"] + terms["lifted"]
    published["out_total"] = torch.stack(list(terms.values())).sum()
    return published


def check_loss(meta: dict[str, Any], arrays: Arrays) -> None:
    """The terms, and the gradient of their sum in the predictions."""
    outputs = Outputs(arrays)
    given = {name: torch.from_numpy(array) for name, array in arrays.items() if not name.startswith("out_")}
    predicted = {name: given[name].requires_grad_() for name in given if name.endswith("_pred")}
    keypoints = torch.cat([given[name] for name in ("kp_2d_2d", "kp_2d_3d") if name in given])
    batch = batch_of(
        keypoints.new_zeros(*keypoints.shape[:2], 1),
        keypoints,
        *(given[name] for name in ("kp_3d", "theta", "w_3d", "w_smpl")),
    )
    theta = predicted["theta_pred"]
    rotations = theta.new_zeros(*theta.shape[:-1], 24, 3, 3)  # not looked at
    result = Result(theta, predicted["kp_3d_pred"], predicted["kp_2d_pred"], rotations)
    terms = parallel_branch_loss(result, predicted["lift_pred"], batch, weights_of(meta))
    ours = published_terms(terms)
    ours["out_total"].backward()
    ours |= {
        "out_loss_kp_3d_smpl": joints_3d_loss(result.joints, batch.joints, batch.has_joints),
        "out_loss_kp_3d_stb": lifted_loss(predicted["lift_pred"], batch),
        # Where no frame has a body as its label, theta is outside of the graph.
        **{
            f"out_grad_{name}": torch.zeros_like(value) if value.grad is None else value.grad
            for name, value in predicted.items()
        },
    }
    for name, value in ours.items():
        outputs.compare(name, value)
    outputs.finish()


def check_train_step(meta: dict[str, Any], arrays: Arrays) -> None:
    """Forward and backward through everything, in eval mode."""
    outputs, network = Outputs(arrays), network_of(meta).requires_grad_()
    features, keypoints = inputs(meta, "features"), inputs(meta, "kp_2d")
    threshold = re.search(r"\(value > (-?[\d.]+)\)", meta["input"])
    assert threshold is not None
    keypoints[..., 2] = (keypoints[..., 2] > float(threshold[1])).float()
    joints, theta = inputs(meta, "kp_3d"), inputs(meta, "theta")
    with_body = re.search(r"w_smpl = 1 for the first (\d*) ?3D clip", meta["input"])
    assert with_body is not None
    has_body = torch.zeros(joints.shape[:2])
    has_body[: int(with_body[1] or 1)] = 1
    batch = batch_of(features, keypoints, joints, theta, torch.ones(joints.shape[:2]), has_body)
    terms = network.loss(batch, synthetic_smpl(meta["seed"]), weights_of(meta))
    ours = published_terms(terms)
    ours["out_total"].backward()
    for name, value in ours.items():
        published = float(outputs.take(name))
        assert abs(float(value.detach()) - published) <= 1e-4 * abs(published), (
            f"{name}: {float(value.detach())}, published {published}"
        )
    compare_gradients(meta, outputs.take("out_grad_norms"), network)
    outputs.finish()


def compare_gradients(meta: dict[str, Any], norms: np.ndarray, network: ParallelBranchNetwork) -> None:
    """The norm of each parameter's gradient; -1 stands for one that is outside of the graph."""
    ours = dict(network.named_parameters())
    for name, published in zip(meta["params"], norms.tolist(), strict=True):
        (key,) = renamed({name: torch.zeros(0)}, PUBLISHED[0].keys)
        gradient = ours.pop(key).grad
        norm = -1.0 if gradient is None else float(gradient.norm())
        assert abs(norm - published) <= 2e-3 * published + 1e-3, f"gradient of {name}: {norm}, published {published}"
    assert not ours, f"parameters without a published gradient: {sorted(ours)}"


def check_rig_keys(meta: dict[str, Any], arrays: Arrays) -> None:
    """The bones' quaternions, which mean the same with the other sign, and the pelvis' place."""
    outputs = Outputs(arrays, tolerance=float(meta.get("tolerance", 1e-4)))
    head = re.search(r"pelvis head at \(([-\d., ]+)\) cm", meta["input"])
    assert head is not None
    rotations = rotvec_to_rotmat(torch.from_numpy(arrays["pose"]).unflatten(1, (-1, 3))[:, :24])
    keys = unity_rig_keys(
        rotations,
        torch.from_numpy(arrays["trans"]),
        torch.tensor([float(value) for value in head[1].split(",")]),
        bool(meta.get("start_origin", False)),
    )
    sign = (keys.quaternions * torch.from_numpy(arrays["out_quat"])).sum(-1, keepdim=True).sign()
    outputs.compare("out_quat", keys.quaternions * sign)
    outputs.compare("out_pelvis_location", keys.pelvis)
    outputs.finish()


def check_pose_boxes(meta: dict[str, Any], arrays: Arrays) -> None:
    """Boxes around tracked keypoints, as the demo has them and, smoothed, as the data sets do; off by 0.001 at most."""
    outputs = Outputs(arrays)
    boxes = boxes_around(arrays["keypoints"].astype(np.float64), meta["vis_thresh"])
    squares = boxes.squares(margin=1.0)
    smooth = boxes.smoothed(sigma=8).params
    ours = {
        "out_params": boxes.params,
        "out_start_end": np.array([boxes.start, boxes.end]),
        "out_boxes": squares[:, [0, 1, 2, 2]],
        # The published array counts from the video's first frame.
        "out_smooth": np.concatenate([np.zeros((boxes.start, 3)), smooth]),
    }
    for name, value in ours.items():
        published = outputs.take(name)
        assert value.shape == published.shape, name
        worst = np.abs(value - published).max()
        assert worst <= float(meta.get("tolerance", 1e-3)), f"{name}: off by {worst}"
    outputs.finish()


KINDS = {
    "parallel_branch_encoder": check_encoder,
    "parallel_branch_lifting": check_lifting,
    "parallel_branch_ktd": check_kinematic,
    "parallel_branch_model": check_model,
    "parallel_branch_hrnet": check_hrnet,
    "parallel_branch_loss": check_loss,
    "parallel_branch_train_step": check_train_step,
    "parallel_branch_fbx_keys": check_rig_keys,
    "parallel_branch_pose_boxes": check_pose_boxes,
}
