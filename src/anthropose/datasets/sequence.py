"""Windows of labelled sequences, stacked for a network."""

from dataclasses import dataclass

from jaxtyping import Bool, Float
from torch import Tensor


@dataclass(frozen=True)
class Batch:
    """Windows of people's image features with their labels.

    As published, windows of 2D sets come first, and a window of a 3D set may still lack some labels. Labels that are
    absent are zero, and false in their mask. `t` is the number of input frames, `o` that of labelled output frames:
    16 of 16 for VIBE and GLoT, the middle one three times for TCMR.
    """

    features: Float[Tensor, "b t f"]
    keypoints: Float[Tensor, "b o 49 3"]
    """SPIN-49 in coordinates of the crop, -1 to 1, and a confidence."""
    joints: Float[Tensor, "b o 49 3"]
    """SPIN-49 [m], camera axes; the published losses take only 25 to 38, relative to the hips."""
    theta: Float[Tensor, "b o 85"]
    """Crop camera, rotation vectors of the 24 joints, shape."""
    from_3d_set: Bool[Tensor, "b"]
    """Whether the window comes from a set with 3D labels."""
    has_joints: Bool[Tensor, "b o"]
    has_body: Bool[Tensor, "b o"]
    """Whether `theta` is a label."""
