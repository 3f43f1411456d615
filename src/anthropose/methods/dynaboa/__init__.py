"""DynaBOA: a single-image network that goes on learning on the very video that it is given.

Guan et al., Out-of-Domain Human Mesh Reconstruction via Dynamic Bilevel Online Adaptation, TPAMI 2022, and its
predecessor BOA, CVPR 2021. For each frame the weights take a probing step by the frame's keypoints and priors, and are
moved by what the probe's end says (keypoints, a mean teacher, the motion since some frames ago, labelled exemplars),
again and again while the features still turn. The prediction is made with the weights that have adapted.

`model` is the network, `losses` its terms, `bilevel` the steps, `adaptation` these on images, `config` the published
settings, `exemplars` the labelled images of others, `preprocessing` what it looks at, `evaluation` the published
figures, `method` what `anthropose run` uses. `windows` adapts networks that see keypoints, with `window_losses` and
`window_exemplars`; `tracks` goes over whole tracks, `adaptable` finds weights.
"""

from anthropose.methods.dynaboa.adaptation import Adaptation
from anthropose.methods.dynaboa.bilevel import Adapted, Update
from anthropose.methods.dynaboa.config import (
    KEYPOINTS,
    PRESETS,
    WINDOW_PRESETS,
    AdaptationConfig,
    Level,
    LossWeights,
    PartWeights,
    WindowConfig,
    WindowWeights,
    preset_named,
)
from anthropose.methods.dynaboa.exemplars import ExemplarBank, build_bank
from anthropose.methods.dynaboa.method import DynaBOA, DynaBOAOptions, Report
from anthropose.methods.dynaboa.model import PUBLISHED, BaseModel, BaseModelConfig
from anthropose.methods.dynaboa.training import TRAININGS, BaseModelPreset, job
from anthropose.methods.dynaboa.window_exemplars import WindowBank
from anthropose.methods.dynaboa.windows import WindowAdaptation

__all__ = [
    "KEYPOINTS",
    "PRESETS",
    "PUBLISHED",
    "TRAININGS",
    "WINDOW_PRESETS",
    "Adaptation",
    "AdaptationConfig",
    "Adapted",
    "BaseModel",
    "BaseModelConfig",
    "BaseModelPreset",
    "DynaBOA",
    "DynaBOAOptions",
    "ExemplarBank",
    "Level",
    "LossWeights",
    "PartWeights",
    "Report",
    "Update",
    "WindowAdaptation",
    "WindowBank",
    "WindowConfig",
    "WindowWeights",
    "build_bank",
    "job",
    "preset_named",
]
