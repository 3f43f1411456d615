"""What RIE's published checkpoints look like, and what they become here (rie spec, section 3)."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from anthropose.methods.rie.network import GROUPS, RIEConfig, RIENetwork, groups_of
from anthropose.nn.weights import KeyTable, Published
from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15

PUBLISHED_GROUPS = ("Torso", "LArm", "RArm", "LLeg", "RLeg")
"""In the order of GROUPS: what is called left processes the joints of the right side, and the other way round."""

MOST_LAYERS = 12
"""Of a temporal encoder; the published have four, and twelve would see more than a million frames."""


def encoder_keys(published: str = "", ours: str = "") -> KeyTable:
    """The names of a temporal encoder, behind the given beginnings (the published one is a pattern)."""
    pairs = [("expand_conv", "first"), ("expand_bn", "first_norm"), ("shrink", "last")]
    for layer in range(MOST_LAYERS):
        for part, name in enumerate(("wide", "narrow")):
            number = 2 * layer + part
            pairs.append((rf"layers_conv\.{number}", f"layers.{layer}.{name}"))
            pairs.append((rf"layers_bn\.{number}", f"layers.{layer}.{name}_norm"))
    return _table(pairs, published, ours)


def residual_keys(published: str = "", ours: str = "") -> KeyTable:
    """The names of a residual block."""
    pairs = [("w1", "first"), ("batch_norm1", "first_norm"), ("w2", "second"), ("batch_norm2", "second_norm")]
    return _table(pairs, published, ours)


def dense_keys(published: str = "", ours: str = "") -> KeyTable:
    """The names of a fully connected block."""
    outer = _table([("fc_1", "first"), ("bn_1", "first_norm"), ("fc_2", "last")], published, ours)
    return (*outer, *residual_keys(rf"{published}layers\.(?P<block>\d+)\.", rf"{ours}blocks.\g<block>."))


def _table(pairs: Sequence[tuple[str, str]], published: str, ours: str) -> KeyTable:
    return tuple((rf"{published}{theirs}\.(?P<leaf>\w+)", rf"{ours}{name}.\g<leaf>") for theirs, name in pairs)


def _keys() -> KeyTable:
    keys = list(dense_keys(r"GlobalInfo\.", "whole."))
    for index, (published, ours) in enumerate(zip(PUBLISHED_GROUPS, GROUPS, strict=True)):
        keys += encoder_keys(rf"LocalLayer_{published}\.", f"encoders.{ours}.")
        keys += dense_keys(rf"FuseBlocks\.{index}\.", f"fusions.{ours}.")
        keys += dense_keys(rf"Integration_{published}\.", f"decoders.{ours}.")
    return tuple(keys)


def _config(state: Mapping[str, Tensor]) -> RIEConfig:
    """All sizes are in the shapes; whether stage 2 or 3 trained the weights is not, and makes no difference."""
    torso = "encoders.torso."
    layers = sum(key.startswith(torso) and key.endswith(".wide.weight") for key in state)
    kernels = ["first.weight", *(f"layers.{layer}.wide.weight" for layer in range(layers))]
    joints = state["whole.first.weight"].shape[1] // 2
    skeletons = {len(skeleton): skeleton for skeleton in (H36M_VP3D_17, HUMANEVA_15)}
    if joints not in skeletons:
        raise ValueError(f"it is for {joints} joints, and only {' or '.join(map(str, skeletons))} are known")
    return RIEConfig(
        fusion=any(key.startswith("fusions.") for key in state),
        widths=tuple(state[torso + kernel].shape[2] for kernel in kernels),
        channels=len(state[torso + "first.weight"]),
        latent=len(state[torso + "last.bias"]),
        hidden=len(state["whole.first.bias"]),
        groups=groups_of(skeletons[joints]),
    )


PUBLISHED = Published(
    system="rie",
    title="RIE (ACM MM 2021)",
    page="https://github.com/paTRICK-swk/Pose3D-RIE",
    files=("gt_pretrained.bin", "cpn_pretrained.bin"),
    entry="model_pos",
    signature=(
        r"LocalLayer_Torso\.expand_conv\.weight",
        r"GlobalInfo\.fc_1\.weight",
        r"Integration_LArm\.fc_1\.weight",
    ),
    keys=_keys(),
    config=_config,
    network=RIENetwork,
    front_end="keypoints",
)
"""Files of all three stages; beside the weights they hold an optimiser's state and the shuffler, which are left out."""
