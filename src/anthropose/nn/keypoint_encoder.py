"""Keypoints of a frame to a feature vector, in place of what a network of images makes of the crop."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.geometry.keypoints import PLACE
from anthropose.skeleton import SKELETONS, Skeleton


@dataclass(frozen=True)
class KeypointEncoderConfig:
    """The sizes of the encoder."""

    keypoints: str = "mediapipe-33"
    """The set that it knows. Keypoints of other sets are taken over by name; missing ones have confidence 0."""
    features: int = 2048
    """The length of the feature vector: what the method's network expects."""
    hidden: int = 512
    blocks: int = 2
    dropout: float = 0.0
    place: bool = True
    """Whether it is told where in the picture the person is, which tells from where the person is seen."""

    def __post_init__(self) -> None:
        if self.keypoints not in SKELETONS:
            raise ValueError(f"no skeleton {self.keypoints!r}; known are {', '.join(SKELETONS)}")

    @property
    def skeleton(self) -> Skeleton:
        return SKELETONS[self.keypoints]

    @property
    def inputs(self) -> int:
        """Numbers in a frame, as `geometry.keypoints.network_inputs` makes them."""
        return 3 * len(self.skeleton) + PLACE


class Block(nn.Module):
    """A residual block of two layers."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.second = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, hidden: Float[Tensor, "*b h"]) -> Float[Tensor, "*b h"]:
        return hidden + self.dropout(self.second(torch.nn.functional.gelu(self.first(self.norm(hidden)))))


class KeypointEncoder(nn.Module):
    """A residual network over the keypoints of one frame.

    Confidences are inputs beside x and y. A keypoint without confidence is an input of zeros, and adds a learned vector
    instead: what it means that this one is not seen.
    """

    def __init__(self, config: KeypointEncoderConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or KeypointEncoderConfig()
        self.entrance = nn.Linear(config.inputs, config.hidden)
        self.absent = nn.Linear(len(config.skeleton), config.hidden, bias=False)
        self.blocks = nn.ModuleList([Block(config.hidden, config.dropout) for _ in range(config.blocks)])
        self.norm = nn.LayerNorm(config.hidden)
        self.exit = nn.Linear(config.hidden, config.features)

    def forward(self, inputs: Float[Tensor, "*b i"]) -> Float[Tensor, "*b f"]:
        """The features of frames.

        Args:
            inputs: as `geometry.keypoints.network_inputs` makes them of the configured set.
        """
        keypoints, place = inputs[..., :-PLACE], inputs[..., -PLACE:]
        absent = (keypoints.unflatten(-1, (-1, 3))[..., 2] <= 0).to(inputs)
        if not self.config.place:
            place = torch.zeros_like(place)
        hidden = self.entrance(torch.cat([keypoints, place], dim=-1)) + self.absent(absent)
        for block in self.blocks:
            hidden = block(hidden)
        return self.exit(self.norm(hidden))
