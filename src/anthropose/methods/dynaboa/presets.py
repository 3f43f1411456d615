"""The published settings of DynaBOA and BOA, and those for a clip of one's own (dynaboa spec, sections 9, 13 and 15)."""

from dataclasses import replace

from anthropose.methods.dynaboa.adaptation import AdaptationConfig, Level, LossWeights

THREEDPW = AdaptationConfig()
"""The published command for 3DPW, which takes keypoints projected from the true body."""
INTERNET = replace(THREEDPW, weights=LossWeights(shape_prior=2e-4))
WITHOUT_EXEMPLARS = {"lower": Level(labelled=False), "upper": Level(temporal=True, labelled=False)}
WEB_CAMERA = replace(THREEDPW, rows="openpose", interval=4, **WITHOUT_EXEMPLARS)
"""With the options of its README. The published interval of 5 is 4 in truth: its counter is ahead by one."""
BOA = replace(
    THREEDPW,
    betas=(0.5, 0.999),
    second_order=True,
    dynamic=False,
    weights=LossWeights(motion=0.1),
    teacher_rows="labelled",
    teacher_aligned=True,
    motion_mask="none",
    labelled_confidence="joints",
)
"""BOA (CVPR 2021) on 3DPW; its exemplars come in order, the same for both levels of a frame."""
CLIP = replace(INTERNET, motion_mask="product", first_frame=0, guard=True, **WITHOUT_EXEMPLARS)
"""For a clip of one's own: the internet preset without exemplars, for soft confidences, and with the guard."""

PRESETS: dict[str, AdaptationConfig] = {
    "3dpw": THREEDPW,
    "internet": INTERNET,
    "web-camera": WEB_CAMERA,
    "boa-3dpw": BOA,
    "clip": CLIP,
}
