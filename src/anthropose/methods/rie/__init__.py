"""RIE: keypoints of a person over time lifted to 17 joints in three dimensions.

Shan et al., Improving Robustness and Accuracy via Relative Information Encoding in 3D Human Pose Estimation, ACM MM
2021. `network` is the network, `track` its fast way over a whole track, `training` the three published stages, `clip`
what a clip's keypoints become, `method` what `anthropose run` uses.
"""

from anthropose.methods.rie.job import TRAININGS, job
from anthropose.methods.rie.method import RIE, RIEOptions, lift
from anthropose.methods.rie.network import RIEConfig, RIENetwork
from anthropose.methods.rie.published import PUBLISHED
from anthropose.methods.rie.training import PRESETS, loss

__all__ = ["PRESETS", "PUBLISHED", "RIE", "TRAININGS", "RIEConfig", "RIENetwork", "RIEOptions", "job", "lift", "loss"]
