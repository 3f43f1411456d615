"""Parallel-Branch as published: what its checkpoints hold, and its trainings."""

import re
from collections.abc import Mapping

from torch import Tensor

from anthropose.methods.parallel_branch.attention_encoder import ATTENTION_KEYS
from anthropose.methods.parallel_branch.network import ParallelBranchConfig, ParallelBranchNetwork
from anthropose.nn.kinematic import KINEMATIC_KEYS
from anthropose.nn.lifting import LIFTING_KEYS, lifting_config
from anthropose.nn.regressor import REGRESSOR_KEYS
from anthropose.nn.temporal import encoder_keys
from anthropose.nn.weights import BODY_BUFFERS, KeyTable, Published


def under(published: str, ours: str, keys: KeyTable) -> KeyTable:
    """A table of names under prefixes."""
    return tuple((re.escape(published) + key, None if name is None else ours + name) for key, name in keys)


ENCODER_KEYS: KeyTable = (*ATTENTION_KEYS, *encoder_keys("", "", gru="temporal_encoder"))
"""Published keys of either encoder -> ours."""

KEYS: KeyTable = (
    BODY_BUFFERS,
    (r"hmr\..*", None),  # The demo's network contains SPIN's, which is installed by itself.
    *under("encoder.", "encoder.", ENCODER_KEYS),
    *under("regressor.", "regressor.", REGRESSOR_KEYS),
    *under("regressor.", "regressor.", KINEMATIC_KEYS),
    *under("_2d_lifting.", "lifting.", LIFTING_KEYS),
)
"""Published keys of the whole network -> ours."""


def config_of(state: Mapping[str, Tensor]) -> ParallelBranchConfig:
    """The configuration that fits tensors under our names. What does not show in them is as published."""
    transformer = "encoder.layers.0.linear1.weight" in state
    lifting = lifting_config(state, "lifting.") if "lifting.embed.weight" in state else None
    if transformer:
        first = state["encoder.layers.0.linear1.weight"]
        numbered, hidden = r"encoder\.layers\.(\d+)\.norm1\.weight", len(first)
    else:
        first = state["encoder.gru.weight_ih_l0"]
        numbered, hidden = r"encoder\.gru\.weight_ih_l(\d+)", len(first) // 3
    window = state["encoder.positions"].shape[0] if transformer else lifting.frames if lifting else 16
    return ParallelBranchConfig(
        encoder="transformer" if transformer else "gru",
        features=first.shape[1],
        hidden=hidden,
        layers=sum(re.fullmatch(numbered, key) is not None for key in state),
        bidirectional="encoder.gru.weight_ih_l0_reverse" in state,
        linear="encoder.linear.weight" in state,
        window=window,
        regressor="kinematic" if "regressor.joints.0.weight" in state else "iterative",
        regressor_hidden=len(state["regressor.hidden1.weight"]),
        lifting=lifting,
        serial=lifting is not None and lifting.channels == 2,
    )


PUBLISHED = (
    Published(
        system="parallel-branch",
        title="Parallel-Branch (CAVW 2022)",
        page="https://github.com/paradoxWu/parallel-branchfor-hpe",
        files=("model_best.pth.tar", "checkpoint.pth.tar"),
        entry="gen_state_dict",
        signature=(r"encoder\.temporal_encoder\..+", r"regressor\.fc1\.weight"),
        keys=KEYS,
        config=config_of,
        network=ParallelBranchNetwork,
    ),
    Published(
        system="parallel-branch",
        title="VIBE (CVPR 2020), as weights of Parallel-Branch",
        page="https://github.com/mkocabas/VIBE",
        files=("vibe_model_w_3dpw.pth.tar", "vibe_model_wo_3dpw.pth.tar"),
        entry="gen_state_dict",
        signature=(r"encoder\.gru\.weight_ih_l0", r"encoder\.linear\.weight", r"regressor\.fc1\.weight"),
        keys=(*encoder_keys(), *KEYS),
        config=config_of,
        network=ParallelBranchNetwork,
        only_when_asked=True,
    ),
)
"""Its own files, with or without the lifting branch, and VIBE's, which hold the same network without that branch under
other names; they are the method `vibe`'s unless the user asks for this one."""
