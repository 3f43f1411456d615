"""What a camera sees of people in the world."""

from pathlib import Path

import numpy as np
import torch

from anthropose.motion import Camera, Motion
from anthropose.render.meshes import Mesh, MeshRenderer
from anthropose.render.overlay import vertices_in_camera
from anthropose.synthetic import Scene
from anthropose.synthetic.viewpoint import Viewpoint


def test_the_world_before_the_camera_is_the_right_way_round() -> None:
    camera = Camera(500.0, (320.0, 240.0), (640, 480))
    view = Viewpoint.standing(camera, 1.5, 0.1)
    middle, right, up, near = view.place(torch.tensor([[0.0, 1, -5], [1, 1, -5], [0, 2, -5], [0, 1, -3]]))
    assert right[0] > middle[0]
    assert up[1] < middle[1]
    assert near[2] < middle[2]
    x, y = view.pixels(middle[None])[0].tolist()
    assert abs(x - 320) < 1e-3
    level = view.pixels(view.place(torch.tensor([[0.0, 1.5, -5]])))[0, 1]
    assert level < 240  # looking down, what is level with the camera is above the middle
    assert y > level
    assert torch.linalg.det(view.rotation) > 0.999


def test_the_true_motion_gives_the_surface_that_was_performed(scene: Scene) -> None:
    rows = torch.tensor([0, 40, 120])
    for motion, performance in zip(scene.truth, scene.performances, strict=True):
        ours = vertices_in_camera(motion, scene.body, rows)
        frames = motion.track.frames[rows].tolist()
        seen = torch.stack([scene.view.place(performance.posed(scene.body, f, f + 1).vertices[0]) for f in frames])
        assert torch.allclose(ours, seen, atol=1e-4)


def test_true_joints_project_inside_the_silhouette(scene: Scene) -> None:
    inner = [scene.truth[0].skeleton.index(name) for name in ("spine1", "spine3", "neck", "left_knee", "right_elbow")]
    width, height = scene.camera.size
    with MeshRenderer(width, height) as renderer:
        for motion in scene.truth:
            for row in range(0, len(motion), 45):
                vertices = vertices_in_camera(motion, scene.body, torch.tensor([row]))[0].numpy()
                mesh = Mesh(vertices, scene.body.faces.numpy(), (1.0, 1.0, 1.0))
                black = np.zeros((height, width, 3), np.uint8)
                mask = renderer.draw(black, [mesh], scene.camera.focal, scene.camera.center).any(-1)
                for x, y in motion.projected[row, inner].tolist():
                    if 0 <= x < width and 0 <= y < height:
                        assert mask[int(y), int(x)]


def test_boxes_hold_the_joints_and_stay_in_the_picture(scene: Scene) -> None:
    width, height = scene.camera.size
    for motion in scene.truth:
        left, top, right, bottom = motion.track.boxes.T
        assert (left >= 0).all()
        assert (top >= 0).all()
        assert (right <= width).all()
        assert (bottom <= height).all()
        keypoints = motion.track.keypoints
        assert keypoints is not None
        x, y, seen = keypoints.unbind(-1)
        inside = (
            (x >= left[:, None] - 1) & (x <= right[:, None] + 1) & (y >= top[:, None] - 1) & (y <= bottom[:, None] + 1)
        )
        assert inside[seen > 0].all()
        assert torch.allclose(keypoints[..., :2], motion.projected, atol=1e-2)


def test_joints_behind_somebody_nearer_are_marked_hidden(scene: Scene) -> None:
    hidden = []
    for motion in scene.truth[:2]:
        keypoints = motion.track.keypoints
        assert keypoints is not None
        hidden.append((keypoints[..., 2] == 0).float().mean(1))
    assert hidden[1].max() > 0.5  # the one who crosses behind
    assert hidden[1].min() == 0
    assert hidden[0][:90].max() < 0.1  # the one in front of whom nobody passes at first


def test_truth_is_saved_and_loaded_as_a_motion_file(scene: Scene, tmp_path: Path) -> None:
    scene.truth[1].save(tmp_path / "truth.npz")
    loaded = Motion.load(tmp_path / "truth.npz")
    assert loaded.method == "truth"
    assert loaded.track.person == 1
    assert torch.equal(loaded.joints, scene.truth[1].joints)
