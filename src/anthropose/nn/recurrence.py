"""One layer of a gated recurrent unit, run step by step over input products that were computed elsewhere.

Neighbouring windows of a track see nearly the same frames. torch's GRU multiplies each frame by the input weights again
in every window that sees it; here the caller does so once for each frame, and runs the steps of many windows together.
"""

from collections.abc import Iterable, Iterator, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, addcmul, addmm, lerp, nn


class GRULayer:
    """One direction of one layer of a `torch.nn.GRU`, as a view of its weights. For inference: steps keep no gradients.

    r = sigmoid(Wr x + Ur h), z = sigmoid(Wz x + Uz h), n = tanh(Wn x + r * (Un h)), h' = (1 - z) n + z h, each product
    with its bias. The state before the first step is zero.
    """

    def __init__(self, gru: nn.GRU, layer: int = 0, reverse: bool = False) -> None:
        end = f"_l{layer}" + ("_reverse" if reverse else "")
        self._input, recurrent = getattr(gru, "weight_ih" + end).detach(), getattr(gru, "weight_hh" + end).detach()
        h = self._width = gru.hidden_size
        self._gates, self._new = recurrent[: 2 * h].T, recurrent[2 * h :].T
        # The biases of r and z on both sides only ever appear as their sums.
        self._bias = getattr(gru, "bias_ih" + end).detach().clone()
        bias = getattr(gru, "bias_hh" + end).detach()
        self._bias[: 2 * h] += bias[: 2 * h]
        self._new_bias = bias[2 * h :]

    def products(self, inputs: Float[Tensor, "n f"]) -> Float[Tensor, "n g"]:
        """W x and its biases, for r, z and n in a row: what a step needs of its input, whatever the state."""
        return nn.functional.linear(inputs, self._input, self._bias)

    def step(self, products: Float[Tensor, "n g"], state: Float[Tensor, "n h"] | None) -> Float[Tensor, "n h"]:
        """The next state of n sequences. `products` may be overwritten; no `state` is the zeros of the start."""
        gates, new = products.split([2 * self._width, self._width], dim=1)
        if state is None:
            reset, keep = gates.sigmoid_().chunk(2, dim=1)
            fresh = addcmul(new, reset, self._new_bias.to(new.dtype)).tanh_()
            return fresh.addcmul_(keep, fresh, value=-1)
        reset, keep = addmm(gates, state, self._gates).sigmoid_().chunk(2, dim=1)
        fresh = addmm(self._new_bias, state, self._new).mul_(reset).add_(new).tanh_()
        return lerp(fresh, state, keep)

    def states(self, products: Iterable[Float[Tensor, "n g"]]) -> Iterator[Float[Tensor, "n h"]]:
        """The state after each step, beginning from zeros; `products` come in the order of the steps."""
        state = None
        for product in products:
            state = self.step(product, state)
            yield state

    def after(self, inputs: Iterable[Float[Tensor, "n f"]]) -> Iterator[Float[Tensor, "n h"]]:
        """The state after each step, where every step has an input of its own."""
        return self.states(map(self.products, inputs))

    def after_frames(
        self, frames: Float[Tensor, "n f"], steps: Sequence[Int[Tensor, "w"]]
    ) -> Iterator[Float[Tensor, "w h"]]:
        """The state of w sequences after each step, where sequence i reads `frames[steps[k][i]]` at step k."""
        products = self.products(frames)
        return self.states(products.index_select(0, step) for step in steps)


def last_state(gru: nn.GRU, frames: Float[Tensor, "n f"], steps: Sequence[Int[Tensor, "w"]]) -> Float[Tensor, "w h"]:
    """The top layer's state after the last step, in w sequences of `frames` as in `GRULayer.after_frames`."""
    states = GRULayer(gru).after_frames(frames, steps)
    for layer in range(1, gru.num_layers):
        states = GRULayer(gru, layer).after(states)
    return _last(states)


def middle_state(
    gru: nn.GRU, frames: Float[Tensor, "n f"], steps: Sequence[Int[Tensor, "w"]], middle: int
) -> Float[Tensor, "w d"]:
    """The top layer's states at step `middle` of a bidirectional GRU, forward and backward, in w sequences of `frames`.

    The top layer is run only as far as the middle from either end; the layers below it, on which all of its steps
    depend, are run whole.
    """
    inputs: list[Tensor] = []
    for layer in range(gru.num_layers):
        onward, back = GRULayer(gru, layer), GRULayer(gru, layer, reverse=True)
        top = layer == gru.num_layers - 1
        there, here = slice(middle + 1 if top else None), slice(middle if top else None, None)
        if layer == 0:
            states = onward.after_frames(frames, steps[there]), back.after_frames(frames, steps[here][::-1])
        else:
            states = onward.after(inputs[there]), back.after(inputs[here][::-1])
        if top:
            return torch.cat([_last(states[0]), _last(states[1])], dim=1)
        forward, backward = list(states[0]), list(states[1])
        inputs = [torch.cat(pair, dim=1) for pair in zip(forward, reversed(backward), strict=True)]
    raise AssertionError("a GRU has at least one layer")


def _last(states: Iterator[Float[Tensor, "n h"]]) -> Float[Tensor, "n h"]:
    state = next(states)
    for state in states:  # noqa: B007 - earlier states are let go of on the way
        pass
    return state
