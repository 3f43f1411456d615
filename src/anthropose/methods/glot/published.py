"""GLoT as published: what its checkpoints hold, and its three trainings."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from anthropose.methods.base import Optimizer, Preset
from anthropose.methods.glot.config import GLoTConfig
from anthropose.methods.glot.loss import GLoTLosses
from anthropose.methods.glot.network import GLoTNetwork
from anthropose.nn.attention import block_keys
from anthropose.nn.regressor import regressor_keys
from anthropose.nn.weights import BODY_BUFFERS, KeyTable, Published
from anthropose.schedules import warmup_cosine

ENDING = r"\.(weight|bias)"


def _layers(published: str, ours: str, names: Mapping[str, str]) -> KeyTable:
    """The table of some layers under prefixes."""
    return tuple((re.escape(published + theirs) + ENDING, rf"{ours}{own}.\1") for theirs, own in names.items())


def global_transformer_keys(published: str = "", ours: str = "") -> KeyTable:
    """The table of the global branch's transformer under prefixes."""
    prefix = re.escape(published)
    return (
        (prefix + "pos_embed", f"{ours}encoder.position"),
        *block_keys(prefix + "blocks", f"{ours}encoder.blocks"),
        (prefix + "decoder_pos_embed", f"{ours}decoder.position"),
        *block_keys(prefix + "decoder_blocks", f"{ours}decoder.blocks"),
        (prefix + r"mask_token_mlp\.(\d)" + ENDING, rf"{ours}mask_token.\1.\2"),
        *_layers(published, ours, {"norm": "encoder.norm", "decoder_embed": "narrow", "decoder_norm": "decoder.norm"}),
    )


def local_transformer_keys(published: str = "local_trans_en.", ours: str = "transformer.") -> KeyTable:
    """The table of the local branch's encoder under prefixes."""
    prefix = re.escape(published)
    return (
        (prefix + "pos_embed", f"{ours}position"),
        *block_keys(prefix + "blocks", f"{ours}blocks"),
        *_layers(published, ours, {"norm": "norm"}),
    )


def cross_attention_keys(published: str = "local_trans_de.", ours: str = "cross.") -> KeyTable:
    """The table of the attention by which the local branch asks the global one, under prefixes."""
    return _layers(published, ours, {"kv_l": "key_value", "q_l": "query", "proj": "out"})


def global_regressor_keys(published: str = "", ours: str = "") -> KeyTable:
    """The table of the global branch's regressor under prefixes: SPIN's, without the layer that is never used."""
    return tuple(
        (key, None if name is not None and name.startswith(f"{ours}hidden2") else name)
        for key, name in regressor_keys(published, ours)
    )


def hierarchical_regressor_keys(published: str = "", ours: str = "") -> KeyTable:
    """The table of the local branch's regressor under prefixes, without its two layers that are never used."""
    return (
        *_layers(
            published,
            ours,
            {"fc1": "shape_hidden", "fc2": "pose_hidden", "decshape": "to_betas", "deccam": "to_camera"},
        ),
        (re.escape(published) + r"local_reg\.joint_regs\.(\d+)" + ENDING, rf"{ours}limbs.joints.\1.\2"),
        (re.escape(published) + r"local_reg\.(decshape|deccam)" + ENDING, None),
    )


KEYS: KeyTable = (
    BODY_BUFFERS,
    *_layers("", "local.", {"proj_short": "embed", "proj_mem": "narrow_memory"}),
    *local_transformer_keys("local_trans_en.", "local.transformer."),
    *cross_attention_keys("local_trans_de.", "local.cross."),
    *hierarchical_regressor_keys("regressor.", "regressor."),
    *_layers("global_modeling.", "whole.", {"proj": "embed", "out_proj": "out"}),
    *global_transformer_keys("global_modeling.trans.", "whole.transformer."),
    *global_regressor_keys("global_modeling.regressor.", "whole.regressor."),
)
"""Published key -> ours. What the published network holds and never uses is dropped: four layers and the body model."""


def config_of(state: Mapping[str, Tensor]) -> GLoTConfig:
    """The configuration that fits tensors under our names; what leaves no trace in them is as published."""

    def depth(stack: str) -> int:
        return len({key[len(stack) :].split(".")[0] for key in state if key.startswith(stack)})

    position, local_position = state["whole.transformer.encoder.position"], state["local.transformer.position"]
    inner = state["local.transformer.blocks.0.feed_forward.inner.weight"]
    token = state["whole.transformer.mask_token.2.weight"]
    return GLoTConfig(
        window=position.shape[1],
        features=state["whole.embed.weight"].shape[1],
        width=position.shape[2],
        depth=depth("whole.transformer.encoder.blocks."),
        token_hidden=(token.shape[1], token.shape[0]),
        reach=local_position.shape[1] // 2,
        local_width=local_position.shape[2],
        local_depth=depth("local.transformer.blocks."),
        expansion=inner.shape[0] // inner.shape[1],
        regressor_hidden=state["whole.regressor.hidden1.weight"].shape[0],
    )


PUBLISHED = Published(
    system="glot",
    title="GLoT (CVPR 2023)",
    page="https://github.com/sxl142/GLoT",
    files=("table1_3dpw_weights.pth.tar", "table1_h36m_mpii3d_weights.pth.tar", "table2_3dpw_weights.pth.tar"),
    entry="gen_state_dict",
    signature=(r"global_modeling\.trans\.pos_embed", r"local_trans_de\.kv_l\.weight"),
    keys=KEYS,
    config=config_of,
    network=GLoTNetwork,
)


@dataclass(frozen=True)
class WarmupCosine:
    """The rate goes up from a tenth of the optimiser's rate, and down again along a cosine, once over all epochs."""

    epochs: int
    warmup: int
    lowest: float = 1e-5
    highest: float = 1e-4

    def __call__(self, epoch: int) -> float:
        """The rate during an epoch, counted from 0."""
        return warmup_cosine(epoch, self.lowest, self.highest, self.warmup, self.epochs)


@dataclass(frozen=True)
class GLoTPreset(Preset):
    """A published training of GLoT."""

    first_validated: int = 0
    """The first epoch, from 0, that can be the best one; nothing is saved before it."""


def _preset(
    stands_for: str,
    losses: GLoTLosses,
    sets_3d: tuple[str, ...],
    bodies_from: tuple[str, ...],
    suffix: str,
    schedule: WarmupCosine,
    iterations: int,
    weight_decay: float,
    first_validated: int,
) -> GLoTPreset:
    files = {
        "insta": "insta_train_db.h5",
        "3dpw": f"3dpw_train{suffix}_db.pt",
        "mpii3d": f"mpii3d_train_scale12{suffix}_db.pt",
        "h36m": f"h36m_train_25fps{suffix}_db.pt",
        "validation": "3dpw_val_db.pt",
    }
    return GLoTPreset(
        stands_for=stands_for,
        network=GLoTConfig(),
        losses=losses,
        sets_2d=("insta",),
        sets_3d=sets_3d,
        bodies_from=bodies_from,
        validation="3dpw",
        files=tuple((name, file) for name, file in files.items() if name in ("insta", "validation", *sets_3d)),
        epochs=schedule.epochs,
        iterations=iterations,
        batch=64,
        optimizer=Optimizer(learning_rate=schedule.highest, weight_decay=weight_decay),
        schedule=schedule,
        seed=1,
        first_validated=first_validated,
    )


PRESETS: dict[str, GLoTPreset] = {
    # Of Human3.6M's bodies this one uses none: only 3DPW's windows have labels of pose and shape.
    "table1-3dpw": _preset(
        "Table 1, 3DPW",
        GLoTLosses(keypoints_2d=300.0, joints_3d=300.0),
        sets_3d=("3dpw", "mpii3d", "h36m"),
        bodies_from=("3dpw",),
        suffix="_occ",
        schedule=WarmupCosine(epochs=50, warmup=5),
        iterations=1000,
        weight_decay=0.0,
        first_validated=24,
    ),
    "table1-h36m-mpii3d": _preset(
        "Table 1, MPI-INF-3DHP and Human3.6M",
        GLoTLosses(keypoints_2d=100.0, joints_3d=150.0),
        sets_3d=("3dpw", "mpii3d", "h36m"),
        bodies_from=("3dpw", "h36m"),
        suffix="",
        schedule=WarmupCosine(epochs=75, warmup=8),
        iterations=1000,
        weight_decay=1e-5,
        first_validated=29,
    ),
    "table2-3dpw": _preset(
        "Table 2, 3DPW without 3DPW in training",
        GLoTLosses(keypoints_2d=100.0, joints_3d=200.0),
        sets_3d=("mpii3d", "h36m"),
        bodies_from=("h36m",),
        suffix="_occ",
        schedule=WarmupCosine(epochs=80, warmup=8),
        iterations=500,
        weight_decay=1e-5,
        first_validated=19,
    ),
}
"""The three published trainings. Their networks are the same."""
