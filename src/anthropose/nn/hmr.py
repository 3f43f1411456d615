"""HMR as SPIN trained it: one crop of a person to a body, and the features that all the video methods start from.

Kanazawa et al., End-to-end Recovery of Human Shape and Pose, CVPR 2018; Kolotouros et al., Learning to Reconstruct 3D
Human Pose and Shape via Model-fitting in the Loop, ICCV 2019 (vibe_base spec, section 6).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from anthropose.motion import Prediction
from anthropose.nn.regressor import IterativeRegressor, RegressorState, regressor_keys
from anthropose.nn.resnet import ResNet50Trunk, trunk_keys
from anthropose.nn.weights import BODY_BUFFERS, Published


@dataclass(frozen=True)
class HMRConfig:
    """The sizes of the network; the defaults are the published ones."""

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Blocks in each stage of the trunk."""
    width: int = 64
    """Channels of the trunk's first convolution; there are 32 times as many features."""
    hidden: int = 1024
    """Of the regressor."""
    iterations: int = 3


class HMR(nn.Module):
    """A ResNet-50 trunk and the iterative regressor."""

    def __init__(self, config: HMRConfig | None = None) -> None:
        super().__init__()
        self.config = config or HMRConfig()
        self.trunk = ResNet50Trunk("batch", self.config.blocks, self.config.width)
        self.regressor = IterativeRegressor(self.trunk.outputs, self.config.hidden)

    def features(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """The features of normalised RGB crops of 224 x 224."""
        return self.trunk(images)

    def forward(self, images: Float[Tensor, "b 3 h w"], start: RegressorState | None = None) -> Prediction:
        """The body in each crop."""
        return self.regressor(self.features(images), start, self.config.iterations).prediction()


def _config(state: Mapping[str, Tensor]) -> HMRConfig:
    """The sizes that the tensors, under our names, have."""
    blocks = [len({key.split(".")[2] for key in state if key.startswith(f"trunk.stage{k}.")}) for k in (1, 2, 3, 4)]
    return HMRConfig(
        blocks=(blocks[0], blocks[1], blocks[2], blocks[3]),
        width=len(state["trunk.stem.weight"]),
        hidden=len(state["regressor.hidden1.weight"]),
    )


PUBLISHED = Published(
    system="spin",
    title="SPIN (ICCV 2019)",
    page="https://github.com/nkolot/SPIN",
    files=("spin_model_checkpoint.pth.tar", "model_checkpoint.pt"),
    entry="model",
    signature=(r"conv1\.weight", r"bn1\.running_mean", r"layer4\.2\.conv3\.weight", r"fc1\.weight", r"init_pose"),
    keys=(*trunk_keys("", "trunk."), *regressor_keys("", "regressor."), BODY_BUFFERS),
    config=_config,
    network=HMR,
)
"""SPIN's own file has no body model inside, the copy in VIBE's and TCMR's downloads has one."""
