"""Small made-up bodies for the tests, in SMPL's format."""

import numpy as np

from anthropose.body.files import _model
from anthropose.body.model import BodyModel
from anthropose.skeleton import SMPL_24


def random_arrays(count: int = 60, seed: int = 0, directions: int = 10) -> dict[str, np.ndarray]:
    """The arrays of a body file with random values: `count` vertices, each following up to four joints."""
    rng = np.random.default_rng(seed)

    def rows(number: int) -> np.ndarray:
        values = rng.random((number, count)) ** 4
        return (values / values.sum(1, keepdims=True)).astype(np.float32)

    weights = np.zeros((count, 24))
    for vertex in weights:
        vertex[rng.permutation(24)[:4]] = rng.random(4)
    return {
        "v_template": rng.normal(0, 0.5, (count, 3)).astype(np.float32),
        "shapedirs": rng.normal(0, 0.02, (count, 3, directions)).astype(np.float32),
        "posedirs": rng.normal(0, 0.01, (count, 3, 207)).astype(np.float32),
        "f": rng.permutation(count)[: count // 3 * 3].reshape(-1, 3).astype(np.uint32),
        "weights": (weights / weights.sum(1, keepdims=True)).astype(np.float32),
        "J_regressor": rows(24),
        "kintree_table": np.array([[2**32 - 1, *SMPL_24.parents[1:]], range(24)], np.uint32),
        "J_regressor_extra": rows(9),
        "J_regressor_h36m": rows(17),
        "picked": rng.permutation(count)[:21],
    }


def random_body(count: int = 60, seed: int = 0, pose_corrections: bool = True) -> BodyModel:
    """A body of random values."""
    arrays = random_arrays(count, seed)
    if not pose_corrections:
        del arrays["posedirs"]
    return _model("random", arrays | {"f": arrays["f"].astype(np.int64)})
