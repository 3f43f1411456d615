"""SMPLify over time: a body fitted to the 2D keypoints of a whole track, without a learnt network.

`SMPLify` is what `anthropose run` uses; `published` holds the procedure as published with VIBE, for comparison.
"""

from anthropose.methods.smplify.fit import SMPLify, SMPLifyConfig
from anthropose.methods.smplify.published import PublishedConfig, refine
from anthropose.methods.smplify.terms import Weights
from anthropose.methods.smplify.warm import WarmConfig
from anthropose.methods.smplify.warm_terms import WarmWeights

__all__ = ["PublishedConfig", "SMPLify", "SMPLifyConfig", "WarmConfig", "WarmWeights", "Weights", "refine"]
