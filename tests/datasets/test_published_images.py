"""SPIN's, DynaBOA's and BOA's files of labelled images in their published layouts."""

from pathlib import Path

import numpy as np
import pytest

from anthropose.datasets.prepared import open_set
from anthropose.datasets.published_images import read_images, read_stream
from anthropose.datasets.raw.base import ImageFiles
from anthropose.errors import UserError
from anthropose.skeleton import SPIN_24, SPIN_49
from tests.datasets.dumps import dump

COUNT = 5


def arrays(folder: str = "imageFiles/downtown_bar_00", count: int = COUNT, **more: np.ndarray) -> dict[str, np.ndarray]:
    """What all these files hold."""
    generator = np.random.default_rng(0)
    return {
        "imgname": np.array([f"{folder}/image_{k:05d}.jpg" for k in range(count)]),
        "center": generator.uniform(100, 300, (count, 2)),
        "scale": generator.uniform(0.5, 2, count),
        **more,
    }


def dynaboa_3dpw(gender: str = "f") -> dict[str, np.ndarray]:
    generator = np.random.default_rng(1)
    return arrays(
        gender=np.array([gender] * COUNT),
        pose=generator.normal(size=(COUNT, 72)),
        shape=generator.normal(size=(COUNT, 10)),
        j3d=generator.normal(size=(COUNT, 49, 3)),
        j2d=generator.uniform(0, 300, (COUNT, 49, 3)),
        op_j2d=generator.uniform(0, 300, (COUNT, 49, 3)),
    )


def test_dynaboas_3dpw_has_boxes_bodies_and_either_keypoints(tmp_path: Path) -> None:
    content = dynaboa_3dpw()
    np.savez(tmp_path / "3dpw_14_0.npz", **content)
    (raw,) = read_images(tmp_path / "3dpw_14_0.npz", Path("/data/3dpw"))
    sequence = raw.sequence
    assert sequence.name == "3dpw_14_0"
    assert sequence.gender == "female"
    assert sequence.keypoint_set == SPIN_49
    np.testing.assert_array_equal(sequence.keypoints, content["j2d"])
    np.testing.assert_array_equal(sequence.pose, content["pose"])
    np.testing.assert_array_equal(sequence.betas, content["shape"])
    np.testing.assert_allclose(sequence.boxes[:, :2], content["center"])  # type: ignore[index]
    np.testing.assert_allclose(sequence.boxes[:, 3], 200 * content["scale"])  # type: ignore[index]
    assert sequence.joints is None
    assert raw.crop_scale == 1.0
    assert isinstance(raw.pictures, ImageFiles)
    assert raw.pictures.paths[2] == Path("/data/3dpw/imageFiles/downtown_bar_00/image_00002.jpg")
    (detected,) = read_images(tmp_path / "3dpw_14_0.npz", Path("/data/3dpw"), keypoints="openpose")
    np.testing.assert_array_equal(detected.sequence.keypoints, content["op_j2d"])


def test_such_a_file_opens_as_a_set(tmp_path: Path) -> None:
    np.savez(tmp_path / "3dpw_14_0.npz", **dynaboa_3dpw())
    (sequence,) = open_set(tmp_path / "3dpw_14_0.npz")
    assert len(sequence) == COUNT
    with pytest.raises(UserError, match="its set was prepared without image features"):
        sequence.required_features()


def test_the_stream_goes_by_sequence_and_person(tmp_path: Path) -> None:
    for name in ("3dpw_10_0", "3dpw_2_1", "3dpw_2_0", "3dpw_0_0"):
        np.savez(tmp_path / f"{name}.npz", **dynaboa_3dpw())
    names = [raw.sequence.name for raw in read_stream(tmp_path, tmp_path)]
    assert names == ["3dpw_0_0", "3dpw_2_0", "3dpw_2_1", "3dpw_10_0"]
    with pytest.raises(UserError, match=r"it holds no \.npz files"):
        read_stream(tmp_path / "none", tmp_path)


def test_spins_files_join_openposes_keypoints_and_the_labelled_ones(tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    content = arrays(
        part=generator.uniform(0, 300, (COUNT, 24, 3)),
        openpose=generator.uniform(0, 300, (COUNT, 25, 3)),
        pose=generator.normal(size=(COUNT, 72)),
        shape=generator.normal(size=(COUNT, 10)),
        has_smpl=np.array([1, 0, 1, 1, 0]),
        S=generator.normal(size=(COUNT, 24, 4)),
    )
    np.savez(tmp_path / "mpi_inf_3dhp_train.npz", **content)
    (raw,) = read_images(tmp_path / "mpi_inf_3dhp_train.npz", tmp_path)
    sequence = raw.sequence
    np.testing.assert_array_equal(sequence.keypoints[:, :25], content["openpose"])  # type: ignore[index]
    np.testing.assert_array_equal(sequence.keypoints[:, 25:], content["part"])  # type: ignore[index]
    assert sequence.posed.tolist() == [True, False, True, True, False]  # type: ignore[union-attr]
    assert sequence.joint_set == SPIN_24
    np.testing.assert_array_equal(sequence.joints, content["S"][..., :3])
    (detected,) = read_images(tmp_path / "mpi_inf_3dhp_train.npz", tmp_path, keypoints="openpose")
    assert (detected.sequence.keypoints[:, 25:] == 0).all()  # type: ignore[index]


def test_dynaboas_exemplars_in_a_dump_have_the_labelled_joints_only(tmp_path: Path) -> None:
    content = arrays(part=np.ones((COUNT, 24, 3)), S=np.ones((COUNT, 24, 4)))
    dump(tmp_path / "h36m_random_sample_center_10_10.pt", content)
    (raw,) = read_images(tmp_path / "h36m_random_sample_center_10_10.pt", tmp_path)
    assert raw.sequence.keypoint_set == SPIN_24
    assert raw.sequence.name == "h36m_random_sample_center_10_10"


@pytest.mark.parametrize("key", ["part", "smpl_j2d"])
def test_internet_videos_and_boas_files_have_all_49_in_one_array(tmp_path: Path, key: str) -> None:
    points = np.random.default_rng(3).uniform(0, 300, (COUNT, 49, 3))
    np.savez(tmp_path / "a.npz", **arrays("a", **{key: points}))
    (raw,) = read_images(tmp_path / "a.npz", tmp_path)
    assert raw.sequence.keypoint_set == SPIN_49
    np.testing.assert_array_equal(raw.sequence.keypoints, points)
    assert raw.sequence.gender == "neutral"
    assert raw.sequence.pose is None


def test_a_file_of_several_videos_and_people_becomes_a_sequence_for_each(tmp_path: Path) -> None:
    parts = [arrays("s/one"), arrays("s/two"), arrays("s/one")]
    content = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
    content["gender"] = np.array(["m"] * (2 * COUNT + 2) + ["f"] * (COUNT - 2))
    np.savez(tmp_path / "x.npz", **content)
    found = read_images(tmp_path / "x.npz", tmp_path)
    assert [raw.sequence.name for raw in found] == ["x_s_one_0", "x_s_two", "x_s_one_1", "x_s_one_2"]
    assert [raw.sequence.gender for raw in found] == ["male", "male", "male", "female"]
    assert [len(raw.sequence) for raw in found] == [COUNT, COUNT, 2, COUNT - 2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"center": np.zeros((COUNT, 3))}, r"center has the shape \(5, 3\), expected \(5, 2\)"),
        ({"part": np.zeros((COUNT, 14, 3))}, r"part has the shape \(5, 14, 3\)"),
        ({"pose": np.zeros((4, 72))}, r"pose has the shape \(4, 72\)"),
        ({"gender": np.array(["m", "f", "x", "m", "m"])}, "gender is m or f, found 'x'"),
    ],
)
def test_arrays_that_do_not_fit_together_are_one_line(
    tmp_path: Path, changes: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "x.npz", **(arrays() | changes))
    with pytest.raises(UserError, match=rf"x\.npz: {message}"):
        read_images(tmp_path / "x.npz", tmp_path)


def test_other_files_and_missing_keypoints_are_one_line(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", imgname=np.array(["a"]))
    with pytest.raises(UserError, match=r"x\.npz: expected labelled images, found no center and no scale"):
        read_images(tmp_path / "x.npz", tmp_path)
    (tmp_path / "y.npz").write_bytes((tmp_path / "x.npz").read_bytes()[:50])
    with pytest.raises(UserError, match=r"y\.npz: damaged"):
        read_images(tmp_path / "y.npz", tmp_path)
    np.savez(tmp_path / "z.npz", **arrays())
    with pytest.raises(UserError, match=r"z\.npz: it has no keypoints of OpenPose's"):
        read_images(tmp_path / "z.npz", tmp_path, keypoints="openpose")
