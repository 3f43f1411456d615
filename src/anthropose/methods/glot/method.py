"""GLoT over a clip."""

from anthropose.methods.glot.published import PUBLISHED
from anthropose.methods.video import FeatureMethod
from anthropose.nn.weights import Published


class GLoT(FeatureMethod):
    """Shen et al., Global-to-Local Modeling for Video-based 3D Human Pose and Shape Estimation, CVPR 2023."""

    name = "glot"
    speaks_of = "middle"

    @staticmethod
    def published() -> Published:
        return PUBLISHED
