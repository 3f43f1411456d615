"""The iterative regressor of HMR and SPIN: from a feature vector to a body and the camera of its crop.

Kanazawa et al., End-to-end Recovery of Human Shape and Pose, CVPR 2018; Kolotouros et al., SPIN, ICCV 2019. TCMR, VIBE,
Parallel-Branch and DynaBOA end in it (vibe_base spec, section 6.2).
"""

import re
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.geometry.rotations import rot6d_to_rotmat
from anthropose.motion import BodyPose, Prediction
from anthropose.nn.weights import KeyTable

POSE, SHAPE, CAMERA = 144, 10, 3
STATE = POSE + SHAPE + CAMERA
MANY = 100
"""Rows from which on multiplying the layers out is faster than running through them."""


@dataclass(frozen=True)
class RegressorState:
    """A guess of the body that the regressor improves."""

    pose6d: Float[Tensor, "*b 144"]
    """The 24 joints' rotations in 6D."""
    betas: Float[Tensor, "*b 10"]
    camera: Float[Tensor, "*b 3"]
    """Weak-perspective s, tx, ty of the crop."""

    def cat(self) -> Float[Tensor, "*b 157"]:
        """The three in a row, as the regressor reads them."""
        return torch.cat([self.pose6d, self.betas, self.camera], dim=-1)

    def expand(self, *batch: int) -> "RegressorState":
        """The same guess for every entry of the batch axes."""
        return RegressorState(
            self.pose6d.expand(*batch, POSE), self.betas.expand(*batch, SHAPE), self.camera.expand(*batch, CAMERA)
        )

    def moved(self, step: Float[Tensor, "*b 157"]) -> "RegressorState":
        """The guess after a step, given in the order of `cat`."""
        pose, betas, camera = step.split([POSE, SHAPE, CAMERA], dim=-1)
        return RegressorState(self.pose6d + pose, self.betas + betas, self.camera + camera)

    def prediction(self, eps: float = 1e-6) -> Prediction:
        """The body and camera guessed; `eps` as in `rot6d_to_rotmat`."""
        rotations = rot6d_to_rotmat(self.pose6d.unflatten(-1, (24, 6)), eps)
        return Prediction(BodyPose(rotations, self.betas), self.camera)


@dataclass(frozen=True)
class Hidden:
    """What the regressor computes on the way to a step; DynaBOA compares these between two states of the weights."""

    first: Float[Tensor, "*b h"]
    dropped: Float[Tensor, "*b h"]
    """`first` after dropout; the same in eval mode."""
    second: Float[Tensor, "*b h"]


class IterativeRegressor(nn.Module):
    """Starts from the mean body and adds a correction, three times. There is no activation between the layers."""

    def __init__(self, features: int = 2048, hidden: int = 1024, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(features + STATE, hidden)
        self.dropout1 = nn.Dropout(dropout)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.dropout2 = nn.Dropout(dropout)
        self.to_pose = nn.Linear(hidden, POSE)
        self.to_betas = nn.Linear(hidden, SHAPE)
        self.to_camera = nn.Linear(hidden, CAMERA)
        self.register_buffer("mean_pose", torch.tensor([[1.0, 0.0, 0.0, 1.0, 0.0, 0.0] * 24]))
        self.register_buffer("mean_betas", torch.zeros(1, SHAPE))
        self.register_buffer("mean_camera", torch.tensor([[0.9, 0.0, 0.0]]))
        self.init_weights()

    def init_weights(self) -> None:
        """Xavier-uniform with gain 0.01 for the three that give the step; PyTorch's default for the rest.

        The mean body is upright here; published trainings start from SPIN's checkpoint, which holds the real one.
        """
        for layer in (self.to_pose, self.to_betas, self.to_camera):
            nn.init.xavier_uniform_(layer.weight, gain=0.01)

    def mean(self) -> RegressorState:
        """The mean body and camera, without batch axes."""
        buffers = (self.get_buffer(name)[0] for name in ("mean_pose", "mean_betas", "mean_camera"))
        return RegressorState(*buffers)

    def forward(
        self, features: Float[Tensor, "*b f"], start: RegressorState | None = None, iterations: int = 3
    ) -> RegressorState:
        """The body in each feature vector, from `start` (the mean body where None; batch axes may be missing).

        Without an activation the layers are one linear map. For many rows, when nothing is to be learned, they are
        multiplied out first: four times as fast for 300 rows as layer by layer, and as exact.
        """
        state = (start or self.mean()).expand(*features.shape[:-1])
        learning = self.training or torch.is_grad_enabled() or torch.is_autocast_enabled(features.device.type)
        if not learning and features[..., 0].numel() >= MANY:
            return self._at_once(features, state, iterations)
        for _ in range(iterations):
            state = self.improved(state, self.hidden(features, state))
        return state

    def _at_once(self, features: Float[Tensor, "*b f"], state: RegressorState, iterations: int) -> RegressorState:
        """As `forward`, with the layers multiplied out: step = W features + U state + b."""
        reads = (self.to_pose, self.to_betas, self.to_camera)
        read = torch.cat([layer.weight for layer in reads]) @ self.hidden2.weight
        weight = read @ self.hidden1.weight
        bias = torch.cat([layer.bias + layer.weight @ self.hidden2.bias for layer in reads]) + read @ self.hidden1.bias
        of_features, of_state = weight.split([features.shape[-1], STATE], dim=1)
        same = nn.functional.linear(features, of_features, bias)
        for _ in range(iterations):
            state = state.moved(same + state.cat() @ of_state.T)
        return state

    def hidden(self, features: Float[Tensor, "*b f"], state: RegressorState) -> Hidden:
        """The two hidden layers' outputs at a guess."""
        first = self.hidden1(torch.cat([features, state.cat()], dim=-1))
        dropped = self.dropout1(first)
        return Hidden(first, dropped, self.hidden2(dropped))

    def improved(self, state: RegressorState, hidden: Hidden) -> RegressorState:
        """The guess after one step; all three parts of the step are read from the same hidden layer."""
        read = self.dropout2(hidden.second)
        return state.moved(torch.cat([self.to_pose(read), self.to_betas(read), self.to_camera(read)], dim=-1))


REGRESSOR_KEYS: KeyTable = (
    (r"fc1\.(weight|bias)", r"hidden1.\1"),
    (r"fc2\.(weight|bias)", r"hidden2.\1"),
    (r"decpose\.(weight|bias)", r"to_pose.\1"),
    (r"decshape\.(weight|bias)", r"to_betas.\1"),
    (r"deccam\.(weight|bias)", r"to_camera.\1"),
    (r"init_pose", r"mean_pose"),
    (r"init_shape", r"mean_betas"),
    (r"init_cam", r"mean_camera"),
)
"""Published keys of SPIN's regressor -> those of IterativeRegressor."""


def regressor_keys(published: str = "", ours: str = "") -> KeyTable:
    """REGRESSOR_KEYS under prefixes, such as "regressor." for both."""
    return tuple((re.escape(published) + key, f"{ours}{name}") for key, name in REGRESSOR_KEYS)
