"""SMPLify: fits one body to a whole track of 2D keypoints, in the camera of the full image."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.methods.base import Progress
from anthropose.methods.smplify.figure import Figure, State
from anthropose.methods.smplify.solve import minimise
from anthropose.methods.smplify.start import Setting, find_start, standing_height
from anthropose.methods.smplify.terms import Energy, Evidence, Weights
from anthropose.methods.smplify.warm import Warm, WarmConfig
from anthropose.methods.smplify.warm_terms import Learnt
from anthropose.motion import BodyPose, Motion, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import SMPL_24, Skeleton

START_SHARE = 0.4
"""Of the work, for the progress that is reported."""


@dataclass(frozen=True)
class SMPLifyConfig:
    """How SMPLify fits."""

    weights: Weights = field(default_factory=Weights)
    prior: Path | None = None
    """SMPLify's own gmm_08.pkl in place of the prior that is shipped."""
    rounds: int = 12
    """Most Gauss-Newton steps over each stretch of frames."""
    stretch: int = 240
    """Frames that are fitted together; longer tracks are done one stretch after the other."""
    context: int = 30
    """Frames on either side that a stretch takes into account."""
    warm: WarmConfig = field(default_factory=WarmConfig)
    """How `SMPLify.refine` fits."""


class SMPLify:
    """Fits a body to the keypoints of a whole track, with a pose prior and no learnt network.

    After Bogo et al., Keep it SMPL, ECCV 2016, and its form over time in VIBE; see docs/methods/smplify.md.
    """

    name = "smplify"

    def __init__(self, body: BodyModel, config: SMPLifyConfig | None = None) -> None:
        self.body = body
        self.config = config or SMPLifyConfig()
        self.prior = GaussianMixturePrior.load(self.config.prior)

    def reconstruct(self, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        """The motion of the clip's person, one shape for the whole track.

        Raises:
            UserError: the track has no keypoints, or none that the body has and that are trusted in any frame.
        """
        with torch.no_grad(), _one_thread():
            return self._reconstruct(clip, progress)

    def can_refine(self, clip: Clip) -> bool:
        """Whether the clip's track has keypoints that the body has, in at least one frame."""
        track = clip.track
        if track.keypoints is None or track.skeleton is None:
            return False
        return bool((gather_evidence(Figure(self.body, track.skeleton), clip).trust > 0).any())

    def refine(self, motion: Motion, clip: Clip, progress: Progress = lambda share: None) -> Motion:
        """A motion with a body, brought onto the keypoints of its clip and kept near what it was.

        A few steps from where the motion is take the place of the search for a start; where the track's keypoints tell
        nothing, what comes out is the motion, smoothed. Feet that stand are held still. The person has one shape.

        Args:
            motion: of the clip's track, by any method that gives rotations and shapes, in the clip's camera.

        Raises:
            UserError: the motion has no body, or one of another model; or as `reconstruct`.
            ValueError: the motion is of another track.
        """
        if motion.body is None:
            raise UserError(f"{motion.method or 'this motion'} gives joints without a body; smplify cannot refine it")
        if motion.body_model and motion.body_model != self.body.name:
            raise UserError(f"the motion has body {motion.body_model!r}, smplify was given {self.body.name!r}")
        if not torch.equal(motion.track.frames, clip.track.frames):
            raise ValueError("a motion is refined by the clip that it was made of")
        with torch.no_grad(), _one_thread():
            figure, evidence, skeleton = self._seen(clip)
            learnt = Learnt(motion.body.rotations.float())
            warm = Warm(figure, self.prior, skeleton, evidence, learnt, self.config.warm)
            betas = motion.body.betas.float().contiguous().median(dim=0).values
            state = warm.fitted(State(learnt.rotations, motion.translation.float(), betas), progress)
            fitted = self._motion(figure, clip, state)
        progress(1.0)
        return replace(fitted, method="+".join(filter(None, [motion.method, self.name])), weights=motion.weights)

    def _reconstruct(self, clip: Clip, progress: Progress) -> Motion:
        figure, evidence, skeleton = self._seen(clip)
        start = find_start(Setting(figure, self.prior, self.config.weights, skeleton), evidence)
        progress(START_SHARE)
        state = self._fit(figure, start.evidence, start.state, progress)
        return self._motion(figure, clip, state)

    def _seen(self, clip: Clip) -> tuple[Figure, Evidence, Skeleton]:
        """The body's points that are looked for, what is seen of them, and their names."""
        track = clip.track
        if track.keypoints is None or track.skeleton is None:
            raise UserError(
                "smplify fits keypoints and this track has boxes only; use a detector or a file that gives keypoints"
            )
        figure = Figure(self.body, track.skeleton)
        evidence = gather_evidence(figure, clip)
        if not bool((evidence.trust > 0).any()):
            raise UserError(
                f"person {track.person}: no keypoint of {track.skeleton.name} is seen in any frame; leave them out"
            )
        return figure, evidence, track.skeleton

    def _fit(self, figure: Figure, evidence: Evidence, state: State, progress: Progress) -> State:
        """The state fitted stretch by stretch; the frames before a stretch are held as they have come out."""
        config, n = self.config, len(evidence.seconds)
        for begin in range(0, n, config.stretch):
            low, high = max(0, begin - config.context), min(n, begin + config.stretch + config.context)
            near = slice(low, high)
            held = torch.arange(low, high) < begin
            energy = Energy(figure, evidence[near], self.prior, config.weights, timed=True)
            fitted = minimise(energy, state[near], config.rounds, held)
            rotations, translation = state.rotations.clone(), state.translation.clone()
            rotations[near], translation[near] = fitted.rotations, fitted.translation
            state = replace(state, rotations=rotations, translation=translation)
            progress(START_SHARE + (1 - START_SHARE) * min(1.0, (begin + config.stretch) / n))
        return state

    def _motion(self, figure: Figure, clip: Clip, state: State) -> Motion:
        joints = figure.place(state).joints
        return Motion(
            track=clip.track,
            skeleton=SMPL_24,
            fps=clip.fps,
            seconds=clip.seconds,
            camera=clip.camera,
            joints=joints - joints[:, :1],
            translation=state.translation,
            body=BodyPose(state.rotations, state.betas.expand(len(joints), 10).clone()),
            body_model=self.body.name,
            method=self.name,
        )


@contextmanager
def _one_thread() -> Iterator[None]:
    """The fit is thousands of small steps: threads would wait for each other, on a busy machine ten times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def gather_evidence(figure: Figure, clip: Clip) -> Evidence:
    """What the fit takes from a clip: keypoints weighted by confidence, and the 3D guess in camera axes."""
    track, camera = clip.track, clip.camera
    assert track.keypoints is not None
    known = track.keypoints.isfinite().all(-1)
    confidence = torch.where(known, track.keypoints[..., 2], 0.0).clamp(0, 1)
    pixels = torch.where(known[..., None], track.keypoints[..., :2], 0.0)
    trust = confidence.square() * figure.table.trust * figure.table.valid
    height = _heights(figure, pixels, trust, track)
    return Evidence(pixels, trust, height, _turned_world(clip, pixels, trust), clip.seconds, camera)


def _heights(figure: Figure, pixels: Tensor, trust: Tensor, track: Track) -> Float[Tensor, "n"]:
    """The person's height in the image: bones across the line of sight show the scale, the others look short."""
    skeleton = track.skeleton
    assert skeleton is not None
    still = State(torch.eye(3).expand(1, 24, 3, 3), torch.zeros(1, 3), torch.zeros(10))
    rest = figure.place(still).landmarks[0]
    ends = torch.tensor(_long_bones(skeleton.joints) or [(0, 0)]).T
    lengths = (rest[ends[0]] - rest[ends[1]]).norm(dim=-1).clamp_min(0.05)
    shown = (pixels[:, ends[0]] - pixels[:, ends[1]]).norm(dim=-1) / lengths
    seen = (trust[:, ends[0]] > 0.1) & (trust[:, ends[1]] > 0.1)
    box = track.boxes[:, 3] - track.boxes[:, 1]
    scale = torch.where(seen, shown, torch.nan).nanquantile(0.8, dim=1)
    height = torch.where(scale.isfinite(), scale * standing_height(figure), box)
    return _running_median(height).clamp_min(8.0)


def _running_median(values: Float[Tensor, "n"], reach: int = 7) -> Float[Tensor, "n"]:
    padded = torch.nn.functional.pad(values[None], (reach, reach), mode="replicate")[0]
    return padded.unfold(0, 2 * reach + 1, 1).median(-1).values


def _long_bones(names: tuple[str, ...]) -> list[tuple[int, int]]:
    plain = [name.removeprefix("op_") for name in names]
    pairs = [(f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in _BONES]
    pairs.append(("left_shoulder", "right_shoulder"))
    return [(plain.index(a), plain.index(b)) for a, b in pairs if a in plain and b in plain]


_BONES = (("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"))


def _turned_world(clip: Clip, pixels: Tensor, trust: Tensor) -> Float[Tensor, "n k 3"] | None:
    """The detector's 3D guess in camera axes: it is made as if the camera looked straight at the person."""
    if clip.track.world is None:
        return None
    total = trust.sum(1, keepdim=True).clamp_min(1e-6)
    middle = (pixels * trust[..., None]).sum(1) / total
    across = (middle - torch.tensor(clip.camera.center)) / clip.camera.focal
    ray = torch.cat([across, torch.ones(len(middle), 1)], dim=1)
    ray = torch.nn.functional.normalize(ray, dim=1)
    right = torch.tensor([1.0, 0.0, 0.0]).expand_as(ray)
    down = torch.nn.functional.normalize(torch.linalg.cross(ray, right), dim=1)
    turned = torch.stack([torch.linalg.cross(down, ray), down, ray], dim=-1)
    return torch.nan_to_num(clip.track.world) @ turned.mT
