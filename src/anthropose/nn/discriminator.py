"""VIBE's motion discriminator: tells recorded motion from what a network makes of a video.

Kocabas et al., VIBE, CVPR 2020, section 3.3 (vibe_base spec, section 7.2).
"""

from dataclasses import dataclass
from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.weights import KeyTable

Pool = Literal["attention", "concat", "last"]
"""How the states of all frames become one vector: a learned weighting, mean and maximum, or the last state."""


@dataclass(frozen=True)
class DiscriminatorConfig:
    """The discriminator's sizes; the defaults are the published ones."""

    inputs: int = 69
    """Rotation vectors of the 23 joints below the root."""
    hidden: int = 1024
    layers: int = 2
    outputs: int = 1
    pool: Pool = "attention"
    attention_layers: int = 3
    attention_dropout: float = 0.2


class MotionDiscriminator(nn.Module):
    """Gated recurrent units over a motion, pooled to one score: near 1 for recorded motion."""

    def __init__(self, config: DiscriminatorConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or DiscriminatorConfig()
        self.gru = nn.GRU(c.inputs, c.hidden, c.layers, batch_first=True)
        self.attention = self._attention() if c.pool == "attention" else None
        self.score = nn.Linear(c.hidden * (2 if c.pool == "concat" else 1), c.outputs)

    def _attention(self) -> nn.Sequential:
        """Linear, tanh and dropout for each layer; the last gives one number. Uniform start as published."""
        c = self.config
        layers: list[nn.Module] = []
        for index in range(c.attention_layers):
            linear = nn.Linear(c.hidden, 1 if index == c.attention_layers - 1 else c.hidden)
            nn.init.uniform_(linear.weight, -0.1, 0.1)
            nn.init.constant_(linear.bias, 0.01)
            layers += [linear, nn.Tanh(), nn.Dropout(c.attention_dropout)]
        return nn.Sequential(*layers)

    def forward(self, motion: Float[Tensor, "b t c"]) -> Float[Tensor, "b o"]:
        """The score of each motion: rotation vectors [rad] without the root, `theta[..., 6:75]`."""
        states, _ = self.gru(motion)
        return self.score(self._pooled(states))

    def _pooled(self, states: Float[Tensor, "b t h"]) -> Float[Tensor, "b p"]:
        pool = self.config.pool
        if pool == "attention":
            assert self.attention is not None
            return (self.attention(states).softmax(1) * states).sum(1)
        if pool == "concat":
            positive = states.relu()
            return torch.cat([positive.mean(1), positive.amax(1)], dim=1)
        if pool == "last":
            return states[:, -1]
        assert_never(pool)


DISCRIMINATOR_KEYS: KeyTable = (
    (r"gru\.(\w+)", r"gru.\1"),
    (r"attention\.attention\.(\d+)\.(weight|bias)", r"attention.\1.\2"),
    (r"fc\.(weight|bias)", r"score.\1"),
)
"""Published keys -> those of MotionDiscriminator."""
