"""The synthetic SMPL body that the parity fixtures were made with: the published size and tree, the rule's values."""

from functools import lru_cache

import numpy as np
import torch

from anthropose.body.model import BodyModel
from tests.parity import rule

VERTICES = 6890
PICKED = (
    332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787, 2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905,
    6016, 6133,
)  # fmt: skip
"""SMPL's own vertices of PICKED_21 (vibe_base spec, section 2.2)."""


def _rows(name: str, shape: tuple[int, int], power: int, seed: int) -> torch.Tensor:
    """Positive rows that sum to one, mostly on a few entries."""
    powers = np.abs(rule.array(name, shape, seed).astype(np.float64)) ** power
    return torch.from_numpy((powers / powers.sum(-1, keepdims=True)).astype(np.float32))


@lru_cache(maxsize=2)
def synthetic_smpl(seed: int) -> BodyModel:
    """The body of `seed`: `smpl_seed` in the vibe_base fixtures, the fixture's own seed in the smplify ones."""

    def array(name: str, shape: tuple[int, ...], scale: float) -> torch.Tensor:
        return torch.from_numpy(rule.array(name, shape, seed, scale=scale))

    return BodyModel(
        name="synthetic",
        template=array("v_template", (VERTICES, 3), 0.5),
        shape_basis=array("shapedirs", (VERTICES, 3, 10), 0.01),
        pose_basis=array("posedirs", (207, 3 * VERTICES), 0.001),
        joint_regressor=_rows("J_regressor", (24, VERTICES), 8, seed),
        skinning=_rows("lbs_weights", (VERTICES, 24), 4, seed),
        faces=torch.zeros(0, 3, dtype=torch.long),
        extra_regressor=_rows("J_regressor_extra", (9, VERTICES), 8, seed),
        h36m_regressor=_rows("J_regressor_h36m", (17, VERTICES), 8, seed),
        picked=torch.tensor(PICKED),
    )
