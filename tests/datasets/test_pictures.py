"""What a single-image training sees of a picture: everything that is known of it is varied alike."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from anthropose.datasets.pictures import NO_AUGMENTATION, Augmentation, PictureSet, batch_of, mirrored_where, varied
from anthropose.datasets.sequence import Sequence
from anthropose.errors import UserError
from anthropose.geometry.crops import IMAGE_MEAN, IMAGE_STD
from anthropose.skeleton import SPIN_24, SPIN_49

HEIGHT, WIDTH, SIZE = 240, 320, 64
SPOT = SPIN_49.index("left_knee")
FOCAL, DEPTH = 500.0, 5.0


def one_person(folder: Path) -> Sequence:
    """Black pictures with a white spot at the left knee, and joints that a far camera projects onto the keypoints."""
    rng = np.random.default_rng(0)
    joints = 0.4 * rng.standard_normal((3, 24, 3))
    middle = np.array([WIDTH / 2 + 11, HEIGHT / 2 - 7])
    pixels = joints[..., :2] * FOCAL / DEPTH + middle
    keypoints = np.zeros((3, 49, 3))
    keypoints[:, 25:] = np.concatenate([pixels, np.ones((3, 24, 1))], axis=-1)
    folder.mkdir(exist_ok=True)
    for row, (x, y) in enumerate(keypoints[:, SPOT, :2]):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        cv2.circle(picture, (round(x), round(y)), 4, (255, 255, 255), -1)
        cv2.imwrite(str(folder / f"{row}.png"), picture)
    return Sequence(
        "spots",
        keypoints=keypoints,
        keypoint_set=SPIN_49,
        boxes=np.tile([*middle, 320.0, 320.0], (3, 1)),
        joints=joints.astype(np.float32),
        joint_set=SPIN_24,
        pose=(0.5 * rng.standard_normal((3, 72))).astype(np.float32),
        betas=rng.standard_normal((3, 10)).astype(np.float32),
        images=np.array(["0.png", "1.png", "2.png"]),
    )


@pytest.mark.parametrize("seed", range(12))
def test_picture_keypoints_and_joints_stay_together(seed: int, tmp_path: Path) -> None:
    sequence = one_person(tmp_path)
    wild = Augmentation(flipped=0.5, turned=1.0, tint=0.0)
    pictures = PictureSet([sequence], tmp_path, SIZE, wild)
    is_flipped = pictures.item(seed % 3, (seed, seed % 3)).flipped
    (batch,) = pictures.batches([np.array([seed % 3])], (seed,))
    keypoints, joints = batch.keypoints[0], batch.joints[0]
    # A mirrored picture shows the left knee as a right one.
    x, y = ((keypoints[SPIN_49.mirror[SPOT] if is_flipped else SPOT, :2] + 1) * SIZE / 2).tolist()
    seen = batch.images[0].sum(0).numpy()
    rows, columns = np.nonzero(seen > (seen.max() + seen.min()) / 2)
    assert np.hypot(columns.mean() - x, rows.mean() - y) < 2.0, "the spot is where the knee is said to be"
    moved = keypoints[25:, :2] - keypoints[25:, :2].mean(0)
    joints = joints[:, :2] - joints[:, :2].mean(0)
    scale = (moved * joints).sum() / joints.square().sum()
    assert scale > 0
    assert (moved - scale * joints).abs().max() < 1e-4, "the turned joints project onto the turned keypoints"


def test_the_body_turns_with_the_picture(tmp_path: Path) -> None:
    sequence = one_person(tmp_path)
    picture = cv2.imread(str(tmp_path / "0.png"))
    plain = varied(sequence, 0, picture, SIZE, 1.0, NO_AUGMENTATION, (0,))
    turned = varied(sequence, 0, picture, SIZE, 1.0, Augmentation(0.0, 1.0, 30.0, 0.0, 0.0), (0,))
    assert torch.equal(turned.rotations[1:], plain.rotations[1:])
    turn = turned.rotations[0] @ plain.rotations[0].T
    assert (turn[2] - torch.tensor([0.0, 0.0, 1.0])).abs().max() < 1e-6
    assert (turned.joints[:, :3] - plain.joints[:, :3] @ turn.T).abs().max() < 1e-5


def test_mirroring_twice_gives_the_picture_back(tmp_path: Path) -> None:
    sequence = one_person(tmp_path)
    picture = cv2.imread(str(tmp_path / "0.png"))
    plain = batch_of([varied(sequence, row, picture, SIZE, 1.0, NO_AUGMENTATION, (0,)) for row in (0, 1)])
    once = mirrored_where(plain, torch.tensor([True, False]))
    assert torch.equal(once.images[0].flip(-1), plain.images[0])
    assert torch.allclose(once.joints[0, list(SPIN_24.mirror), 0], -plain.joints[0, :, 0])
    assert torch.allclose(torch.linalg.det(once.rotations), torch.ones(2, 24), atol=1e-5)
    assert not torch.allclose(once.rotations[0], plain.rotations[0], atol=0.1)
    twice = mirrored_where(once, torch.tensor([True, False]))
    for key in ("images", "keypoints", "joints", "rotations"):
        assert torch.allclose(getattr(twice, key), getattr(plain, key), atol=1e-6)
        assert torch.equal(getattr(once, key)[1], getattr(plain, key)[1])


def test_what_is_drawn_depends_on_the_seed_and_the_number_alone(tmp_path: Path) -> None:
    pictures = PictureSet([one_person(tmp_path)], tmp_path, SIZE)
    (one,) = pictures.batches([np.array([2, 0])], (4, 1))
    (other,) = pictures.batches([np.array([0, 2])], (4, 1))
    (later,) = pictures.batches([np.array([0, 2])], (4, 2))
    assert torch.equal(one.images[0], other.images[1])
    assert not torch.equal(later.images, other.images)
    assert one.names == ("spots", "spots")
    black = (torch.zeros(3) - torch.tensor(IMAGE_MEAN)) / torch.tensor(IMAGE_STD)
    assert torch.allclose(one.images[:, :, 0, 0], black.expand(2, 3), atol=1e-5)


def test_a_set_that_does_not_tell_its_pictures_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not tell the pictures"):
        PictureSet([Sequence("a", pose=np.zeros((3, 72)))], tmp_path, SIZE)
    pictures = PictureSet([one_person(tmp_path)], tmp_path / "elsewhere", SIZE)
    with pytest.raises(UserError, match=r"elsewhere.*0\.png"):
        pictures.item(0, (0,))


def test_a_damaged_picture_is_told_with_its_file(tmp_path: Path) -> None:
    pictures = PictureSet([one_person(tmp_path)], tmp_path, SIZE)
    file = tmp_path / "1.png"
    file.write_bytes(file.read_bytes()[:-40])
    with pytest.raises(UserError, match=r"1\.png"):
        list(pictures.batches([np.array([0, 1])], (0,)))
