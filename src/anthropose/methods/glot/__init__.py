"""GLoT: the body in the middle frame of a window, guessed from all of it and corrected by the frames around.

Shen et al., Global-to-Local Modeling for Video-based 3D Human Pose and Shape Estimation, CVPR 2023. A transformer over
16 frames, half of which are hidden from it while training, guesses a body for each. A second one over the 9 frames in
the middle asks the first about the middle frame, and corrects the guess joint by joint along the limbs. Both are
trained by the same losses.

Input: 2048 features of each frame (SPIN's ResNet-50). Output: one body for each window.
"""

from anthropose.methods.glot.config import GLoTConfig
from anthropose.methods.glot.job import TRAININGS, job
from anthropose.methods.glot.loss import GLoTLosses, glot_losses
from anthropose.methods.glot.method import GLoT
from anthropose.methods.glot.network import Estimates, GLoTNetwork
from anthropose.methods.glot.published import PRESETS, PUBLISHED, GLoTPreset, WarmupCosine

__all__ = [
    "PRESETS",
    "PUBLISHED",
    "TRAININGS",
    "Estimates",
    "GLoT",
    "GLoTConfig",
    "GLoTLosses",
    "GLoTNetwork",
    "GLoTPreset",
    "WarmupCosine",
    "glot_losses",
    "job",
]
