"""The trunk: shapes, the two normalisations, and names."""

import pytest
import torch

from anthropose.nn.resnet import Norm, ResNet50Trunk, trunk_keys
from anthropose.nn.weights import renamed

SMALL = ((2, 1, 1, 1), 8)
both = pytest.mark.parametrize("norm", ["batch", "group"])


def small(norm: Norm = "batch") -> ResNet50Trunk:
    torch.manual_seed(0)
    return ResNet50Trunk(norm, *SMALL).eval()


@both
def test_a_crop_becomes_features_that_are_never_negative(norm: Norm) -> None:
    trunk, images = small(norm), torch.randn(3, 3, 64, 64)
    features = trunk(images)
    assert features.shape == (3, trunk.outputs) == (3, 32 * 8)
    assert (features >= 0).all()
    assert (features.std(0) > 0).any(), "different crops have different features"


@both
def test_maps_halve_and_widen_and_the_last_ones_mean_is_the_feature(norm: Norm) -> None:
    trunk, images = small(norm), torch.randn(2, 3, 64, 64)
    maps = trunk.maps(images)
    assert [tuple(m.shape[1:]) for m in maps] == [(8, 32, 32), (32, 16, 16), (64, 8, 8), (128, 4, 4), (256, 2, 2)]
    torch.testing.assert_close(maps[0], trunk.stem(images))
    assert (maps[0] < 0).any(), "the first map is taken before its normalisation and rectification"
    torch.testing.assert_close(maps[4].mean((2, 3)), trunk(images))


@both
def test_a_crops_features_do_not_depend_on_the_others_in_the_batch(norm: Norm) -> None:
    trunk, images = small(norm), torch.randn(3, 3, 64, 64)
    torch.testing.assert_close(trunk(images)[1:2], trunk(images[1:2]), atol=1e-5, rtol=1e-5)


@both
def test_features_are_the_same_while_learning_and_gradients_lie_as_their_weights_do(norm: Norm) -> None:
    trunk, images = small(norm), torch.randn(3, 3, 64, 64)
    with torch.no_grad():
        features = trunk(images)
    learning = trunk(images)
    torch.testing.assert_close(learning, features, atol=1e-5, rtol=1e-5)
    learning.sum().backward()
    for parameter in trunk.parameters():
        assert parameter.grad is not None
        assert parameter.grad.stride() == parameter.stride()


def test_only_batch_normalisation_has_statistics() -> None:
    assert any("running_mean" in key for key in small("batch").state_dict())
    assert not any("running" in key or "tracked" in key for key in small("group").state_dict())


def test_the_published_size_has_the_published_number_of_parameters() -> None:
    with torch.device("meta"):
        trunks = ResNet50Trunk("batch"), ResNet50Trunk("group")
    assert [sum(p.numel() for p in trunk.parameters()) for trunk in trunks] == [23_508_032] * 2
    assert trunks[0].outputs == 2048


def test_published_keys_become_ours() -> None:
    with torch.device("meta"):
        trunk = ResNet50Trunk("batch")
    published = {}
    names = {"narrow": "conv1", "look": "conv2", "widen": "conv3", "shortcut": "downsample"}
    for key, value in trunk.state_dict().items():
        parts = [names.get(part, part.replace("norm", "bn").replace("stage", "layer")) for part in key.split(".")]
        published[".".join(parts).replace("stem_bn", "bn1").replace("stem.", "conv1.")] = value
    assert published["layer4.2.bn3.running_var"].shape == (2048,)
    assert published["layer1.0.downsample.1.num_batches_tracked"].shape == ()
    assert published["conv1.weight"].shape == (64, 3, 7, 7)
    assert len(published) == 53 + 5 * 53
    assert set(renamed(published, trunk_keys("", "trunk."))) == {"trunk." + key for key in trunk.state_dict()}
