"""A video method with an encoder of keypoints before it, in place of the features of image crops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.geometry.keypoints import mirrored_inputs
from anthropose.methods.base import as_numbers, from_numbers
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.keypoint_encoder import KeypointEncoder, KeypointEncoderConfig
from anthropose.nn.weights import Published
from anthropose.skeleton import SMPL_24


@dataclass(frozen=True)
class KeypointFedConfig:
    """The sizes of both."""

    network: Any
    """Of the method's network."""
    front_end: KeypointEncoderConfig = field(default_factory=KeypointEncoderConfig)


class KeypointFed(nn.Module):
    """Keypoints (`geometry.keypoints.network_inputs`) to features, and a method's network over these."""

    def __init__(self, config: KeypointFedConfig, network: Callable[[Any], nn.Module]) -> None:
        """
        Args:
            network: the method's, from its configuration.
        """
        super().__init__()
        self.config = config
        self.front_end = KeypointEncoder(config.front_end)
        self.network: Any = network(config.network)

    def features(self, keypoints: Float[Tensor, "*b i"]) -> Float[Tensor, "*b f"]:
        """What the method's network is given: features, and behind them the keypoints where it looks at these too."""
        encoded = self.front_end(keypoints)
        return torch.cat([encoded, keypoints], dim=-1) if getattr(self.network, "sees_keypoints", False) else encoded

    def forward(self, keypoints: Float[Tensor, "b t i"]) -> Prediction:
        """As the method's network."""
        return self.network(self.features(keypoints))

    def over_track(self, keypoints: Float[Tensor, "n i"]) -> Prediction:
        """As the method's network."""
        return self.network.over_track(self.features(keypoints))

    def over_track_both_ways(self, keypoints: Float[Tensor, "n i"]) -> Prediction:
        """The mean of `over_track` and of what it makes of the mirror image.

        The two are wrong in different ways: the mean's error is 1 % smaller, its trembling 4 % (benchmarks/mirror.py).
        """
        order = self.config.front_end.skeleton.mirror
        turned = mirrored_body(self.over_track(mirrored_inputs(keypoints, order)))
        return from_numbers((as_numbers(self.over_track(keypoints)) + as_numbers(turned)) / 2)


def mirrored_body(prediction: Prediction) -> Prediction:
    """The body and camera as a mirror shows them; the shapes that betas give are the same on both sides."""
    rotations = prediction.pose.rotations[..., list(SMPL_24.mirror), :, :]
    across = rotations.new_tensor([-1.0, 1.0, 1.0])
    pose = BodyPose(rotations * across[:, None] * across, prediction.pose.betas)
    return Prediction(pose, prediction.camera * prediction.camera.new_tensor([1.0, -1.0, 1.0]))


def fed_with_keypoints(published: Published) -> Published:
    """How weights of a system's network look with an encoder before it. There are no published files of this kind."""
    return replace(
        published,
        files=(),
        entry="",
        signature=(r"front_end\..*", r"network\..*"),
        own=tuple(rf"network\.{name}" for name in published.own),
        absent=(),
        keys=((r"(.*)", r"\1"),),
        config=partial(_config, published),
        network=partial(KeypointFed, network=published.network),
        front_end="keypoints",
        only_when_asked=True,
    )


def _config(published: Published, state: Mapping[str, Tensor]) -> KeypointFedConfig:
    """The configuration of the method's network that fits the tensors; that of the encoder stands in the file."""
    inner = {key.removeprefix("network."): value for key, value in state.items() if key.startswith("network.")}
    return KeypointFedConfig(published.config(inner))
