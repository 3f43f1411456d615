"""Parallel-Branch: bodies from features of frames, with a lifting of keypoints trained beside it.

Wu and Wang, Parallel-branch network for 3D human pose and shape estimation in video, Computer Animation and Virtual
Worlds 2022. In the published code the two branches share neither a parameter nor an activation: bodies come from VIBE's
network with a wider recurrent encoder, or a transformer, and the lifting branch is only trained along.
"""

from anthropose.methods.parallel_branch.job import TRAININGS, job
from anthropose.methods.parallel_branch.loss import ParallelBranchLosses, parallel_branch_loss
from anthropose.methods.parallel_branch.method import ParallelBranch
from anthropose.methods.parallel_branch.network import ParallelBranchConfig, ParallelBranchNetwork
from anthropose.methods.parallel_branch.presets import PRESETS
from anthropose.methods.parallel_branch.published import PUBLISHED

__all__ = [
    "PRESETS",
    "PUBLISHED",
    "TRAININGS",
    "ParallelBranch",
    "ParallelBranchConfig",
    "ParallelBranchLosses",
    "ParallelBranchNetwork",
    "job",
    "parallel_branch_loss",
]
