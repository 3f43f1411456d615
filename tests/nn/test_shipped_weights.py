"""The weights that come with the package."""

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch

from anthropose.body.files import load_body
from anthropose.body.results import result_of
from anthropose.datasets.mocap import MocapConfig, MocapSource
from anthropose.methods.base import METHODS, find_method
from anthropose.methods.training.figures import rooted_errors
from anthropose.methods.video import FeatureMethod
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.checkpoints import find_weights, load_network, shipped_weights
from anthropose.nn.weights import Published
from anthropose.reconstruction import DEFAULT_METHOD, DEFAULT_WEIGHTS, method_for
from anthropose.settings import Settings
from anthropose.skeleton import LSP_14
from anthropose.synthetic.captures import write_captures

LARGEST = 60e6
"""Bytes of all together."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))


def layouts_of(system: str) -> tuple[Published, ...]:
    kind = find_method(system)
    if issubclass(kind, FeatureMethod):
        return kind.layouts()
    published = import_module(METHODS[system].partition(":")[0]).PUBLISHED
    return (published,) if isinstance(published, Published) else tuple(published)


def test_they_are_small_and_there_is_one_of_a_body_and_one_of_joints() -> None:
    shipped = shipped_weights()
    assert {"parallel-branch", "rie"} <= {weights.system for weights in shipped}
    assert sum(weights.path.stat().st_size for weights in shipped) < LARGEST
    assert all(weights.front_end == "keypoints" for weights in shipped), "whoever installs has nothing else"


@pytest.mark.parametrize("name", [weights.name for weights in shipped_weights()])
def test_they_load_by_name_and_where_nothing_is_installed_by_themselves(name: str) -> None:
    layouts = layouts_of(name.removeprefix("free-"))
    assert find_weights("", layouts) == find_weights(name, layouts)
    network = load_network(name, layouts)
    assert all(value.isfinite().all() for value in network.state_dict().values())
    assert {value.dtype for value in network.parameters()} == {torch.float32}


def test_without_a_named_method_they_are_what_reconstructs() -> None:
    method = method_for(Settings())
    assert isinstance(method, FeatureMethod)
    assert method.name == DEFAULT_METHOD
    assert method.weights.name == DEFAULT_WEIGHTS


def test_on_motion_that_nobody_trained_on_they_are_far_better_than_the_mean_pose(tmp_path: Path) -> None:
    write_captures(tmp_path / "motion")
    body = load_body()
    network: Any = load_network(DEFAULT_WEIGHTS, layouts_of(DEFAULT_METHOD))
    config = network.config
    source = MocapSource(tmp_path / "motion", body, MocapConfig(rate=config.network.rate, everyday=0.0))
    seen = source.batch(seed=3, step=0, size=64, frames=config.network.window)
    betas = seen.betas[:, None].expand(*seen.rotations.shape[:2], 10)
    mean = seen.rotations.mean((0, 1)).expand_as(seen.rotations).clone()
    mean[:, :, 0] = seen.rotations[:, :, 0]
    u, _, v = torch.linalg.svd(mean)
    with torch.no_grad():
        found = network(seen.inputs)
    truth, still = (Prediction(BodyPose(rotations, betas), seen.crop_camera) for rotations in (seen.rotations, u @ v))
    joints = [result_of(one, body, LSP_14).joints.reshape(-1, 14, 3) for one in (found, still, truth)]
    ours, means = (rooted_errors(one, joints[2], LSP_14)["pa_mpjpe"] for one in joints[:2])
    assert ours < 0.7 * means
