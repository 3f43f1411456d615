"""Terms that methods add up into what they minimise; each is a function that a test can call alone."""

from jaxtyping import Float
from torch import Tensor

from anthropose.skeleton import SMPL_24


def geman_mcclure(residual: Float[Tensor, "*b"], sigma: float) -> Float[Tensor, "*b"]:
    """The robust penalty sigma^2 x^2 / (sigma^2 + x^2): x^2 near zero, and never more than sigma^2."""
    squares = residual.square()
    return sigma**2 * squares / (sigma**2 + squares)


BENDING = (("left_elbow", 1, 1.0), ("right_elbow", 1, -1.0), ("left_knee", 0, -1.0), ("right_knee", 0, -1.0))
"""Joint, axis of its rotation vector, and the sign that is positive when the joint bends the wrong way."""


def wrong_bending(body_pose: Float[Tensor, "*b 69"]) -> Float[Tensor, "*b 4"]:
    """exp(angle)^2 of elbows and knees, with the sign by which bending the wrong way costs exponentially (SMPLify)."""
    indices = [3 * (SMPL_24.index(joint) - 1) + axis for joint, axis, _ in BENDING]
    signs = body_pose.new_tensor([sign for _, _, sign in BENDING])
    return (body_pose[..., indices] * signs).exp().square()
