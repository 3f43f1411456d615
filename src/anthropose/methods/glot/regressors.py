"""GLoT's two regressors: one that guesses a body for each frame, and one that corrects the guess along the limbs."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.kinematic import CHAINS
from anthropose.nn.regressor import CAMERA, POSE, SHAPE, STATE, RegressorState


class GlobalRegressor(nn.Module):
    """SPIN's regressor with its second hidden layer left out: a step is an affine function of features and guess.

    The published code makes that layer, loads SPIN's weights into it, and never uses it. The others have the names of
    IterativeRegressor's, whose weights the published trainings start from.
    """

    def __init__(self, features: int = 2048, hidden: int = 1024, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(features + STATE, hidden)
        self.dropout = nn.Dropout(dropout)
        self.to_pose = nn.Linear(hidden, POSE)
        self.to_betas = nn.Linear(hidden, SHAPE)
        self.to_camera = nn.Linear(hidden, CAMERA)
        self.register_buffer("mean_pose", torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0] * 24]))
        self.register_buffer("mean_betas", torch.zeros(1, SHAPE))
        self.register_buffer("mean_camera", torch.tensor([[0.9, 0.0, 0.0]]))

    def mean(self) -> RegressorState:
        """The mean body and camera, without batch axes."""
        buffers = (self.get_buffer(name)[0] for name in ("mean_pose", "mean_betas", "mean_camera"))
        return RegressorState(*buffers)

    def forward(self, features: Float[Tensor, "*b f"], iterations: int = 3) -> RegressorState:
        """The body in each feature vector, from the mean body in so many steps."""
        state = self.mean().expand(*features.shape[:-1])
        # What the features put into the hidden layer is the same in every step.
        seen = F.linear(features, self.hidden1.weight[:, :-STATE], self.hidden1.bias)
        for _ in range(iterations):
            hidden = self.dropout(seen + F.linear(state.cat(), self.hidden1.weight[:, -STATE:]))
            state = state.moved(
                torch.cat([self.to_pose(hidden), self.to_betas(hidden), self.to_camera(hidden)], dim=-1)
            )
        return state


class LimbCorrector(nn.Module):
    """Corrects the joints' 6D rotations one after the other: each knows how its ancestors were corrected.

    Args:
        context: the six numbers of the guessed pose that joint j sees: those from j on ("published"), or its own.
    """

    def __init__(self, hidden: int, context: Literal["published", "own"] = "published") -> None:
        super().__init__()
        self.stride = 1 if context == "published" else 6
        self.joints = nn.ModuleList(nn.Linear(hidden + 6 * len(chain) + 6, 6) for chain in CHAINS)

    def forward(self, hidden: Float[Tensor, "*b h"], pose6d: Float[Tensor, "*b 144"]) -> Float[Tensor, "*b 144"]:
        """What is to be added to the pose."""
        corrections: list[Float[Tensor, "*b 6"]] = []
        for joint, (layer, chain) in enumerate(zip(self.joints, CHAINS, strict=True)):
            above = [corrections[ancestor] for ancestor in chain]
            seen = pose6d[..., joint * self.stride : joint * self.stride + 6]
            corrections.append(layer(torch.cat([hidden, *above, seen], dim=-1)))
        return torch.cat(corrections, dim=-1)


class HierarchicalRegressor(nn.Module):
    """Corrects a guess of the body by a feature vector, once; no activation anywhere (the paper's HSCR).

    Args:
        features: the width of the feature vector.
        dropout: after each of the two hidden layers.
        context: see LimbCorrector.
    """

    def __init__(
        self,
        features: int = 256,
        hidden: int = 1024,
        dropout: float = 0.25,
        context: Literal["published", "own"] = "published",
    ) -> None:
        super().__init__()
        self.shape_hidden = nn.Linear(features + SHAPE, hidden)
        self.pose_hidden = nn.Linear(features + POSE, hidden)
        self.dropout = nn.Dropout(dropout)
        self.limbs = LimbCorrector(hidden, context)
        self.to_betas = nn.Linear(hidden, SHAPE)
        self.to_camera = nn.Linear(2 * hidden + CAMERA, CAMERA)

    def forward(self, features: Float[Tensor, "*b f"], guess: RegressorState) -> RegressorState:
        """The guess corrected; as published no gradient reaches the guess."""
        pose, betas, camera = guess.pose6d.detach(), guess.betas.detach(), guess.camera.detach()
        by_shape = self.dropout(self.shape_hidden(torch.cat([features, betas], dim=-1)))
        by_pose = self.dropout(self.pose_hidden(torch.cat([features, pose], dim=-1)))
        return RegressorState(
            pose + self.limbs(by_pose, pose),
            betas + self.to_betas(by_shape),
            camera + self.to_camera(torch.cat([by_pose, by_shape, camera], dim=-1)),
        )
