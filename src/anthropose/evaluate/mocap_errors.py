"""How far a motion is from the true one: joints, surface, feet that should stand, and a detector's landmarks."""

from dataclasses import replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.body.landmarks import landmarks_of
from anthropose.body.model import BodyModel
from anthropose.evaluate.measures import MILLIMETRES, Compared
from anthropose.evaluate.scores import Errors
from anthropose.metrics import mpjpe
from anthropose.motion import BodyPose, Camera, Motion, Track
from anthropose.people.clip import Clip
from anthropose.skeleton import H36M_17, LSP_14, MEDIAPIPE_33, Skeleton, pick

LIMBS_12 = Skeleton(
    "limbs-12",
    tuple(
        f"{side}_{part}"
        for part in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
        for side in ("left", "right")
    ),
    (-1,) * 12,
)
"""What every detector and every method has."""
STANDS = 0.15
"""A true ankle that is slower than this [m/s] stands; those of recorded standing feet reach about 0.1."""
SURFACES = 64
"""Bodies whose surfaces are computed at once."""
CENTIMETRES = 100.0


def errors_of(
    found: Motion, truth: Motion, body: BodyModel, name: str, action: str = "", surfaces_every: int = 1
) -> Errors:
    """The errors of a motion's frames that the truth has as well.

    Joints are LSP-14 through the body's Human3.6M regressor, relative to the middle of the hips, as the video methods
    publish theirs; surfaces are relative to the body's own origin, as theirs.

    Args:
        body: that the truth and the motion, where it has one, are of.
        surfaces_every: the surface's error is taken in every so many frames, since it costs more than all the rest.

    Raises:
        ValueError: no frame is in both.
    """
    rows, own = common_rows(found.track.frames, truth.track.frames)
    if not len(rows):
        raise ValueError(f"{name}: the motion and the truth have no frame in common")
    frames = truth.track.frames[own]
    compared = Compared(
        name,
        LSP_14,
        _rooted(lsp_joints(found, body)[rows], LSP_14),
        _rooted(lsp_joints(truth, body)[own], LSP_14),
        torch.ones(len(rows), dtype=torch.bool),
        follows=frames.diff() == 1,
    )
    some = slice(None, None, surfaces_every)
    return replace(
        compared.sound().errors(),
        action=action,
        vertex_error=_surface_errors(found.body, truth.body, rows[some], own[some], body),
        foot_slide=foot_slide(_ankles(found, body)[rows], _ankles(truth, body)[own], frames, truth.fps),
    )


def limb_errors_of(found: Motion, truth: Motion, body: BodyModel, name: str, action: str = "") -> Errors:
    """The errors of LIMBS_12 where mediapipe sees them on bodies, for comparison with mediapipe's own 3D.

    Of a motion that has joints alone, these are compared, with the true joints: to each what it means.
    """
    rows, own = common_rows(found.track.frames, truth.track.frames)
    true = limbs_on(truth, body) if found.body is not None else pick(lsp_joints(truth, body), LSP_14, LIMBS_12)[0]
    return _limb_errors(limbs_on(found, body)[rows], true[own], truth.track.frames[own], name, action)


def detector_errors_of(clip: Clip, truth: Motion, body: BodyModel, name: str, action: str = "") -> Errors:
    """The same of the 3D guess of mediapipe, in whose track this clip is.

    Raises:
        ValueError: the track has none.
    """
    rows, own = common_rows(clip.track.frames, truth.track.frames)
    found = limbs_of_detector(clip.track, clip.camera)[rows]
    return _limb_errors(found, limbs_on(truth, body)[own], truth.track.frames[own], name, action)


def _limb_errors(
    found: Float[Tensor, "n 12 3"], true: Float[Tensor, "n 12 3"], frames: Int[Tensor, "n"], name: str, action: str
) -> Errors:
    ours, theirs = _rooted(found, LIMBS_12), _rooted(true, LIMBS_12)
    everywhere = torch.ones(len(frames), dtype=torch.bool)
    compared = Compared(name, LIMBS_12, ours, theirs, everywhere, follows=frames.diff() == 1)
    return replace(compared.sound().errors(), action=action)


def common_rows(found: Int[Tensor, "n"], true: Int[Tensor, "m"]) -> tuple[Int[Tensor, "c"], Int[Tensor, "c"]]:
    """The rows of two tracks that are of the same frames."""
    same = found[:, None] == true
    rows, own = same.nonzero().unbind(1)
    return rows, own


def lsp_joints(motion: Motion, body: BodyModel) -> Float[Tensor, "n 14 3"]:
    """LSP-14 of a motion [m]: regressed from its body, or picked by name where it has joints alone."""
    if motion.body is None:
        joints, valid = pick(motion.joints, motion.skeleton, LSP_14)
        if not bool(valid.all()):
            raise ValueError(f"{motion.skeleton.name} lacks some of {LSP_14.name}")
        return joints
    return pick(body.points(H36M_17)(motion.body.betas, motion.body.rotations), H36M_17, LSP_14)[0]


def _ankles(motion: Motion, body: BodyModel) -> Float[Tensor, "n 2 3"]:
    """In the camera [m]."""
    ankles = [LSP_14.index(f"{side}_ankle") for side in ("left", "right")]
    return lsp_joints(motion, body)[:, ankles] + origin_of(motion, body)[:, None]


def origin_of(motion: Motion, body: BodyModel) -> Float[Tensor, "n 3"]:
    """Where in the camera the origin of `lsp_joints` and `limbs_on` is [m]: the body's own, or the root joint."""
    if motion.body is None:
        return motion.translation
    return motion.translation - body.shaped(motion.body.betas).joints[..., 0, :]


def foot_slide(
    found: Float[Tensor, "n 2 3"], true: Float[Tensor, "n 2 3"], frames: Int[Tensor, "n"], rate: float
) -> Float[Tensor, "s"]:
    """How fast ankles move [cm/s] from one frame to the next while the true ones stand, in a camera that stands still.

    Args:
        found: ankles in the camera [m].
        true: the same of the true motion.
    """
    follows = (frames.diff() == 1)[:, None]
    stands = follows & (true.diff(dim=0).norm(dim=-1) * rate < STANDS)
    return CENTIMETRES * rate * found.diff(dim=0).norm(dim=-1)[stands]


def _surface_errors(
    found: BodyPose | None, true: BodyPose | None, rows: Int[Tensor, "c"], own: Int[Tensor, "c"], body: BodyModel
) -> Float[Tensor, "c"] | None:
    """The surface's error of each frame [mm]; None where there is none."""
    if found is None or true is None:
        return None
    parts = [
        mpjpe(
            body.shaped(found.betas[ours]).posed(found.rotations[ours]).vertices,
            body.shaped(true.betas[theirs]).posed(true.rotations[theirs]).vertices,
        )
        for ours, theirs in zip(rows.split(SURFACES), own.split(SURFACES), strict=True)
    ]
    return MILLIMETRES * torch.cat(parts)


def limbs_on(motion: Motion, body: BodyModel, skeleton: Skeleton = MEDIAPIPE_33) -> Float[Tensor, "n 12 3"]:
    """LIMBS_12 [m] where a detector of `skeleton` sees them on a body, which is not where the joints are.

    For a motion of joints alone they are the joints.
    """
    if motion.body is None:
        return pick(motion.joints, motion.skeleton, LIMBS_12)[0]
    landmarks = landmarks_of(body, skeleton)
    betas, rotations = motion.body.betas, motion.body.rotations
    _, orientations = landmarks.points.with_axes(betas, rotations)
    return pick(landmarks.place(betas, rotations, orientations), skeleton, LIMBS_12)[0]


def limbs_of_detector(track: Track, camera: Camera) -> Float[Tensor, "n 12 3"]:
    """LIMBS_12 of the detector's own 3D guess in camera axes [m].

    The guess is made as if the camera looked straight at the person, and is turned accordingly.

    Raises:
        ValueError: the detector makes none.
    """
    if track.world is None or track.skeleton is None or track.keypoints is None:
        raise ValueError(f"person {track.person}: the detector gave no 3D guess")
    limbs = pick(track.world, track.skeleton, LIMBS_12)[0]
    pixels = pick(track.keypoints[..., :2], track.skeleton, LIMBS_12)[0].mean(1)
    across = (pixels - pixels.new_tensor(camera.center)) / camera.focal
    ray = torch.nn.functional.normalize(torch.cat([across, torch.ones_like(across[:, :1])], dim=1), dim=1)
    right = ray.new_tensor([1.0, 0.0, 0.0]).expand_as(ray)
    down = torch.nn.functional.normalize(torch.linalg.cross(ray, right), dim=1)
    turned = torch.stack([torch.linalg.cross(down, ray), down, ray], dim=-1)
    return limbs @ turned.mT


def _rooted(joints: Float[Tensor, "n j 3"], skeleton: Skeleton) -> Float[Tensor, "n j 3"]:
    """Relative to the middle of the hips."""
    hips = joints[:, [skeleton.index("left_hip"), skeleton.index("right_hip")]]
    return joints - hips.mean(1, keepdim=True)
