"""The method that runs over a clip."""

from collections.abc import Sequence

from anthropose.methods.parallel_branch.coupled import COUPLED
from anthropose.methods.parallel_branch.published import PUBLISHED
from anthropose.methods.video import FeatureMethod
from anthropose.nn.weights import Published


class ParallelBranch(FeatureMethod):
    """Features of the crops, encoder, regressor; the lifting branch is run only where the branches are coupled."""

    name = "parallel-branch"
    crop_scale = 1.1  # VIBE's demo, of which this one is a copy
    only_fed = (COUPLED,)

    @staticmethod
    def published() -> Sequence[Published]:
        return PUBLISHED
