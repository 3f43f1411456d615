"""Every method on every set by every protocol, or one line that says why not."""

import itertools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anthropose.datasets.lifting import read_joints
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.evaluate.command import Options, evaluate_method
from anthropose.evaluate.lifting import evaluate_lifting, mean_over_actions
from anthropose.evaluate.protocols import PROTOCOLS
from anthropose.evaluate.results import Results
from anthropose.evaluate.sources import find_sources, lifting_sequences
from anthropose.methods.keypoint_fed import KeypointFedConfig, fed_with_keypoints
from anthropose.methods.rie import PUBLISHED, RIENetwork, lift
from anthropose.methods.rie.network import groups_of
from anthropose.nn.checkpoints import Weights, load_network, weights_folder, write_weights
from anthropose.nn.keypoint_encoder import KeypointEncoderConfig
from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15, THREEDPW_14
from tests.evaluate import sets
from tests.methods.small import CONFIGS, FEATURES, install_small, published_of

VIDEO = ("tcmr", "glot", "vibe", "parallel-branch")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights and bodies."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    return tmp_path


@pytest.fixture
def weights(home: Path) -> Path:
    install_small([*VIDEO, "rie"])
    return home


def run(name: str, preset: str, data: Path, **options: Any) -> Results:
    [results] = evaluate_method(name, preset, data, Options(**options))
    return results


def test_every_video_method_is_evaluated_by_every_protocol_on_every_set(weights: Path) -> None:
    data = sets.threedpw(weights / "3dpw"), sets.mpii3d(weights / "mpii3d"), sets.database(weights / "h36m_test_db.pt")
    for name, protocol, path in itertools.product(VIDEO, PROTOCOLS, data):
        results = run(name, "", path, protocol=protocol)
        assert results.about["protocol"] == protocol
        assert np.isfinite(list(results.overall.values.values())).all()
        assert results.overall.count in ((72, 48) if path is data[0] else (40, 32)), "vibe drops the ends"
        assert results.published or (name, path) == ("parallel-branch", data[2]), "the method's lines of the papers"


def test_rie_and_smplify_are_evaluated_on_sets_of_keypoints(weights: Path) -> None:
    for path in (sets.mpii3d(weights / "mpii3d"), sets.database(weights / "h36m_test_db.pt")):
        for protocol in ("tcmr", "static"):
            assert run("rie", "", path, protocol=protocol).overall.count == 40
    results = run("smplify", "", sets.threedpw(weights / "3dpw"), only="arguing")
    assert results.overall.values["pa_mpjpe"] < 150
    assert "vertex_error" in results.overall.values, "it makes bodies"


def test_weights_that_are_fed_with_keypoints_need_no_features(home: Path) -> None:
    published = fed_with_keypoints(published_of("glot"))
    config = KeypointFedConfig(CONFIGS["glot"], KeypointEncoderConfig(features=FEATURES))
    path = weights_folder() / "glot.safetensors"
    header = Weights("glot", "glot", asdict(config), "keypoints", "made-up", "0", path)
    write_weights(header, published.network(config).state_dict(), path)
    results = run("glot", "table1-3dpw", sets.threedpw(home / "3dpw", features=None))
    assert results.overall.count == 72
    assert "vertex_error" in results.overall.values
    assert any("made from keypoints" in note for note in results.notes)


def test_a_preset_brings_its_line_its_sets_and_the_right_protocol(weights: Path) -> None:
    sets.threedpw(weights / "data" / "3dpw-test")
    sets.mpii3d(weights / "data" / "mpii3d-test")
    sets.database(weights / "data" / "h36m_test_25fps_db.pt")
    [results] = evaluate_method("glot", "table1-3dpw", weights / "data")
    assert results.about["protocol"] == "clamp"
    ours = [line for line in results.published if line.is_ours]
    assert [(line.table, line.values["pa_mpjpe"]) for line in ours] == [("Table 1, with 3DPW in training", 50.6)]
    assert [one.about["test_set"] for one in evaluate_method("glot", "table1-h36m-mpii3d", weights / "data")] == [
        "mpii3d",
        "h36m",
    ]
    assert len(evaluate_method("tcmr", "", weights / "data")) == 3, "without a preset all that are there"
    assert run("glot", "table1-3dpw", weights / "data", sets=("h36m",)).about["test_set"] == "h36m"


def test_of_several_prepared_sets_the_one_that_papers_report_on_is_taken(tmp_path: Path) -> None:
    for folder, release, how in (
        ("3dpw-dynaboa-test", "3dpw-dynaboa", {}),
        ("3dpw-test", "3dpw", {}),
        ("3dpw-whole-test", "3dpw-whole", {}),
        ("a", "3dpw", {"extractor": {"name": "some", "occluders": 3}}),
        ("b", "mpii3d-test", {"crop_scale": 1.3}),
        ("mpii3d-test", "mpii3d-test", {}),
        ("c", "mpii3d-test-annot3", {}),
        ("h36m-test", "h36m", {}),
        ("h36m-tight-test", "h36m-tight", {}),
    ):
        sets.write_set(tmp_path / folder, [], release, **how)
    found = [source.path.name for source in find_sources(tmp_path)]
    assert found == ["3dpw-test", "mpii3d-test", "h36m-test"]
    assert find_sources(tmp_path, ["h36m"], frontal=True)[0].path.name == "h36m-tight-test"


def test_which_of_human36ms_cameras_count_is_told_where_a_papers_figures_are_of_others(weights: Path) -> None:
    four = sets.write_set(weights / "data" / "h36m-test", [_view(1), _view(4)], "h36m")
    tight = sets.write_set(weights / "data" / "h36m-tight-test", [_view(4)], "h36m-tight")

    def told(preset: str, path: Path, **options: Any) -> bool:
        return any("camera" in note for note in run("tcmr", preset, path, **options).notes)

    [chosen] = evaluate_method("tcmr", "table6-h36m", weights / "data")
    assert chosen.about["data"] == str(tight)
    assert not any("camera" in note for note in chosen.notes)
    [chosen] = evaluate_method("tcmr", "table4-h36m-mpii3d", weights / "data")
    assert chosen.about["data"] == str(four)
    assert not any("camera" in note for note in chosen.notes)
    assert told("table6-h36m", four)
    assert not told("table6-h36m", four, only="ca_04")
    assert told("table4-h36m-mpii3d", tight)
    assert not told("", tight)


def _view(camera: int) -> Sequence:
    return sets.sequence(f"s_09_act_02_subact_01_ca_0{camera}", seed=camera, pose=None, betas=None)


def test_published_is_the_methods_own_protocol(weights: Path) -> None:
    path = sets.threedpw(weights / "3dpw")
    for name, own in (("tcmr", "tcmr"), ("glot", "glot"), ("vibe", "vibe"), ("parallel-branch", "vibe")):
        published, named = run(name, "", path, protocol="published"), run(name, "", path, protocol=own)
        assert published.overall == named.overall
        assert not any("--protocol published" in note for note in published.notes)
        assert any("--protocol published" in note for note in run(name, "", path).notes)


def test_a_presets_own_weights_come_before_the_usual_ones(home: Path) -> None:
    path = sets.threedpw(home / "3dpw")
    install_small(["glot"])
    assert run("glot", "table2-3dpw", path).about["weights"] == "glot"
    install_small(["glot"], seed=1, name="table2_3dpw_weights")
    assert run("glot", "table2-3dpw", path).about["weights"] == "table2_3dpw_weights"
    assert run("glot", "table1-3dpw", path).about["weights"] == "glot"
    install_small(["glot"], seed=2, name="glot-table2-3dpw")
    assert run("glot", "table2-3dpw", path).about["weights"] == "glot-table2-3dpw"
    assert run("glot", "table2-3dpw", path, weights="glot").about["weights"] == "glot"


def test_activities_actions_and_joints_have_their_tables(weights: Path) -> None:
    assert list(run("tcmr", "", sets.mpii3d(weights / "mpii3d")).tables) == ["activity", "joint"]
    results = run("tcmr", "", sets.database(weights / "h36m_test_db.pt"))
    assert [line.name for line in results.tables["action"]] == ["Directions", "Discussion"]


def test_lifting_gives_the_published_scripts_figures(weights: Path) -> None:
    path = sets.archives(weights / "vp")
    results = run("rie", "gt-stage3", path.parent, protocol="published")
    network = load_network("rie", PUBLISHED)
    assert isinstance(network, RIENetwork)
    [source] = find_sources(path)
    _, sequences, _ = lifting_sequences(source, "gt")
    scores = evaluate_lifting(lambda seen: lift(network, seen, H36M_VP3D_17.mirror), sequences)
    [mean] = mean_over_actions(scores)
    expected = (mean.protocol1, mean.protocol2, mean.protocol3)
    ours = [results.overall.values[figure] for figure in ("mpjpe", "pa_mpjpe", "n_mpjpe")]
    assert ours == pytest.approx(expected, rel=1e-4)
    assert [line.name for line in results.sequences][:2] == ["S9 Walking", "S9 Walking 1"]
    assert results.sequences[0].count == 48, "four cameras of twelve frames are one take"
    actions = {line.name: line.values for line in results.tables["action"]}
    for score in scores:
        assert actions[score.action]["mpjpe"] == pytest.approx(score.protocol1, rel=1e-4)
        assert actions[score.action]["velocity_error"] == pytest.approx(score.velocity, rel=1e-4)
    rooted = run("rie", "gt-stage3", path)
    assert rooted.tables["action"][0].values["mpjpe"] == pytest.approx(scores[0].rooted, rel=1e-4)
    assert [line.values["mpjpe"] for line in results.published if line.is_ours and "mpjpe" in line.values] == [30.1]


def test_lifting_wants_the_keypoints_of_its_preset(weights: Path) -> None:
    path = sets.archives(weights / "vp")
    with pytest.raises(
        UserError, match=r"data_2d_h36m_cpn_ft_h36m_dbb\.npz: no such file of keypoints; there are none"
    ):
        run("rie", "cpn", path)
    joints = read_joints(path)
    views = {
        subject: {action: [poses[:, :17, :2] * 500 for _ in range(4)] for action, poses in actions.items()}
        for subject, actions in joints.items()
    }
    metadata = {"keypoints_symmetry": [[4, 5, 6, 11, 12, 13], [1, 2, 3, 14, 15, 16]]}
    name = path.with_name("data_2d_h36m_cpn_ft_h36m_dbb.npz")
    np.savez(name, positions_2d=np.array(views, dtype=object), metadata=np.array(metadata, dtype=object))
    assert run("rie", "cpn-stage3", path).notes[0] == f"keypoints: {name.name}"


def test_humaneva_is_lifted_by_weights_for_its_joints(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sets.humaneva_archives(home / "vp")
    install_small(["rie"])
    assert "weights 'rie' are for h36m-vp3d-17, the file is of humaneva-15" in refused("rie", "", path)
    monkeypatch.setitem(CONFIGS, "rie", replace(CONFIGS["rie"], groups=groups_of(HUMANEVA_15)))
    install_small(["rie"])
    results = run("rie", "", path)
    assert [line.name for line in results.tables["action"]] == ["Walking", "Jog"]
    assert results.sequences[0].name == "Validate/S1 Walking 1 chunk0"
    assert results.overall.count == 2 * 2 * 3 * 12


def refused(name: str, preset: str, data: Path, **options: Any) -> str:
    """The line with which a combination is refused."""
    with pytest.raises(UserError) as caught:
        evaluate_method(name, preset, data, Options(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_combinations_that_make_no_sense_are_refused_in_one_line(weights: Path) -> None:
    threedpw, archive = sets.threedpw(weights / "3dpw"), sets.archives(weights / "vp")
    coco = sets.write_set(weights / "limbs", [_labelled(THREEDPW_14)])
    assert "features of crops, which dynaboa cannot adapt" in refused("dynaboa", "3dpw", threedpw, weights="vibe")
    assert "needs a set with image features" in refused("tcmr", "", archive)
    assert "needs a set with boxes" in refused("smplify", "", archive)
    assert "3dpw-14 lacks left_eye" in refused("rie", "", coco)
    assert "not for VideoPose3D's archives" in refused("rie", "", archive, protocol="tcmr")
    assert "protocol rooted is for" in refused("tcmr", "", threedpw, protocol="rooted")
    assert "which rie does not see" in refused("rie", "", threedpw, protocol="vibe")
    assert "method smplify has no weights" in refused("smplify", "", threedpw, weights="x")
    assert "--filter smooths" in refused("smplify", "", threedpw, filter_share=0.3)


def _labelled(skeleton: Any) -> Any:
    """A sequence whose keypoints are those of 3DPW."""
    whole = sets.sequence("a")
    keypoints = np.ones((len(whole), len(skeleton), 3), np.float32)
    return replace(whole, keypoints=keypoints, keypoint_set=skeleton)


def test_wrong_names_are_refused_in_one_line(weights: Path) -> None:
    path = sets.threedpw(weights / "3dpw")
    assert "has no preset 'table9'; it has table1-3dpw" in refused("glot", "table9", path)
    assert "smplify has no preset 'x'" in refused("smplify", "x", path)
    assert "no protocol 'best'; known are published, tcmr" in refused("glot", "", path, protocol="best")
    assert "no method 'clot'" in refused("clot", "", path)
    assert "no sequence with 'nobody' in its name" in refused("glot", "", path, only="nobody")
    assert "weights 'vibe' belong to vibe, not to GLoT" in refused("glot", "", path, weights="vibe")


def test_wrong_data_is_refused_in_one_line(weights: Path) -> None:
    path = sets.threedpw(weights / "3dpw")
    assert "no such file or folder; expected a prepared set" in refused("glot", "", weights / "none")
    (weights / "empty").mkdir()
    assert "holds nothing to evaluate on" in refused("glot", "", weights / "empty")
    assert "it is of 3dpw, not of mpii3d" in refused("glot", "", path, sets=("mpii3d",))
    sets.threedpw(weights / "folder" / "3dpw-test")
    assert "nothing of h36m in it; it has 3dpw" in refused("glot", "", weights / "folder", sets=("h36m",))
    unknown = sets.write_set(weights / "mine", [sets.sequence("a")], "mine")
    assert "say --set" in refused("glot", "", unknown)
    assert run("glot", "", unknown, sets=("3dpw",)).about["test_set"] == "3dpw"
    assert "has not all of mpii3d-17" in refused("glot", "", unknown, sets=("mpii3d",))
    plain = sets.threedpw(weights / "plain", features=None)
    assert "prepared without image features" in refused("glot", "", plain)
    wide = sets.write_set(weights / "wide", [sets.sequence("a", features=np.zeros((24, 7), np.float32))])
    assert "have 7 numbers, the network takes 128" in refused("glot", "", wide)
    boxes = sets.threedpw(weights / "boxes", boxes=None)
    assert "it has no boxes" in refused("smplify", "", boxes)
    assert "these are keypoints" in refused("rie", "", _touched(weights / "data_2d_h36m_gt.npz"))


def _touched(path: Path) -> Path:
    path.write_bytes(b"")
    return path


def test_numbers_that_are_none_are_refused_with_the_sequence_and_the_frame(weights: Path) -> None:
    features = sets.sequence("a").features
    assert features is not None
    features = features[0:24].copy()
    features[9] = np.nan
    broken = sets.write_set(weights / "nan", [sets.sequence("fine"), sets.sequence("a", features=features)])
    line = refused("tcmr", "", broken)
    assert line.startswith("a: the predictions of 9 of 24 frames are not numbers, from frame 8 on")
    joints = np.asarray(sets.sequence("b").joints).copy()
    joints[5] = np.nan
    labels = sets.write_set(weights / "labels", [sets.sequence("b", joints=joints)])
    assert refused("tcmr", "", labels).startswith("b: the labels of 1 of 24 frames are not numbers, from frame 5 on")


def test_a_part_that_papers_do_not_report_on_is_noted(weights: Path) -> None:
    path = sets.write_set(weights / "val", [sets.sequence("a")], subset="validation")
    assert any("part 'validation'" in note for note in run("tcmr", "", path).notes)


def test_true_people_are_compared_on_their_own_bodies_where_these_are_named(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = sets.write_set(weights / "3dpw", [sets.sequence("a", gender="female")])
    neutral = run("tcmr", "", path)
    assert any("female people on the neutral body" in note for note in neutral.notes)
    from anthropose.body.files import load_body

    taller = load_body("free")
    taller = replace(taller, template=taller.template * 1.2)
    monkeypatch.setattr(
        "anthropose.evaluate.command.load_body", lambda name: taller if name == "her" else load_body(name)
    )
    own = run("tcmr", "", path, bodies={"female": "her"})
    assert own.overall.values["mpjpe"] == neutral.overall.values["mpjpe"]
    assert own.overall.values["vertex_error"] != neutral.overall.values["vertex_error"]
    assert not any("neutral body" in note for note in own.notes)
    men = run("tcmr", "", path, bodies={"male": "her"})
    assert men.overall.values["vertex_error"] == neutral.overall.values["vertex_error"]


def test_evaluations_are_the_same_each_time(weights: Path) -> None:
    path = sets.threedpw(weights / "3dpw")
    torch.manual_seed(3)
    assert run("glot", "", path) == run("glot", "", path)
