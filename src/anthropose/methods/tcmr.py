"""TCMR: the body in the middle frame of a window, from the past, the future and the whole window apart.

Choi, Moon, Chang, Lee, Beyond Static Features for Temporally Consistent 3D Human Pose and Shape from a Video,
CVPR 2021. Three recurrent encoders look at the 8 frames before the middle one, at the 7 after it, and at all 16.
Attention mixes what they say, and the iterative regressor reads the body from the mixture. The static feature of the
middle frame is deliberately not added to it: that is what makes the motion smooth.

Input: 2048 features of each frame (SPIN's ResNet-50, or an encoder of keypoints). Output: one body for each window.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anthropose.datasets.windows import Edges, centred_windows
from anthropose.methods.base import joined
from anthropose.motion import Prediction
from anthropose.nn.recurrence import last_state, middle_state
from anthropose.nn.regressor import IterativeRegressor


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

    def __init__(self, config: TCMRConfig = TCMRConfig()) -> None:
        super().__init__()
        self.config = config
        self.past = Branch(config)
        self.whole = Branch(config, bidirectional=True)
        self.future = Branch(config)
        self.attention = Attention(config.features, config.attention)
        self.regressor = IterativeRegressor(config.features)

    def forward(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """The body in the middle frame of each window; one row for each."""
        return self.regressor(self.encode(features).mixed).prediction()

    def encode(self, features: Float[Tensor, "b t f"]) -> Encoding:
        """What past, future and all of each window say of its middle frame.

        Raises:
            ValueError: the windows are not of the configured length.
        """
        if features.shape[1] != self.config.window:
            raise ValueError(f"this TCMR reads windows of {self.config.window} frames, not of {features.shape[1]}")
        middle = self.config.middle
        past = self.past(features[:, :middle])
        future = self.future(features[:, middle + 1 :].flip(1))
        return self._mixed(past, self.whole(features, at=middle), future)

    def supervised(self, features: Float[Tensor, "b t f"]) -> Prediction:
        """What is trained: the middle frame's body from the past, from the future and from the mixture, "b 3"."""
        encoding = self.encode(features)
        three = torch.stack([encoding.past, encoding.future, encoding.mixed], dim=1)
        return self.regressor(three).prediction()

    def _mixed(
        self, past: Float[Tensor, "b f"], present: Float[Tensor, "b f"], future: Float[Tensor, "b f"]
    ) -> Encoding:
        parts = torch.stack([past, present, future], dim=1)
        scores = self.attention(parts)
        return Encoding(past, future, (scores[..., None] * parts).sum(dim=1), scores)

    @torch.no_grad()
    def window_by_window(self, features: Float[Tensor, "n f"], edges: Edges = "static", batch: int = 1) -> Prediction:
        """One row for each frame, from `batch` whole windows at a time; `over_track` gives the same sooner."""
        frames = centred_windows(len(features), self.config.window, edges).frames.to(features.device)
        return joined([self(features[part]) for part in frames.split(batch)])

    @torch.no_grad()
    def over_track(self, features: Float[Tensor, "n f"], edges: Edges = "static", batch: int = 256) -> Prediction:
        """One row for each frame of a track, from the window around it.

        What a frame adds to the recurrent states is computed once and not in each of the windows that see it, `batch`
        windows take their steps together, and no step is taken that the middle frame does not depend on.

        Args:
            edges: what stands for the frames before the track's first and after its last; the published demo's and
                evaluation's "static" repeats the frame that is predicted.
            batch: windows at a time; memory grows with it and not with the track.
        """
        frames = centred_windows(len(features), self.config.window, edges).frames.to(features.device)
        parts = []
        for windows in frames.split(batch):
            first = int(windows.min())
            seen = features[first : int(windows.max()) + 1]
            parts.append(self.regressor(self._encode_track(seen, windows - first).mixed).prediction())
        return joined(parts)

    def _encode_track(self, features: Float[Tensor, "n f"], windows: Int[Tensor, "w t"]) -> Encoding:
        """What `encode` makes of `features[windows]`."""
        middle = self.config.middle
        steps = list(windows.T)
        past = last_state(self.past.gru, features, steps[:middle])
        future = last_state(self.future.gru, features, steps[:middle:-1])
        present = middle_state(self.whole.gru, features, steps, middle)
        return self._mixed(self.past.read(past), self.whole.read(present), self.future.read(future))
