"""Checkpoints in the published layouts, made by rule and small where the sizes are read from the tensors' shapes.

The keys are written out from the specifications, not from our tables: what loads is what was published.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tests.parity import rule

Shapes = dict[str, tuple[int, ...]]
State = dict[str, Tensor]
FEATURES, STEP = 16, 157


def linear(key: str, rows: int, columns: int) -> Shapes:
    return {f"{key}.weight": (rows, columns), f"{key}.bias": (rows,)}


def affine(key: str, size: int) -> Shapes:
    return {f"{key}.weight": (size,), f"{key}.bias": (size,)}


def batch_norm(key: str, size: int) -> Shapes:
    return {
        **affine(key, size),
        f"{key}.running_mean": (size,),
        f"{key}.running_var": (size,),
        f"{key}.num_batches_tracked": (),
    }


def gru(key: str, inputs: int, hidden: int, layers: int = 2, ways: tuple[str, ...] = ("",)) -> Shapes:
    shapes: Shapes = {}
    for layer in range(layers):
        for way in ways:
            width = inputs if layer == 0 else hidden * len(ways)
            shapes[f"{key}.weight_ih_l{layer}{way}"] = (3 * hidden, width)
            shapes[f"{key}.weight_hh_l{layer}{way}"] = (3 * hidden, hidden)
            shapes[f"{key}.bias_ih_l{layer}{way}"] = shapes[f"{key}.bias_hh_l{layer}{way}"] = (3 * hidden,)
    return shapes


def regressor(prefix: str = "", features: int = FEATURES, hidden: int = 1024) -> Shapes:
    return {
        **linear(f"{prefix}fc1", hidden, features + STEP),
        **linear(f"{prefix}fc2", hidden, hidden),
        **linear(f"{prefix}decpose", 144, hidden),
        **linear(f"{prefix}decshape", 10, hidden),
        **linear(f"{prefix}deccam", 3, hidden),
        f"{prefix}init_pose": (1, 144),
        f"{prefix}init_shape": (1, 10),
        f"{prefix}init_cam": (1, 3),
    }


def smpl(prefix: str, components: int = 10, vertices: int = 12) -> Shapes:
    """The body model that checkpoints of the VIBE family carry, with fewer vertices."""
    return {
        f"{prefix}smpl.betas": (64, 10),
        f"{prefix}smpl.global_orient": (64, 3),
        f"{prefix}smpl.body_pose": (64, 69),
        f"{prefix}smpl.v_template": (vertices, 3),
        f"{prefix}smpl.shapedirs": (vertices, 3, components),
        f"{prefix}smpl.J_regressor": (24, vertices),
        f"{prefix}smpl.posedirs": (207, 3 * vertices),
        f"{prefix}smpl.parents": (24,),
        f"{prefix}smpl.lbs_weights": (vertices, 24),
        f"{prefix}smpl.vertex_joint_selector.extra_joints_idxs": (21,),
        f"{prefix}smpl.J_regressor_extra": (9, vertices),
    }


def trunk(norm: Callable[[str, int], Shapes], width: int = 4) -> Shapes:
    shapes: Shapes = {"conv1.weight": (width, 3, 7, 7), **norm("bn1", width)}
    inputs = width
    for layer, blocks in enumerate((3, 4, 6, 3)):
        planes = width * 2**layer
        for block in range(blocks):
            key = f"layer{layer + 1}.{block}"
            shapes |= {f"{key}.conv1.weight": (planes, inputs, 1, 1), **norm(f"{key}.bn1", planes)}
            shapes |= {f"{key}.conv2.weight": (planes, planes, 3, 3), **norm(f"{key}.bn2", planes)}
            shapes |= {f"{key}.conv3.weight": (4 * planes, planes, 1, 1), **norm(f"{key}.bn3", 4 * planes)}
            if block == 0:
                shapes[f"{key}.downsample.0.weight"] = (4 * planes, inputs, 1, 1)
                shapes |= norm(f"{key}.downsample.1", 4 * planes)
            inputs = 4 * planes
    return shapes


def spin() -> Shapes:
    return {**trunk(batch_norm), **regressor("", 128, 16)}


def dynaboa() -> Shapes:
    shapes = {**trunk(affine), **regressor("", 128, 16)}
    return {f"module.{key}": shape for key, shape in shapes.items()}


def vibe() -> Shapes:
    return {
        **gru("encoder.gru", FEATURES, 4),
        **linear("encoder.linear", FEATURES, 4),
        **regressor("regressor."),
        **smpl("regressor."),
    }


def tcmr() -> Shapes:
    shapes = gru("encoder.gru_cur", FEATURES, 4, ways=("", "_reverse"))
    shapes |= {**gru("encoder.gru_bef", FEATURES, 4), **gru("encoder.gru_aft", FEATURES, 4)}
    for name, width in (("cur", 8), ("bef", 4), ("aft", 4)):
        shapes |= linear(f"encoder.linear_{name}", FEATURES, width)
    shapes |= linear("encoder.attention.fc", 4, FEATURES)
    for number, (rows, columns) in {0: (4, 12), 2: (4, 4), 4: (3, 4)}.items():
        shapes |= linear(f"encoder.attention.attention.{number}", rows, columns)
    return {**shapes, **regressor("regressor."), **smpl("regressor.")}


def transformer_block(key: str, width: int, hidden: int) -> Shapes:
    return {
        **affine(f"{key}.norm1", width),
        **linear(f"{key}.attn.qkv", 3 * width, width),
        **linear(f"{key}.attn.proj", width, width),
        **affine(f"{key}.norm2", width),
        **linear(f"{key}.mlp.fc1", hidden, width),
        **linear(f"{key}.mlp.fc2", width, hidden),
    }


def glot() -> Shapes:
    wide, narrow, hidden = 16, 8, 6
    shapes = {**linear("proj_short", narrow, FEATURES), **linear("proj_mem", narrow, wide)}
    shapes |= {"local_trans_de.kv_l.weight": (2 * narrow, narrow), "local_trans_de.q_l.weight": (narrow, narrow)}
    shapes |= {**linear("local_trans_de.proj", narrow, narrow), "local_trans_en.pos_embed": (1, 9, narrow)}
    for block in range(3):
        shapes |= transformer_block(f"local_trans_en.blocks.{block}", narrow, 4 * narrow)
    shapes |= affine("local_trans_en.norm", narrow)
    shapes |= {**linear("regressor.fc1", hidden, narrow + 10), **linear("regressor.fc2", hidden, narrow + 144)}
    shapes |= {**linear("regressor.decshape", 10, hidden), **linear("regressor.deccam", 3, 2 * hidden + 3)}
    for joint, ancestors in enumerate(GLOT_ANCESTORS):
        shapes |= linear(f"regressor.local_reg.joint_regs.{joint}", 6, hidden + 6 * ancestors + 6)
    shapes |= linear("regressor.local_reg.decshape", 10, hidden) | linear("regressor.local_reg.deccam", 3, hidden)
    shapes |= linear("global_modeling.proj", wide, FEATURES)
    trans = "global_modeling.trans"
    shapes |= {f"{trans}.pos_embed": (1, 16, wide), f"{trans}.decoder_pos_embed": (1, 16, wide // 2)}
    for number, (rows, columns) in {0: (5, STEP), 2: (7, 5), 4: (wide // 2, 7)}.items():
        shapes |= linear(f"{trans}.mask_token_mlp.{number}", rows, columns)
    for block in range(2):
        shapes |= transformer_block(f"{trans}.blocks.{block}", wide, 4 * wide)
    shapes |= {**affine(f"{trans}.norm", wide), **linear(f"{trans}.decoder_embed", wide // 2, wide)}
    shapes |= transformer_block(f"{trans}.decoder_blocks.0", wide // 2, 2 * wide)
    shapes |= {**affine(f"{trans}.decoder_norm", wide // 2), **linear("global_modeling.out_proj", FEATURES, wide // 2)}
    shapes |= regressor("global_modeling.regressor.", FEATURES, hidden)
    return {**shapes, **smpl("regressor."), **smpl("global_modeling.regressor.")}


GLOT_ANCESTORS = (0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 7, 8, 8)
"""How many ancestors each joint of SMPL has."""


def lifting(key: str = "_2d_lifting", joints: int = 2, width: int = 8, frames: int = 16) -> Shapes:
    whole = joints * width
    shapes: Shapes = {f"{key}.Spatial_pos_embed": (1, joints, width), f"{key}.Temporal_pos_embed": (1, frames, whole)}
    shapes |= linear(f"{key}.Spatial_patch_to_embedding", width, 3)
    for block in range(4):
        shapes |= transformer_block(f"{key}.Spatial_blocks.{block}", width, 2 * width)
        shapes |= transformer_block(f"{key}.blocks.{block}", whole, 2 * whole)
    shapes |= {**affine(f"{key}.Spatial_norm", width), **affine(f"{key}.Temporal_norm", whole)}
    shapes |= {f"{key}.weighted_mean.weight": (1, frames, 1), f"{key}.weighted_mean.bias": (1,)}
    return {**shapes, **affine(f"{key}.head.0", whole), **linear(f"{key}.head.1", 147, whole)}


def parallel_branch() -> Shapes:
    return {
        **gru("encoder.temporal_encoder", FEATURES, 4),
        **linear("encoder.linear", FEATURES, 4),
        **regressor("regressor."),
        **smpl("regressor."),
        **lifting(),
    }


def parallel_branch_transformer() -> Shapes:
    shapes: Shapes = {"encoder.pos_embedding": (16, 1, FEATURES)}
    for layer in range(2):
        key = f"encoder.temporal_encoder.layers.{layer}"
        shapes |= {f"{key}.self_attn.in_proj_weight": (3 * FEATURES, FEATURES)}
        shapes |= {f"{key}.self_attn.in_proj_bias": (3 * FEATURES,)}
        shapes |= linear(f"{key}.self_attn.out_proj", FEATURES, FEATURES)
        shapes |= {**linear(f"{key}.linear1", FEATURES, FEATURES), **linear(f"{key}.linear2", FEATURES, FEATURES)}
        shapes |= {**affine(f"{key}.norm1", FEATURES), **affine(f"{key}.norm2", FEATURES)}
    return {**shapes, **linear("encoder.linear", FEATURES, FEATURES), **regressor("regressor."), **smpl("regressor.")}


def rie(stage: int = 3, latent: int = 4, channels: int = 3, hidden: int = 6) -> Shapes:
    shapes: Shapes = {}
    groups = {"Torso": 5, "LArm": 3, "RArm": 3, "LLeg": 3, "RLeg": 3}
    for group, joints in groups.items():
        key = f"LocalLayer_{group}"
        shapes |= batch_norm(f"{key}.expand_bn", channels)
        shapes |= {f"{key}.shrink.weight": (latent, channels, 1), f"{key}.shrink.bias": (latent,)}
        shapes[f"{key}.expand_conv.weight"] = (channels, 6 * joints, 3)
        for layer in range(2):
            shapes[f"{key}.layers_conv.{2 * layer}.weight"] = (channels, channels, 3)
            shapes[f"{key}.layers_conv.{2 * layer + 1}.weight"] = (channels, channels, 1)
            shapes |= batch_norm(f"{key}.layers_bn.{2 * layer}", channels)
            shapes |= batch_norm(f"{key}.layers_bn.{2 * layer + 1}", channels)
    shapes |= dense("GlobalInfo", 34, latent, hidden, 2)
    if stage > 1:
        for index in range(5):
            shapes |= dense(f"FuseBlocks.{index}", 4 * latent, latent, hidden, 1)
    for group, joints in groups.items():
        shapes |= dense(f"Integration_{group}", (2 if stage == 1 else 3) * latent, 3 * joints, hidden, 1)
    return shapes


def dense(key: str, inputs: int, outputs: int, hidden: int, blocks: int) -> Shapes:
    shapes = {**linear(f"{key}.fc_1", hidden, inputs), **batch_norm(f"{key}.bn_1", hidden)}
    shapes |= linear(f"{key}.fc_2", outputs, hidden)
    for block in range(blocks):
        for number in (1, 2):
            shapes |= linear(f"{key}.layers.{block}.w{number}", hidden, hidden)
            shapes |= batch_norm(f"{key}.layers.{block}.batch_norm{number}", hidden)
    return shapes


def optimiser() -> dict[str, Any]:
    moment = torch.zeros(3)
    return {"state": {0: {"step": 5, "exp_avg": moment}}, "param_groups": [{"lr": 5e-5, "betas": (0.9, 0.999)}]}


def vibe_family(state: State) -> dict[str, Any]:
    """What the trainers of VIBE's descendants save beside the weights."""
    return {
        "epoch": 17,
        "gen_state_dict": state,
        "performance": np.float64(52.7),
        "gen_optimizer": optimiser(),
        "disc_motion_state_dict": {"gru.weight_ih_l0": torch.zeros(3, 69)},
        "disc_motion_optimizer": optimiser(),
    }


def rie_file(state: State) -> dict[str, Any]:
    return {
        "epoch": 39,
        "lr": 1e-4,
        "random_state": np.random.RandomState(1234),
        "optimizer": optimiser(),
        "model_pos": state,
    }


def spin_file(state: State) -> dict[str, Any]:
    return {"model": state, "optimizer": optimiser(), "epoch": 3, "dataset_perm": [2, 0, 1], "checkpoint_batch_idx": 0}


FILES: dict[str, tuple[str, str, Callable[[], Shapes], Callable[[State], dict[str, Any]]]] = {
    "spin": ("spin", "spin_model_checkpoint.pth.tar", lambda: {**spin(), **smpl("")}, lambda state: {"model": state}),
    "spin, SPIN's own": ("spin", "model_checkpoint.pt", spin, spin_file),
    "tcmr": ("tcmr", "tcmr_demo_model.pth.tar", tcmr, vibe_family),
    "vibe": ("vibe", "vibe_model_w_3dpw.pth.tar", vibe, vibe_family),
    "glot": ("glot", "table1_3dpw_weights.pth.tar", glot, vibe_family),
    "parallel-branch": ("parallel-branch", "model_best.pth.tar", parallel_branch, vibe_family),
    "parallel-branch, transformer": (
        "parallel-branch",
        "checkpoint.pth.tar",
        parallel_branch_transformer,
        vibe_family,
    ),
    "rie, stage 1": ("rie", "stage_1_epoch_80.bin", lambda: rie(1), rie_file),
    "rie, stage 2": ("rie", "stage_2_epoch_20.bin", lambda: rie(2), rie_file),
    "rie, stage 3": ("rie", "gt_pretrained.bin", lambda: rie(3, latent=6), rie_file),
    "dynaboa": ("dynaboa", "basemodel.pt", dynaboa, lambda state: {"model": state}),
}
"""Case -> system, name of the file, the shapes of its state dict, and what is around it."""


def made(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> State:
    """Tensors of the shapes, their values by the rule of the parity fixtures."""
    counters = ("num_batches_tracked", "parents", "extra_joints_idxs")
    return {
        key: torch.from_numpy(rule.tensor(key, shape, seed, integer=key.endswith(counters)))
        for key, shape in shapes.items()
    }


def save(content: Any, path: Path, old: bool = False) -> Path:
    """Writes as torch.save did for years (`old`), or as it does today."""
    torch.save(content, path, _use_new_zipfile_serialization=not old)
    return path


def write_case(case: str, folder: Path, old: bool = False) -> Path:
    """The file of a case, as it was published."""
    _, name, shapes, around = FILES[case]
    return save(around(made(shapes())), folder / name, old)
