"""DynaBOA in a small configuration: laws of its adaptation, its losses, crops and exemplars."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.geometry.crops import IMAGE_MEAN, IMAGE_STD
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.methods.dynaboa import (
    PRESETS,
    Adaptation,
    AdaptationConfig,
    BaseModel,
    BaseModelConfig,
    DynaBOA,
    DynaBOAOptions,
    ExemplarBank,
    Level,
    LossWeights,
    build_bank,
)
from anthropose.methods.dynaboa.adaptation import Update, turned
from anthropose.methods.dynaboa.evaluation import Truth, crop_camera, crop_translation, errors, mesh_errors
from anthropose.methods.dynaboa.exemplars import InOrder, Retrieval, spherical_means
from anthropose.methods.dynaboa.losses import (
    Exemplar,
    Figure,
    figure_of,
    frame_terms,
    keypoint_error,
    labelled_terms,
    motion_error,
    teacher_terms,
)
from anthropose.methods.dynaboa.method import rows_for
from anthropose.methods.dynaboa.preprocessing import (
    ROWS,
    Window,
    crop,
    exact_keypoints,
    nearest_window,
    normalised,
    published_keypoints,
    published_window,
    spin_49,
    web_camera_frame,
)
from anthropose.motion import BodyPose, Camera, Prediction, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import BODY_25, COCO_17, MEDIAPIPE_33, SMPL_24, SPIN_49
from anthropose.video import VideoWriter, open_video
from tests.methods.small import install_small

SMALL = BaseModelConfig(blocks=(1, 1, 1, 1), width=4, hidden=16)
PLAIN = replace(PRESETS["clip"], guard=False, motion_mask="certain", interval=1, threshold=1e-9, most_steps=2)
"""Without exemplars or guard, with motion and further updates from the first frames on."""


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return load_body("free")


@pytest.fixture(scope="module")
def prior() -> GaussianMixturePrior:
    return GaussianMixturePrior.load()


def small_network(seed: int = 0) -> BaseModel:
    torch.manual_seed(seed)
    return BaseModel(SMALL).eval()


def frame(seed: int, size: int = 64) -> tuple[Tensor, Tensor]:
    """An image and keypoints, all of them certain."""
    generator = torch.Generator().manual_seed(seed)
    keypoints = torch.rand(1, 49, 3, generator=generator) - 0.5
    keypoints[..., 2] = 1.0
    return torch.randn(1, 3, size, size, generator=generator), keypoints


def some_exemplar(seed: int, size: int = 64) -> Exemplar:
    image, keypoints = frame(100 + seed, size)
    generator = torch.Generator().manual_seed(seed)
    joints = torch.cat([torch.randn(1, 24, 3, generator=generator), torch.ones(1, 24, 1)], dim=-1)
    return Exemplar(image, keypoints, joints, 0.3 * torch.randn(1, 24, 3, generator=generator), torch.randn(1, 10))


def some_bank(features: int = 128) -> Retrieval:
    centres = torch.randn(2, features, generator=torch.Generator().manual_seed(0))
    return Retrieval(centres, [[0, 1], [2]], some_exemplar)


def figure_at(body: BodyModel, seed: int, count: int = 2) -> Figure:
    generator = torch.Generator().manual_seed(seed)
    rotations = rotvec_to_rotmat(0.3 * torch.randn(count, 24, 3, generator=generator))
    camera = torch.tensor([0.9, 0.1, -0.1]) + 0.1 * torch.randn(count, 3, generator=generator)
    pose = BodyPose(rotations, torch.randn(count, 10, generator=generator))
    return figure_of(Prediction(pose, camera), body.points(SPIN_49))


# The adaptation.


def test_sharing_passes_changes_no_result(body: BodyModel, prior: GaussianMixturePrior) -> None:
    config = replace(PRESETS["3dpw"], interval=1, threshold=1e-9, most_steps=2, learning_rate=1e-4)
    shared, apart = (
        Adaptation(small_network(), body, prior, replace(config, share_passes=flag), some_bank())
        for flag in (True, False)
    )
    for number in range(4):
        one, other = (adaptation.adapt(*frame(number)) for adaptation in (shared, apart))
        assert (one.updates, one.further) == (other.updates, other.further) == (3, 3)
        torch.testing.assert_close(one.prediction.pose.rotations, other.prediction.pose.rotations, rtol=0, atol=1e-5)
        torch.testing.assert_close(one.prediction.camera, other.prediction.camera, rtol=0, atol=1e-5)


def test_sharing_passes_saves_passes(body: BodyModel, prior: GaussianMixturePrior) -> None:
    counts = []
    for flag in (True, False):
        network, count = small_network(), [0]
        network.trunk.stem.register_forward_hook(lambda *_, count=count: count.__setitem__(0, count[0] + 1))
        config = replace(PRESETS["3dpw"], interval=1, threshold=1.0, share_passes=flag)
        adaptation = Adaptation(network, body, prior, config, some_bank())
        for number in range(3):
            count[0] = 0
            adaptation.adapt(*frame(number))
        counts.append(count[0])
    # Published: target before, target, exemplar; probe's prediction; target, teacher, history, exemplar; prediction,
    # features.
    assert counts == [7, 10]


def test_the_network_that_is_given_stays_as_it_is(body: BodyModel, prior: GaussianMixturePrior) -> None:
    network = small_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    adaptation = Adaptation(network, body, prior, PLAIN)
    adaptation.adapt(*frame(0))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
    moved = [not torch.equal(now, start) for now, start in zip(adaptation.weights, network.parameters(), strict=True)]
    assert all(moved)


@pytest.mark.parametrize("second_order", [False, True])
def test_the_update_is_the_gradient_through_the_probe_or_at_its_end(second_order: bool, body: BodyModel) -> None:
    torch.set_default_dtype(torch.float64)
    try:
        network, points = small_network(), body.to(dtype=torch.float64)
    finally:
        torch.set_default_dtype(torch.float32)
    rate = 1e-3
    config = replace(PLAIN, second_order=second_order, probe_rate=rate, use_teacher=False, dynamic=False)
    image, keypoints = (tensor.double() for tensor in frame(0))
    gradients: list[list[Tensor]] = []

    def watch(update: Update, gradient: list[Tensor] | tuple[Tensor, ...], weights: list[Tensor]) -> None:
        gradients.append([one.detach() for one in gradient])

    Adaptation(network, points, None, config, watch=watch).adapt(image, keypoints)
    start = [parameter.detach() for parameter in network.parameters()]
    generator = torch.Generator().manual_seed(1)
    direction = [torch.randn(one.shape, generator=generator, dtype=torch.float64) for one in start]

    def end_of_probe(weights: list[Tensor]) -> float:
        """The loss after a probe from these weights, or (first order) after the probe's step taken from these."""
        found: list[Update] = []
        moved = BaseModel(SMALL).double().eval()
        moved.load_state_dict(network.state_dict())
        with torch.no_grad():
            for parameter, value in zip(moved.parameters(), weights, strict=True):
                parameter.copy_(value)
        steps = config if second_order else replace(config, probe_steps=0)
        probing = Adaptation(moved, points, None, steps, watch=lambda update, *_: found.append(update))
        probing.adapt(image, keypoints)
        return found[-1].loss.item()

    base = start if second_order else [w - rate * g for w, g in zip(start, gradients[0], strict=True)]
    h = 1e-8  # A longer step would cross kinks of the network.
    sides = [end_of_probe([w + sign * h * d for w, d in zip(base, direction, strict=True)]) for sign in (1, -1)]
    expected = (sides[0] - sides[1]) / (2 * h)
    found = sum(float((g * d).sum()) for g, d in zip(gradients[-1], direction, strict=True))
    assert found == pytest.approx(expected, rel=1e-5)


def test_adapting_brings_the_body_to_its_keypoints(body: BodyModel, prior: GaussianMixturePrior) -> None:
    config = replace(PLAIN, learning_rate=1e-3, probe_rate=1e-4, dynamic=False)
    adaptation, (image, keypoints) = Adaptation(small_network(), body, prior, config), frame(0)
    found = [adaptation.adapt(image, keypoints).prediction for _ in range(15)]
    before, after = (
        keypoint_error(figure_of(found[k], body.points(SPIN_49)).keypoints, keypoints, "labelled") for k in (0, -1)
    )
    assert after < 0.5 * before


def test_a_stream_can_begin_anew_and_go_on_elsewhere(body: BodyModel, prior: GaussianMixturePrior) -> None:
    adaptation = Adaptation(small_network(), body, prior, PLAIN)
    first = adaptation.adapt(*frame(0)).prediction.camera
    adaptation.adapt(*frame(1))
    state = adaptation.state()
    onward = adaptation.adapt(*frame(2)).prediction.camera
    elsewhere = Adaptation(small_network(), body, prior, PLAIN)
    elsewhere.resume(state)
    assert torch.equal(elsewhere.adapt(*frame(2)).prediction.camera, onward)
    adaptation.restart()
    assert torch.equal(adaptation.adapt(*frame(0)).prediction.camera, first)


@pytest.mark.parametrize(("first_frame", "begins"), [(1, 3), (0, 2)])
def test_motion_is_measured_from_some_frames_ago_in_bounded_memory(
    first_frame: int, begins: int, body: BodyModel, prior: GaussianMixturePrior
) -> None:
    with_motion: list[bool] = []
    config = replace(PLAIN, interval=2, first_frame=first_frame, dynamic=False)
    adaptation = Adaptation(
        small_network(),
        body,
        prior,
        config,
        watch=lambda update, *_: with_motion.append("motion" in update.terms) if update.kind == "main" else None,
    )
    for number in range(5):
        adaptation.adapt(*frame(number))
    assert with_motion == [number >= begins for number in range(5)]
    assert len(adaptation.history) == 3
    adaptation.forget_frames()
    adaptation.adapt(*frame(5))
    assert not with_motion[-1]


def test_the_teacher_follows_every_update(body: BodyModel, prior: GaussianMixturePrior) -> None:
    config = replace(PLAIN, dynamic=False, teacher_memory=0.25, learning_rate=1e-3)
    adaptation = Adaptation(small_network(), body, prior, config)
    start = [one.clone() for one in adaptation.teacher]
    adaptation.adapt(*frame(0))
    for teacher, before, weights in zip(adaptation.teacher, start, adaptation.weights, strict=True):
        torch.testing.assert_close(teacher, 0.25 * before + 0.75 * weights.detach())


def test_the_teachers_dropout_is_off_unless_asked_for(body: BodyModel, prior: GaussianMixturePrior) -> None:
    found = []
    for dropout in (False, False, True):
        losses: list[Tensor] = []
        adaptation = Adaptation(
            small_network(),
            body,
            prior,
            replace(PLAIN, dynamic=False, teacher_dropout=dropout),
            watch=lambda update, *_, losses=losses: losses.append(update.loss),
        )
        torch.manual_seed(len(found))
        adaptation.adapt(*frame(0))
        found.append(losses[-1].item())
    assert found[0] == found[1] != found[2]


def test_updates_go_on_until_the_features_rest_or_the_limit_is_reached(
    body: BodyModel, prior: GaussianMixturePrior
) -> None:
    for threshold, updates, further in ((2.0, 1, 0), (-1.0, 4, 4)):
        config = replace(PLAIN, threshold=threshold, most_steps=3)
        adapted = Adaptation(small_network(), body, prior, config).adapt(*frame(0))
        assert (adapted.updates, adapted.further) == (updates, further)


def test_without_two_levels_there_is_one_update_a_frame_and_the_teacher_rests(
    body: BodyModel, prior: GaussianMixturePrior
) -> None:
    kinds: list[str] = []
    config = replace(PLAIN, bilevel=False)
    adaptation = Adaptation(small_network(), body, prior, config, watch=lambda update, *_: kinds.append(update.kind))
    start = [one.clone() for one in adaptation.teacher]
    assert adaptation.adapt(*frame(0)).updates == 1
    assert kinds == ["main"]
    assert all(torch.equal(a, b) for a, b in zip(adaptation.teacher, start, strict=True))


def weights_of(adaptation: Adaptation) -> list[Tensor]:
    return [one.detach().clone() for one in adaptation.weights]


@pytest.mark.parametrize("fault", ["a picture that is no number", "steps that are far too long"])
def test_a_frame_that_makes_matters_worse_is_undone(fault: str, body: BodyModel, prior: GaussianMixturePrior) -> None:
    config = replace(PLAIN, guard=True, dynamic=False)
    if "long" in fault:
        config = replace(config, learning_rate=1e3)
    adaptation = Adaptation(small_network(), body, prior, config)
    before, (image, keypoints) = weights_of(adaptation), frame(0)
    if "picture" in fault:
        adaptation.adapt(*frame(1))
        before = weights_of(adaptation)
        image = torch.full_like(image, torch.nan)
    assert adaptation.adapt(image, keypoints).undone
    assert all(torch.equal(a, b) for a, b in zip(adaptation.weights, before, strict=True))
    if "picture" in fault:
        following = adaptation.adapt(*frame(2))
        assert not following.undone
        assert following.prediction.pose.rotations.isfinite().all()


def test_a_frame_without_evidence_moves_nothing(body: BodyModel, prior: GaussianMixturePrior) -> None:
    adaptation = Adaptation(small_network(), body, prior, replace(PLAIN, guard=True))
    before, (image, keypoints) = weights_of(adaptation), frame(0)
    keypoints[..., 2] = 0
    adapted = adaptation.adapt(image, keypoints)
    assert adapted.blind
    assert adapted.updates == 0
    assert all(torch.equal(a, b) for a, b in zip(adaptation.weights, before, strict=True))
    torch.testing.assert_close(adapted.prediction.camera, small_network()(image).camera)


def test_exemplars_that_are_wanted_must_be_there(body: BodyModel, prior: GaussianMixturePrior) -> None:
    with pytest.raises(UserError, match="exemplars"):
        Adaptation(small_network(), body, prior, PRESETS["3dpw"])
    with pytest.raises(UserError, match="upper level"):
        AdaptationConfig(upper=Level(frame=False, temporal=False, labelled=False))


def test_an_exemplar_is_drawn_for_every_evaluation_also_where_it_is_not_used(
    body: BodyModel, prior: GaussianMixturePrior
) -> None:
    drawn: list[int | None] = []
    config = replace(PLAIN, dynamic=False, probe_steps=2)
    Adaptation(
        small_network(), body, prior, config, some_bank(), watch=lambda update, *_: drawn.append(update.exemplar)
    ).adapt(*frame(0))
    assert len(drawn) == 3
    assert None not in drawn


def test_the_presets_differ_from_3dpws_where_the_publications_do() -> None:
    base = PRESETS["3dpw"]
    assert PRESETS["internet"] == replace(base, weights=LossWeights(shape_prior=2e-4))
    assert (PRESETS["web-camera"].rows, PRESETS["web-camera"].interval) == ("openpose", 4)
    boa = PRESETS["boa-3dpw"]
    assert boa.second_order
    assert not boa.dynamic
    assert boa.betas == (0.5, 0.999)
    assert not any(level.labelled for level in (PRESETS["clip"].lower, PRESETS["clip"].upper))


def test_features_turn_by_one_minus_the_cosine() -> None:
    feature = torch.randn(1, 4, 3, 3)
    assert turned(feature, 3 * feature) == pytest.approx(0.0, abs=1e-6)
    assert turned(feature, -feature) == pytest.approx(2.0, abs=1e-6)
    assert turned(torch.tensor([[1.0, 0.0]]), torch.tensor([[0.0, 2.0]])) == pytest.approx(1.0)


# The losses.


def test_a_figure_that_is_its_target_costs_nothing(body: BodyModel) -> None:
    figure = figure_at(body, 0)
    keypoints = torch.cat([figure.keypoints, torch.ones(2, 49, 1)], dim=-1)
    rotvecs = 0.3 * torch.randn(2, 24, 3, generator=torch.Generator().manual_seed(0))
    joints = torch.cat([figure.joints[:, ROWS["labelled"]] + 5.0, torch.ones(2, 24, 1)], dim=-1)
    exemplar = Exemplar(torch.zeros(2, 3, 4, 4), keypoints, joints, rotvecs, figure.prediction.pose.betas)
    parts = [*labelled_terms(figure, exemplar).values(), *teacher_terms(figure, figure).values()]
    parts += [keypoint_error(figure.keypoints, keypoints, rows) for rows in ROWS]
    parts.append(motion_error(figure, figure, keypoints, keypoints, mask="none"))
    assert max(float(part) for part in parts) < 1e-10


def test_keypoints_of_no_confidence_do_not_count(body: BodyModel) -> None:
    figure, keypoints = figure_at(body, 0), torch.rand(2, 49, 3)
    keypoints[:, 30, 2] = 0
    other = keypoints.clone()
    other[:, 30, :2] += 7
    for rows in ROWS:
        assert keypoint_error(figure.keypoints, keypoints, rows) == keypoint_error(figure.keypoints, other, rows)
    # The mean is over all joints, also those that were not found: half of them gone is half the error.
    same = figure.keypoints + 0.1
    all_there = torch.cat([same, torch.ones(2, 49, 1)], dim=-1)
    half = all_there.clone()
    half[:, 25::2, 2] = 0
    whole = keypoint_error(figure.keypoints, all_there, "labelled")
    assert keypoint_error(figure.keypoints, half, "labelled") == pytest.approx(float(whole) / 2)


def test_the_robust_error_is_square_near_zero_and_bounded(body: BodyModel) -> None:
    figure = figure_at(body, 0)
    near = torch.cat([figure.keypoints + 1e-3, torch.ones(2, 49, 1)], dim=-1)
    far = torch.cat([figure.keypoints + 50.0, torch.ones(2, 49, 1)], dim=-1)
    square = keypoint_error(figure.keypoints, near, "all")
    assert keypoint_error(figure.keypoints, near, "all", robust=0.5) == pytest.approx(float(square), rel=1e-3)
    assert keypoint_error(figure.keypoints, far, "all", robust=0.5) < 0.25


def test_the_motions_mask_counts_the_joints_that_its_name_says(body: BodyModel) -> None:
    figure, earlier = figure_at(body, 0), figure_at(body, 1)
    soft, sure = torch.rand(2, 49, 3), torch.ones(2, 49, 3)
    soft[..., 2] = 0.9
    assert motion_error(figure, earlier, soft, soft, mask="certain") == 0
    assert motion_error(figure, earlier, sure, sure, mask="certain") > 0
    product = motion_error(figure, earlier, soft, soft, mask="product")
    assert product == pytest.approx(0.81 * float(motion_error(figure, earlier, soft, soft, mask="none")), rel=1e-5)


def test_boas_teacher_does_not_see_where_the_body_stands(body: BodyModel) -> None:
    figure = figure_at(body, 0)
    moved = replace(figure, joints=figure.joints + 3.0)
    assert teacher_terms(figure, moved, "labelled", aligned=True)["teacher_joints"] < 1e-10
    assert teacher_terms(figure, moved)["teacher_joints"] > 1


def test_the_prior_can_be_left_out(body: BodyModel, prior: GaussianMixturePrior) -> None:
    figure, keypoints = figure_at(body, 0), torch.ones(2, 49, 3)
    assert set(frame_terms(figure, keypoints, prior)) == {"keypoints", "shape_prior", "pose_prior"}
    assert set(frame_terms(figure, keypoints, None)) == {"keypoints", "shape_prior"}


# What it looks at.


def test_a_window_of_the_crops_size_is_copied_and_what_is_outside_is_black() -> None:
    image = np.random.default_rng(0).integers(1, 255, (40, 50, 3), np.uint8)
    inside = crop(image, Window(10, 5, 26, 21), 16)
    np.testing.assert_allclose(inside, image[5:21, 10:26], atol=1e-4)
    across = crop(image, Window(-4, 32, 12, 48), 16)
    np.testing.assert_allclose(across[:8, 4:], image[32:, :12], atol=1e-4)
    assert (across[8:] == 0).all()
    assert (across[:, :4] == 0).all()
    assert (crop(image, Window(60, 60, 70, 70), 16) == 0).all()


def test_a_crop_is_a_gaussian_then_linear_interpolation() -> None:
    """Written out from its description, as matrices along rows and columns."""
    image = np.random.default_rng(1).random((64, 64, 3)).astype(np.float32) * 255
    source, size = 48, 20
    factor = source / size
    sigma, span = (factor - 1) / 2, np.arange(-source, 2 * source)
    mirror = np.where(span < 0, -span, np.where(span < source, span, 2 * (source - 1) - span))
    smooth = np.zeros((source, source))
    for row in range(source):
        kernel = np.exp(-0.5 * ((span - row) / sigma) ** 2) * (np.abs(span - row) <= int(4 * sigma + 0.5))
        np.add.at(smooth[row], mirror.clip(0, source - 1), kernel / kernel.sum())
    place = (np.arange(size) + 0.5) * factor - 0.5
    low = np.floor(place).astype(int)
    linear = np.zeros((size, source))
    linear[np.arange(size), low] = 1 - (place - low)
    linear[np.arange(size), np.minimum(low + 1, source - 1)] += place - low
    along = linear @ smooth
    expected = along @ image[4:52, 8:56, 0] @ along.T
    np.testing.assert_allclose(crop(image, Window(8, 4, 56, 52), size)[..., 0], expected, atol=1e-2)


def test_crops_are_normalised_for_the_trunk() -> None:
    grey = 255 * np.array(IMAGE_MEAN, np.float32) * np.ones((4, 4, 3), np.float32)
    assert normalised(grey).abs().max() < 1e-5
    brighter = grey + 255 * np.array(IMAGE_STD, np.float32)
    torch.testing.assert_close(normalised(brighter), torch.ones(3, 4, 4))


def test_keypoints_follow_the_window_exactly_or_nearly_as_published() -> None:
    window = nearest_window((100.2, 80.4, 60.0))
    assert (window.right - window.left, window.bottom - window.top) == (60, 60)
    corners = torch.tensor([[window.left, window.top, 0.5], [window.right, window.bottom, 0.7]]).float()
    torch.testing.assert_close(exact_keypoints(corners, window)[:, :2], torch.tensor([[-1.0, -1.0], [1.0, 1.0]]))
    keypoints = np.column_stack([np.random.default_rng(0).uniform([75, 55], [125, 105], (49, 2)), np.ones(49)])
    x, y, side = window.square
    published = published_keypoints(keypoints, np.array([x, y]), side / 200)
    away = (published - exact_keypoints(torch.from_numpy(keypoints).float(), window))[:, :2] * 112
    assert away.min() > -1e-3, "pixels of the crop are truncated and one is added"
    assert away.max() < 1 + 1e-3
    assert torch.equal(published[:, 2], torch.ones(49))


def test_a_published_window_is_its_box_but_for_the_last_pixel() -> None:
    for center, scale in (((50.0, 40.0), 0.5), ((33.7, 91.2), 1.37), ((-10.0, 5.0), 0.8)):
        window, side = published_window(np.array(center), scale), 200 * scale
        exact = [center[0] - side / 2, center[1] - side / 2, center[0] + side / 2, center[1] + side / 2]
        found = [window.left, window.top, window.right, window.bottom]
        assert all(abs(int(a) - b) <= 1 for a, b in zip(exact, found, strict=True))


def test_keypoints_of_any_set_fill_the_rows_of_their_names() -> None:
    keypoints = torch.arange(17 * 3.0).reshape(1, 17, 3)
    keypoints[0, COCO_17.index("nose"), 0] = torch.nan
    rows = spin_49(keypoints, COCO_17)
    for name in ("left_knee", "op_left_knee"):
        assert torch.equal(rows[0, SPIN_49.index(name)], keypoints[0, COCO_17.index("left_knee")])
    for name in ("nose", "head_top", "op_left_heel"):
        assert (rows[0, SPIN_49.index(name)] == 0).all()
    assert [rows_for(skeleton) for skeleton in (BODY_25, COCO_17, MEDIAPIPE_33)] == ["openpose", "labelled", "all"]


def test_the_web_cameras_box_holds_all_rows() -> None:
    keypoints = np.column_stack([np.random.default_rng(0).uniform(50, 90, (25, 2)), np.linspace(0, 1, 25)])
    center, scale, found = web_camera_frame(keypoints)
    low, high = keypoints[:, :2].min(0), keypoints[:, :2].max(0)
    np.testing.assert_allclose(center, (low + high) / 2)
    assert 200 * scale == pytest.approx(1.2 * (high - low).max())
    assert set(found[:, 2]) == {0.0, 1.0}


# Exemplars.


def test_an_exemplar_comes_from_the_nearest_cluster_by_pythons_random_numbers() -> None:
    centres = torch.eye(3, 5)
    bank = Retrieval(centres, [[1, 2, 3], [4], [5, 6]], some_exemplar, seed=7)
    own = random.Random(7)
    for _ in range(5):
        features = torch.tensor([[0.9, 0.1, 0.0, 0.3, 0.0]])
        assert bank.cluster(2 * features) == 0
        assert bank.pick(features) == own.sample([1, 2, 3], 1)[0]
    assert bank.cluster(torch.tensor([[0.0, 0.1, 0.2, 0.0, 0.0]])) == 2


def test_in_order_each_frame_has_its_exemplar_for_all_its_updates() -> None:
    bank = InOrder([some_exemplar(0), some_exemplar(1)])
    numbers = []
    for _ in range(3):
        bank.next_frame()
        numbers += [bank.draw(torch.zeros(1, 4))[0] for _ in range(2)]
    assert numbers == [0, 0, 1, 1, 0, 0]


def test_means_on_the_sphere_find_directions_that_lie_apart() -> None:
    generator = torch.Generator().manual_seed(0)
    wanted = torch.eye(3, 8)
    directions = wanted.repeat(20, 1) + 0.05 * torch.randn(60, 8, generator=generator)
    centres, nearest = spherical_means(torch.nn.functional.normalize(directions, dim=1), 3)
    assert ((centres @ wanted.T) > 0.99).sum() == 3
    assert all(len(set(nearest[k::3].tolist())) == 1 for k in range(3))
    # Asked for more centres than there are directions to tell apart, some stay without a member.
    alike = torch.eye(1, 8).repeat(4, 1)
    assert len(spherical_means(alike, 3)[0]) == 3


def made_bank(count: int = 5) -> ExemplarBank:
    generator = torch.Generator().manual_seed(0)
    crops = torch.randint(0, 255, (count, 64, 64, 3), dtype=torch.uint8, generator=generator)
    labels = [torch.rand(count, *shape, generator=generator) for shape in ((49, 3), (24, 4), (24, 3), (10,))]
    return build_bank(small_network(), crops, *labels, clusters=3)


def test_a_bank_is_read_as_it_was_written_and_serves_an_adaptation(
    tmp_path: Path, body: BodyModel, prior: GaussianMixturePrior
) -> None:
    made = made_bank()
    made.save(tmp_path / "bank.npz")
    bank = ExemplarBank.load(tmp_path / "bank.npz")
    for name in ("crops", "keypoints", "joints", "rotvecs", "betas", "centres", "clusters"):
        assert torch.equal(getattr(bank, name), getattr(made, name))
    one = bank.exemplar(2)
    assert one.image.shape == (1, 3, 64, 64)
    assert torch.equal(one.betas[0], made.betas[2])
    # The image itself is nearest to its own cluster.
    features = small_network().features(one.image)
    assert 2 in bank.retrieval().members[bank.retrieval().cluster(features)]
    drawn: list[int | None] = []
    config = replace(PRESETS["internet"], dynamic=False)
    adaptation = Adaptation(
        small_network(), body, prior, config, bank.retrieval(), lambda update, *_: drawn.append(update.exemplar)
    )
    adaptation.adapt(*frame(0))
    assert len(drawn) == 2


def test_clusters_without_a_member_are_never_drawn_from() -> None:
    made = made_bank()
    lonely = replace(made, centres=torch.cat([made.centres, torch.ones(1, 128)]))
    assert all(lonely.retrieval().members)
    lonely.retrieval().draw(torch.ones(1, 128))


def test_a_file_that_is_no_bank_is_refused_in_one_line(tmp_path: Path) -> None:
    path = tmp_path / "bank.npz"
    with pytest.raises(UserError, match="no such file"):
        ExemplarBank.load(path)
    made_bank().save(path)
    whole = path.read_bytes()
    for content in (b"nonsense", whole[: len(whole) // 2], b""):
        path.write_bytes(content)
        with pytest.raises(UserError, match="not a whole bank") as caught:
            ExemplarBank.load(path)
        assert "\n" not in str(caught.value)
    np.savez(path, format="something-else/1")
    with pytest.raises(UserError, match="anthropose-exemplars/1"):
        ExemplarBank.load(path)


# Figures.


def test_the_truth_has_no_error_and_a_body_of_another_gender_has(body: BodyModel) -> None:
    other = replace(body, template=1.1 * body.template)
    bodies = {"neutral": body, "male": other, "female": body}
    generator = torch.Generator().manual_seed(0)
    rotvecs, betas = 0.3 * torch.randn(2, 24, 3, generator=generator), torch.randn(2, 10, generator=generator)
    prediction = Prediction(BodyPose(rotvec_to_rotmat(rotvecs), betas), torch.ones(2, 3))
    found = errors(prediction, Truth(rotvecs, betas, ("female", "male")), bodies)
    assert found.mpjpe[0] < 1e-5 < 1e-2 < found.mpjpe[1]
    assert found.pve.max() < 1e-5, "as published, against the neutral body"
    own = errors(prediction, Truth(rotvecs, betas, ("female", "male")), bodies, gendered_pve=True)
    assert own.pve[0] < 1e-5 < 1e-2 < own.pve[1]
    unposed, posed = mesh_errors(prediction, Truth(rotvecs, betas, ("female", "male")), bodies)
    assert max(unposed[0], posed[0]) < 1e-5 < 1e-2 < min(unposed[1], posed[1])


def test_a_crops_camera_is_a_translation_and_back() -> None:
    camera = torch.tensor([[0.9, 0.1, -0.2], [1.3, 0.0, 0.4]])
    torch.testing.assert_close(crop_camera(crop_translation(camera)), camera)


# On a clip.


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Clip:
    """A person over four frames of noise; small weights are installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    install_small(["dynaboa"])
    noise, path = np.random.default_rng(0), tmp_path / "clip.mp4"
    with VideoWriter(path, (96, 128), 30.0) as writer:
        for _ in range(4):
            writer.write(noise.integers(0, 255, (16, 12, 3), np.uint8).repeat(8, 0).repeat(8, 1))
    keypoints = torch.rand(4, 17, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([40.0, 90.0, 0.0])
    keypoints = keypoints + torch.tensor([25.0, 15.0, 0.8])
    boxes = torch.tensor([[20.0, 10.0, 70.0, 110.0]]).expand(4, 4).contiguous()
    track = Track(0, torch.arange(4), boxes, keypoints, COCO_17)
    source = open_video(path)
    return Clip(track, 30.0, torch.from_numpy(source.seconds), Camera.guess(96, 128), source)


def test_a_clip_is_adapted_to_and_the_report_counts_it(clip: Clip, body: BodyModel) -> None:
    confidences = clip.track.keypoints.clone()
    confidences[2, :, 2] = 0
    gap = replace(clip, track=replace(clip.track, keypoints=confidences))
    method = DynaBOA(body)
    motion = method.reconstruct(gap)
    assert motion.joints.isfinite().all()
    assert (method.report.frames, method.report.blind) == (4, 1)
    assert method.report.updates >= 3
    with torch.inference_mode():
        assert torch.equal(method.reconstruct(gap).joints, motion.joints)


def test_what_begins_anew_is_the_policys_choice(clip: Clip, body: BodyModel) -> None:
    fast = replace(PRESETS["clip"], learning_rate=1e-3, dynamic=False)
    motions = {}
    for reset in ("track", "video", "never"):
        method = DynaBOA(body, options=DynaBOAOptions(adaptation=fast, reset=reset))
        first, second = (method.reconstruct(clip).joints for _ in range(2))
        motions[reset] = second
        assert torch.equal(first, second) == (reset == "track")
    assert not torch.equal(motions["video"], motions["never"]), "the history goes on only where nothing begins anew"


def test_exemplars_are_used_where_a_bank_is_given(clip: Clip, body: BodyModel, tmp_path: Path) -> None:
    made_bank().save(tmp_path / "bank.npz")
    fast = replace(PRESETS["clip"], learning_rate=1e-3, dynamic=False)
    without = DynaBOA(body, options=DynaBOAOptions(adaptation=fast))
    with_bank = DynaBOA(body, options=DynaBOAOptions(adaptation=fast, exemplars=tmp_path / "bank.npz"))
    assert with_bank.config.upper.labelled
    assert without.settings() != with_bank.settings()
    assert not torch.equal(without.reconstruct(clip).joints, with_bank.reconstruct(clip).joints)
    with pytest.raises(UserError, match="exemplars"):
        DynaBOA(body, options=DynaBOAOptions(adaptation=PRESETS["3dpw"]))


def test_keypoints_that_say_nothing_are_refused_in_one_line(clip: Clip, body: BodyModel) -> None:
    unseen = clip.track.keypoints * torch.tensor([1.0, 1.0, 0.0])
    with pytest.raises(UserError, match="no keypoint of coco-17") as caught:
        DynaBOA(body).reconstruct(replace(clip, track=replace(clip.track, keypoints=unseen)))
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="give the video"):
        DynaBOA(body).reconstruct(replace(clip, video=None))


def test_the_body_comes_to_lie_on_the_keypoints_of_the_full_picture(clip: Clip, body: BodyModel) -> None:
    """A person with a known place in the picture, whose limbs the network learns to hit in several rounds."""
    rotations = torch.eye(3).repeat(1, 24, 1, 1)
    rotations[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    joints = body.points(SPIN_49)(torch.zeros(1, 10), rotations)[0] + torch.tensor([0.05, -0.1, 5.0])
    pixels = joints[:, :2] / joints[:, 2:] * clip.camera.focal + torch.tensor(clip.camera.center)
    names = [name for name in COCO_17.joints if name in SPIN_49.joints]
    assert len(names) == 17
    seen = torch.cat([pixels[[SPIN_49.index(name) for name in names]], torch.ones(17, 1)], dim=1)
    low, high = seen[:, :2].amin(0), seen[:, :2].amax(0)
    boxes = torch.cat([low, high])[None].expand(4, 4).contiguous()
    clip = replace(clip, track=replace(clip.track, boxes=boxes, keypoints=seen.repeat(4, 1, 1)))
    fast = replace(PRESETS["clip"], learning_rate=3e-3, bilevel=False, dynamic=False, guard=False)
    method = DynaBOA(body, options=DynaBOAOptions(adaptation=fast, reset="never"))
    limbs = ["left_knee", "right_knee", "left_ankle", "right_ankle", "left_elbow", "right_elbow", "left_wrist"]
    height = float(high[1] - low[1])
    away = []
    for _ in range(15):
        projected = method.reconstruct(clip).projected[-1]
        found = projected[[SMPL_24.index(name) for name in limbs]]
        target = seen[[COCO_17.index(name) for name in limbs], :2]
        away.append(float((found - target).norm(dim=1).mean()) / height)
    assert away[-1] < 0.05 < away[0], away
