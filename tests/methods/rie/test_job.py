"""RIE's stages as a job, on made-up archives in VideoPose3D's layout."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.datasets.lifting import H36M, projected_keypoints
from anthropose.errors import UserError
from anthropose.geometry.mirror import mirrored
from anthropose.jobs import Job, Share
from anthropose.methods.rie import PRESETS, PUBLISHED, TRAININGS, RIEConfig, job
from anthropose.methods.rie.job import SHUFFLED, TEST_SUBJECTS, TRAINING_SUBJECTS, Orders
from anthropose.methods.rie.training import ENCODERS
from anthropose.methods.training import Setting
from anthropose.nn.checkpoints import load_network
from anthropose.skeleton import H36M_VP3D_17
from anthropose.train import Options, train

FRAMES = 7


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An action of each subject, seen by four cameras."""
    folder = tmp_path_factory.mktemp("archives")
    noise = np.random.default_rng(0)
    joints = {
        subject: {"Walking": (0.3 * noise.standard_normal((FRAMES, 32, 3)) + [0, 0, 1]).astype("f4")}
        for subject in (*TRAINING_SUBJECTS, *TEST_SUBJECTS)
    }
    seen = projected_keypoints(H36M, joints)
    metadata = {"num_joints": 17, "keypoints_symmetry": [list(seen.left), list(seen.right)]}
    np.savez(folder / "data_3d_h36m.npz", positions_3d=np.array(joints, dtype=object))
    positions = np.array(seen.positions, dtype=object)
    np.savez(folder / "data_2d_h36m_gt.npz", positions_2d=positions, metadata=np.array(metadata, dtype=object))
    return folder


def made(archives: Path, batch: int = 100, epochs: int = 2, **changes: object) -> Job:
    stages = tuple(
        replace(
            preset,
            network=RIEConfig(preset.network.fusion, (3, 3), channels=8, latent=8, hidden=16),
            batch=batch,
            epochs=epochs,
            **changes,
        )
        for preset in TRAININGS["gt-27"]
    )
    return job("gt-27", stages, Setting(load_body(), archives))


def test_a_published_training_has_its_three_stages() -> None:
    assert [stage.takes for stage in TRAININGS["gt"]] == ["nothing", "encoders", "everything"]
    assert TRAININGS["cpn-short"][2] is PRESETS["cpn-stage3-short"]
    assert {*TRAININGS} >= {"gt", "cpn", "gt-27", "cpn-27", "gt-75", "cpn-75"}


def test_an_epoch_is_every_window_and_its_mirror_image_once_in_the_published_order(archives: Path) -> None:
    (stage, *_) = made(archives).stages
    windows = 2 * 5 * 4 * FRAMES
    batches = list(stage.batches(1, Share()))
    assert [len(batch.keypoints) for batch in batches] == [100, 100, 80]
    assert sum(len(batch.keypoints) for batch in batches) == windows
    keypoints = torch.cat([batch.keypoints for batch in batches])
    other = mirrored(keypoints, H36M_VP3D_17.mirror)
    nearest = torch.cdist(keypoints.flatten(1).double(), other.flatten(1).double()).amin(1)
    assert nearest.max() < 1e-5, "the mirror image of each is there as well"
    shuffler = np.random.RandomState(SHUFFLED)
    shuffler.permutation(windows)
    expected = shuffler.permutation(windows)
    assert Orders(windows).of(1).tolist() == expected.tolist()
    orders = Orders(windows)
    assert orders.of(3).tolist() == orders.of(3).tolist() != orders.of(0).tolist()


def test_a_last_batch_of_one_window_is_left_out(archives: Path) -> None:
    (stage, *_) = made(archives, batch=279).stages
    assert [len(batch.keypoints) for batch in stage.batches(0, Share())] == [279]
    shares = [len(batch.keypoints) for rank in (0, 1) for batch in stage.batches(0, Share(rank, 2))]
    assert sum(shares) == 279


def test_rate_and_momentum_fall_as_published_and_frozen_encoders_are_not_trained(archives: Path) -> None:
    first, second, third = made(archives, epochs=80).stages
    assert first.schedule(0) == 1e-3
    assert first.schedule(10) == pytest.approx(1e-3 * 0.95**10)
    assert third.schedule(0) == 5e-4
    norm = first.network.encoders["torso"].first_norm
    assert first.begin_epoch is not None
    for epoch, momentum in ((0, 0.1), (40, 0.01), (80, 0.001)):
        first.begin_epoch(epoch)
        assert norm.momentum == pytest.approx(momentum)
    names = [name for name, _ in second.network.named_parameters()]
    assert {name for name in names if not second.trained(name)} == {n for n in names if n.startswith(ENCODERS)}
    assert all(map(third.trained, names))
    assert second.begin_epoch is not None
    second.begin_epoch(0)
    assert second.network.encoders.training, "as published, frozen encoders are in train mode"


def test_frozen_encoders_can_be_still(archives: Path) -> None:
    (_, second, _) = made(archives, still_encoders=True).stages
    assert second.begin_epoch is not None
    second.begin_epoch(0)
    assert not second.network.encoders.training
    assert second.network.decoders.training


def test_the_stages_run_one_after_the_other_to_weights_that_load(archives: Path, tmp_path: Path) -> None:
    made_job = made(archives, epochs=1)
    weights = train(made_job, tmp_path, Options("cpu"))
    network = load_network(str(weights), PUBLISHED)
    best = [torch.load(tmp_path / f"best-stage{k}.pt", weights_only=True)["state"] for k in (1, 2, 3)]
    encoders = [key for key, _ in network.named_parameters() if key.startswith(ENCODERS)]
    assert all(torch.equal(best[0][key], best[1][key]) for key in encoders), "stage 2 leaves them as they are"
    assert any(not torch.equal(best[1][key], best[2][key]) for key in encoders), "stage 3 trains them on"
    assert all(torch.equal(value, best[2][key]) for key, value in network.state_dict().items())


def test_missing_archives_are_told_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"rie gt also needs data_3d_h36m\.npz .*data_2d_h36m_gt\.npz"):
        job("gt", TRAININGS["gt"], Setting(load_body(), tmp_path))
