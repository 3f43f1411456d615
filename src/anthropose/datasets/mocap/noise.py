"""What detectors of keypoints get wrong, as measured on the built-in one: `benchmarks/detector_noise.py`.

Errors last: most of an error is still there a second later, and hardly any of it is new in a frame. They grow for limbs
behind the body, on people seen from behind, and beyond the picture's edge; now and then a limb is somewhere else
altogether for a while. Keypoints of a hand, a foot or a face are wrong together. Confidence follows the error and what
hides the keypoint, with whims of its own.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from anthropose.datasets.mocap.draws import Draws
from anthropose.skeleton import Skeleton


@dataclass(frozen=True)
class Part:
    """What was measured of one kind of keypoint; sizes grow, and logits of confidences change, by sums of terms."""

    size: float
    """Standard deviation of its error about each axis, where nothing hides it [sides of the person's square]."""
    linked: float = 0.0
    """The share of its variance that the others of its face, hand or foot have as well."""
    behind: float = 0.0
    """By how much the logarithm of its size grows with each metre that it is farther away than the trunk."""
    before: float = 0.0
    """The same for nearer ones."""
    away: float = 0.0
    """The same on somebody who faces straight away from the camera."""
    spread: float = 0.5
    """How much the size varies without a cause: standard deviation of the logarithm."""
    sure: float = 4.0
    """The logit of its confidence at an error of the usual size, where nothing hides it."""
    sure_behind: float = 0.0
    sure_before: float = 0.0
    sure_away: float = 0.0
    sure_error: float = -0.5
    """What a unit of the logarithm of (error over its usual size) adds."""
    sure_spread: float = 1.5
    """Standard deviation of what confidence varies by without a cause."""


PARTS = {
    "eye_inner": Part(0.0076, 0.85, 0.7, 1.6, 0.85, 0.3, 7.4, 0.0, -1.7, -0.2, -0.21, 1.0),
    "eye_outer": Part(0.0077, 0.85, 0.7, 1.6, 0.85, 0.3, 7.4, 0.0, -1.7, -0.2, -0.21, 1.0),
    "eye": Part(0.0074, 0.85, 0.7, 1.6, 0.85, 0.3, 7.4, 0.0, -1.7, -0.2, -0.21, 1.0),
    "nose": Part(0.0080, 0.85, 0.7, 1.6, 0.85, 0.3, 7.5, 0.0, -1.7, -0.2, -0.21, 1.0),
    "mouth": Part(0.0082, 0.85, 0.7, 1.6, 0.85, 0.3, 7.4, 0.0, -1.7, -0.2, -0.21, 1.0),
    "ear": Part(0.0069, 0.4, 0.7, 1.6, 0.85, 0.3, 7.4, 0.0, -1.7, -0.2, -0.21, 1.0),
    "shoulder": Part(0.0083, 0.0, 3.1, 2.5, 0.0, 0.47, 7.5, -2.7, 0.0, -0.6, -0.2, 1.0),
    "elbow": Part(0.0098, 0.0, 3.2, 0.6, 0.45, 0.57, 3.0, -12.0, 6.5, -0.4, -0.96, 1.9),
    "wrist": Part(0.0098, 0.75, 3.2, 0.6, 0.45, 0.57, 2.4, -12.0, 6.5, -0.4, -0.96, 1.9),
    "pinky": Part(0.0103, 0.9, 2.8, -0.4, 0.4, 0.7, 2.0, -8.5, 5.3, -0.9, -0.8, 1.8),
    "index": Part(0.0104, 0.9, 2.8, -0.4, 0.4, 0.7, 2.0, -8.5, 5.3, -0.9, -0.8, 1.8),
    "thumb": Part(0.0109, 0.8, 2.8, -0.4, 0.4, 0.7, 1.8, -8.5, 5.3, -0.9, -0.8, 1.8),
    "hip": Part(0.0072, 0.0, 6.0, 3.2, 0.35, 0.5, 6.8, 0.4, -0.7, 0.5, -0.2, 1.0),
    "knee": Part(0.0089, 0.0, 1.6, 0.7, 0.25, 0.53, 2.8, -2.4, 2.8, 0.6, -0.7, 2.0),
    "ankle": Part(0.0070, 0.85, 1.6, 0.7, 0.25, 0.53, 3.1, -2.4, 2.8, 0.6, -0.7, 1.6),
    "heel": Part(0.0089, 0.85, 1.6, 0.7, 0.25, 0.53, 2.2, -2.4, 2.8, 0.6, -0.7, 1.2),
    "toe": Part(0.0104, 0.15, 1.6, 0.7, 0.25, 0.53, 2.4, -2.4, 2.8, 0.6, -0.7, 1.2),
}
"""Part of a keypoint's name -> what was measured of it."""
OTHERS = Part(0.0085)
"""Of necks, spines and tops of heads, which the built-in detector does not give."""
LINKS = {
    "face": ("nose", "eye", "ear", "mouth"),
    "hand": ("wrist", "pinky", "index", "thumb"),
    "foot": ("ankle", "heel", "toe"),
}
"""Which keypoints are wrong together; hands and feet each on their side."""
TRUNK = ("left_shoulder", "right_shoulder", "left_hip", "right_hip")
LASTING = ((0.4, 0.3), (1.6, 0.55), (1e6, 0.15))
"""How errors last: time constants [s], and the shares of the variance that have them."""
DEEP = 0.5
"""Depth from the trunk [m] beyond which errors grow no more."""
NEAR_EDGE, FAR_OUT = 0.03, 0.2
"""How far outside the picture [sides of the square] confidence begins to fall, and where it falls no more."""
STEEP = 0.1
"""How far outside the picture errors grow exponentially; farther out they are this share of the way:"""
FLAT = 0.4
WITHHELD = 0.3
"""The confidence below which some detectors give nothing."""
ROUGH = 1.8
"""Trouble, in standard deviations, from which errors are gross."""
LARGEST = 0.25
"""Standard deviation of the largest errors [sides of the square]."""
MEAN_LOG = 0.058
"""The mean logarithm of the length of a normal vector in two dimensions."""


@dataclass(frozen=True)
class KeypointNoise:
    """How keypoints are disturbed, beside what `PARTS` says. Shares are from 0 to 1."""

    size: float = 1.0
    """What all measured sizes are multiplied by."""
    harder: tuple[float, float] = (0.7, 2.0)
    """And what those of a window are: between these numbers, logarithms evenly. Real video is harder than made-up."""
    gross: float = 1.0
    """How steeply the logarithm of an error's size grows with trouble from two standard deviations on."""
    least: float = 0.4
    """Standard deviation of an error [px] that people of any size have: that of the detector's own pixels."""
    outside: float = 17.0
    """How steeply the logarithm of an error's size grows beyond the picture's edge [1 / side of the square]."""
    outside_doubt: float = 60.0
    """How steeply the logit of confidence falls there."""
    withheld: float = 0.15
    """The share of windows in which keypoints of little confidence, or from outside the picture, are not given."""
    missing: float = 0.005
    """The share of keypoints that is not given in a frame. The built-in detector gives all; others do not."""
    hidden: float = 0.02
    """The share that is not given from some frame of a window on, or up to one."""
    swapped: float = 0.08
    """The share of windows, among people who turn their back, in which left and right of the upper body, the lower or
    both are exchanged from some frame on, or up to one."""
    swapped_front: float = 0.015
    """The same among people who face the camera."""
    doubt: float = 1.0
    """What is lacking of certainty is multiplied by this; at most 1."""
    square_scale: float = 0.08
    """How much squares are too large or too small for a whole window, standard deviation of the logarithm."""
    square_shift: float = 0.03
    """How much they are off to the side, standard deviation."""


NO_NOISE = KeypointNoise(
    size=0.0,
    harder=(1.0, 1.0),
    least=0.0,
    withheld=0.0,
    missing=0.0,
    hidden=0.0,
    swapped=0.0,
    swapped_front=0.0,
    doubt=0.0,
    square_scale=0.0,
    square_shift=0.0,
)
"""Keypoints as they are, sure of themselves, also outside the picture."""


def detected(
    points: Float[Tensor, "b t k 2"],
    places: Float[Tensor, "b t k 3"],
    valid: Bool[Tensor, "b k"],
    side: Float[Tensor, "b t"],
    size: Float[Tensor, "b 2"],
    skeleton: Skeleton,
    rate: float,
    draws: Draws,
    noise: KeypointNoise,
) -> Float[Tensor, "b t k 3"]:
    """Keypoints as a detector gives them, with confidences; all zero where it gives none.

    Args:
        points: where they truly are [px].
        places: the same in camera axes [m].
        valid: which of the keypoints the detector knows.
        side: of the person's square in each frame [px].
        size: width and height of the picture [px].
        rate: frames per second.
    """
    _, frames, count, _ = points.shape
    table = _Table.of(skeleton).to(points)
    behind, away = _view(places, skeleton)
    outside = torch.maximum(-points, points - size[:, None, None]).amax(-1).clamp_min(0) / side[..., None]
    usual = table.size.log() + _sum(table.grows, behind, away) + noise.outside * outside.clamp_max(STEEP)
    whims = _lasting(draws, frames, rate, table)
    trouble = whims[..., 2]
    scale = (usual + table.spread * trouble + noise.gross * (trouble - ROUGH).clamp_min(0)).exp().clamp_max(LARGEST)
    harder = noise.size * draws.even_log("harder", *noise.harder)[:, None, None]
    scale = scale + FLAT * (outside - STEEP).clamp_min(0)
    scale = ((harder * scale).square() + (noise.least / side[..., None]).square()).sqrt()
    error = scale[..., None] * whims[..., :2]
    strange = error.square().sum(-1).clamp_min(1e-8).log() / 2 - MEAN_LOG - usual
    sure = table.sure + _sum(table.sures, behind, away) + table.sure_error * strange + table.sure_spread * whims[..., 3]
    sure = sure - noise.outside_doubt * (outside.clamp_max(FAR_OUT) - NEAR_EDGE).clamp_min(0)
    confidence = (1 - noise.doubt * torch.sigmoid(-sure)).clamp_min(0.002)
    where = _swapped(points, skeleton, away, draws, noise) + error * side[..., None, None]
    choosy = draws.chance("withheld", noise.withheld, 1, 1)
    found = valid[:, None] & ~(choosy & ((confidence < WITHHELD) | (outside > NEAR_EDGE)))
    found = found & ~_stretch(draws, "hidden", noise.hidden, frames, count)
    found = found & ~draws.chance("missing", noise.missing, frames, count)
    return torch.where(found[..., None], torch.cat([where, confidence[..., None]], dim=-1), 0.0)


@dataclass(frozen=True)
class _Table:
    """The numbers of `PARTS` for the keypoints of a skeleton."""

    size: Float[Tensor, "k"]
    grows: Float[Tensor, "3 k"]
    """With depth behind the trunk, before it, and on people who face away."""
    spread: Float[Tensor, "k"]
    sure: Float[Tensor, "k"]
    sures: Float[Tensor, "3 k"]
    sure_error: Float[Tensor, "k"]
    sure_spread: Float[Tensor, "k"]
    mixing: Float[Tensor, "k m"]
    """From independent numbers, of each keypoint and then of each group, to those of the keypoints."""

    @staticmethod
    @lru_cache
    def of(skeleton: Skeleton) -> "_Table":
        """On the CPU."""
        parts = [next((part for name, part in PARTS.items() if name in joint), OTHERS) for joint in skeleton.joints]

        def column(*names: str) -> Tensor:
            return torch.tensor([[getattr(part, name) for part in parts] for name in names])

        return _Table(
            size=column("size")[0],
            grows=column("behind", "before", "away"),
            spread=column("spread")[0],
            sure=column("sure")[0],
            sures=column("sure_behind", "sure_before", "sure_away"),
            sure_error=column("sure_error")[0],
            sure_spread=column("sure_spread")[0],
            mixing=_mixing(skeleton, parts),
        )

    def to(self, like: Tensor) -> "_Table":
        """On another's device."""
        return _Table(**{name: value.to(like) for name, value in vars(self).items()})


def _mixing(skeleton: Skeleton, parts: list[Part]) -> Float[Tensor, "k m"]:
    groups = [_group(joint) for joint in skeleton.joints]
    names = sorted({group for group in groups if group})
    linked = torch.tensor([part.linked if group else 0.0 for part, group in zip(parts, groups, strict=True)])
    mixing = torch.zeros(len(parts), len(parts) + len(names))
    mixing[:, : len(parts)] = (1 - linked).sqrt().diag()
    for row, group in enumerate(groups):
        if group:
            mixing[row, len(parts) + names.index(group)] = linked[row].sqrt()
    return mixing


def _group(joint: str) -> str:
    """The face, the hand or the foot that a keypoint belongs to; empty for others."""
    group = next((group for group, names in LINKS.items() if any(name in joint for name in names)), "")
    return group if group in ("", "face") else joint.partition("_")[0] + " " + group


def _view(
    places: Float[Tensor, "b t k 3"], skeleton: Skeleton
) -> tuple[Float[Tensor, "b t k"], Float[Tensor, "b t 1"]]:
    """How far each keypoint is behind the middle of the trunk [m], and how much the person faces away: from -1 to 1."""
    if not set(TRUNK) <= set(skeleton.joints):
        nothing = torch.zeros_like(places[..., 0])
        return nothing, nothing[..., :1]
    left, right, left_hip, right_hip = places[:, :, [skeleton.index(name) for name in TRUNK]].unbind(2)
    behind = places[..., 2] - (left + right + left_hip + right_hip)[..., None, 2] / 4
    ahead = torch.linalg.cross(left - right, left + right - left_hip - right_hip, dim=-1)
    return behind, (ahead[..., 2:] / ahead.norm(dim=-1, keepdim=True).clamp_min(1e-6))


def _sum(
    factors: Float[Tensor, "3 k"], behind: Float[Tensor, "b t k"], away: Float[Tensor, "b t 1"]
) -> Float[Tensor, "b t k"]:
    deep = behind.clamp(-DEEP, DEEP)
    return factors[0] * deep.clamp_min(0) - factors[1] * deep.clamp_max(0) + factors[2] * away.clamp_min(0)


def _lasting(draws: Draws, frames: int, rate: float, table: _Table) -> Float[Tensor, "b t k 4"]:
    """Normal numbers of variance one that last as errors do, and are shared as they are by a limb's keypoints.

    Of each keypoint: an error about each axis, how much trouble it makes, and how sure the detector happens to be.
    """
    fresh = draws.normal("errors", frames, table.mixing.shape[1] * 4)
    lasting = _memory(frames, rate).to(fresh) @ fresh
    return table.mixing @ lasting.unflatten(-1, (-1, 4))


@lru_cache(maxsize=16)
def _memory(frames: int, rate: float) -> Float[Tensor, "t t"]:
    """Turns independent numbers into ones that are correlated over time as `LASTING` says."""
    apart = (torch.arange(frames)[:, None] - torch.arange(frames)).abs().double() / rate
    covariance = sum(share * (-apart / seconds).exp() for seconds, share in LASTING)
    assert isinstance(covariance, Tensor)
    return torch.linalg.cholesky(covariance).float()


def _stretch(
    draws: Draws, name: str, share: float | Float[Tensor, "b 1"], frames: int, count: int
) -> Bool[Tensor, "b t k"]:
    """True from some frame of the window on, or up to some frame, for a share of the rows' columns."""
    chosen = draws.uniform(name, count) < share
    turn = draws.uniform(f"{name} from", count) * frames
    later = torch.arange(frames, device=turn.device)[None, :, None] + 0.5 > turn[:, None]
    return chosen[:, None] & (later ^ draws.chance(f"{name} before", 0.5, count)[:, None])


def _swapped(
    points: Float[Tensor, "b t k 2"],
    skeleton: Skeleton,
    away: Float[Tensor, "b t 1"],
    draws: Draws,
    noise: KeypointNoise,
) -> Float[Tensor, "b t k 2"]:
    """The points with left and right exchanged in some windows, of the upper body, the lower or both."""
    back = ((away.mean(1) + 1) / 2).clamp(0, 1)
    is_swapped = _stretch(
        draws, "swapped", noise.swapped_front + (noise.swapped - noise.swapped_front) * back, points.shape[1], 1
    )
    which = draws.uniform("swapped part", 1, 1)
    lower = torch.tensor([any(p in j for p in ("hip", "knee", "ankle", "heel", "toe")) for j in skeleton.joints])
    lower = lower.to(points.device)
    chosen = is_swapped & torch.where(lower, which < 2 / 3, which > 1 / 3)
    return torch.where(chosen[..., None], points[:, :, list(skeleton.mirror)], points)


def off_squares(squares: Float[Tensor, "b t 3"], draws: Draws, noise: KeypointNoise) -> Float[Tensor, "b t 3"]:
    """Squares that are somewhat too large, too small or off to the side, each window in its own way."""
    side = squares[..., 2:]
    center = squares[..., :2] + noise.square_shift * draws.normal("shift", 1, 2) * side
    return torch.cat([center, side * (noise.square_scale * draws.normal("scale", 1, 1)).exp()], dim=-1)
