"""A video method with an encoder of keypoints before it, in place of the features of image crops."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.motion import Prediction
from anthropose.nn.keypoint_encoder import KeypointEncoder, KeypointEncoderConfig
from anthropose.nn.weights import Published


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
