"""The BaseModel of DynaBOA and BOA: HMR with group normalisation, trained on Human3.6M alone (dynaboa spec, section 2).

Adaptation works on batches of one image, where batch normalisation has nothing to go by.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from anthropose.motion import Prediction
from anthropose.nn.regressor import IterativeRegressor, regressor_keys
from anthropose.nn.resnet import ResNet50Trunk, trunk_keys
from anthropose.nn.weights import Published

POOLED = 5
"""Among the 15 features: what the trunk gives, by which exemplars are found."""
STEERING = 12
"""Among the 15 features: the first hidden layer of the third iteration, by which updates are ended."""
EPS = 1e-12
"""Of the 6D rotations."""


@dataclass(frozen=True)
class BaseModelConfig:
    """The sizes of the network; the defaults are the published ones."""

    blocks: tuple[int, int, int, int] = (3, 4, 6, 3)
    """Blocks in each stage of the trunk."""
    width: int = 64
    """Channels of the trunk's first convolution; there are 32 times as many features."""
    hidden: int = 1024
    """Of the regressor."""
    iterations: int = 3


@dataclass(frozen=True)
class Trace:
    """A prediction, and what the network computed on the way to it."""

    prediction: Prediction
    features: tuple[Tensor, ...]
    """The first convolution, the four stages, the pooled features, and for each iteration the regressor's first hidden
    layer, the same after dropout, and the second: 15 for three iterations."""

    @property
    def pooled(self) -> Tensor:
        """What the trunk gives, by which exemplars are found."""
        return self.features[POOLED]

    @property
    def steering(self) -> Tensor:
        """The first hidden layer of the third iteration, by which updates are ended."""
        return self.features[STEERING]


class BaseModel(nn.Module):
    """A ResNet-50 trunk and the iterative regressor, every normalisation over 4 groups of channels."""

    def __init__(self, config: BaseModelConfig | None = None) -> None:
        super().__init__()
        self.config = config or BaseModelConfig()
        self.trunk = ResNet50Trunk("group", self.config.blocks, self.config.width)
        self.regressor = IterativeRegressor(self.trunk.outputs, self.config.hidden)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> Prediction:
        """The body in each normalised RGB crop of 224 x 224."""
        return self.trace(images).prediction

    def features(self, images: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b f"]:
        """The pooled features, by which exemplars are found."""
        return self.trunk(images)

    def trace(self, images: Float[Tensor, "b 3 h w"]) -> Trace:
        """The body in each crop with everything on the way to it."""
        maps = self.trunk.maps(images)
        pooled = maps[-1].mean((2, 3))
        state = self.regressor.mean().expand(len(images))
        hidden: list[Tensor] = []
        for _ in range(self.config.iterations):
            layers = self.regressor.hidden(pooled, state)
            state = self.regressor.improved(state, layers)
            hidden += [layers.first, layers.dropped, layers.second]
        return Trace(state.prediction(EPS), (*maps, pooled, *hidden))


def _config(state: Mapping[str, Tensor]) -> BaseModelConfig:
    """The sizes that the tensors, under our names, have."""
    blocks = [len({key.split(".")[2] for key in state if key.startswith(f"trunk.stage{k}.")}) for k in (1, 2, 3, 4)]
    return BaseModelConfig(
        blocks=(blocks[0], blocks[1], blocks[2], blocks[3]),
        width=len(state["trunk.stem.weight"]),
        hidden=len(state["regressor.hidden1.weight"]),
    )


PUBLISHED = Published(
    system="dynaboa",
    title="DynaBOA (TPAMI 2022)",
    page="https://github.com/syguan96/DynaBOA",
    files=("basemodel.pt",),
    entry="model",
    signature=(r"conv1\.weight", r"bn1\.weight", r"layer4\.2\.conv3\.weight", r"fc1\.weight", r"init_pose"),
    absent=(r".*\.running_mean",),
    keys=(*trunk_keys("", "trunk."), *regressor_keys("", "regressor.")),
    config=_config,
    network=BaseModel,
)
"""The same file serves BOA. Running statistics would make it SPIN's, whose network has another normalisation."""
