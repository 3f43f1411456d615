"""The transformer that Parallel-Branch offers in place of VIBE's recurrent encoder (parallel_branch spec, 3.2)."""

import copy

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from anthropose.nn.weights import KeyTable


class AttentionEncoder(nn.Module):
    """Each frame's features after a look at all frames of its sequence.

    Layers normalise after each branch, as in Vaswani et al., 2017. As published, each place in the sequence has a
    learnt vector that is never added: the order of the frames has no effect, and any number of them is taken.

    Args:
        hidden: width inside the feed-forward layers.
        frames: of the windows in training, hence of those that `over_track` takes.
        linear: whether a ReLU and a linear layer follow.
        residual: whether what came in is added to what comes out.

    Raises:
        ValueError: a linear layer follows, and `hidden` is not `features`: the published code fails there.
    """

    def __init__(
        self,
        features: int = 2048,
        hidden: int = 2048,
        layers: int = 2,
        heads: int = 4,
        frames: int = 16,
        linear: bool = True,
        residual: bool = True,
        dropout: float = 0.2,
    ) -> None:
        super().__init__()
        if linear and hidden != features:
            raise ValueError(f"a transformer with a linear layer needs hidden = features = {features}, found {hidden}")
        self.frames, self.residual = frames, residual
        self.positions = nn.Parameter(torch.randn(frames, 1, features))
        layer = nn.TransformerEncoderLayer(features, heads, hidden, dropout, batch_first=True)
        self.layers = nn.ModuleList(copy.deepcopy(layer) for _ in range(layers))
        self.linear = nn.Linear(features, features) if linear else None
        self.init_weights()

    def init_weights(self) -> None:
        """In the layers every matrix is Xavier-uniform, those of query, key and value as one; their biases are zero.

        The other biases are PyTorch's default, the same in all layers, which begin as copies. Positions are N(0, 1).
        """
        for parameter in self.layers.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Float[Tensor, "b t f"]) -> Float[Tensor, "b t f"]:
        tokens = features
        for layer in self._layers:
            tokens = layer(tokens)
        return self._finished(tokens, features)

    def _finished(self, tokens: Float[Tensor, "*b f"], features: Float[Tensor, "*b f"]) -> Float[Tensor, "*b f"]:
        if self.linear is not None:
            tokens = self.linear(tokens.relu())
        return tokens + features if self.residual else tokens

    @torch.no_grad()
    def over_track(self, features: Float[Tensor, "n f"], batch: int = 64) -> Float[Tensor, "n f"]:
        """Each frame as `forward` gives it in eval mode in the window of its own (see `own_windows`).

        What windows have in common is computed once: in the first layer a frame's query, key and value, its scores
        with its neighbours, and what its value becomes behind the output's matrix. Of the last layer only the frame
        that is kept is computed.

        Args:
            batch: frames, each with its window, at a time.
        """
        starts, places = own_windows(len(features), self.frames)
        length = min(self.frames, len(features))
        outputs = [features[:0]]
        for rows in torch.arange(len(features)).split(batch):
            first, last = int(starts[rows[0]]), int(starts[rows[-1]])
            tokens = self._up_to_last(features[first : last + length], length)
            kept = last_layer(self._layers[-1], tokens[starts[rows] - first], places[rows])
            outputs.append(self._finished(kept, features[rows]))
        return torch.cat(outputs)

    def _up_to_last(self, features: Float[Tensor, "m f"], length: int) -> Float[Tensor, "w t f"]:
        """The tokens of every window of `length` consecutive frames before the last layer."""
        if len(self.layers) == 1:
            return features.unfold(0, length, 1).transpose(1, 2)
        first, *middle, _ = self._layers
        tokens = first_layer(first, features, length)
        for layer in middle:
            tokens = layer(tokens)
        return tokens

    @property
    def _layers(self) -> list[nn.TransformerEncoderLayer]:
        return [layer for layer in self.layers if isinstance(layer, nn.TransformerEncoderLayer)]


def own_windows(count: int, length: int) -> tuple[Int[Tensor, "n"], Int[Tensor, "n"]]:
    """For each of `count` frames the first frame of its window, and its place in it.

    A frame stands in the middle (the later one of two) of its window but near the ends of the track, where windows
    begin at the first frame or end at the last. A track shorter than a window is one window.
    """
    frames = torch.arange(count)
    starts = (frames - length // 2).clamp(0, max(count - length, 0))
    return starts, frames - starts


def first_layer(
    layer: nn.TransformerEncoderLayer, features: Float[Tensor, "m f"], length: int
) -> Float[Tensor, "w t f"]:
    """A layer over every window of `length` consecutive frames, its products shared between the windows."""
    attention = layer.self_attn
    heads = attention.num_heads
    query, key, value = (
        part.unflatten(1, (heads, -1)).transpose(0, 1)  # (h, m, d)
        for part in nn.functional.linear(features, attention.in_proj_weight, attention.in_proj_bias).chunk(3, dim=1)
    )
    scores = query @ key.transpose(1, 2) * query.shape[-1] ** -0.5
    frames = torch.arange(len(features), device=features.device).unfold(0, length, 1)  # (w, t)
    shares = scores[:, frames[:, :, None], frames[:, None, :]].softmax(-1)  # (h, w, t, t)
    out = attention.out_proj.weight.unflatten(1, (heads, -1)).permute(1, 2, 0)
    contributions = (value @ out).transpose(0, 1)  # (m, h, f): of each frame and head to the attention's output
    # The rows of a window's frames and their heads lie one after another: windows are views of the same memory.
    rows = contributions.flatten(0, 1).unfold(0, length * heads, heads).transpose(1, 2)  # (w, t h, f)
    taken = shares.permute(1, 2, 3, 0).flatten(2) @ rows + attention.out_proj.bias
    return completed(layer, features[frames], taken)


def last_layer(
    layer: nn.TransformerEncoderLayer, tokens: Float[Tensor, "n t f"], places: Int[Tensor, "n"]
) -> Float[Tensor, "n f"]:
    """One token of each window after a layer.

    q . (Wk x + bk) is (Wk' q) . x and a number that the softmax takes out; sum a (Wv x + bv) is Wv (sum a x) + bv. So
    the matrices of keys and values meet one vector for each window and head, in place of every token.
    """
    attention = layer.self_attn
    heads = attention.num_heads
    kept = tokens[torch.arange(len(tokens), device=tokens.device), places.to(tokens.device)]
    to_query, to_key, to_value = attention.in_proj_weight.chunk(3)
    query_bias, _, value_bias = attention.in_proj_bias.chunk(3)
    query = nn.functional.linear(kept, to_query, query_bias).unflatten(1, (heads, -1)).transpose(0, 1)  # (h, n, d)
    probe = (query @ to_key.unflatten(0, (heads, -1))).transpose(0, 1)  # (n, h, f)
    shares = (probe @ tokens.transpose(1, 2) * query.shape[-1] ** -0.5).softmax(-1)  # (n, h, t)
    mixed = (shares @ tokens).transpose(0, 1)  # (h, n, f)
    value = (mixed @ to_value.unflatten(0, (heads, -1)).transpose(1, 2)).transpose(0, 1).flatten(1) + value_bias
    return completed(layer, kept, attention.out_proj(value))


def completed(
    layer: nn.TransformerEncoderLayer, tokens: Float[Tensor, "*b f"], taken: Float[Tensor, "*b f"]
) -> Float[Tensor, "*b f"]:
    """The tokens after a layer, given what its attention took for them."""
    tokens = layer.norm1(tokens + taken)
    return layer.norm2(tokens + layer.linear2(layer.linear1(tokens).relu_()))


ATTENTION_KEYS: KeyTable = (
    (r"pos_embedding", r"positions"),
    (r"temporal_encoder\.(layers\..+)", r"\1"),  # torch's own layers in both
    (r"linear\.(weight|bias)", r"linear.\1"),
)
"""Published keys -> those of AttentionEncoder."""
