"""The network of RIE: five groups of joints, each seen through a temporal convolution, and put together again.

A window of keypoints is coded three times: as it is, relative to the root of the same frame (where is it), and relative
to the window's middle frame (where does it go). Each group's encoder sees the three codes of its own joints.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.datasets.windows import centred_windows
from anthropose.methods.rie.blocks import DenseBlock, TemporalEncoder
from anthropose.methods.rie.track import encode_track
from anthropose.skeleton import H36M_VP3D_17, HUMANEVA_15, SKELETONS, Skeleton

GROUPS = ("torso", "right_arm", "left_arm", "right_leg", "left_leg")
"""In the order in which features are put side by side. The published names have left and right exchanged."""

_LIMBS = {"arm": ("shoulder", "elbow", "wrist"), "leg": ("hip", "knee", "ankle")}


def groups_of(skeleton: Skeleton) -> tuple[tuple[int, ...], ...]:
    """The joints of each of GROUPS: limbs by name, and for the torso all joints that have no side."""
    torso = tuple(i for i, name in enumerate(skeleton.joints) if not name.startswith(("left_", "right_")))
    limbs = (group.split("_") for group in GROUPS[1:])
    return (torso, *(tuple(skeleton.index(f"{side}_{part}") for part in _LIMBS[limb]) for side, limb in limbs))


@dataclass(frozen=True)
class RIEConfig:
    """The sizes of the network; the defaults are those published for 2D ground truth."""

    fusion: bool = True
    """Whether each group also sees what the others have found: in stages 2 and 3, not in stage 1."""
    widths: tuple[int, ...] = (3, 3, 3, 3, 3)
    """Of the temporal convolutions, odd; their product is the number of frames that the network sees."""
    channels: int = 256
    """Of the temporal encoders."""
    latent: int = 256
    """Of a group's feature."""
    hidden: int = 1024
    """Of the fully connected blocks."""
    groups: tuple[tuple[int, ...], ...] = groups_of(H36M_VP3D_17)
    """The joints of each of GROUPS; the first of the torso is the root."""
    dropout: float = 0.2
    """Of the temporal encoders."""
    dense_dropout: float = 0.25
    """Of the fully connected blocks."""

    def __post_init__(self) -> None:
        if len(self.groups) != len(GROUPS) or sorted(sum(self.groups, ())) != list(range(self.joints)):
            raise ValueError(f"each joint belongs to one of the groups {', '.join(GROUPS)}, not as in {self.groups}")
        if not self.widths or any(width < 1 or width % 2 == 0 for width in self.widths):
            raise ValueError(f"the widths of the convolutions are odd numbers, not {self.widths}")

    @property
    def joints(self) -> int:
        return sum(len(group) for group in self.groups)

    @property
    def frames(self) -> int:
        """That the network sees at once."""
        return math.prod(self.widths)

    @property
    def reach(self) -> int:
        """Frames before and after the one that is predicted."""
        return self.frames // 2

    @property
    def skeleton(self) -> Skeleton:
        """Of the joints that come out.

        Raises:
            ValueError: the groups are those of no skeleton that is known.
        """
        for skeleton in (H36M_VP3D_17, HUMANEVA_15, *SKELETONS.values()):
            if len(skeleton) == self.joints and groups_of(skeleton) == self.groups:
                return skeleton
        raise ValueError(f"no skeleton has the groups {self.groups}")


@dataclass(frozen=True)
class Features:
    """What the network knows of a window before it decodes the joints."""

    local: Float[Tensor, "b 5 l"]
    """Of each group."""
    whole: Float[Tensor, "b l"]
    """Of the pose in the middle frame."""
    fused: Float[Tensor, "b 5 l"] | None
    """For each group, what the other four say; None without fusion."""


class RIENetwork(nn.Module):
    """A window of keypoints in screen coordinates -> the joints of its middle frame, camera axes [m].

    The joints are relative to the root, which is predicted like the others and comes out near zero, not at it.
    """

    def __init__(self, config: RIEConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or RIEConfig()
        sizes = dict(zip(GROUPS, map(len, config.groups), strict=True))
        latent, dense = config.latent, (config.hidden, 1, config.dense_dropout)
        self.encoders = nn.ModuleDict(
            {
                name: TemporalEncoder(6 * size, config.channels, latent, config.widths, config.dropout)
                for name, size in sizes.items()
            }
        )
        self.whole = DenseBlock(2 * config.joints, latent, config.hidden, 2, config.dense_dropout)
        self.fusions = nn.ModuleDict(
            {name: DenseBlock(4 * latent, latent, *dense) for name in GROUPS if config.fusion},
        )
        parts = 3 if config.fusion else 2
        self.decoders = nn.ModuleDict(
            {name: DenseBlock(parts * latent, 3 * size, *dense) for name, size in sizes.items()}
        )
        order = sum(config.groups, ())
        self._places = [order.index(joint) for joint in range(config.joints)]

    def forward(self, windows: Float[Tensor, "b t j 2"]) -> Float[Tensor, "b j 3"]:
        """Raises ValueError for windows of another number of frames than `config.frames`."""
        return self.decode(self.features(windows))

    def features(self, windows: Float[Tensor, "b t j 2"]) -> Features:
        config = self.config
        if windows.shape[1:3] != (config.frames, config.joints):
            raise ValueError(
                f"expected {config.frames} frames of {config.joints} keypoints, got {tuple(windows.shape[1:3])}"
            )
        codes = encoder_inputs(windows, config.groups)
        local = [encoder(code)[:, 0] for encoder, code in zip(self.encoders.values(), codes, strict=True)]
        return self.gather(torch.stack(local, dim=1), windows[:, config.reach])

    def gather(self, local: Float[Tensor, "b 5 l"], pose: Float[Tensor, "b j 2"]) -> Features:
        """The features from those of the groups, and from the keypoints of the middle frame."""
        fused = [
            fusion(torch.cat([local[:, :group], local[:, group + 1 :]], dim=1).flatten(1))
            for group, fusion in enumerate(self.fusions.values())
        ]
        return Features(local, self.whole(pose.flatten(1)), torch.stack(fused, dim=1) if fused else None)

    def decode(self, features: Features) -> Float[Tensor, "b j 3"]:
        """The joints, group by group, in the skeleton's order."""
        parts = [features.local] if features.fused is None else [features.local, features.fused]
        joints = []
        for group, decoder in enumerate(self.decoders.values()):
            seen = torch.cat([part[:, group] for part in parts] + [features.whole], dim=1)
            joints.append(decoder(seen).unflatten(1, (-1, 3)))
        return torch.cat(joints, dim=1)[:, self._places]

    def over_track(
        self,
        keypoints: Float[Tensor, "*f n j 2"],
        batch: int = 64,
        progress: Callable[[float], None] = lambda share: None,
    ) -> Float[Tensor, "*f n j 3"]:
        """The joints of every frame of a track of any length, as if the person stood still before and after it.

        Equal to `window_by_window` up to rounding, without computing again what windows have in common.

        Args:
            keypoints: screen coordinates in consecutive frames; of several tracks at once if they are equally long.
            batch: windows of each track that are in work at once.
            progress: called with the share that is done.

        Raises:
            ValueError: the network is in train mode, where the windows of a batch are not independent.
        """
        if self.training:
            raise ValueError("a track goes through the network in eval mode; call network.eval() first")
        if not keypoints.numel():
            return keypoints.new_zeros(*keypoints.shape[:-1], 3)
        tracks, joints = keypoints.reshape(-1, *keypoints.shape[-3:]), []
        count, length = tracks.shape[:2]
        for middles, local in encode_track(self.encoders.values(), self.config.groups, tracks, batch):
            features = self.gather(local.flatten(0, 1), tracks[:, middles].flatten(0, 1))
            joints.append(self.decode(features).unflatten(0, (count, -1)))
            progress(int(middles[-1] + 1) / length)
        return torch.cat(joints, dim=1).reshape(*keypoints.shape[:-1], 3)

    def window_by_window(self, keypoints: Float[Tensor, "n j 2"]) -> Float[Tensor, "n j 3"]:
        """The same the plain way: each window put together and sent through the network by itself."""
        windows = centred_windows(len(keypoints), self.config.frames, "clamp").frames
        joints = [self(keypoints[frames][None]) for frames in windows]
        return torch.cat(joints) if joints else keypoints.new_zeros(0, self.config.joints, 3)


def encoder_inputs(
    windows: Float[Tensor, "b t j 2"], groups: tuple[tuple[int, ...], ...]
) -> list[Float[Tensor, "b c t"]]:
    """What each group's encoder sees: for its joints x and y, then relative to the root, then to the middle frame."""
    root = groups[0][0]
    to_root = windows - windows[:, :, root : root + 1]
    to_middle = windows - windows[:, windows.shape[1] // 2, None]
    codes = torch.stack([windows, to_root, to_middle], dim=2)  # b t 3 j 2
    return [codes[:, :, :, list(group)].flatten(2).transpose(1, 2) for group in groups]
