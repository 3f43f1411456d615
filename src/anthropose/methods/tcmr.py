"""TCMR: the body in the middle frame of a window, from the past, the future and the whole window apart.

Choi, Moon, Chang, Lee, Beyond Static Features for Temporally Consistent 3D Human Pose and Shape from a Video,
CVPR 2021. Three recurrent encoders look at the 8 frames before the middle one, at the 7 after it, and at all 16.
Attention mixes what they say, and the iterative regressor reads the body from the mixture. The static feature of the
middle frame is deliberately not added to it: that is what makes the motion smooth.

Input: 2048 features of each frame (SPIN's ResNet-50, or an encoder of keypoints). Output: one body for each window.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anthropose.body.model import BodyModel
from anthropose.body.results import result_of
from anthropose.datasets.sequence import Batch
from anthropose.datasets.windows import Edges, centred_windows, tcmr_windows
from anthropose.losses import LossWeights, vibe_loss
from anthropose.methods.base import Preset, joined
from anthropose.methods.training import LONG, Learning, mocap_small, video_job
from anthropose.methods.video import FeatureMethod
from anthropose.motion import Prediction
from anthropose.nn.recurrence import last_state, middle_state
from anthropose.nn.regressor import IterativeRegressor, regressor_keys
from anthropose.nn.weights import BODY_BUFFERS, Published


@dataclass(frozen=True)
class TCMRConfig:
    """The sizes of the network; the defaults are those published."""

    window: int = 16
    """Frames in a window; number `window // 2` is the one that is predicted."""
    layers: int = 2
    hidden: int = 1024
    """The width of the recurrent states."""
    features: int = 2048
    attention: int = 256
    """The width of the hidden layers of the attention."""
    regressor_hidden: int = 1024

    def __post_init__(self) -> None:
        if self.window < 3:
            raise ValueError(f"a window needs a past, a middle and a future, not {self.window} frames")

    @property
    def middle(self) -> int:
        return self.window // 2


class Branch(nn.Module):
    """One recurrent encoder, and what it makes of its last state: y = W relu(state)."""

    def __init__(self, config: TCMRConfig, bidirectional: bool = False) -> None:
        super().__init__()
        self.gru = nn.GRU(config.features, config.hidden, config.layers, bidirectional=bidirectional, batch_first=True)
        self.to_feature = nn.Linear(config.hidden * (1 + bidirectional), config.features)

    def forward(self, frames: Float[Tensor, "b t f"], at: int = -1) -> Float[Tensor, "b f"]:
        """The feature read from the state at step `at`."""
        return self.read(self.gru(frames)[0][:, at])

    def read(self, state: Float[Tensor, "b h"]) -> Float[Tensor, "b f"]:
        return self.to_feature(state.relu())


class Attention(nn.Module):
    """How much past, present and future count in each window: three positive scores that sum to one.

    The last tanh keeps a score between 0.063 and 0.787, so none of the three is ever ignored.
    """

    def __init__(self, features: int = 2048, hidden: int = 256, parts: int = 3) -> None:
        super().__init__()
        self.shrink = nn.Linear(features, hidden)
        self.first = nn.Linear(parts * hidden, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, parts)

    def forward(self, parts: Float[Tensor, "b p f"]) -> Float[Tensor, "b p"]:
        together = self.shrink(parts).flatten(1)
        hidden = self.second(self.first(together).tanh()).tanh()
        return self.score(hidden).tanh().softmax(dim=1)


@dataclass(frozen=True)
class Encoding:
    """What the encoders say of the middle frame of each window."""

    past: Float[Tensor, "b f"]
    future: Float[Tensor, "b f"]
    mixed: Float[Tensor, "b f"]
    """Past, present and future, weighted by the scores."""
    scores: Float[Tensor, "b 3"]
    """Of past, present and future."""


class TCMRNetwork(nn.Module):
    """Encoders, attention, regressor."""

    def __init__(self, config: TCMRConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or TCMRConfig()
        self.past = Branch(config)
        self.whole = Branch(config, bidirectional=True)
        self.future = Branch(config)
        self.attention = Attention(config.features, config.attention)
        self.regressor = IterativeRegressor(config.features, config.regressor_hidden)

    def forward(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """The body in the middle frame of each window; one row for each."""
        return self.regressor(self.encode(features).mixed).prediction()

    def encode(self, features: Float[Tensor, "b t f"]) -> Encoding:
        """What past, future and all of each window say of its middle frame.

        Which frame that is comes from the configuration. As published, the window may have more or fewer frames than
        are configured, so long as there are some on either side of it.
        """
        middle = self.config.middle
        past = self.past(features[:, :middle])
        future = self.future(features[:, middle + 1 :].flip(1))
        return self._mixed(past, self.whole(features, at=middle), future)

    def supervised(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """What is trained: the middle frame's body from the past, from the future and from the mixture, "b 3"."""
        encoding = self.encode(features)
        three = torch.stack([encoding.past, encoding.future, encoding.mixed], dim=1)
        return self.regressor(three).prediction()

    def loss(
        self,
        batch: Batch,
        body: BodyModel,
        weights: LossWeights = LossWeights(),  # noqa: B008 - the weights are frozen
    ) -> dict[str, Float[Tensor, ""]]:
        """The weighted terms whose sum the published training minimises: VIBE's, without an adversary.

        Every mean runs over all three of `supervised`, so past, future and mixture count alike.

        Args:
            batch: its labels are the middle frame's, three times.
        """
        return vibe_loss(result_of(self.supervised(batch.features), body), batch, weights)

    def _mixed(
        self, past: Float[Tensor, "b f"], present: Float[Tensor, "b f"], future: Float[Tensor, "b f"]
    ) -> Encoding:
        parts = torch.stack([past, present, future], dim=1)
        scores = self.attention(parts)
        return Encoding(past, future, (scores[..., None] * parts).sum(dim=1), scores)

    def over_track(self, features: Float[Tensor, "n f"], batch: int = 256, edges: Edges = "static") -> Prediction:
        """One row for each frame of a track of any length, from the window around it.

        Args:
            features: of consecutive frames.
            batch: windows at a time; memory grows with it and not with the track.
            edges: what stands for the frames before the track's first and after its last. "static", as in the
                published demo and test, repeats the frame that is predicted.
        """
        return self.over_windows(features, centred_windows(len(features), self.config.window, edges).frames, batch)

    @torch.no_grad()
    def over_windows(self, features: Float[Tensor, "n f"], windows: Int[Tensor, "w t"], batch: int = 256) -> Prediction:
        """What `forward(features[windows])` gives, sooner; in eval mode only.

        What a frame adds to the recurrent states is computed once and not in each of the windows that see it, `batch`
        windows take their steps together, and no step is taken that the middle frame does not depend on.
        """
        if self.training:
            raise ValueError("whole tracks are for inference: call eval() first")
        parts = []
        for part in windows.to(features.device).split(batch):
            frames, places = part.unique(return_inverse=True)
            parts.append(self.regressor(self._encode_shared(features[frames], places).mixed).prediction())
        return joined(parts)

    @torch.no_grad()
    def window_by_window(self, features: Float[Tensor, "n f"], edges: Edges = "static", batch: int = 1) -> Prediction:
        """What `over_track` gives, plainly: `batch` whole windows at a time, of which the published demo takes 64."""
        windows = centred_windows(len(features), self.config.window, edges).frames
        return joined([self(features[part]) for part in windows.to(features.device).split(batch)])

    def _encode_shared(self, features: Float[Tensor, "n f"], windows: Int[Tensor, "w t"]) -> Encoding:
        """What `encode` makes of `features[windows]`."""
        middle = self.config.middle
        steps = list(windows.T)
        past = last_state(self.past.gru, features, steps[:middle])
        future = last_state(self.future.gru, features, steps[:middle:-1])
        present = middle_state(self.whole.gru, features, steps, middle)
        return self._mixed(self.past.read(past), self.whole.read(present), self.future.read(future))


class TCMR(FeatureMethod):
    """TCMR over a clip: every frame from the window around it, at the ends from itself alone, as the demo does."""

    name = "tcmr"
    crop_scale = 1.2
    speaks_of = "middle"

    @staticmethod
    def published() -> Published:
        return PUBLISHED


def _config(state: Mapping[str, Tensor]) -> TCMRConfig:
    """The sizes that the tensors have; the length of the window is in none of them, and 16 in all that is published."""
    gates = state["past.gru.weight_ih_l0"]
    return TCMRConfig(
        layers=sum(key.startswith("past.gru.weight_ih_l") for key in state),
        hidden=len(gates) // 3,
        features=gates.shape[1],
        attention=len(state["attention.shrink.weight"]),
        regressor_hidden=len(state["regressor.hidden1.weight"]),
    )


PUBLISHED = Published(
    system="tcmr",
    title="TCMR (CVPR 2021)",
    page="https://github.com/hongsukchoi/TCMR_RELEASE",
    files=(
        "tcmr_demo_model.pth.tar",
        "tcmr_table4_3dpw_test.pth.tar",
        "tcmr_table4_mpii3dd_h36m_test.pth.tar",
        "tcmr_table6_3dpw_test.pth.tar",
        "tcmr_table6_mpii3d_test.pth.tar",
        "tcmr_table6_h36m_test.pth.tar",
    ),
    entry="gen_state_dict",
    signature=(r"encoder\.gru_cur\.weight_ih_l0", r"encoder\.gru_bef\.weight_ih_l0", r"encoder\.attention\.fc\.weight"),
    keys=(
        (r"encoder\.gru_bef\.(\w+)", r"past.gru.\1"),
        (r"encoder\.gru_cur\.(\w+)", r"whole.gru.\1"),
        (r"encoder\.gru_aft\.(\w+)", r"future.gru.\1"),
        (r"encoder\.linear_bef\.(weight|bias)", r"past.to_feature.\1"),
        (r"encoder\.linear_cur\.(weight|bias)", r"whole.to_feature.\1"),
        (r"encoder\.linear_aft\.(weight|bias)", r"future.to_feature.\1"),
        (r"encoder\.attention\.fc\.(weight|bias)", r"attention.shrink.\1"),
        (r"encoder\.attention\.attention\.0\.(weight|bias)", r"attention.first.\1"),
        (r"encoder\.attention\.attention\.2\.(weight|bias)", r"attention.second.\1"),
        (r"encoder\.attention\.attention\.4\.(weight|bias)", r"attention.score.\1"),
        *regressor_keys("regressor.", "regressor."),
        BODY_BUFFERS,
    ),
    config=_config,
    network=TCMRNetwork,
)
"""The files also hold the weights of a motion discriminator that was never trained; it is left out."""


_FILES = {
    "insta": "insta_train_db.h5",
    "posetrack": "posetrack_train_db.pt",
    "3dpw": "3dpw_train_db.pt",
    "mpii3d": "mpii3d_train_scale12_db.pt",
    "h36m": "h36m_train_25fps_db.pt",
    "validation": "3dpw_val_db.pt",
}
"""The databases of most trainings. Features in `_occ_` files are of crops with objects pasted over them."""


def _preset(
    stands_for: str,
    sets_2d: tuple[str, ...],
    sets_3d: tuple[str, ...],
    bodies_from: tuple[str, ...],
    overlap: bool,
    epochs: int,
    validation: str = "3dpw",
    files: Mapping[str, str] | None = None,
) -> Preset:
    """A training that differs from the others in these; `overlap` is the published option of the name."""
    files = {**_FILES, **(files or {})}
    return Preset(
        stands_for=stands_for,
        network=TCMRConfig(),
        losses=LossWeights(adversarial=0.0),
        sets_2d=sets_2d,
        sets_3d=sets_3d,
        bodies_from=bodies_from,
        validation=validation,
        files=tuple((name, files[name]) for name in (*sets_2d, *sets_3d, "validation")),
        stride=1 if overlap else 16,
        epochs=epochs,
        seed=1,
    )


_ALL_3D = ("3dpw", "mpii3d", "h36m")
_NO_3DPW = ("mpii3d", "h36m")
_BOTH_2D = ("insta", "posetrack")
PRESETS = {
    "table4-3dpw": _preset(
        "Table 4, 3DPW",
        ("insta",),
        _ALL_3D,
        bodies_from=("3dpw",),
        overlap=True,
        epochs=30,
        files={
            "3dpw": "3dpw_train_occ_db.pt",
            "mpii3d": "mpii3d_train_scale12_occ_db.pt",
            "h36m": "h36m_train_25fps_occ_db.pt",
        },
    ),
    "table4-h36m-mpii3d": _preset(
        "Table 4, Human3.6M and MPI-INF-3DHP", _BOTH_2D, _ALL_3D, bodies_from=("3dpw", "h36m"), overlap=True, epochs=45
    ),
    "table6-3dpw": _preset(
        "Table 6, 3DPW",
        _BOTH_2D,
        _NO_3DPW,
        bodies_from=("h36m",),
        overlap=False,
        epochs=45,
        files={
            "mpii3d": "mpii3d_train_scale12_new_occ_db.pt",
            "h36m": "h36m_train_25fps_occ_db.pt",
            "posetrack": "posetrack_train_occ_db.pt",
        },
    ),
    "table6-mpii3d": _preset(
        "Table 6, MPI-INF-3DHP", _BOTH_2D, _NO_3DPW, bodies_from=("h36m",), overlap=False, epochs=30
    ),
    "table6-h36m": _preset(
        "Table 6, Human3.6M",
        ("insta",),
        _NO_3DPW,
        bodies_from=("h36m",),
        overlap=False,
        epochs=45,
        validation="h36m",
        files={
            "mpii3d": "mpii3d_train_scale1_db.pt",
            "h36m": "h36m_train_25fps_tight_db.pt",
            "validation": "h36m_test_front_25fps_tight_db.pt",
        },
    ),
    "plain": _preset(
        "no table: the repository's config.yaml",
        ("insta",),
        _ALL_3D,
        bodies_from=("3dpw", "h36m"),
        overlap=True,
        epochs=30,
        files={"mpii3d": "mpii3d_train_db.pt", "h36m": "h36m_train_db.pt"},
    ),
}
"""The published configurations (tcmr spec, sections 4.2 and 6), whose titles chose files and labels there."""

LEARNING = Learning(
    "tcmr",
    TCMRNetwork,
    loss=lambda network, batch, body, preset: network.loss(batch, body, preset.losses),
    windows=lambda preset, lengths: tcmr_windows(lengths, preset.window, preset.stride),
    validated=lambda preset, lengths: tcmr_windows(lengths, preset.window, training=False),
    labelled="middle",
    taught="middle",
    repeat=3,
)
TRAININGS = {
    **PRESETS,
    "mocap-small": mocap_small(
        PRESETS["plain"],
        TCMRConfig(layers=1, hidden=128, features=256, attention=64, regressor_hidden=256),
        iterations=150,
    ),
    "mocap": mocap_small(
        PRESETS["plain"],
        TCMRConfig(layers=1, hidden=256, features=256, attention=64, regressor_hidden=256),
        **LONG,
    ),
}
job = partial(video_job, LEARNING)
"""The training of a preset: `job(name, preset, setting)`."""
