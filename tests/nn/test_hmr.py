"""HMR: from crops to bodies, and how its published file is told and read."""

import torch

from anthropose.nn.hmr import HMR, PUBLISHED, HMRConfig
from anthropose.nn.regressor import RegressorState
from anthropose.nn.weights import renamed

SMALL = HMRConfig(blocks=(1, 1, 1, 1), width=4, hidden=8)


def small(config: HMRConfig = SMALL) -> HMR:
    torch.manual_seed(0)
    return HMR(config).eval()


def test_a_body_and_a_camera_for_each_crop() -> None:
    network, images = small(), torch.randn(2, 3, 64, 64)
    prediction = network(images)
    assert prediction.pose.rotations.shape == (2, 24, 3, 3)
    assert prediction.camera.shape == (2, 3)
    again = network.regressor(network.features(images)).prediction()
    torch.testing.assert_close(prediction.pose.rotations, again.pose.rotations)


def test_start_and_number_of_iterations_are_the_callers() -> None:
    start = RegressorState(torch.randn(144), torch.randn(10), torch.randn(3))
    still = HMR(HMRConfig(SMALL.blocks, SMALL.width, SMALL.hidden, iterations=0)).eval()
    found = still(torch.randn(2, 3, 64, 64), start)
    assert torch.equal(found.pose.betas, start.betas.expand(2, 10))


def published_of(network: HMR) -> dict[str, torch.Tensor]:
    """The published names of a network's tensors, found by undoing the table."""
    layers = {"narrow": "conv1", "look": "conv2", "widen": "conv3", "shortcut": "downsample", "stem": "conv1"}
    heads = {"hidden1": "fc1", "hidden2": "fc2", "to_pose": "decpose", "to_betas": "decshape", "to_camera": "deccam"}
    buffers = {"mean_pose": "init_pose", "mean_betas": "init_shape", "mean_camera": "init_cam", "stem_norm": "bn1"}
    found = {}
    for key, value in network.state_dict().items():
        parts = [(layers | heads | buffers).get(part, part) for part in key.split(".")[1:]]
        found[".".join(part.replace("stage", "layer").replace("norm", "bn") for part in parts)] = value
    return found


def test_a_published_file_is_told_read_and_sized_by_its_tensors() -> None:
    network = small()
    published = published_of(network)
    body = {"smpl.betas": torch.zeros(64, 10), "smpl.v_template": torch.zeros(6890, 3)}
    ours = renamed(published | body, PUBLISHED.keys)
    assert PUBLISHED.config(ours) == SMALL
    again = PUBLISHED.network(PUBLISHED.config(ours))
    again.load_state_dict(ours)
    images = torch.randn(1, 3, 64, 64)
    torch.testing.assert_close(again.eval()(images).pose.betas, network(images).pose.betas)


def test_the_full_size_is_recognised_and_a_group_normalised_one_is_not() -> None:
    with torch.device("meta"):
        published = published_of(HMR())
    assert PUBLISHED.fits(published)
    assert not PUBLISHED.fits([key for key in published if "running" not in key])
    assert not PUBLISHED.fits(["module." + key for key in published])
    assert PUBLISHED.config(renamed(published, PUBLISHED.keys)) == HMRConfig()


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in HMR().parameters()) == 26_977_501
