"""Published checkpoints of all three stages, made by rule in the published layout, taken in."""

from pathlib import Path

import numpy as np
import pytest
import torch

from anthropose.errors import UserError
from anthropose.methods.rie import PUBLISHED, RIEConfig, RIENetwork
from anthropose.methods.rie.network import groups_of
from anthropose.nn.checkpoints import convert, load_network
from anthropose.skeleton import HUMANEVA_15
from tests.parity import rule

Shapes = dict[str, tuple[int, ...]]
HIDDEN = 8
"""In place of 1024: the sizes are read from the shapes."""


def norm(key: str, size: int) -> Shapes:
    names = ("weight", "bias", "running_mean", "running_var")
    return {**{f"{key}.{name}": (size,) for name in names}, f"{key}.num_batches_tracked": ()}


def dense(key: str, inputs: int, outputs: int, blocks: int) -> Shapes:
    shapes = {f"{key}.fc_1.weight": (HIDDEN, inputs), f"{key}.fc_1.bias": (HIDDEN,), **norm(f"{key}.bn_1", HIDDEN)}
    shapes |= {f"{key}.fc_2.weight": (outputs, HIDDEN), f"{key}.fc_2.bias": (outputs,)}
    for block in range(blocks):
        for number in (1, 2):
            layer = f"{key}.layers.{block}"
            shapes |= {f"{layer}.w{number}.weight": (HIDDEN, HIDDEN), f"{layer}.w{number}.bias": (HIDDEN,)}
            shapes |= norm(f"{layer}.batch_norm{number}", HIDDEN)
    return shapes


def published_shapes(stage: int, channels: int = 4, latent: int = 3, widths: tuple[int, ...] = (3, 5)) -> Shapes:
    """Written out from the specification, section 3."""
    shapes: Shapes = {}
    groups = {"Torso": 5, "LArm": 3, "RArm": 3, "LLeg": 3, "RLeg": 3}
    for name, size in groups.items():
        key = f"LocalLayer_{name}"
        shapes |= {**norm(f"{key}.expand_bn", channels), f"{key}.shrink.weight": (latent, channels, 1)}
        shapes |= {f"{key}.shrink.bias": (latent,), f"{key}.expand_conv.weight": (channels, 6 * size, widths[0])}
        for layer, width in enumerate(widths[1:]):
            shapes[f"{key}.layers_conv.{2 * layer}.weight"] = (channels, channels, width)
            shapes[f"{key}.layers_conv.{2 * layer + 1}.weight"] = (channels, channels, 1)
            shapes |= norm(f"{key}.layers_bn.{2 * layer}", channels) | norm(
                f"{key}.layers_bn.{2 * layer + 1}", channels
            )
    shapes |= dense("GlobalInfo", 34, latent, 2)
    for index, (name, size) in enumerate(groups.items()):
        if stage > 1:
            shapes |= dense(f"FuseBlocks.{index}", 4 * latent, latent, 1)
        shapes |= dense(f"Integration_{name}", (2 if stage == 1 else 3) * latent, 3 * size, 1)
    return shapes


def checkpoint(path: Path, shapes: Shapes, prefix: str = "") -> Path:
    """A file with all that the published script writes, among it a pickled random state."""
    state = {
        prefix + key: torch.from_numpy(rule.tensor(key, shape, 5, integer=key.endswith("tracked")))
        for key, shape in shapes.items()
    }
    shuffler, optimizer = np.random.RandomState(1234), {"state": {}, "param_groups": [{"lr": 1e-3}]}
    entries = {"epoch": 39, "lr": 1e-4, "random_state": shuffler, "optimizer": optimizer, "model_pos": state}
    torch.save(entries, path)
    return path


@pytest.mark.parametrize("stage", [1, 2, 3])
@pytest.mark.parametrize("prefix", ["", "module."])
def test_files_of_all_stages_are_known_and_fit(stage: int, prefix: str, tmp_path: Path) -> None:
    shapes = published_shapes(stage)
    made = convert(checkpoint(tmp_path / f"stage_{stage}_epoch_80.bin", shapes, prefix), [PUBLISHED])
    assert made.config == RIEConfig(fusion=stage > 1, widths=(3, 5), channels=4, latent=3, hidden=HIDDEN)
    assert len(made.tensors) == len(shapes)
    assert set(made.others) == {"epoch", "lr", "random_state", "optimizer"}


def test_left_in_the_published_names_is_the_right_side(tmp_path: Path) -> None:
    made = convert(checkpoint(tmp_path / "gt_pretrained.bin", published_shapes(3)), [PUBLISHED])
    for theirs, ours in (
        ("LocalLayer_LArm.shrink", "encoders.right_arm.last"),
        ("FuseBlocks.4.fc_1", "fusions.left_leg.first"),
    ):
        key = f"{theirs}.bias"
        assert torch.equal(
            made.tensors[f"{ours}.bias"], torch.from_numpy(rule.tensor(key, published_shapes(3)[key], 5))
        )


def test_a_file_with_an_entry_too_few_is_refused_in_one_line(tmp_path: Path) -> None:
    shapes = published_shapes(2)
    del shapes["FuseBlocks.1.layers.0.w2.bias"]
    with pytest.raises(UserError, match=r"fusions\.right_arm\.blocks\.0\.second\.bias is missing") as caught:
        convert(checkpoint(tmp_path / "cut.bin", shapes), [PUBLISHED])
    assert "\n" not in str(caught.value)


def test_a_file_of_other_joints_is_refused(tmp_path: Path) -> None:
    shapes = published_shapes(1) | {"GlobalInfo.fc_1.weight": (HIDDEN, 40)}
    with pytest.raises(UserError, match="20 joints"):
        convert(checkpoint(tmp_path / "other.bin", shapes), [PUBLISHED])


def test_the_sizes_of_any_network_can_be_told_from_its_weights() -> None:
    for config in (
        RIEConfig(widths=(3,), channels=4, latent=2, hidden=8),
        RIEConfig(fusion=False, widths=(5, 3, 3), channels=4, latent=2, hidden=8, groups=groups_of(HUMANEVA_15)),
    ):
        assert PUBLISHED.config(RIENetwork(config).state_dict()) == config


def test_a_loaded_network_is_ready_to_use(tmp_path: Path) -> None:
    network = load_network(str(checkpoint(tmp_path / "gt_pretrained.bin", published_shapes(3))), PUBLISHED)
    assert not network.training
    assert network.over_track(torch.randn(4, 17, 2)).shape == (4, 17, 3)
