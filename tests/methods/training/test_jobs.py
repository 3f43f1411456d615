"""What holds for the job of every published training of the video methods, on small sets in the published layout."""

from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.jobs import Share, Stage
from anthropose.methods.base import METHODS, Preset
from anthropose.methods.overrides import overridden
from anthropose.methods.training import Setting
from anthropose.nn.checkpoints import find_weights, load_network
from tests.methods.small import CONFIGS, FEATURES, install_small
from tests.methods.training.folders import published_folder

MODULES = {
    method: import_module(METHODS[method].partition(":")[0]) for method in ("tcmr", "vibe", "glot", "parallel-branch")
}
ALONE = Share()
EVERY = [(method, name) for method, module in MODULES.items() for name in module.TRAININGS if "mocap" not in name]
ONE_EACH = [("tcmr", "table4-3dpw"), ("vibe", "without-3dpw"), ("glot", "table1-3dpw"), ("parallel-branch", "first")]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))


def small(method: str, name: str) -> Preset:
    """The preset with a small network."""
    preset = MODULES[method].TRAININGS[name]
    network: Any = replace(CONFIGS[method])
    if method == "parallel-branch":
        network = replace(network, lifting=None)
    changes = {"network": network, "batch": 10, "iterations": 3, "epochs": 2}
    if getattr(preset, "discriminator", None):
        discriminator = replace(preset.discriminator, hidden=8, layers=1)
        changes["discriminator"] = discriminator
    return overridden(preset, changes)


def made(method: str, name: str, folder: Path, **setting: Any) -> Any:
    preset = small(method, name)
    published_folder(folder, preset, FEATURES)
    return MODULES[method].job(name, preset, Setting(load_body(), folder, **{"start": "none", **setting}))


def first_batches(stage: Stage, epoch: int, share: Share = ALONE) -> list[Any]:
    return list(islice(stage.batches(epoch, share), stage.iterations))


@pytest.mark.parametrize(("method", "name"), EVERY)
def test_every_published_training_takes_a_step_and_is_validated(method: str, name: str, tmp_path: Path) -> None:
    job = made(method, name, tmp_path)
    (stage,) = job.stages
    batch = first_batches(stage, 0)[0]
    stage.network.train()
    terms = stage.loss(batch)
    own = terms if isinstance(terms, dict) else terms[0]
    sum(own.values()).backward()
    preset = MODULES[method].TRAININGS[name]
    assert {"pose", "betas"} & {term.split("_")[0] for term in own} or not preset.bodies_from
    assert (stage.adversary is not None) == ("adversarial" in own)
    assert all(term.isfinite() for term in own.values())
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in stage.network.parameters())
    stage.network.eval()
    with torch.no_grad():
        figures = stage.validate() if stage.validate else {}
    assert 20 < figures["pa_mpjpe"] <= figures["mpjpe"]
    assert stage.best == "pa_mpjpe"


@pytest.mark.parametrize(("method", "name"), ONE_EACH)
def test_a_job_comes_out_the_same_each_time(method: str, name: str, tmp_path: Path) -> None:
    torch.manual_seed(1)
    one = made(method, name, tmp_path)
    torch.manual_seed(2)
    two = made(method, name, tmp_path)
    states = [job.stages[0].network.state_dict() for job in (one, two)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    features = [[_windows(batch).features for batch in first_batches(job.stages[0], 1)] for job in (one, two)]
    assert all(torch.equal(a, b) for a, b in zip(*features, strict=True))


def _windows(batch: Any) -> Any:
    return getattr(batch, "windows", batch)


@pytest.mark.parametrize(("method", "name"), ONE_EACH)
def test_batches_have_the_published_ratio_and_their_sequences_names(method: str, name: str, tmp_path: Path) -> None:
    job = made(method, name, tmp_path)
    batch = _windows(first_batches(job.stages[0], 0)[0])
    assert (~batch.from_3d_set).sum() <= 6
    assert len(batch.names) == len(batch.features)
    whole = first_batches(job.stages[0], 1)[0]
    parts = [first_batches(job.stages[0], 1, Share(rank, 2))[0] for rank in (0, 1)]
    assert sum(len(_windows(part).features) for part in parts) == len(_windows(whole).features)


def test_best_weights_are_taken_as_weights_of_the_method(tmp_path: Path) -> None:
    for method, name in ONE_EACH:
        job = made(method, name, tmp_path / method)
        state = job.stages[0].network.state_dict()
        path = tmp_path / f"{method}.safetensors"
        job.publish(state, path)
        published = MODULES[method].PUBLISHED
        weights = find_weights(str(path), published)
        assert (weights.system, weights.front_end) == (method, "image")
        loaded = load_network(weights, published).state_dict()
        assert all(torch.equal(loaded[key], state[key]) for key in state)


@pytest.mark.parametrize(("method", "name"), ONE_EACH)
def test_a_training_that_wants_spins_regressor_says_so_in_one_line(method: str, name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=rf"{method} {name} begins with SPIN's regressor.*--start none") as raised:
        made(method, name, tmp_path, start="")
    assert "\n" not in str(raised.value)
    install_small(["spin"])
    if method != "tcmr":
        return
    with pytest.raises(UserError, match="of other sizes than SPIN's"):
        made(method, name, tmp_path, start="spin")


def test_the_regressor_begins_with_spins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONFIGS, "tcmr", replace(CONFIGS["tcmr"], regressor_hidden=16))
    install_small(["spin"], seed=3)
    network = made("tcmr", "plain", tmp_path, start="").stages[0].network
    theirs = load_network("", __import__("anthropose.nn.hmr", fromlist=["PUBLISHED"]).PUBLISHED).state_dict()
    ours = network.regressor.state_dict()
    assert all(torch.equal(ours[key], theirs[f"regressor.{key}"]) for key in ours)


def test_missing_sets_are_listed_in_one_line(tmp_path: Path) -> None:
    preset = small("tcmr", "table4-3dpw")
    job = MODULES["tcmr"].job
    with pytest.raises(UserError, match="name the folder that holds them by --data"):
        job("table4-3dpw", preset, Setting(load_body(), start="none"))
    published_folder(tmp_path, preset, FEATURES)
    (tmp_path / "mpii3d_train_scale12_occ_db.pt").unlink()
    (tmp_path / "insta_train_db.h5").unlink()
    with pytest.raises(UserError, match=r"insta_train_db\.h5 .*mpii3d_train_scale12_occ_db\.pt"):
        job("table4-3dpw", preset, Setting(load_body(), tmp_path, start="none"))
