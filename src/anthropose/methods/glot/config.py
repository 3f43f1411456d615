"""The sizes of GLoT's network."""

from dataclasses import dataclass
from typing import Literal

from anthropose.errors import UserError


@dataclass(frozen=True)
class GLoTConfig:
    """The sizes of the network; the defaults are those of all published configurations."""

    window: int = 16
    """Frames that the network sees at once; the one in the middle, number `window // 2`, is predicted."""
    features: int = 2048
    """Of each frame."""
    mask_ratio: float = 0.5
    """The share of the frames that the global branch does not see while training."""

    width: int = 512
    """Channels of the global encoder; its decoder has half of them."""
    depth: int = 2
    """Blocks of the global encoder; its decoder has half as many, rounded down."""
    heads: int = 8
    dropout: float = 0.1
    attention_dropout: float = 0.0
    drop_path: float = 0.2
    """Stochastic depth's rate at the last block."""
    token_hidden: tuple[int, int] = (256, 512)
    """The inner widths of what makes the token for unseen frames out of the mean body."""

    reach: int = 4
    """Frames on either side of the middle that the local branch sees."""
    local_width: int = 256
    local_depth: int = 3
    local_heads: int = 8
    local_dropout: float = 0.1
    local_attention_dropout: float = 0.0
    local_drop_path: float = 0.2
    cross_heads: int = 8
    """Heads by which the local branch asks the global one."""

    expansion: int = 4
    """How much wider the feed-forward parts of all blocks are inside."""
    regressor_hidden: int = 1024
    """The hidden width of both regressors."""
    regressor_dropout: float = 0.5
    """In the global branch's regressor."""
    iterations: int = 3
    """How often the global branch's regressor corrects its guess."""
    local_regressor_dropout: float = 0.25
    pose_context: Literal["published", "own"] = "published"
    """What joint j's corrector sees of the global pose: the six numbers from j on, as in the published code and all its
    weights, or the joint's "own" from 6 j on, as was meant, for networks that are trained anew."""

    def __post_init__(self) -> None:
        reach, middle = self.reach, self.middle
        if not 1 <= reach <= min(middle, self.window - 1 - middle):
            raise UserError(f"the local branch cannot reach {reach} frames from the middle of {self.window}")
        if self.depth < 1 or self.local_depth < 1:
            raise UserError(f"both branches need a block, these have {self.depth} and {self.local_depth}")
        if not 0 <= self.mask_ratio < 1:
            raise UserError(f"the mask ratio is a share from 0 to below 1, not {self.mask_ratio}")
        for width, heads in (
            (self.width, self.heads),
            (self.width / 2, self.heads),
            (self.local_width, self.local_heads),
            (self.local_width, self.cross_heads),
        ):
            if width % heads:
                raise UserError(f"{width:g} channels do not divide into {heads} heads")

    @property
    def middle(self) -> int:
        """The frame of a window that is predicted."""
        return self.window // 2
