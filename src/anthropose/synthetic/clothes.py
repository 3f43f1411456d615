"""Colours for the skin, hair and clothes of a body, by where its vertices are."""

import numpy as np
from jaxtyping import Float

from anthropose.body.model import BodyModel
from anthropose.skeleton import PICKED_21, SMPL_24

SKINS = ((0.87, 0.68, 0.56), (0.72, 0.51, 0.39), (0.49, 0.33, 0.25), (0.92, 0.75, 0.65))
HAIRS = ((0.13, 0.10, 0.08), (0.33, 0.21, 0.12), (0.55, 0.42, 0.26), (0.28, 0.27, 0.27))
SHIRTS = ((0.72, 0.18, 0.17), (0.90, 0.88, 0.82), (0.16, 0.42, 0.40), (0.85, 0.62, 0.20), (0.32, 0.35, 0.58))
TROUSERS = ((0.17, 0.20, 0.31), (0.22, 0.22, 0.23), (0.46, 0.39, 0.30), (0.33, 0.36, 0.30))
SHOES = ((0.10, 0.10, 0.11), (0.85, 0.85, 0.86), (0.55, 0.16, 0.14))


def clothe(body: BodyModel, person: int, seed: int) -> Float[np.ndarray, "v 3"]:
    """Red, green and blue of every vertex; neighbouring person numbers are dressed differently."""
    rng = np.random.default_rng([seed, 77])
    skin, hair, shirt, trousers, shoes = (
        np.array(choices[(int(rng.integers(len(choices))) + person) % len(choices)])
        for choices in (SKINS, HAIRS, SHIRTS, TROUSERS, SHOES)
    )
    colours = np.tile(skin, (len(body.template), 1))
    regions = _regions(body, sleeve=(0.55, 0.95)[person % 2])
    for name, colour in (("hair", hair), ("shirt", shirt), ("trousers", trousers), ("shoes", shoes)):
        colours[regions[name]] = colour
    if person % 2 == 0:
        colours[regions["shirt"] & regions["stripes"]] = 0.35 + 0.65 * shirt
    colours[regions["eyes"]] = 0.08
    colours[regions["mouth"]] = skin * (0.80, 0.55, 0.55)
    return colours.astype(np.float32)


def _regions(body: BodyModel, sleeve: float) -> dict[str, np.ndarray]:
    """Which vertices belong to what; `sleeve` is the share of the arm, shoulder to wrist, that is covered."""
    x, y, z = body.template.double().numpy().T
    joints = dict(zip(SMPL_24.joints, body.rest_joints[0].double().numpy(), strict=True))
    picked = dict(zip(PICKED_21.split(), body.template[body.picked].double().numpy(), strict=True))
    weights = dict(zip(SMPL_24.joints, body.skinning.double().numpy().T, strict=True))
    head = weights["head"] > 0.5
    eyes = (picked["left_eye"] + picked["right_eye"]) / 2
    nose, ears = picked["nose"], (picked["left_ear"] + picked["right_ear"]) / 2
    shoulder, wrist = joints["left_shoulder"][0], joints["left_wrist"][0]
    cuff = shoulder + sleeve * (wrist - shoulder)
    waist = joints["pelvis"][1] + 0.4 * (joints["spine1"][1] - joints["pelvis"][1])
    collar = joints["neck"][1] - 0.02
    ankle = max(joints["left_ankle"][1], joints["right_ankle"][1]) + 0.01
    near_eye = np.min([np.linalg.norm(body.template.numpy() - picked[n], axis=1) for n in ("left_eye", "right_eye")], 0)
    mouth = nose[1] - 0.55 * (eyes[1] - nose[1]) - 0.012
    return {
        "hair": head & ((z < ears[2] + 0.015) & (y > nose[1] - 0.03) | (y > eyes[1] + 0.055)),
        "shirt": ~head & (y > waist) & (y < collar + 0.25 * np.abs(x)) & (np.abs(x) < cuff),
        "stripes": (y - waist) % 0.09 < 0.03,
        "trousers": (y <= waist) & (y > ankle) & (np.abs(x) < shoulder + 0.1),
        "shoes": y <= ankle,
        "eyes": head & (near_eye < 0.011),
        "mouth": head & (np.abs(y - mouth) < 0.008) & (np.abs(x - nose[0]) < 0.022) & (z > eyes[2] - 0.02),
    }
