"""SMPLify on drawn people whose truth is known: errors of the start and of the fit, time, and where keypoints lie.

`python benchmarks/smplify.py --data ../shared/data/cmu` poses the free body as in 12 pieces of motion capture, draws it
in a room, finds it with the default detector, and fits it with the detector's 3D guess and without (about ten minutes).
`--pitch 0.4` hangs the camera high; `--offsets` prints the table of landmarks.py anew.
"""

import argparse
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from anthropose.body.files import load_body
from anthropose.body.model import BodyModel
from anthropose.body.prior import carry_over, rest_from_offsets
from anthropose.geometry.alignment import procrustes
from anthropose.geometry.rotations import quat_to_rotmat, rotvec_to_rotmat
from anthropose.methods.smplify import SMPLify
from anthropose.methods.smplify import landmarks as landmark_table
from anthropose.methods.smplify.figure import Figure, State
from anthropose.methods.smplify.fit import gather_evidence
from anthropose.methods.smplify.start import Setting, find_start
from anthropose.motion import Camera, Track
from anthropose.people.clip import Clip
from anthropose.people.detect import find_detector
from anthropose.people.detections import concatenate
from anthropose.people.follow import follow
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.skeleton import SMPL_24
from anthropose.synthetic.clothes import clothe
from anthropose.synthetic.room import paint_room
from anthropose.synthetic.viewpoint import Viewpoint

SIZE, FPS, FRAMES = (960, 540), 30.0, 75
ACTIVITIES = ("walk", "basketball", "salsa", "jack", "box", "soccer", "traffic", "dance", "laugh")
LIMBS = ("hip", "knee", "ankle", "shoulder", "elbow", "wrist")
COMPARED = [SMPL_24.index(f"{side}_{part}") for part in LIMBS for side in ("left", "right")]
COMPARED += [SMPL_24.index("neck"), SMPL_24.index("head")]


@dataclass(frozen=True)
class Case:
    """A person as the detector found it, and the truth in the same frames."""

    name: str
    track: Track
    truth: State
    camera: Camera
    """The true one; the fit guesses from the picture's size."""

    def clip(self, world: bool) -> Clip:
        track = self.track if world else replace(self.track, world=None)
        return Clip(track, FPS, self.track.frames.double() / FPS, Camera.guess(*SIZE))


def chosen_motions(index: dict) -> list[dict]:
    """Six pieces that the prior has not seen, dance and washing, and six that it has."""
    whole = [e for e in index["clips"] if e["frames"] >= 45 and e["source"] != "humanoid"]
    test = [e for e in whole if e["split"] == "test"]
    train = [e for e in whole if e["split"] == "train" and any(word in e["title"].lower() for word in ACTIVITIES)]
    order = random.Random(5)
    order.shuffle(test)
    order.shuffle(train)
    return test[:6] + train[:6]


def placed_before_camera(
    body: BodyModel, data: Path, index: dict, entry: dict, seed: int, pitch: float
) -> tuple[State, Camera]:
    """The motion on a body of some shape, turned anyhow, filling three quarters of the picture."""
    make = torch.Generator().manual_seed(seed)
    shard = np.load(data / entry["shard"])
    part = slice(entry["start"], entry["start"] + min(FRAMES, entry["frames"]))
    rotations = quat_to_rotmat(torch.from_numpy(shard["quat"][part].astype(np.float32))[..., [1, 2, 3, 0]])
    rotations = carry_over(rotations, rest_from_offsets(index["offsets"]).float(), body.shaped(torch.zeros(10)).joints)
    yaw, zoom = 6.28 * float(torch.rand(1, generator=make)), 0.75 + 0.4 * float(torch.rand(1, generator=make))
    to_camera = rotvec_to_rotmat(torch.tensor([pitch, 0.0, 0.0])) @ torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    to_camera = to_camera @ rotvec_to_rotmat(torch.tensor([0.0, yaw, 0.0]))
    rotations[:, 0] = to_camera @ rotations[:, 0]
    place = torch.from_numpy(shard["root"][part]) * entry["scale"] @ to_camera.T
    state = State(rotations, place, 0.7 * torch.randn(10, generator=make))
    camera = Camera(zoom * float(np.hypot(*SIZE)), (SIZE[0] / 2, SIZE[1] / 2), SIZE)
    joints = Figure(body, SMPL_24).place(state).joints
    low, high = joints.amin((0, 1)), joints.amax((0, 1))
    away = max(2.5, *(float((high - low)[i]) * camera.focal / share / SIZE[i] for i, share in ((0, 0.9), (1, 0.75))))
    middle = (low + high) / 2
    return replace(state, translation=place - torch.stack([middle[0], middle[1], low[2] - away])), camera


def drawn(body: BodyModel, state: State, camera: Camera, seed: int, pitch: float) -> Iterator[np.ndarray]:
    """The pictures of the body in a room."""
    room = paint_room(Viewpoint.standing(camera, 1.5 + 2 * pitch, pitch), seed).shaded(np.zeros((0, 4)))
    colours, faces = clothe(body, seed % 3, seed), body.faces.numpy()
    noise = np.random.default_rng(seed)
    with MeshRenderer(*SIZE) as renderer:
        for rotations, translation in zip(state.rotations, state.translation, strict=True):
            posed = body.shaped(state.betas).posed(rotations)
            surface = (posed.vertices - posed.joints[:1] + translation).numpy()
            picture = renderer.draw(room, [Mesh(surface, faces, colours)], camera.focal, camera.center)
            yield np.clip(picture + noise.normal(0, 2, picture.shape), 0, 255).astype(np.uint8)


def make_cases(body: BodyModel, data: Path, pitch: float) -> Iterator[Case]:
    """People found in drawn clips; those that the detector misses are left out."""
    index = json.loads((data / "index.json").read_text())
    for seed, entry in enumerate(chosen_motions(index)):
        state, camera = placed_before_camera(body, data, index, entry, seed, pitch)
        seconds = np.arange(len(state.rotations)) / FPS
        found = find_detector("mediapipe").detect(drawn(body, state, camera, seed, pitch), 0, seconds, None)
        tracks = follow(concatenate(list(found)), FPS, SIZE)
        if tracks:
            track = max(tracks, key=len)
            yield Case(f"{entry['id']} {entry['title']}"[:30], track, state[track.frames], camera)


def errors(found: Tensor, truth: Tensor) -> list[float]:
    """MPJPE and PA-MPJPE [mm], acceleration error [mm/frame^2], error of the pelvis' place [mm]."""
    place = (found[:, 0] - truth[:, 0]).norm(dim=-1).mean()
    ours, theirs = ((x - x[:, :1])[:, COMPARED] for x in (found, truth))
    shaken = (ours.diff(n=2, dim=0) - theirs.diff(n=2, dim=0)).norm(dim=-1).mean()
    aligned = (procrustes(ours, theirs) - theirs).norm(dim=-1).mean()
    return [1000 * float(x) for x in ((ours - theirs).norm(dim=-1).mean(), aligned, shaken, place)]


def measure(body: BodyModel, case: Case, world: bool) -> list[float]:
    """Errors of the start, errors of the fit, seconds of work per second of video."""
    method, clip = SMPLify(body), case.clip(world)
    assert clip.track.skeleton is not None
    figure = Figure(body, clip.track.skeleton)
    truth = figure.place(case.truth).joints
    with torch.no_grad():
        setting = Setting(figure, method.prior, method.config.weights, clip.track.skeleton)
        start = find_start(setting, gather_evidence(figure, clip))
        before = errors(figure.place(start.state).joints, truth)
    begun = time.process_time()
    motion = method.reconstruct(clip)
    took = (time.process_time() - begun) * FPS / len(truth)
    return before + errors(motion.joints + motion.translation[:, None], truth) + [took]


def own_guess(body: BodyModel, case: Case) -> float:
    """PA-MPJPE of the detector's own 3D guess over the keypoints that the body has [mm]."""
    assert case.track.world is not None
    assert case.track.skeleton is not None
    figure = Figure(body, case.track.skeleton)
    valid = figure.table.valid & (figure.table.depth_trust > 0)
    guess, truth = case.track.world[:, valid], figure.place(case.truth).landmarks[:, valid]
    return 1000 * float((procrustes(guess, truth) - truth).norm(dim=-1).mean())


def print_offsets(body: BodyModel, cases: list[Case]) -> None:
    """Where each keypoint falls from the body's point, in its owner's axes: robust least squares over all frames."""
    skeleton = cases[0].track.skeleton
    assert skeleton is not None
    landmark_table.OFFSETS.clear()
    figure, sums = Figure(body, skeleton), {}
    for case in cases:
        placed = figure.place(case.truth)
        depth, keypoints = placed.landmarks[..., 2:], case.track.keypoints
        assert keypoints is not None
        flat, height = placed.landmarks[..., :2] / depth, case.camera.focal * 1.7 / placed.landmarks[..., 2].mean(1)
        off = (keypoints[..., :2] - flat * case.camera.focal - torch.tensor(case.camera.center)) / height[:, None, None]
        for k, name in enumerate(skeleton.joints):
            axes = placed.orientations[:, figure.table.owners[k]]
            rows = case.camera.focal / depth[:, k, :, None] * (axes[:, :2] - flat[:, k, :, None] * axes[:, 2:])
            rows = rows / height[:, None, None] * (torch.tensor([-1.0, 1.0, 1.0]) if "right_" in name else 1.0)
            sure = keypoints[:, k, 2] > 0.6
            sums.setdefault(name.removeprefix("right_").removeprefix("left_"), []).append((rows[sure], off[sure, k]))
    for name, parts in sums.items():
        rows, off = (torch.cat(column) for column in zip(*parts, strict=True))
        offset = torch.zeros(3)
        for _ in range(30):
            weight = 1 / (1 + ((off - rows @ offset).norm(dim=-1) / 0.015).square()).square()
            left = torch.einsum("n,nci,ncj->ij", weight, rows, rows) + 1e-5 * weight.sum() * torch.eye(3)
            offset = torch.linalg.solve(left, torch.einsum("n,nci,nc->i", weight, rows, off))
        print(f"{name:12s} {[round(float(x), 3) for x in offset]}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of CMU motion capture")
    parser.add_argument("--pitch", type=float, default=0.1, help="how far the camera looks down [rad]")
    parser.add_argument("--offsets", action="store_true", help="print where the detector's keypoints lie, and stop")
    arguments = parser.parse_args()
    body = load_body("free")
    with torch.no_grad():
        cases = list(make_cases(body, arguments.data, arguments.pitch))
    if arguments.offsets:
        print_offsets(body, cases)
        return
    print("start | fit: MPJPE, PA-MPJPE [mm], acceleration [mm/frame^2], place [mm] | seconds per second of video")
    for world in (True, False):
        rows = []
        for case in cases:
            rows.append(measure(body, case, world))
            print(f"{case.name:30s} " + " ".join(f"{value:6.1f}" for value in rows[-1]), flush=True)
        print("with 3D guess  " if world else "keypoints only ", "mean:", np.mean(rows, axis=0).round(1))
    print(f"the detector's own 3D guess: PA-MPJPE {np.mean([own_guess(body, case) for case in cases]):.0f} mm")


if __name__ == "__main__":
    main()
