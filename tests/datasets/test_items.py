import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from anthropose.datasets.items import TARGET_SCALE, Targets, WindowSet, batch_of, rows
from anthropose.datasets.published import sequences_of
from anthropose.datasets.sequence import Sequence
from anthropose.datasets.windows import Windows, tcmr_windows, vibe_windows
from anthropose.skeleton import INSTA_25, LSP_14, MPII3D_17, SPIN_49
from tests.datasets.databases import database

LENGTHS = (33, 18)
VIBE, TCMR = vibe_windows(LENGTHS), tcmr_windows(LENGTHS)


def _insta(lengths: tuple[int, ...] = LENGTHS, f: int = 6) -> list[Sequence]:
    arrays = database(lengths, joints2d=25, f=f)
    return sequences_of({key: arrays[key] for key in ("vid_name", "features", "joints2D")})


def test_an_item_holds_the_features_and_labels_of_its_frames() -> None:
    arrays = database(LENGTHS)
    item = WindowSet(sequences_of(arrays), VIBE)[1]
    frames = slice(16, 32)
    np.testing.assert_array_equal(item.features, arrays["features"][frames])
    np.testing.assert_allclose(item.joints, arrays["joints3D"][frames], rtol=1e-6)
    np.testing.assert_allclose(item.theta[:, 3:75], arrays["pose"][frames], rtol=1e-6)
    np.testing.assert_allclose(item.theta[:, 75:], arrays["shape"][frames], rtol=1e-6)
    assert item.theta[:, :3].tolist() == [[1, 0, 0]] * 16
    assert item.has_joints.all()
    assert item.has_body.all()
    assert item.scored.all()


def test_keypoints_stand_in_the_square_widened_by_a_fifth() -> None:
    arrays = database(LENGTHS)
    box = arrays["bbox"][5]
    corner = SPIN_49.index("right_ankle")
    arrays["joints2D"][5, LSP_14.index("right_ankle"), :2] = box[:2] + box[2:] * TARGET_SCALE / 2
    keypoints = WindowSet(sequences_of(arrays), VIBE)[0].keypoints
    np.testing.assert_allclose(keypoints[5, corner], [1, 1, 1], atol=1e-5)


def test_joints_that_a_set_lacks_have_no_confidence() -> None:
    keypoints = WindowSet(sequences_of(database(LENGTHS)), VIBE)[0].keypoints
    seen = [name in LSP_14.joints for name in SPIN_49.joints]
    assert (keypoints[..., 2] > 0).all(0).tolist() == seen


def test_asking_for_an_item_again_gives_the_same_and_changes_no_file_array() -> None:
    arrays = database(LENGTHS, joints2d=49)
    before = arrays["joints2D"].copy()
    windows = WindowSet(sequences_of(arrays), TCMR)
    first, again = windows[9], windows[9]
    assert torch.equal(first.keypoints, again.keypoints)
    np.testing.assert_array_equal(arrays["joints2D"], before)


def test_tcmrs_labels_are_the_middle_frame_three_times() -> None:
    arrays = database(LENGTHS)
    item = WindowSet(sequences_of(arrays), TCMR, Targets(repeat=3))[9]
    assert item.features.shape == (16, 6)
    np.testing.assert_allclose(item.joints, np.repeat(arrays["joints3D"][9:10], 3, 0), rtol=1e-6)


def test_static_windows_repeat_the_features_of_their_frame() -> None:
    arrays = database(LENGTHS)
    item = WindowSet(sequences_of(arrays), tcmr_windows(LENGTHS, training=False))[3]
    np.testing.assert_array_equal(item.features, np.repeat(arrays["features"][3:4], 16, 0))


def test_half_targets_round_the_labels_and_leave_the_features() -> None:
    sequences = sequences_of(database(LENGTHS))
    exact, half = WindowSet(sequences, VIBE)[0], WindowSet(sequences, VIBE, Targets(half=True))[0]
    for name in ("keypoints", "joints", "theta"):
        rounded = getattr(exact, name).numpy().astype(np.float16).astype(np.float32)
        np.testing.assert_allclose(getattr(half, name), rounded, atol=2e-3)
        assert torch.equal(getattr(half, name), getattr(half, name).half().float())
        assert not torch.equal(getattr(half, name), getattr(exact, name))
    assert torch.equal(half.features, exact.features)


def test_validations_compare_their_own_joints() -> None:
    arrays = database(LENGTHS)
    sequences = sequences_of(arrays | {"valid_i": np.arange(51)[:, None] % 2})
    item = WindowSet(sequences, TCMR, Targets(joint_set=MPII3D_17))[9]
    order = [SPIN_49.index(name) for name in MPII3D_17.joints]
    np.testing.assert_allclose(item.joints[0], arrays["joints3D"][9][order], rtol=1e-6)
    assert item.scored.tolist() == [True]


def test_bodies_that_do_not_count_are_given_but_masked() -> None:
    item = WindowSet(sequences_of(database(LENGTHS), body_counts=False), VIBE)[0]
    assert not item.has_body.any()
    assert item.theta[:, 3:].abs().sum() > 0


def test_2d_sets_have_no_3d_labels_and_keypoints_already_in_the_crop() -> None:
    sequences = _insta()
    item = WindowSet(sequences, VIBE)[0]
    assert not item.from_3d_set
    assert not item.has_joints.any()
    assert not item.has_body.any()
    assert not item.joints.any()
    assert not item.theta.any()
    assert sequences[0].keypoints is not None
    nose = sequences[0].keypoints[3, INSTA_25.index("op_nose"), :2]
    np.testing.assert_allclose(item.keypoints[3, SPIN_49.index("op_nose"), :2], nose / 112 - 1, rtol=1e-5)


def test_batches_put_2d_sets_first() -> None:
    three, two = WindowSet(sequences_of(database(LENGTHS)), VIBE), WindowSet(_insta(), VIBE)
    batch = batch_of([three[0], two[0], three[1], two[1]])
    assert batch.from_3d_set.tolist() == [False, False, True, True]
    assert torch.equal(batch.features[2], three[0].features)
    assert torch.equal(batch.keypoints[1], two[1].keypoints)
    assert batch.has_body.any(1).tolist() == [False, False, True, True]


def test_a_set_works_in_torchs_loader() -> None:
    windows = WindowSet(sequences_of(database(LENGTHS)), TCMR)
    batches = list(DataLoader(windows, batch_size=10, collate_fn=batch_of))
    assert sum(len(batch.features) for batch in batches) == len(windows)


def test_rows_come_in_any_order_and_as_a_copy() -> None:
    source = np.arange(10)[:, None]
    taken = rows(source, np.array([7, 3, 3]))
    taken[:] += 100
    assert taken[:, 0].tolist() == [107, 103, 103]
    assert source[:, 0].tolist() == list(range(10))


def test_a_number_beyond_the_windows_is_refused() -> None:
    windows = WindowSet(sequences_of(database((20,))), vibe_windows([20]))
    assert isinstance(windows.windows, Windows)
    with pytest.raises(IndexError, match="window 1 of 1"):
        windows[1]
