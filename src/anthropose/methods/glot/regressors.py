"""GLoT's two regressors: one that guesses a body for each frame, and one that corrects the guess along the limbs."""

from typing import Literal

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.regressor import CAMERA, POSE, SHAPE, STATE, RegressorState
from anthropose.skeleton import SMPL_24


class GlobalRegressor(nn.Module):
    """SPIN's regressor with its second hidden layer left out: a step is an affine function of features and guess.

    The published code makes that layer, loads SPIN's weights into it, and never uses it.
    """

    def __init__(self, features: int = 2048, hidden: int = 1024, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden = nn.Linear(features + STATE, hidden)
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
        seen = F.linear(features, self.hidden.weight[:, :-STATE], self.hidden.bias)
        for _ in range(iterations):
            hidden = self.dropout(seen + F.linear(state.cat(), self.hidden.weight[:, -STATE:]))
            state = state.moved(
                torch.cat([self.to_pose(hidden), self.to_betas(hidden), self.to_camera(hidden)], dim=-1)
            )
        return state


def ancestors(joint: int) -> list[int]:
    """The joints from the root down to the parent of a joint of SMPL_24."""
    parent = SMPL_24.parents[joint]
    return [*ancestors(parent), parent] if parent >= 0 else []


class LimbCorrector(nn.Module):
    """Corrects the joints' 6D rotations one after the other: each knows how its ancestors were corrected.

    Args:
        context: the six numbers of the guessed pose that joint j sees: those from j on ("published"), or its own.
    """

    def __init__(self, hidden: int, context: Literal["published", "own"] = "published") -> None:
        super().__init__()
        self.stride = 1 if context == "published" else 6
        self.joints = nn.ModuleList(
            nn.Linear(hidden + 6 * len(ancestors(joint)) + 6, 6) for joint in range(len(SMPL_24.joints))
        )

    def forward(self, hidden: Float[Tensor, "*b h"], pose6d: Float[Tensor, "*b 144"]) -> Float[Tensor, "*b 144"]:
        """What is to be added to the pose."""
        corrections: list[Float[Tensor, "*b 6"]] = []
        for joint, layer in enumerate(self.joints):
            known = [corrections[ancestor] for ancestor in ancestors(joint)]
            start = joint * self.stride
            corrections.append(layer(torch.cat([hidden, *known, pose6d[..., start : start + 6]], dim=-1)))
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
