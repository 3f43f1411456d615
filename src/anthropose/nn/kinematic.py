"""A regressor that reads each joint's rotation from the features and from the rotations of the joints above it.

Wan et al., Encoder-decoder with Multi-level Attention for 3D Human Shape and Pose Estimation (MAED), ICCV 2021, whose
kinematic topology decoder Parallel-Branch carries as an alternative to SPIN's regressor (parallel_branch spec, 3.5).
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.regressor import CAMERA, SHAPE, RegressorState
from anthropose.nn.weights import KeyTable
from anthropose.skeleton import SMPL_24


def _chains() -> tuple[tuple[int, ...], ...]:
    """For each joint of SMPL_24 those above it, root first."""
    chains: list[tuple[int, ...]] = []
    for parent in SMPL_24.parents:
        chains.append((*chains[parent], parent) if parent >= 0 else ())
    return tuple(chains)


CHAINS = _chains()


class KinematicRegressor(nn.Module):
    """From a feature vector to a body and the camera of its crop, joint by joint from the root outwards.

    It knows no mean body and does not iterate. As published, there is no activation between the hidden layers.
    """

    def __init__(self, features: int = 2048, hidden: int = 1024, dropout: float = 0.5) -> None:
        super().__init__()
        self.hidden1 = nn.Linear(features, hidden)
        self.dropout1 = nn.Dropout(dropout)
        self.hidden2 = nn.Linear(hidden, hidden)
        self.dropout2 = nn.Dropout(dropout)
        self.joints = nn.ModuleList(nn.Linear(hidden + 6 * len(chain), 6) for chain in CHAINS)
        self.to_betas = nn.Linear(hidden, SHAPE)
        self.to_camera = nn.Linear(hidden, CAMERA)
        self.init_weights()

    def init_weights(self) -> None:
        """Xavier-uniform with gain 0.01 for what reads joints, shape and camera; PyTorch's default for the rest."""
        for layer in (*self.joints, self.to_betas, self.to_camera):
            nn.init.xavier_uniform_(layer.get_parameter("weight"), gain=0.01)

    def forward(self, features: Float[Tensor, "*b f"]) -> RegressorState:
        x = self.dropout2(self.hidden2(self.dropout1(self.hidden1(features))))
        rotations: list[Tensor] = []  # 6D, in the order of SMPL_24
        for joint, chain in zip(self.joints, CHAINS, strict=True):
            rotations.append(joint(torch.cat([x, *(rotations[above] for above in chain)], dim=-1)))
        return RegressorState(torch.cat(rotations, dim=-1), self.to_betas(x), self.to_camera(x))


KINEMATIC_KEYS: KeyTable = (
    (r"fc1\.(weight|bias)", r"hidden1.\1"),
    (r"fc2\.(weight|bias)", r"hidden2.\1"),
    (r"joint_regs\.(\d+\.(?:weight|bias))", r"joints.\1"),
    (r"decshape\.(weight|bias)", r"to_betas.\1"),
    (r"deccam\.(weight|bias)", r"to_camera.\1"),
)
"""Published keys -> those of KinematicRegressor."""
