"""A transformer that lifts the 2D keypoints of a window of frames to one 3D pose: first over joints, then over time.

Zheng et al., 3D Human Pose Estimation with Spatial and Temporal Transformers (PoseFormer), ICCV 2021, in the form that
Parallel-Branch gave it: 49 joints come out, whatever goes in (parallel_branch spec, section 3.4).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from anthropose.nn.attention import NORM_EPS, TransformerBlock, block_keys, drop_path_rates
from anthropose.nn.weights import KeyTable


@dataclass(frozen=True)
class LiftingConfig:
    """Parallel-Branch's spatial-temporal branch."""

    frames: int = 16
    """Of a window; no other number fits."""
    joints: int = 49
    """Keypoints that go in."""
    channels: int = 3
    """Of a keypoint: x, y and a confidence, or x and y."""
    joint_width: int = 32
    """Channels of a joint's token; a frame's token is all its joints' tokens in a row."""
    depth: int = 4
    """Blocks over joints, and as many over time."""
    heads: int = 8
    expansion: float = 2.0
    """Width inside the feed-forward layers over that of the tokens."""
    drop_path: float = 0.1
    lifted: int = 49
    """Joints that come out."""
    bias: bool = True
    """Whether query, key and value of the attentions have one."""
    scale: float | None = None
    """Of the attentions' products; one over the root of a head's channels when None, as in every published weight."""
    joint_heads: int | None = None
    """Of the blocks over joints; as many as over time when None, as published."""

    @property
    def frame_width(self) -> int:
        return self.joints * self.joint_width


class LiftingTokens(nn.Module):
    """Keypoints of a window to a token for each of its frames, which has seen the other frames."""

    def __init__(self, config: LiftingConfig = LiftingConfig()) -> None:
        super().__init__()
        self.config = config
        joint, frame = config.joint_width, config.frame_width
        self.embed = nn.Linear(config.channels, joint)
        self.joint_positions = nn.Parameter(torch.zeros(1, config.joints, joint))
        self.over_joints = self._stack(joint, config.joint_heads or config.heads)
        self.joint_norm = nn.LayerNorm(joint, eps=NORM_EPS)
        self.frame_positions = nn.Parameter(torch.zeros(1, config.frames, frame))
        self.over_frames = self._stack(frame, config.heads)
        self.frame_norm = nn.LayerNorm(frame, eps=NORM_EPS)

    def _stack(self, width: int, heads: int) -> nn.Sequential:
        config = self.config
        rates = drop_path_rates(config.drop_path, config.depth)
        hidden = int(width * config.expansion)
        return nn.Sequential(
            *(
                TransformerBlock(width, heads, hidden, drop_path=rate, bias=config.bias, scale=config.scale)
                for rate in rates
            )
        )

    def forward(self, keypoints: Float[Tensor, "b t j c"]) -> Float[Tensor, "b t w"]:
        """A token for each frame: those of its joints in a row.

        Args:
            keypoints: in coordinates of the crop, -1 to 1, as far as the configuration has channels for. Those not seen
                have confidence zero; Parallel-Branch's training gives them no certain place.

        Raises:
            ValueError: the windows have another number of frames, joints or channels than the network was made for.
        """
        config = self.config
        if keypoints.shape[1:] != (config.frames, config.joints, config.channels):
            expected = f"{config.frames} frames of {config.joints} keypoints with {config.channels} channels"
            raise ValueError(f"lifting takes {expected}, found windows of {tuple(keypoints.shape[1:])}")
        tokens = self.embed(keypoints.flatten(0, 1)) + self.joint_positions  # (b t, j, 32)
        tokens = self.joint_norm(self.over_joints(tokens))
        tokens = tokens.flatten(1).unflatten(0, (-1, config.frames)) + self.frame_positions  # (b, t, j 32)
        return self.frame_norm(self.over_frames(tokens))


class Lifting(LiftingTokens):
    """Keypoints of a window to the one pose of it; which frame's pose it is, the training decides."""

    def __init__(self, config: LiftingConfig = LiftingConfig()) -> None:
        super().__init__(config)
        self.mean_over_frames = nn.Conv1d(config.frames, 1, kernel_size=1)  # frames are its channels
        self.head_norm = nn.LayerNorm(config.frame_width)
        self.head = nn.Linear(config.frame_width, 3 * config.lifted)

    def forward(self, keypoints: Float[Tensor, "b t j c"]) -> Float[Tensor, "b k 3"]:
        """The 3D pose of each window, from keypoints as `LiftingTokens` takes them."""
        pose = self.mean_over_frames(super().forward(keypoints))[:, 0]  # (b, j 32)
        return self.head(self.head_norm(pose)).unflatten(-1, (self.config.lifted, 3))


LIFTING_KEYS: KeyTable = (
    (r"Spatial_patch_to_embedding\.(weight|bias)", r"embed.\1"),
    (r"Spatial_pos_embed", r"joint_positions"),
    *block_keys("Spatial_blocks", "over_joints"),
    (r"Spatial_norm\.(weight|bias)", r"joint_norm.\1"),
    (r"Temporal_pos_embed", r"frame_positions"),
    *block_keys("blocks", "over_frames"),
    (r"Temporal_norm\.(weight|bias)", r"frame_norm.\1"),
    (r"weighted_mean\.(weight|bias)", r"mean_over_frames.\1"),
    (r"head\.0\.(weight|bias)", r"head_norm.\1"),
    (r"head\.1\.(weight|bias)", r"head.\1"),
)
"""Published keys -> those of Lifting."""


def lifting_config(state: Mapping[str, Tensor], prefix: str = "") -> LiftingConfig:
    """The configuration that fits tensors under our names; how many heads there are does not show in them."""
    blocks = {re.match(rf"{re.escape(prefix)}over_joints\.(\d+)\.", key) for key in state}
    width, channels = state[prefix + "embed.weight"].shape
    head = prefix + "head.weight"
    return LiftingConfig(
        frames=state[prefix + "frame_positions"].shape[1],
        joints=state[prefix + "joint_positions"].shape[1],
        channels=channels,
        joint_width=width,
        depth=len({match[1] for match in blocks if match}),
        expansion=state[prefix + "over_joints.0.feed_forward.inner.weight"].shape[0] / width,
        lifted=state[head].shape[0] // 3 if head in state else LiftingConfig.lifted,
        bias=prefix + "over_joints.0.attention.project.bias" in state,
    )
