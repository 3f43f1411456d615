"""The recurrent encoder of VIBE and Parallel-Branch: features of frames to features that know their neighbours.

Kocabas et al., VIBE: Video Inference for Human Body Pose and Shape Estimation, CVPR 2020 (vibe_base spec, section 7.1).
"""

import re
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.weights import KeyTable


@dataclass(frozen=True)
class RecurrentConfig:
    """The encoder's sizes; the defaults are VIBE's published ones."""

    features: int = 2048
    hidden: int = 1024
    layers: int = 2
    bidirectional: bool = False
    linear: bool = True
    """Whether a linear layer brings the state back to the features' size; always so if bidirectional."""
    residual: bool = True
    """Whether the input is added where the sizes agree."""


class RecurrentEncoder(nn.Module):
    """Gated recurrent units over the frames, a linear layer, and the input added."""

    def __init__(self, config: RecurrentConfig | None = None) -> None:
        super().__init__()
        self.config = c = config or RecurrentConfig()
        self.gru = nn.GRU(c.features, c.hidden, c.layers, batch_first=True, bidirectional=c.bidirectional)
        state = c.hidden * (2 if c.bidirectional else 1)
        self.linear = nn.Linear(state, c.features) if c.linear or c.bidirectional else None

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b t g"]:
        """The encoding of each frame. The state is zero before the first."""
        return self.resumed(features)[0]

    def resumed(
        self, features: Float[Tensor, "b t f"], state: Float[Tensor, "l b h"] | None = None
    ) -> tuple[Float[Tensor, "b t g"], Float[Tensor, "l b h"]]:
        """The encoding of frames that follow on those which left `state`, and the state that they leave in turn."""
        y, state = self.gru(features, state)
        if self.linear is not None:
            y = self.linear(y.relu())
        if self.config.residual and y.shape[-1] == features.shape[-1]:
            y = y + features
        return y, state


def encoder_keys(published: str = "encoder.", ours: str = "encoder.", gru: str = "gru") -> KeyTable:
    """Published keys -> those of RecurrentEncoder, under prefixes; `gru` is the published name of the recurrence."""
    prefix = re.escape(published)
    return (
        (rf"{prefix}{gru}\.(\w+)", rf"{ours}gru.\1"),
        (rf"{prefix}linear\.(weight|bias)", rf"{ours}linear.\1"),
    )
