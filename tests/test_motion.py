"""The values that flow through the library, and the motion file: what is saved comes back, the rest is refused."""

import errno
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.motion import FORMAT, BodyPose, Camera, Motion, Track
from anthropose.skeleton import COCO_17, H36M_17, MEDIAPIPE_33, SMPL_24, Skeleton


def a_motion(n: int = 12, skeleton: Skeleton = SMPL_24, with_all: bool = True) -> Motion:
    """A motion with every field set, or only those that must be."""
    random = torch.Generator().manual_seed(0)
    track = Track(
        person=3,
        frames=torch.arange(n) * 2 + 5,
        boxes=torch.rand(n, 4, generator=random) * 100,
        keypoints=torch.rand(n, 33, 3, generator=random) if with_all else None,
        skeleton=MEDIAPIPE_33 if with_all else None,
        world=torch.rand(n, 33, 3, generator=random) if with_all else None,
    )
    body = BodyPose(torch.rand(n, 24, 3, 3, generator=random), torch.rand(n, 10, generator=random))
    return Motion(
        track=track,
        skeleton=skeleton,
        fps=29.97,
        seconds=track.frames.double() / 29.97 + 0.001,
        camera=Camera(1234.5, (641.0, 359.5), (1280, 720)),
        joints=torch.rand(n, len(skeleton), 3, generator=random),
        translation=torch.rand(n, 3, generator=random) + torch.tensor([0.0, 0.0, 4.0]),
        body=body if with_all else None,
        body_model="free" if with_all else "",
        method="smplify",
        weights="none",
        crop_camera=torch.rand(n, 3, generator=random) if with_all else None,
    )


def assert_same(a: object, b: object) -> None:
    """Equality of values that hold tensors, field by field."""
    assert type(a) is type(b)
    for name, one in vars(a).items():
        other = vars(b).get(name)
        if isinstance(one, torch.Tensor):
            assert one.dtype == other.dtype, name
            assert torch.equal(one, other), name
        elif isinstance(one, Track | BodyPose):
            assert_same(one, other)
        else:
            assert one == other, name


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "person-03.npz"
    a_motion().save(path)
    return path


@pytest.mark.parametrize("with_all", [True, False])
@pytest.mark.parametrize("n", [1, 12])
def test_a_saved_motion_comes_back_the_same(tmp_path: Path, n: int, with_all: bool) -> None:
    motion = a_motion(n, with_all=with_all)
    motion.save(tmp_path / "a.npz")
    assert_same(motion, Motion.load(tmp_path / "a.npz"))


def test_joints_of_a_set_of_ones_own_come_back_with_their_names_and_tree(tmp_path: Path) -> None:
    mine = Skeleton("mine", ("root", "left_end", "right_end"), (-1, 0, 0))
    a_motion(skeleton=mine).save(tmp_path / "a.npz")
    assert Motion.load(tmp_path / "a.npz").skeleton == mine


def test_a_set_of_ones_own_is_not_taken_for_a_known_one_of_the_same_name(tmp_path: Path) -> None:
    other = Skeleton("h36m-17", tuple(reversed(H36M_17.joints)), (-1,) * 17)
    a_motion(skeleton=other).save(tmp_path / "a.npz")
    assert Motion.load(tmp_path / "a.npz").skeleton.joints == other.joints


def test_the_file_holds_what_its_page_promises(saved: Path) -> None:
    """docs/motion-file.md is a promise to programs that read the file without this library."""
    motion = a_motion()
    with np.load(saved, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    page = (Path(__file__).parents[1] / "docs" / "motion-file.md").read_text()
    assert sorted(arrays) == sorted(name for name in arrays if f"`{name}`" in page)
    assert str(arrays["format"]) == FORMAT == "anthropose-motion/1"
    assert arrays["frames"].dtype == np.int64
    assert arrays["seconds"].dtype == np.float64
    assert arrays["joint_names"].tolist() == list(SMPL_24.joints)
    pixels = arrays["joints"] + arrays["translation"][:, None]
    pixels = pixels[..., :2] / pixels[..., 2:] * arrays["focal"][:, None, None] + arrays["center"][:, None]
    assert np.allclose(pixels, motion.projected.numpy(), atol=1e-2)


def _rewritten(path: Path, **changes: np.ndarray | None) -> Path:
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files} | changes
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})
    return path


def _refused(path: Path, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        Motion.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    _refused(tmp_path / "gone.npz", r"no such file; `anthropose run VIDEO` writes motion files")


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.7, 0.99])
def test_a_cut_file_is_refused(saved: Path, share: float) -> None:
    data = saved.read_bytes()
    saved.write_bytes(data[: int(share * len(data))])
    _refused(saved, "expected a motion file .*, found something else or a cut file")


def test_a_file_with_flipped_bits_is_refused(saved: Path) -> None:
    data = bytearray(saved.read_bytes())
    with zipfile.ZipFile(saved) as archive:
        offset = archive.getinfo("joints.npy").header_offset
    for at in range(offset + 200, offset + 260):
        data[at] ^= 0xFF
    saved.write_bytes(bytes(data))
    _refused(saved, "found something else or a cut file")


@pytest.mark.parametrize(
    "content", [b"", b"not a motion", b"PK\x03\x04 but no archive", b"\x89PNG\r\n\x1a\n" + bytes(100)]
)
def test_files_of_other_kinds_are_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.npz").write_bytes(content)
    _refused(tmp_path / "a.npz", "found something else or a cut file")


def test_a_folder_and_a_bare_array_are_refused(tmp_path: Path) -> None:
    _refused(tmp_path, "found something else or a cut file")
    with (tmp_path / "a.npz").open("wb") as file:
        np.save(file, np.zeros(3))
    _refused(tmp_path / "a.npz", "found something else or a cut file")


def test_archives_of_other_programs_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "amass.npz", poses=np.zeros((5, 156)), trans=np.zeros((5, 3)))
    _refused(tmp_path / "amass.npz", f"expected format {FORMAT}, found none")


def test_another_version_is_refused_with_both_names(saved: Path) -> None:
    _refused(_rewritten(saved, format=np.array("anthropose-motion/9")), f"{FORMAT}, found anthropose-motion/9; make it")


def test_a_pickle_inside_the_archive_is_not_run(saved: Path, tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return (Path.touch, (tmp_path / "sprung",))

    buffer = io.BytesIO()
    np.save(buffer, np.array([Trap()], dtype=object), allow_pickle=True)
    with zipfile.ZipFile(saved, "a") as archive:
        archive.writestr("extra.npy", buffer.getvalue())
    _refused(saved, "found something else or a cut file")
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("name", ["frames", "seconds", "joints", "translation", "focal", "image_size", "boxes", "fps"])
def test_a_missing_array_is_named(saved: Path, name: str) -> None:
    _refused(_rewritten(saved, **{name: None}), f"not a whole motion file .*{name}")


@pytest.mark.parametrize(
    ("name", "shape", "message"),
    [
        ("joints", (5, 24, 3), "joints should be of shape 12 j 3, found 5 24 3"),
        ("joints", (12, 23, 3), "joint_names should be of shape 23, found 24"),
        ("rotations", (12, 24, 3), "rotations should be of shape 12 24 3 3, found 12 24 3"),
        ("betas", (12, 300), "betas should be of shape 12 10, found 12 300"),
        ("keypoints", (12, 17, 3), "keypoint_names should be of shape 17, found 33"),
        ("seconds", (), "seconds should be of shape 12, found one number"),
    ],
)
def test_arrays_that_do_not_fit_each_other_are_refused(
    saved: Path, name: str, shape: tuple[int, ...], message: str
) -> None:
    _refused(_rewritten(saved, **{name: np.zeros(shape, np.float32)}), f"not a whole motion file .*{message}")


def test_a_file_without_frames_is_refused(saved: Path) -> None:
    with np.load(saved) as file:
        empty = {name: file[name][:0] for name in file.files if len(file[name].shape) and len(file[name]) == 12}
    _refused(_rewritten(saved, **empty), "not a whole motion file .*no frames")


def test_a_full_disk_leaves_the_old_file_and_no_half_of_the_new(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def full(file: io.BufferedWriter, **arrays: np.ndarray) -> None:
        file.write(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(UserError, match="disk is full"):
        a_motion(n=5).save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_an_interrupted_save_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(file: io.BufferedWriter, **arrays: np.ndarray) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "savez_compressed", interrupted)
    with pytest.raises(KeyboardInterrupt):
        a_motion().save(tmp_path / "a.npz")
    assert list(tmp_path.iterdir()) == []


def test_the_guessed_camera_looks_at_the_middle_of_its_picture() -> None:
    camera = Camera.guess(1280, 720)
    assert camera == Camera(float((1280**2 + 720**2) ** 0.5), (640.0, 360.0), (1280, 720))


def test_the_root_projects_to_where_the_translation_lies() -> None:
    motion = a_motion()
    joints = motion.joints.clone()
    joints[:, 0] = 0
    pixels = replace(motion, joints=joints).projected[:, 0]
    x, y, z = motion.translation.unbind(-1)
    expected = torch.stack([1234.5 * x / z + 641.0, 1234.5 * y / z + 359.5], -1)
    assert torch.allclose(pixels, expected, rtol=1e-5)


def test_a_track_has_keypoints_with_names_or_neither() -> None:
    with pytest.raises(ValueError, match="keypoints and the skeleton that names them, or neither"):
        Track(0, torch.arange(2), torch.zeros(2, 4), keypoints=torch.zeros(2, 17, 3))
    with pytest.raises(ValueError, match="or neither"):
        Track(0, torch.arange(2), torch.zeros(2, 4), skeleton=COCO_17)


def test_a_motion_has_as_many_times_and_places_as_frames() -> None:
    motion = a_motion()
    # Under pytest the annotations speak first; without them it is the ValueError of the class itself.
    with pytest.raises((ValueError, TypeError)):
        replace(motion, seconds=motion.seconds[:-1])
    with pytest.raises(ValueError, match="same number of frames"):
        replace(motion, track=a_motion(n=5).track)
