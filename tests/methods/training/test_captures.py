"""What holds for the small training on motion capture that every method has."""

from dataclasses import replace
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.errors import UserError
from anthropose.jobs import Job, Share
from anthropose.methods.base import METHODS, find_method
from anthropose.methods.keypoint_fed import KeypointFedConfig
from anthropose.methods.overrides import overridden
from anthropose.methods.training import Setting
from anthropose.methods.video import FeatureMethod
from anthropose.nn.checkpoints import find_weights, load_network
from anthropose.nn.keypoint_encoder import KeypointEncoderConfig
from anthropose.skeleton import SMPL_24
from anthropose.synthetic.captures import write_captures
from tests.methods.small import CONFIGS, FEATURES

MODULES = {method: import_module(METHODS[method].partition(":")[0]) for method in METHODS if method != "smplify"}


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_captures(tmp_path_factory.mktemp("captures") / "made-up", train=4, val=2, test=1, seconds=2.0)


def made(method: str, captures: Path, **more: Any) -> Job:
    """The small training with a tiny network."""
    preset = MODULES[method].TRAININGS["mocap-small"]
    changes: dict[str, Any] = {"batch": 6}
    if method == "rie":
        changes |= {"network.channels": 8, "network.latent": 8, "network.hidden": 16, "sequences": 4, "sequence": 10}
    elif method == "dynaboa":
        changes |= {"network": CONFIGS["dynaboa"], "pictures": 24}
    else:
        encoder = KeypointEncoderConfig(features=FEATURES, hidden=16, blocks=1)
        changes["network"] = KeypointFedConfig(CONFIGS[method], encoder)
    if getattr(preset, "discriminator", None):
        changes["discriminator"] = replace(preset.discriminator, hidden=8)
    setting = Setting(load_body(), mocap=(captures,))
    return MODULES[method].job("mocap-small", overridden(preset, changes | more), setting)


@pytest.mark.parametrize("method", MODULES)
def test_every_stage_takes_a_step_and_is_validated(method: str, captures: Path) -> None:
    job = made(method, captures)
    assert 20 < job.config["mean_pose"]["pa_mpjpe"] < 400, "what it has to beat"
    for stage in job.stages:
        first, second = islice(stage.batches(0, Share()), 2)
        stage.network.train()
        terms = stage.loss(first)
        own = terms if isinstance(terms, dict) else terms[0]
        assert all(term.isfinite() for term in own.values())
        sum(own.values()).backward()
        assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in stage.network.parameters())
        assert second is not first
        stage.network.eval()
        assert stage.validate is not None
        with torch.no_grad():
            assert 0 < stage.validate()[stage.best] < 2000


@pytest.mark.parametrize("method", MODULES)
def test_two_processes_share_what_one_draws(method: str, captures: Path) -> None:
    stage = made(method, captures).stages[0]
    whole = _first_tensor(next(iter(stage.batches(1, Share()))))
    parts = [_first_tensor(next(iter(stage.batches(1, Share(rank, 2))))) for rank in (0, 1)]
    assert torch.allclose(torch.cat(parts), whole, atol=1e-5)
    other = _first_tensor(next(iter(stage.batches(2, Share()))))
    assert not torch.allclose(other, whole, atol=1e-2), "another epoch has other windows"


def _first_tensor(batch: Any) -> torch.Tensor:
    windows = getattr(batch, "windows", batch)
    return next(value for value in vars(windows).values() if isinstance(value, torch.Tensor))


@pytest.mark.parametrize("method", MODULES)
def test_its_weights_are_taken_as_weights_of_the_method(method: str, captures: Path, tmp_path: Path) -> None:
    job = made(method, captures)
    network, path = job.stages[-1].network, tmp_path / f"{method}.safetensors"
    job.publish(network.state_dict(), path)
    kind = find_method(method)
    known = kind.layouts() if issubclass(kind, FeatureMethod) else MODULES[method].PUBLISHED
    weights = find_weights(str(path), known)
    assert weights.front_end == ("image" if method == "dynaboa" else "keypoints")
    loaded = load_network(weights, known)
    assert loaded.config == network.config
    ours = network.state_dict()
    assert all(torch.equal(value, ours[key]) for key, value in loaded.state_dict().items())


def test_rie_sees_as_many_windows_of_its_sequences_as_it_wants(captures: Path) -> None:
    all_of_them = sum(len(batch.keypoints) for batch in made("rie", captures).stages[0].batches(0, Share()))
    fewer = list(made("rie", captures, windows=18).stages[0].batches(0, Share()))
    assert [len(batch.keypoints) for batch in fewer] == [6, 6, 6]
    assert 18 < all_of_them <= 4 * 10


def test_a_fresh_regressor_begins_at_the_mean_of_the_captures(captures: Path) -> None:
    regressor = made("tcmr", captures).stages[0].network.network.regressor
    prediction = regressor.mean().prediction()
    upright = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    assert torch.allclose(prediction.pose.rotations[0], upright, atol=1e-5), "the camera's y axis points down"
    knee = prediction.pose.rotations[SMPL_24.index("left_knee")]
    assert knee[1, 1] < 0.95, "a mean knee is bent"
    assert 0.2 < prediction.camera[0] < 2


def test_glot_begins_near_the_mean_body(captures: Path) -> None:
    stage = made("glot", captures).stages[0]
    fresh = stage.network.network
    batch = next(iter(stage.batches(0, Share())))
    features = stage.network.front_end(batch.features)
    mean = fresh.whole.regressor.mean().prediction().pose.rotations
    with torch.no_grad():
        estimates = fresh.masked_estimates(features)
    for prediction in (estimates.local, estimates.whole):
        assert (prediction.pose.rotations - mean).abs().mean() < 0.2


def test_motion_capture_is_asked_for_in_one_line() -> None:
    module = MODULES["glot"]
    with pytest.raises(UserError, match="glot mocap-small learns from motion capture; name its folders by --mocap"):
        module.job("mocap-small", module.TRAININGS["mocap-small"], Setting(load_body()))


def test_an_adversary_takes_motion_capture_where_amass_is_missing(captures: Path, tmp_path: Path) -> None:
    from tests.methods.training.folders import published_folder
    from tests.methods.training.test_jobs import small

    preset = small("vibe", "without-3dpw")
    published_folder(tmp_path, preset, FEATURES)
    (tmp_path / "amass_db.pt").unlink()
    job = MODULES["vibe"].job("without-3dpw", preset, Setting(load_body(), tmp_path, (captures,), start="none"))
    batch = next(iter(job.stages[0].batches(0, Share())))
    assert batch.recorded.shape == (32, 16, 69)
    with pytest.raises(UserError, match=r"amass_db\.pt"):
        MODULES["vibe"].job("without-3dpw", preset, Setting(load_body(), tmp_path, start="none"))
