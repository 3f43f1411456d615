"""Parity checks of DynaBOA and BOA (dynaboa spec)."""

import dataclasses
import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.datasets.raw.alphapose import internet_frames
from anthropose.geometry.alignment import procrustes
from anthropose.geometry.cameras import crop_camera_to_image, project
from anthropose.geometry.rotations import (
    rot6d_to_rotmat,
    rotmat_to_rotvec_as_published,
    rotvec_to_rotmat_as_published,
)
from anthropose.methods.dynaboa import losses
from anthropose.methods.dynaboa.adaptation import Adaptation, Update, added, turned
from anthropose.methods.dynaboa.config import (
    BOA,
    THREEDPW,
    WEB_CAMERA,
    AdaptationConfig,
    Level,
    LossWeights,
    PartWeights,
)
from anthropose.methods.dynaboa.evaluation import Bodies, Truth, crop_camera, errors, mesh_errors, published_result
from anthropose.methods.dynaboa.exemplars import InOrder, Retrieval
from anthropose.methods.dynaboa.model import EPS, PUBLISHED, STEERING, BaseModel
from anthropose.methods.dynaboa.preprocessing import (
    ROWS,
    crop,
    normalised,
    published_keypoints,
    published_pixels,
    published_window,
    web_camera_frame,
)
from anthropose.metrics import acceleration_error
from anthropose.motion import Prediction
from anthropose.nn.regressor import RegressorState
from anthropose.nn.weights import renamed
from anthropose.skeleton import SPIN_49
from tests.parity import compare, rule
from tests.parity.synthetic_smpl import VERTICES, synthetic_smpl

Arrays = dict[str, np.ndarray]
Meta = dict[str, Any]


class Expected:
    """The out_ arrays of a fixture, which a check must all have looked at in the end."""

    def __init__(self, meta: Meta, arrays: Arrays) -> None:
        self._meta, self._arrays = meta, arrays
        self._left = {name for name in arrays if name.startswith("out_")}

    def close(self, name: str, ours: Tensor | np.ndarray | float) -> None:
        self._left.remove(name)
        found = ours.detach() if isinstance(ours, Tensor) else torch.as_tensor(ours)
        compare.assert_close(found, self._arrays[name], name, compare.tolerance_of(self._meta, name))

    def close_with_gaps(self, name: str, ours: Tensor) -> None:
        """The same where NaN stands for what is not there, in ours as in theirs."""
        theirs = self._arrays[name]
        assert (ours.isnan().numpy() == np.isnan(theirs)).all(), f"{name}: other terms are present"
        self._arrays[name] = np.nan_to_num(theirs)
        self.close(name, ours.nan_to_num())

    def equal(self, name: str, ours: object) -> None:
        self._left.remove(name)
        assert np.array_equal(np.asarray(ours), self._arrays[name]), f"{name}: {ours}, published {self._arrays[name]}"

    def taken(self, name: str) -> np.ndarray:
        """The array, for a comparison of the check's own."""
        self._left.remove(name)
        return self._arrays[name]

    def wants(self, name: str) -> bool:
        return name in self._left

    def count(self, name: str) -> int:
        """How many rows the array has before its last axis."""
        return self._arrays[name].shape[-2]

    def done(self) -> None:
        assert not self._left, f"never looked at: {sorted(self._left)}"


def tensor(arrays: Arrays, name: str) -> Tensor:
    return torch.from_numpy(arrays[name])


def stride_of(kept: int, whole: int) -> int:
    """Every how many of `whole` were kept to give `kept`."""
    return -(-whole // kept)


def number_in(text: str, pattern: str) -> str:
    """What the pattern's group is in a sentence of the fixture's."""
    found = re.search(pattern, text)
    assert found is not None, f"{text!r} has no {pattern}"
    return found[1]


def made_prior(seed: int) -> GaussianMixturePrior:
    """The mixture of these fixtures, float64 as the real gmm_08.pkl is."""
    means = rule.array("gmm.means", (8, 69), seed, scale=0.3).astype(np.float64)
    spread = rule.array("gmm.B", (8, 69, 69), seed).astype(np.float64)
    covariances = 0.05 * np.eye(69) + 0.02 * (spread @ spread.transpose(0, 2, 1)) / 69
    weights = np.abs(rule.array("gmm.weights", (8,), seed).astype(np.float64)) + 0.1
    return GaussianMixturePrior(*(torch.from_numpy(a) for a in (means, covariances, weights / weights.sum())))


def gendered_smpl(seed: int, gender: str) -> BodyModel:
    """The fixtures' body of a gender: other arrays of the same kind; regressors of extra joints are shared."""

    def array(name: str, shape: tuple[int, ...], scale: float = 1.0) -> Tensor:
        return torch.from_numpy(rule.array(f"{name}.{gender}", shape, seed, scale=scale))

    def rows(name: str, shape: tuple[int, int], power: int) -> Tensor:
        powers = array(name, shape).double().abs() ** power
        return (powers / powers.sum(-1, keepdim=True)).float()

    return dataclasses.replace(
        synthetic_smpl(seed),
        name=gender,
        template=array("v_template", (VERTICES, 3), 0.5),
        shape_basis=array("shapedirs", (VERTICES, 3, 10), 0.01),
        pose_basis=array("posedirs", (207, 3 * VERTICES), 0.001),
        joint_regressor=rows("J_regressor", (24, VERTICES), 8),
        skinning=rows("lbs_weights", (VERTICES, 24), 4),
    )


def published_network(meta: Meta, arrays: Arrays) -> BaseModel:
    """The fixture's network: the rule's weights, some scaled, some stored."""
    state = compare.published_state(meta)
    for key, factor in meta.get("scale", {}).items():
        state[key] = state[key] * factor
    for name in arrays:
        if name.startswith("override_"):
            state[name.removeprefix("override_")] = tensor(arrays, name)
    bare = {key.removeprefix("module."): value for key, value in state.items()}
    ours = renamed(bare, PUBLISHED.keys)
    with torch.device("meta"):
        network = PUBLISHED.network(PUBLISHED.config(ours))
    network.load_state_dict(ours, assign=True)
    return network.eval()


def check_basemodel(meta: Meta, arrays: Arrays) -> None:
    expected = Expected(meta, arrays)
    network = published_network(meta, arrays)
    assert sum(parameter.numel() for parameter in network.parameters()) == meta["parameter_count"]
    images = torch.from_numpy(rule.array("image", (meta["batch"], 3, 224, 224), meta["seed"]))
    with torch.no_grad():
        trace = network.trace(images)
    expected.close("out_rotmat", trace.prediction.pose.rotations)
    expected.close("out_shape", trace.prediction.pose.betas)
    expected.close("out_cam", trace.prediction.camera)
    for index, feature in enumerate(trace.features):
        if feature.ndim == 4:
            feature = feature[:, ::16, :: feature.shape[2] // 7, :: feature.shape[3] // 7]
        elif index not in (5, 12):
            feature = feature[:, ::8]
        expected.close(f"out_feat{index}", feature)
    expected.done()


def check_geometry(meta: Meta, arrays: Arrays) -> None:
    expected = Expected(meta, arrays)
    six = tensor(arrays, "in_x6d").requires_grad_()
    matrices = rot6d_to_rotmat(six, EPS)
    expected.close("out_rot6d", matrices)
    expected.close("out_rot6d_grad", torch.autograd.grad((matrices * tensor(arrays, "in_w33")).sum(), six)[0])
    rotations = rotvec_to_rotmat_as_published(tensor(arrays, "in_aa"))
    expected.close("out_rodrigues", rotations)
    given = tensor(arrays, "out_rodrigues")[1:].clone().requires_grad_()
    rotvecs = rotmat_to_rotvec_as_published(given)
    expected.close("out_matrix_to_aa", rotvecs)
    gradient = torch.autograd.grad((rotvecs * tensor(arrays, "in_w3")).sum(), given)[0]
    expected.close("out_matrix_to_aa_grad", gradient)
    identity = torch.eye(3)[None].requires_grad_()
    still = rotmat_to_rotvec_as_published(identity)
    expected.close("out_identity_to_aa", still)
    # The published gradient is NaN here, which would poison all weights: ours is to be finite in any case.
    expected.taken("out_identity_grad_is_nan")
    assert torch.autograd.grad(still.sum(), identity)[0].isfinite().all()
    expected.close("out_perspective", published_projection(meta, arrays))
    camera = crop_camera_to_image(tensor(arrays, "in_crop_cam"), tensor(arrays, "in_bbox"), tuple(meta["image_size"]))
    expected.close("out_orig_cam", camera)
    expected.close("out_parse_cam", crop_camera(tensor(arrays, "in_cam_t")))
    expected.done()


def published_projection(meta: Meta, arrays: Arrays) -> Tensor:
    points = tensor(arrays, "in_points") + tensor(arrays, "in_translation")[:, None]
    return project(points, torch.full((len(points),), 5000.0), torch.zeros(len(points), 2))


def check_prior(meta: Meta, arrays: Arrays) -> None:
    expected = Expected(meta, arrays)
    prior, pose = made_prior(meta["seed"]), tensor(arrays, "in_pose").requires_grad_()
    energy = prior(pose)
    expected.close("out_nll", energy)
    expected.close("out_grad", torch.autograd.grad(energy.mean(), pose)[0])
    expected.equal("out_component", prior.component(pose))
    # They are about 1e-29: the usual tolerance, which is absolute, would pass anything.
    theirs = expected.taken("out_nll_weights")
    np.testing.assert_allclose(prior.scaled_weights.numpy()[None], theirs, rtol=1e-4)
    expected.done()


def check_feature_rule(meta: Meta, arrays: Arrays) -> None:
    expected, cosines = Expected(meta, arrays), []
    for index, shape in enumerate(meta["shapes"]):
        first = rule.array(f"fi{index}", tuple(shape), meta["seed"])
        second = first + np.float32(0.02) * rule.array(f"fj{index}", tuple(shape), meta["seed"])
        cosines.append(1 - turned(torch.from_numpy(first), torch.from_numpy(second)))
    found = torch.tensor(cosines)
    expected.close("out_cos", found)
    expected.close("out_cosdist_e4", torch.tensor([1e4 * (1 - cosine) for cosine in cosines]))
    expected.close("out_logged", found.sum() / (len(cosines) - 1))
    expected.equal("out_continue", [int(1 - cosines[STEERING] > t) for t in arrays["in_thresholds"].tolist()])
    expected.done()


def check_retrieval(meta: Meta, arrays: Arrays) -> None:
    expected, seed, count = Expected(meta, arrays), meta["seed"], len(arrays["out_cluster"])
    members = meta["index"]
    centres = rule.array("centers", (len(members), 2048), seed)
    drawing = rule.generator("index", seed)
    drawing.permutation(sum(map(len, members)))
    near = centres[drawing.integers(0, len(members), count)]
    features = (rule.array("feature", (count, 2048), seed) + 0.5 * near).astype(np.float32)
    bank = Retrieval(torch.from_numpy(centres), members, lambda number: None, meta["python_seed"])
    rows = torch.from_numpy(features)[:, None]
    expected.equal("out_cluster", [bank.cluster(row) for row in rows])
    expected.equal("out_pick", [bank.pick(row) for row in rows])
    expected.done()


def check_preprocess(meta: Meta, arrays: Arrays) -> None:
    expected, image = Expected(meta, arrays), arrays["in_image"].astype(np.float32)
    boxes = list(zip(arrays["in64_center"], arrays["in64_scale"].tolist(), strict=True))
    windows = [published_window(center, scale) for center, scale in boxes]
    expected.equal("out_box", [[w.left, w.top, w.right, w.bottom] for w in windows])
    crops = [crop(image, window) for window in windows]
    step = stride_of(arrays["out_crop"].shape[1], 224)
    expected.close("out_crop", np.stack(crops)[:, ::step, ::step])
    expected.equal("out_transform", [published_pixels(arrays["in64_points"], *box) for box in boxes])
    expected.close("out_item_image", normalised(crops[1])[:, ::step, ::step])
    expected.close("out_item_j2d", published_keypoints(arrays["in64_kp49"], *boxes[1]))
    keypoints = arrays["in64_alphapose_keypoints"].reshape(-1, 17, 3)
    frames = internet_frames(keypoints, arrays["in64_alphapose_score"])
    kept = [meta["alphapose_image_ids"][frame.detection] for frame in frames]
    assert kept == [name.rpartition("/")[2] for name in meta["npz_imgname"]]
    expected.close("out_npz_center", np.stack([f.center for f in frames]).astype(np.float32))
    expected.close("out_npz_scale", np.array([f.scale for f in frames], np.float32))
    expected.close("out_npz_part", np.stack([f.keypoints for f in frames]).astype(np.float32))
    expected.done()


def kept_vertices(prediction: Prediction, body: BodyModel, kept: int) -> Tensor:
    """The vertices that a fixture has of each body."""
    return published_result(prediction, body)["verts"][:, :: stride_of(kept, VERTICES)]


def regressed(arrays: Arrays, prefix: str) -> tuple[list[Tensor], Prediction]:
    """The inputs that gradients are taken of, and the prediction that they make."""
    names = (f"in_{prefix}_pose6d", f"in_{prefix}_shape", f"in_{prefix}_cam")
    inputs = [tensor(arrays, name).clone().requires_grad_() for name in names]
    return inputs, RegressorState(*inputs).prediction(EPS)


def check_losses(meta: Meta, arrays: Arrays) -> None:
    expected, body = Expected(meta, arrays), synthetic_smpl(meta["seed"])
    points, weights, keypoints = body.points(SPIN_49), LossWeights(), tensor(arrays, "in_target_j2d")

    def gradients(name: str, loss: Tensor, inputs: Sequence[Tensor]) -> None:
        expected.close(f"out_{name.removesuffix('_hist')}", loss)
        for part, gradient in zip(("pose6d", "shape", "cam"), torch.autograd.grad(loss, inputs), strict=True):
            expected.close(f"out_{name}_grad_{part}", gradient)

    inputs, prediction = regressed(arrays, "pred")
    figure = losses.figure_of(prediction, points)
    expected.close("out_joints", figure.joints)
    expected.close("out_proj_normed", figure.keypoints)
    expected.close("out_proj_pixels", figure.keypoints * 112)
    expected.close("out_verts", kept_vertices(prediction, body, arrays["out_verts"].shape[1]))
    terms = losses.frame_terms(figure, keypoints, made_prior(meta["seed"]))
    expected.close("out_frame_terms", torch.stack(list(terms.values())))
    gradients("frame_loss", sum(getattr(weights, name) * term for name, term in terms.items()), inputs)

    inputs, prediction = regressed(arrays, "labelled")
    named = {name: tensor(arrays, f"in_labelled_gt_{name}") for name in ("keypoints", "pose_3d", "pose", "betas")}
    exemplar = exemplar_of(torch.zeros(len(keypoints), 3, 1, 1), named)
    terms = losses.labelled_terms(losses.figure_of(prediction, points), exemplar)
    expected.close("out_labelled_terms", torch.stack(list(terms.values())))
    gradients("labelled_loss", added(terms, weights.labelled_parts), inputs)

    inputs, prediction = regressed(arrays, "pred")
    teacher = losses.figure_of(regressed(arrays, "teacher")[1], points).detached()
    terms = losses.teacher_terms(losses.figure_of(prediction, points), teacher)
    expected.close("out_teacher_terms", torch.stack(list(terms.values())))
    gradients("teacher_loss", added(terms, weights.teacher_parts), inputs)

    inputs, prediction = regressed(arrays, "pred")
    earlier_inputs, earlier = regressed(arrays, "history")
    figures = [losses.figure_of(one, points) for one in (prediction, earlier)]
    motion = losses.motion_error(*figures, tensor(arrays, "in_motion_j2d"), tensor(arrays, "in_history_j2d"))
    found = torch.autograd.grad(motion, [*inputs, *earlier_inputs])
    expected.close("out_motion_loss", motion)
    for index, part in enumerate(("pose6d", "shape", "cam")):
        expected.close(f"out_motion_loss_grad_{part}", found[index])
        expected.close(f"out_motion_loss_grad_hist_{part}", found[3 + index])
    expected.done()


def exemplar_of(image: Tensor, arrays: dict[str, Tensor]) -> losses.Exemplar:
    pose = arrays["pose"].unflatten(-1, (24, 3))
    return losses.Exemplar(image, arrays["keypoints"], arrays["pose_3d"], pose, arrays["betas"])


def bodies_of(seed: int) -> Bodies:
    return {
        "neutral": synthetic_smpl(seed),
        "male": gendered_smpl(seed, "male"),
        "female": gendered_smpl(seed, "female"),
    }


def truth_of(arrays: Arrays, prefix: str = "in_") -> Truth:
    genders = tuple(("male", "female")[int(number)] for number in arrays[f"{prefix}gender"])
    rotvecs = tensor(arrays, f"{prefix}gt_pose").unflatten(-1, (24, 3))
    return Truth(rotvecs, tensor(arrays, f"{prefix}gt_betas"), genders)


def check_metrics(meta: Meta, arrays: Arrays) -> None:
    expected, seed, bodies = Expected(meta, arrays), meta["seed"], bodies_of(meta["seed"])
    prediction = regressed(arrays, "pred")[1]
    with torch.no_grad():
        found = errors(prediction, truth_of(arrays), bodies)
        saved = published_result(prediction, bodies["neutral"])
    expected.close("out_mpjpe", 1000 * found.mpjpe)
    expected.close("out_pampjpe", 1000 * found.pa_mpjpe)
    expected.close("out_pve", 1000 * found.pve.mean())
    expected.close("out_saved_verts", saved["verts"][:, :: stride_of(arrays["out_saved_verts"].shape[1], VERTICES)])
    expected.close("out_saved_cam", saved["cam"])
    expected.close("out_saved_rotmat", saved["rotmat"])
    expected.close("out_saved_beta", saved["beta"])
    expected.close("out_procrustes", procrustes(tensor(arrays, "in_s1"), tensor(arrays, "in_s2")))
    shape = (len(arrays["out_accel"]) + 2, 14, 3)
    truth, ours = (torch.from_numpy(rule.array(name, shape, seed)) for name in ("acc_gt", "acc_pred"))
    expected.close("out_accel", acceleration_error(ours, truth))
    hidden = int(number_in(meta["accel"], r"frame (\d+) False"))
    expected.close("out_accel_vis", acceleration_error(ours, truth, torch.arange(len(truth)) != hidden))
    expected.done()


TERMS = {
    "s2dloss": "keypoints",
    "shape_prior": "shape_prior",
    "pose_prior": "pose_prior",
    "labled_s2dloss": "labelled_keypoints",
    "labled_s3dloss": "labelled_joints",
    "labled_shape_loss": "labelled_shape",
    "labled_pose_loss": "labelled_pose",
    "labled_loss": "labelled",
    "teacher/s2dloss": "teacher_keypoints",
    "teacher/s3dloss": "teacher_joints",
    "teacher/shape_loss": "teacher_shape",
    "teacher/pose_loss": "teacher_pose",
    "teacher/loss": "teacher",
    "ul/motion_loss": "motion",
}
"""Published name in DynaBOA's logs -> ours."""


def config_of(options: dict[str, Any]) -> AdaptationConfig:
    """The configuration that DynaBOA's published options mean; the web camera's program has only some of them."""
    given = {"lower_level_mixtrain": 0, "upper_level_mixtrain": 0, "labelloss_weight": 0.1} | options
    flags = {name: bool(value) for name, value in given.items() if isinstance(value, int)}
    return dataclasses.replace(
        THREEDPW,
        learning_rate=float(given["lr"]),
        betas=(float(given["beta1"]), float(given["beta2"])),
        bilevel=flags["use_boa"],
        probe_rate=float(given["fastlr"]),
        probe_steps=given.get("inner_step", 1),
        lower=Level(
            flags.get("use_frame_losses_lower", True),
            flags.get("use_temporal_losses_lower", False),
            flags["lower_level_mixtrain"],
        ),
        upper=Level(
            flags.get("use_frame_losses_upper", True),
            flags.get("use_temporal_losses_upper", True),
            flags["upper_level_mixtrain"],
        ),
        weights=LossWeights(
            keypoints=float(given["s2dloss_weight"]),
            shape_prior=float(given["shape_prior_weight"]),
            pose_prior=float(given["pose_prior_weight"]),
            teacher=float(given["teacherloss_weight"]),
            motion=float(given["motionloss_weight"]),
            labelled=float(given["labelloss_weight"]),
        ),
        dynamic=flags["dynamic_boa"],
        threshold=float(given["cos_sim_threshold"]),
        most_steps=given["optim_steps"],
        use_teacher=flags["use_meanteacher"],
        teacher_memory=float(given["alpha"]),
        use_motion=flags["use_motion"],
        interval=given["interval"],
    )


class Parameters:
    """Figures of all parameters in the published order: norms, and products with directions that the rule makes."""

    def __init__(self, meta: Meta, network: BaseModel) -> None:
        published = list(meta["parameters"])
        bare = {name.removeprefix("module."): torch.tensor(index) for index, name in enumerate(published)}
        place = {name: int(index) for name, index in renamed(bare, PUBLISHED.keys).items()}
        names = [name for name, _ in network.named_parameters()]
        self._order = np.argsort([place[name] for name in names])
        self._names, self._seed = published, meta["seed"]
        self.start = [parameter.detach() for parameter in network.parameters()]
        self._directions: list[Tensor] = []

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def norms(self, tensors: Sequence[Tensor]) -> Tensor:
        return torch.stack([tensors[index].detach().double().norm() for index in self._order])

    def probes(self, tensors: Sequence[Tensor]) -> Tensor:
        if not self._directions:
            for name, index in zip(self._names, self._order, strict=True):
                drawing = rule.generator(f"probe.{name}", self._seed)
                drawn = drawing.standard_normal(self.start[index].shape)
                self._directions.append(torch.from_numpy(drawn).flatten())
        pairs = zip(self._order, self._directions, strict=True)
        found = [(direction, tensors[index].detach().double().flatten()) for index, direction in pairs]
        return torch.stack([direction @ values / math.sqrt(len(values)) for direction, values in found])

    def moved(self, tensors: Sequence[Tensor], rate: float) -> list[Tensor]:
        return [(now.detach() - start) / rate for now, start in zip(tensors, self.start, strict=True)]


class Record:
    """What a frame's updates were, in the arrays of a fixture."""

    def __init__(self, meta: Meta, expected: Expected, parameters: Parameters, body: BodyModel) -> None:
        self._meta, self._expected, self._parameters, self._body = meta, expected, parameters, body
        self.adaptation: Adaptation
        self.truth: Callable[[Prediction], list[float]]
        self.begin(0)

    def begin(self, frame: int) -> None:
        self.frame, self._first = frame, None
        self.rows: dict[str, list[Any]] = {}

    def watch(self, update: Update, gradient: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        """Keeps what the fixture has of an update."""
        if self._first is None:
            self._first = update.before
        plain = not self._meta["options"]["use_boa"]
        level = "lower" if update.kind == "probe" or plain else "upper"
        self._keep(f"{level}_loss", update.loss)
        terms = [update.terms.get(TERMS[name], torch.tensor(torch.nan)) for name in self._meta[f"{level}_terms"]]
        self._keep(f"{level}_terms", torch.stack(terms))
        side = "inner" if update.kind == "probe" else "outer"
        self._figures(f"{side}_grad", gradient)
        if update.exemplar is not None:
            self._keep("picks", update.exemplar)
        self._after(update, weights)

    def _after(self, update: Update, weights: Sequence[Tensor]) -> None:
        figure, expected = update.after.figure, self._expected
        prediction = figure.prediction
        self._keep("at_rotmat", prediction.pose.rotations)
        self._keep("at_shape", prediction.pose.betas)
        self._keep("at_cam", prediction.camera)
        self._keep("at_joints", figure.joints)
        with torch.no_grad():
            self._keep("at_verts", kept_vertices(prediction, self._body, expected.count(f"out_f{self.frame}_at_verts")))
            self._keep("at_metrics", torch.tensor(self.truth(prediction)))
        if expected.wants(f"out_f{self.frame}_at_norm"):
            self._keep("at_norm", self._parameters.norms(weights))
        self._figures("at_delta", self._parameters.moved(weights, self._meta["options"]["lr"]))
        self._figures("at_teacher", self.adaptation.teacher or self._parameters.start)
        if update.kind != "probe":
            before = self._first if update.kind == "main" else update.before
            pairs = zip(before.trace.features, update.after.trace.features, strict=True)
            turns = torch.tensor([1e4 * turned(*pair) for pair in pairs])
            self._keep("cosdist_e4", turns)
            self._keep("cosdist12_e4", turns[STEERING])

    def _figures(self, name: str, tensors: Sequence[Tensor]) -> None:
        for kind, figures in (("norm", self._parameters.norms), ("probe", self._parameters.probes)):
            if self._expected.wants(f"out_f{self.frame}_{name}_{kind}"):
                self._keep(f"{name}_{kind}", figures(tensors))

    def _keep(self, name: str, value: Any) -> None:
        self.rows.setdefault(name, []).append(value)

    def compare(self, further: int) -> None:
        """Holds the frame's rows against the fixture's."""
        prefix = f"out_f{self.frame}_"
        self._expected.equal(f"{prefix}picks", np.array(self.rows.pop("picks", []), np.int64))
        self._expected.equal(f"{prefix}steps", further)
        for name, rows in self.rows.items():
            if not self._expected.wants(prefix + name):
                continue
            stacked = torch.stack([torch.as_tensor(row).detach() for row in rows])
            if name.endswith("_terms"):
                self._expected.close_with_gaps(prefix + name, stacked)
            else:
                self._expected.close(prefix + name, stacked)


def frame_image(meta: Meta, frame: int) -> Tensor:
    """The picture of a frame: one for all, and noise."""
    shape, seed = (1, 3, 224, 224), meta["seed"]
    noise = np.float32(number_in(meta["frame"], r"\b(\d*\.\d+)(?:\*rule| noise)"))
    return torch.from_numpy(rule.array("image", shape, seed) + noise * rule.array(f"image{frame}", shape, seed))


def made_exemplar(arrays: Arrays, seed: int, number: int) -> losses.Exemplar:
    image = torch.from_numpy(rule.array(f"exemplar{number}.img", (1, 3, 224, 224), seed))
    prefix = f"in_ex{number}_"
    named = {name.removeprefix(prefix): tensor(arrays, name) for name in arrays if name.startswith(prefix)}
    return exemplar_of(image, named)


def frames_of(arrays: Arrays) -> int:
    return len({name.split("_")[1] for name in arrays if name.startswith("in_f")})


def check_adapt(meta: Meta, arrays: Arrays) -> None:
    expected, seed, options = Expected(meta, arrays), meta["seed"], meta["options"]
    network, bodies = published_network(meta, arrays), bodies_of(seed)
    parameters = Parameters(meta, network)
    expected.close("out_start_norm", parameters.norms(parameters.start))
    exemplars = None
    if options["retrieval"]:
        centres = torch.from_numpy(rule.array("centers", (len(meta["index"]), 2048), seed))
        exemplars = Retrieval(
            centres, meta["index"], lambda number: made_exemplar(arrays, seed, number), options["seed"]
        )
    record = Record(meta, expected, parameters, bodies["neutral"])
    config = config_of(options)
    adaptation = Adaptation(network, bodies["neutral"], made_prior(seed), config, exemplars, record.watch)
    record.adaptation = adaptation
    for frame in range(frames_of(arrays)):
        truth = truth_of(arrays, f"in_f{frame}_")

        def figures(prediction: Prediction, truth: Truth = truth) -> list[float]:
            found = errors(prediction, truth, bodies)
            return [1000 * float(error) for error in (found.mpjpe, found.pa_mpjpe, found.pve)]

        record.truth = figures
        record.begin(frame)
        adapted = adaptation.adapt(frame_image(meta, frame), tensor(arrays, f"in_f{frame}_j2d"))
        record.compare(adapted.further if config.dynamic and config.bilevel else -1)
    expected.done()


def camera_picture(meta: Meta, frame: int) -> np.ndarray:
    """What the web camera sees: waves in each colour."""
    seed = meta["seed"]
    height, width = (int(number_in(meta["frame"], rf"uint8 {size}")) for size in (r"(\d+)x", r"\d+x(\d+)"))
    drawn = {part: rule.array(f"frame{frame}.{part}", (6, 3), seed).astype(np.float64) for part in ("a", "p")}
    waves = 3 * rule.array(f"frame{frame}.f", (6, 2), seed).astype(np.float64)
    y, x = np.mgrid[:height, :width]
    total = np.zeros((height, width, 3))
    for amplitude, (fx, fy), phase in zip(drawn["a"], waves, drawn["p"], strict=True):
        turn = 2 * np.pi * (fx * x / width + fy * y / height)
        total += amplitude * np.sin(turn[..., None] + phase)
    return np.clip(128 + 25 * total, 0, 255).astype(np.uint8)


def check_webcam(meta: Meta, arrays: Arrays) -> None:
    expected, seed = Expected(meta, arrays), meta["seed"]
    network, body = published_network(meta, arrays), synthetic_smpl(seed)
    config = dataclasses.replace(config_of(meta["options"]), rows=WEB_CAMERA.rows)
    config = dataclasses.replace(config, interval=config.interval - (THREEDPW.interval - WEB_CAMERA.interval))
    adaptation = Adaptation(network, body, made_prior(seed), config)
    for frame in range(frames_of(arrays)):
        prefix = f"out_f{frame}_"
        center, scale, found = web_camera_frame(arrays[f"in_f{frame}_keypoints"].astype(np.float64))
        image = normalised(crop(camera_picture(meta, frame), published_window(center, scale)))
        keypoints = torch.zeros(1, 49, 3)
        keypoints[0, ROWS[config.rows]] = published_keypoints(found, center, scale)
        expected.close(f"{prefix}bbox", torch.tensor([[*center, 200 * scale]]))
        step = stride_of(arrays[f"{prefix}image"].shape[1], 224)
        expected.close(f"{prefix}image", image[:, ::step, ::step])
        expected.close(f"{prefix}j2d", keypoints[:, ROWS[config.rows]])
        adapted = adaptation.adapt(image[None], keypoints)
        saved = published_result(adapted.prediction, body)
        expected.equal(f"{prefix}steps", adapted.further if config.dynamic and config.bilevel else -1)
        expected.close(f"{prefix}rotmat", saved["rotmat"])
        expected.close(f"{prefix}shape", saved["beta"])
        expected.close(f"{prefix}cam", adapted.prediction.camera)
        expected.close(f"{prefix}verts", saved["verts"][0, :: stride_of(len(arrays[f"{prefix}verts"]), VERTICES)])
    expected.done()


BOA_TERMS = {
    "betaloss": "labelled_shape",
    "s2dloss": "labelled_keypoints",
    "s3dloss": "labelled_joints",
    "thetaloss": "labelled_pose",
    "labeled_loss": "labelled",
}
BOA_UNLABELLED_TERMS = {
    "gmmloss": "pose_prior",
    "s2dloss": "keypoints",
    "shapeloss": "shape_prior",
    "unlabeled_loss": "total",
    "singleframe_loss": "total",
    "betaloss_mt": "teacher_shape",
    "poseloss_mt": "teacher_pose",
    "s2dloss_mt": "teacher_keypoints",
    "s3dloss_mt": "teacher_joints",
    "consistentloss": "teacher",
    "motionloss": "motion",
}
"""Published name in BOA's logs -> ours; two of them are changed in place and hold the total when they are logged."""


def boa_config_of(options: dict[str, Any]) -> AdaptationConfig:
    """The configuration that BOA's published options mean."""
    given = {name: float(value) for name, value in options.items() if not isinstance(value, str)}
    return dataclasses.replace(
        BOA,
        learning_rate=given["lr"],
        betas=(given["beta1"], given["beta2"]),
        probe_rate=given["metalr"],
        weights=LossWeights(
            keypoints=given["s2dloss_weight"],
            shape_prior=given["shapeloss_weight"],
            pose_prior=given["gmmpriorloss_weight"],
            teacher=given["consistentloss_weight"],
            motion=given["motionloss_weight"],
            labelled=given["labelloss_weight"],
            teacher_parts=PartWeights(
                keypoints=given["consistent_s2d_weight"],
                joints=given["consistent_s3d_weight"],
                shape=given["consistent_beta_weight"],
                pose=given["consistent_pose_weight"],
            ),
        ),
        teacher_memory=given["ema_decay"],
        interval=int(given["prev_n"]),
    )


def boa_terms(names: Sequence[str], logged: dict[str, losses.Terms]) -> Tensor:
    """The terms under their published names, such as lowlevel_labeled/s2dloss; NaN where there is none."""
    values = []
    for name in names:
        group, leaf = name.split("/")
        level, kind = group.split("_")
        table = BOA_TERMS if kind == "labeled" else BOA_UNLABELLED_TERMS
        values.append(logged[level].get(table[leaf], torch.tensor(torch.nan)))
    return torch.stack(values).detach()


def check_boa(meta: Meta, arrays: Arrays) -> None:
    expected, seed = Expected(meta, arrays), meta["seed"]
    network, bodies = published_network(meta, arrays), bodies_of(seed)
    parameters, logged = Parameters(meta, network), dict[str, losses.Terms]()
    frame = 0

    def watch(update: Update, gradient: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        level, side = ("lowlevel", "inner") if update.kind == "probe" else ("upperlevel", "outer")
        logged[level] = update.terms | {"total": update.loss}
        expected.close(f"out_f{frame}_{side}_grad_norm", parameters.norms(gradient))
        expected.close(f"out_f{frame}_{side}_grad_probe", parameters.probes(gradient))

    count = len({name.split("_")[1] for name in arrays if name.startswith("in_ex")})
    exemplars = InOrder([made_exemplar(arrays, seed, number) for number in range(count)])
    config = boa_config_of(meta["options"])
    adaptation = Adaptation(network, bodies["neutral"], made_prior(seed), config, exemplars, watch)
    for frame in range(frames_of(arrays)):
        prefix, truth = f"out_f{frame}_", truth_of(arrays, f"in_f{frame}_")
        prediction = adaptation.adapt(frame_image(meta, frame), tensor(arrays, f"in_f{frame}_j2d")).prediction
        expected.close(f"{prefix}loss", logged["upperlevel"]["total"])
        expected.close_with_gaps(f"{prefix}terms", boa_terms(meta["terms"], logged))
        expected.close(f"{prefix}rotmat", prediction.pose.rotations)
        expected.close(f"{prefix}shape", prediction.pose.betas)
        expected.close(f"{prefix}cam", prediction.camera)
        expected.close(f"{prefix}teacher_norm", parameters.norms(adaptation.teacher))
        joints, (unposed, posed) = errors(prediction, truth, bodies), mesh_errors(prediction, truth, bodies)
        expected.close(f"{prefix}metrics", torch.cat([joints.mpjpe, joints.pa_mpjpe, unposed, posed]))
    expected.done()


KINDS = {
    "dynaboa_basemodel": check_basemodel,
    "dynaboa_geometry": check_geometry,
    "dynaboa_gmm_prior": check_prior,
    "dynaboa_feature_rule": check_feature_rule,
    "dynaboa_retrieval": check_retrieval,
    "dynaboa_preprocess": check_preprocess,
    "dynaboa_losses": check_losses,
    "dynaboa_metrics": check_metrics,
    "dynaboa_adapt": check_adapt,
    "dynaboa_webcam": check_webcam,
    "dynaboa_boa_step": check_boa,
}
