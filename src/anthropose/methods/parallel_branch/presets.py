"""The published trainings (parallel_branch spec, sections 2, 7 and 8)."""

from dataclasses import dataclass, replace

from anthropose.methods.base import Optimizer, Preset
from anthropose.methods.parallel_branch.loss import ParallelBranchLosses
from anthropose.methods.parallel_branch.network import ParallelBranchConfig
from anthropose.nn.discriminator import DiscriminatorConfig

_DISCRIMINATOR = Optimizer(learning_rate=1e-4, weight_decay=1e-4)


@dataclass(frozen=True)
class ParallelBranchPreset(Preset):
    """A published training of Parallel-Branch. The regressor starts from SPIN's, the rest from nothing."""

    discriminator: DiscriminatorConfig | None = None
    """VIBE's motion discriminator, trained along in the first published version only."""
    discriminator_optimizer: Optimizer = _DISCRIMINATOR
    motions: str = "amass"
    """The set of recorded motions that a discriminator learns from, a batch of them in each step."""


_FILES = {
    "insta": "insta_train_db.h5",
    "3dpw": "3dpw_train_db.pt",
    "mpii3d": "mpii3d_train_db.pt",
    "h36m": "h36m_train_25fps_nosmpl_db.pt",
    "validation": "3dpw_val_db.pt",
}

FINAL = ParallelBranchPreset(
    stands_for="README, Parallel-Branch: 3DPW 85.7 / 53.1 mm, as far as the final code is that of the paper",
    network=ParallelBranchConfig(),
    losses=ParallelBranchLosses(),
    sets_2d=("insta",),
    sets_3d=("3dpw", "mpii3d", "h36m"),
    # A file of Human3.6M without pose and shape gives joints only, whatever is said here.
    bodies_from=("3dpw", "h36m"),
    validation="3dpw",
    files=tuple(_FILES.items()),
    epochs=20,
    iterations=500,
    batch=128,
)
"""`config.yaml` of the last version."""

FIRST = replace(
    FINAL,
    stands_for="README, Parallel-Branch: 3DPW 85.7 / 53.1 mm; the version nearest to the paper",
    files=tuple({**_FILES, "h36m": "h36m_train_25fps_occ_nosmpl_db.pt", "amass": "amass_db.pt"}.items()),
    epochs=15,
    batch=16,
    discriminator=DiscriminatorConfig(),
)
"""`config.yaml` of the first version, which still has VIBE's adversary."""

WITHOUT_3DPW = replace(
    FINAL,
    stands_for="no published figure: training without 3DPW",
    network=ParallelBranchConfig(hidden=1024),
    sets_3d=("mpii3d",),
    bodies_from=(),
    files=tuple((name, _FILES[name]) for name in ("insta", "mpii3d", "validation")),
    epochs=30,
    batch=32,
)
"""`config_wo_3dpw.yaml`."""

TRANSFORMER = replace(
    FINAL,
    stands_for="README's row of the transformer, for which no figures were published",
    network=ParallelBranchConfig(encoder="transformer"),
)
"""`config.yaml` with the other encoder."""


def _as_published(preset: ParallelBranchPreset) -> ParallelBranchPreset:
    """With schedule and best epoch following 3DPW's test set: a training that has seen what it is then tested on."""
    return replace(preset, files=tuple({**dict(preset.files), "validation": "3dpw_test_db.pt"}.items()))


PRESETS: dict[str, ParallelBranchPreset] = {
    "final": FINAL,
    "first": FIRST,
    "without-3dpw": WITHOUT_3DPW,
    "transformer": TRANSFORMER,
    "final-paper": _as_published(FINAL),
    "first-paper": _as_published(FIRST),
    "without-3dpw-paper": _as_published(WITHOUT_3DPW),
    "transformer-paper": _as_published(TRANSFORMER),
}
"""Those that end in `-paper` choose the best epoch on 3DPW's test set, as the published code does."""
