"""A perfect network has no errors under any protocol; an oddity of one shows where it should, and only there."""

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.evaluate.protocols import PROTOCOLS, TEST_SETS, Protocol, evaluate, predictor
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.motion import BodyPose, Prediction
from anthropose.skeleton import LSP_14, SPIN_49
from tests.toy_body import toy_body

SIZE = 82
"""The fake features are the labels themselves: rotation vectors and shape."""


@lru_cache(maxsize=1)
def _body() -> BodyModel:
    """The toy with regressors of some kind."""
    generator = torch.Generator().manual_seed(0)
    toy = toy_body()

    def rows(count: int) -> Tensor:
        weights = torch.rand(count, len(toy.template), generator=generator) ** 8
        return weights / weights.sum(1, keepdim=True)

    return replace(toy, h36m_regressor=rows(17), extra_regressor=rows(9))


def _read(features: Tensor) -> Prediction:
    """What is written in the features."""
    rotations = rotvec_to_rotmat(features[..., :72].unflatten(-1, (24, 3)))
    return Prediction(BodyPose(rotations, features[..., 72:82]), torch.zeros(*features.shape[:-1], 3))


@dataclass
class Perfect:
    """A network that knows the labels, and remembers with which edges it was asked."""

    asked: list[Any]

    def over_track(self, features: Tensor, edges: str) -> Prediction:
        self.asked.append(edges)
        return _read(features)

    def __call__(self, windows: Tensor) -> Prediction:
        self.asked.append(tuple(windows.shape[:2]))
        return _read(windows)


def _sequence(name: str, n: int, seed: int = 0, joints: int = 14, **fields: Any) -> Sequence:
    """A moving body whose labels agree with its features to 32 bits."""
    generator = torch.Generator().manual_seed(seed)
    features = torch.randn(n, SIZE, generator=generator).cumsum(0) * 0.05
    joint_set = LSP_14 if joints == 14 else SPIN_49
    labels = result_of(_read(features), _body(), joint_set).joints + torch.randn(3, generator=generator)
    return Sequence(
        name,
        features.numpy(),
        joints=labels.numpy(),
        joint_set=joint_set,
        pose=features[:, :72].numpy(),
        betas=features[:, 72:].numpy(),
        **fields,
    )


def _evaluated(
    sequences: list[Sequence], protocol: str | Protocol = "tcmr", test_set: str = "3dpw", **options: Any
) -> Any:
    rules = PROTOCOLS[protocol] if isinstance(protocol, str) else protocol
    return evaluate(sequences, predictor(Perfect([]), rules), _body(), test_set, protocol, **options)


def _all_small(evaluation: Any, limit: float = 0.05) -> bool:
    figures = ("mpjpe", "pa_mpjpe", "acceleration_error", *(["vertex_error"] if evaluation.test_set == "3dpw" else []))
    return all(float(evaluation.values(figure).max()) < limit for figure in figures)


@pytest.mark.parametrize("protocol", ["tcmr", "static", "clamp"])
@pytest.mark.parametrize("test_set", TEST_SETS)
def test_perfect_predictions_have_no_errors(protocol: str, test_set: str) -> None:
    joints = 49 if test_set == "mpii3d" else 14
    sequences = [_sequence("a", 20, joints=joints), _sequence("b", 17, 1, joints=joints)]
    evaluation = _evaluated(sequences, protocol, test_set)
    assert _all_small(evaluation)
    assert evaluation.frames == 37
    assert (evaluation.values("vertex_error") is None) == (test_set != "3dpw")


def test_each_protocol_asks_for_its_windows() -> None:
    for name, asked in (("tcmr", "static"), ("glot", "clamp"), ("vibe", (2, 16))):
        network = Perfect([])
        evaluate([_sequence("a", 36)], predictor(network, PROTOCOLS[name]), _body(), "3dpw", name)
        assert network.asked == [asked]


@pytest.mark.parametrize("protocol", ["static", "clamp"])
def test_a_network_of_windows_alone_is_shown_the_window_of_every_frame(protocol: str) -> None:
    shown = []

    def middle(windows: Tensor) -> Prediction:
        shown.append(windows)
        return _read(windows[:, 8])

    sequence = _sequence("a", 70)
    evaluation = evaluate([sequence], predictor(middle, PROTOCOLS[protocol]), _body(), "3dpw", protocol)
    assert _all_small(evaluation)
    first = torch.cat(shown)[0]
    features = torch.from_numpy(sequence.features[0:70])
    assert torch.equal(first[0], features[0])
    assert torch.equal(first[15], features[0 if protocol == "static" else 7])


def test_glots_published_order_spoils_the_last_seven_frames_only() -> None:
    errors = _evaluated([_sequence("a", 30)], "glot").sequences[0]
    wrong = errors.mpjpe > 0.05
    assert wrong.nonzero()[:, 0].tolist() == [23, 24, 25, 27, 28, 29], "the middle one of the seven stays in its place"
    assert errors.vertex_error is not None
    assert torch.equal(errors.vertex_error > 0.05, wrong)
    assert (errors.acceleration_error[:21] < 0.05).all()
    assert (errors.acceleration_error[22:] > 0.05).any()


def test_frames_that_are_not_usable_are_left_out_before_anything_else() -> None:
    usable = np.arange(30) % 3 > 0
    whole = _sequence("a", 30)
    whole = replace(whole, joints=whole.joints + _noise(whole.joints))
    shorter = replace(
        whole,
        features=whole.features[0:30][usable],
        joints=whole.joints[usable],
        pose=whole.pose[usable],
        betas=whole.betas[usable],
    )
    ours, expected = _evaluated([replace(whole, usable=usable)]), _evaluated([shorter])
    assert ours.frames == 20
    for figure in ("mpjpe", "pa_mpjpe", "acceleration_error", "vertex_error"):
        assert torch.equal(ours.values(figure), expected.values(figure))


def _noise(joints: np.ndarray) -> np.ndarray:
    return 0.01 * np.random.default_rng(0).standard_normal(joints.shape).astype(np.float32)


def test_only_scored_frames_count_and_their_accelerations_use_their_neighbours() -> None:
    scored = np.zeros(20, bool)
    scored[[0, 5, 6, 19]] = True
    sequence = _sequence("a", 20, joints=49)
    noisy = replace(sequence, joints=sequence.joints + _noise(sequence.joints))
    every = _evaluated([noisy], test_set="mpii3d").sequences[0]
    some = _evaluated([replace(noisy, scored=scored)], test_set="mpii3d").sequences[0]
    assert torch.equal(some.mpjpe, every.mpjpe[scored])
    assert torch.equal(some.acceleration_error, every.acceleration_error[[4, 5]]), "the first and last frame have none"


def test_sequences_that_are_short_or_unscored_are_skipped_and_named() -> None:
    sequences = [_sequence("short", 15), _sequence("fine", 16), _sequence("none", 20, scored=np.zeros(20, bool))]
    evaluation = _evaluated(sequences)
    assert [errors.name for errors in evaluation.sequences] == ["fine"]
    assert evaluation.skipped == ("none", "short")


def test_sequences_are_visited_by_name_and_can_be_chosen() -> None:
    sequences = [_sequence(name, 16) for name in ("walk_1", "arg_0", "walk_0")]
    assert [errors.name for errors in _evaluated(sequences).sequences] == ["arg_0", "walk_0", "walk_1"]
    assert [errors.name for errors in _evaluated(sequences, only="walk").sequences] == ["walk_0", "walk_1"]


def test_vertices_are_those_of_the_filter_unless_the_published_figures_are_wanted() -> None:
    sequences = [_sequence("a", 20)]
    plain, published, right = (
        _evaluated(sequences, name, filter_share=share)
        for name, share in (("tcmr", None), ("tcmr", 0.3), ("static", 0.3))
    )
    assert torch.equal(published.values("vertex_error"), plain.values("vertex_error"))
    assert right.values("vertex_error").mean() > 1
    assert torch.equal(published.values("mpjpe"), right.values("mpjpe"))
    assert right.values("mpjpe").mean() > 1
    unfiltered = _evaluated(sequences, "static", filter_share=1.0)
    assert _all_small(unfiltered), "going all the way is no filter"


def test_vibes_protocol_drops_the_last_frames_rounds_the_labels_and_ignores_masks() -> None:
    sequences = [_sequence("a", 40, usable=np.zeros(40, bool)), _sequence("b", 17, 1)]
    evaluation = _evaluated(sequences, "vibe")
    assert evaluation.frames == 32 + 16
    assert [errors.name for errors in evaluation.sequences] == ["all"]
    assert len(evaluation.values("acceleration")) == 46, "also across the border"
    assert 0.01 < evaluation.means()["mpjpe"] < 3, "the rounding shows, and no more than it"


def test_vibes_protocol_compares_lsp_joints_on_every_set() -> None:
    evaluation = _evaluated([_sequence("a", 16)], "vibe", "mpii3d")
    assert evaluation.means()["mpjpe"] < 3


def test_borders_count_as_motion_only_under_vibes_protocol() -> None:
    still = [_sequence("a", 16), _sequence("b", 16, 5)]
    frozen = [
        replace(s, features=np.repeat(s.features[0:1], 16, 0), joints=np.repeat(s.joints[:1], 16, 0)) for s in still
    ]
    apart = _evaluated(frozen, test_set="h36m")
    across = _evaluated(frozen, Protocol("mine", borders=True), test_set="h36m")
    assert apart.values("acceleration").max() < 1e-3
    assert (across.values("acceleration") > 1).nonzero()[:, 0].tolist() == [14, 15]


def test_mistakes_are_told_in_one_line() -> None:
    fine = _sequence("a", 16)
    with pytest.raises(UserError, match="no protocol 'best'; known: tcmr"):
        evaluate([fine], lambda features: _read(features), _body(), "3dpw", "best")
    with pytest.raises(UserError, match="no test set 'coco'; known: 3dpw"):
        _evaluated([fine], test_set="coco")
    with pytest.raises(UserError, match="nothing to evaluate"):
        _evaluated([_sequence("a", 3)])
    with pytest.raises(UserError, match="no 3D joints"):
        _evaluated([replace(fine, joints=None, joint_set=None)])
    with pytest.raises(UserError, match="no pose and shape"):
        _evaluated([replace(fine, pose=None)])
    with pytest.raises(UserError, match="lsp-14 has not all of mpii3d-17"):
        _evaluated([fine], test_set="mpii3d")


def test_means_weigh_frames_and_the_table_has_a_line_for_each_sequence() -> None:
    long, short = _sequence("long", 40), _sequence("short", 16, 1)
    noisy = replace(short, joints=short.joints + _noise(short.joints))
    evaluation = _evaluated([long, noisy])
    alone = _evaluated([noisy]).means()
    assert evaluation.means()["mpjpe"] == pytest.approx(alone["mpjpe"] * 16 / 56, abs=0.01)
    lines = evaluation.table().splitlines()
    assert [line.split()[0] for line in lines] == ["sequence", "long", "short", "all"]
    assert "MPJPE [mm]" in lines[0]
    assert "Accel [mm/frame²]" in lines[0]
    assert lines[-1].split()[1] == "56"
    assert float(lines[2].split()[2]) == pytest.approx(alone["mpjpe"], abs=0.06)
    assert len({len(line) for line in lines}) == 1


def test_gaps_are_no_motion_but_under_the_published_protocols() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.cat([torch.randn(1, SIZE, generator=generator).expand(20, -1) * 0.3 for _ in range(2)]).numpy()
    joints = result_of(_read(torch.from_numpy(features)), _body(), LSP_14).joints.numpy()
    still = replace(_sequence("a", 40), features=features, joints=joints * 0, frames=np.r_[:20, 23:43])
    static, tcmr = _evaluated([still], "static").sequences[0], _evaluated([still], "tcmr").sequences[0]
    assert (len(static.acceleration), len(tcmr.acceleration)) == (36, 38)
    assert (len(static.velocity_error), len(tcmr.velocity_error)) == (38, 39)
    assert float(static.acceleration_error.max()) < 1e-3
    assert float(tcmr.acceleration_error.max()) > 1


def test_a_set_that_was_thinned_out_has_no_gaps() -> None:
    thinned = _sequence("a", 20, frames=np.arange(20) * 2)
    assert len(_evaluated([thinned], "static").sequences[0].acceleration) == 18


def test_a_gap_longer_than_a_window_parts_a_sequence_in_two() -> None:
    shown = []

    class Shown(Perfect):
        def over_track(self, features: Tensor, edges: str) -> Prediction:
            shown.append(len(features))
            return _read(features)

    sequence = _sequence("a", 30, frames=np.r_[:12, 40:58])
    for protocol, parts in (("static", [12, 18]), ("tcmr", [30])):
        shown.clear()
        evaluation = evaluate([sequence], predictor(Shown([]), PROTOCOLS[protocol]), _body(), "3dpw", protocol)
        assert shown == parts
        assert _all_small(evaluation)


def test_only_published_protocols_skip_short_sequences() -> None:
    assert _evaluated([_sequence("a", 5)], "clamp").frames == 5


def test_scale_and_velocity_are_measured_too() -> None:
    noisy = replace(_sequence("a", 20), joints=_sequence("a", 20).joints * 1.5)
    values = _evaluated([noisy]).means()
    assert values["n_mpjpe"] == pytest.approx(0, abs=0.05)
    assert values["mpjpe"] > 5
    assert values["velocity_error"] > 0.1


def test_pck_and_auc_come_with_the_joints_of_mpi_inf_3dhp() -> None:
    sequence = _sequence("a", 20, joints=49)
    values = _evaluated([sequence], test_set="mpii3d").means()
    assert values["pck"] == 100
    assert values["auc"] == pytest.approx(100 * 30 / 31, abs=0.01)
    far = replace(sequence, joints=sequence.joints * 100)
    assert _evaluated([far], test_set="mpii3d").means()["pck"] < 10


def test_true_people_are_posed_on_the_body_of_their_gender_where_it_is_given() -> None:
    sequence = _sequence("a", 20, gender="male")
    network = predictor(Perfect([]), PROTOCOLS["static"])
    man = replace(_body(), template=_body().template * 1.1)
    own = evaluate([sequence], network, _body(), "3dpw", "static", bodies={"male": man})
    assert own.means()["vertex_error"] > 10
    assert own.means()["mpjpe"] < 0.05
    women = evaluate([sequence], network, _body(), "3dpw", "static", bodies={"female": man})
    assert women.means()["vertex_error"] < 0.05


def test_a_network_of_middle_frames_is_asked_for_every_frame_of_windows_that_stand_apart() -> None:
    class Middle(Perfect):
        def __call__(self, windows: Tensor) -> Prediction:
            return _read(windows[:, 8])

    evaluation = evaluate([_sequence("a", 36)], predictor(Middle([]), PROTOCOLS["vibe"]), _body(), "3dpw", "vibe")
    assert evaluation.frames == 32
    assert evaluation.means()["mpjpe"] < 3
