"""Adaptation while a session runs: each person's network goes on learning, beside the pipeline and never in its way.

The pipeline offers windows of keypoints and takes what is there: a thread of its own adapts to the newest one
(DynaBOA's two levels, with its guard) and puts a network with the new weights in the place of the one in use. A window
that it has no time for is not adapted to.
"""

import math
import time
from collections.abc import Callable
from pathlib import Path
from threading import Condition, Thread

from jaxtyping import Float
from torch import Tensor

from anthropose.body.model import BodyModel
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.live.figures import Learnt
from anthropose.methods.dynaboa.config import WindowConfig
from anthropose.methods.dynaboa.window_exemplars import SHIPPED, WindowBank
from anthropose.methods.dynaboa.windows import WindowAdaptation, same_network, with_weights
from anthropose.methods.streaming import Instant, KeypointStreamer, Streamer, StreamingMethod
from anthropose.motion import Camera
from anthropose.skeleton import Skeleton

MOST = 4
"""People who are adapted to at the same time: each takes nine times the memory of the weights."""
REST = 0.2
"""For each second of adapting, so many are left to the pipeline alone.

Measured on 2 cores: a lower priority of the thread gives fewer steps and no more pictures."""


class AdaptingMethod:
    """A method whose network adapts to each person for as long as he or she is there; see `Ending`.

    Every person has weights of their own, as every track has in a file: what one's body teaches says little of
    another's, one whose adaptation goes wrong spoils nobody else's, and it ends when the person has left.
    """

    def __init__(
        self,
        method: StreamingMethod,
        body: BodyModel,
        config: WindowConfig,
        exemplars: Path | None = None,
        told: Callable[[Learnt], None] = lambda learnt: None,
    ) -> None:
        """
        Args:
            config: how windows are adapted to.
            exemplars: a file of WindowBank, where the configuration wants some; those that come along otherwise.
            told: called after each step, with what was done so far for all.
        """
        self.name = f"{method.name}+dynaboa"
        self.weights = getattr(method, "weights", None)
        self.config = config
        self.learning = Learning(told)
        self._method, self._body = method, body
        self._prior = GaussianMixturePrior.load()
        self._bank = WindowBank.load(exemplars or SHIPPED) if config.lower.labelled or config.upper.labelled else None

    def stream(self, skeleton: Skeleton, camera: Camera) -> Streamer:
        """See `StreamingMethod.stream`.

        Raises:
            UserError: the method or its weights cannot be used live.
        """
        return AdaptingStreamer(self._fed(self._method.stream(skeleton, camera)), self, camera)

    def check(self, skeleton: Skeleton) -> None:
        """
        Raises:
            UserError: the network cannot be adapted.
        """
        streamer = self._fed(self._method.stream(skeleton, Camera.guess(640, 480)))
        try:
            self.adaptation(streamer).predict(streamer.shown)
        except UserError as error:
            raise UserError(f"--adapt: {error}") from error

    def adaptation(self, streamer: KeypointStreamer) -> WindowAdaptation:
        """An adaptation that begins with the network's own weights."""
        device = streamer.compute.place()
        bank, skeleton, network = self._bank, streamer.known, streamer.network
        windows = None if bank is None else bank.retrieval_for(network, skeleton)
        body = self._body.to(device)
        return WindowAdaptation(same_network(network), skeleton, body, self._prior, self.config, windows)

    def end(self) -> None:
        """Ends all adaptation; returns once it has ended."""
        self.learning.close()

    def _fed(self, streamer: Streamer) -> KeypointStreamer:
        if not isinstance(streamer, KeypointStreamer):
            raise UserError(
                f"--adapt: method {self._method.name} has no network that is fed with keypoints; leave the option away"
            )
        return streamer


class AdaptingStreamer:
    """One person, whose network is another one every now and then."""

    def __init__(self, streamer: KeypointStreamer, method: AdaptingMethod, camera: Camera) -> None:
        self._streamer, self._method = streamer, method
        self._first = streamer.network
        self._adaptation: WindowAdaptation | None = None
        self._focal = camera.focal / math.hypot(*camera.size)
        # As in files, where windows are so many frames apart and are gone through so many times.
        self._every = method.config.step / method.config.passes / streamer.rate
        self._due = -math.inf

    def step(self, keypoints: Float[Tensor, "k 3"], box: Float[Tensor, "4"], seconds: float) -> Instant:
        """See `Streamer.step`."""
        instant = self._streamer.step(keypoints, box, seconds)
        if self._streamer.is_filled and seconds >= self._due:
            self._due = seconds + self._every
            self._method.learning.offer(self, self._streamer.shown)
        return instant

    def end(self) -> None:
        """The person has left."""
        self._method.learning.forget(self)

    def learn(self, window: Float[Tensor, "t i"]) -> Learnt:
        """Adapts to a window and hands the new weights to the pipeline; called in the thread that adapts."""
        self._adaptation = self._adaptation or self._method.adaptation(self._streamer)
        adapted = self._adaptation.adapt(window, self._focal, self._streamer.rate)
        if not adapted.undone and not adapted.blind:
            # The pipeline may be using the network at this moment: it gets another one.
            self._streamer.network = with_weights(self._first, self._adaptation.weights)
        return Learnt(int(not adapted.blind), int(adapted.undone or adapted.restarted))


class Learning:
    """The thread that adapts, for everyone in turns: the newest window of whoever has waited longest."""

    def __init__(self, told: Callable[[Learnt], None]) -> None:
        self.learnt = Learnt()
        self._told = told
        self._changed = Condition()
        self._waiting: dict[AdaptingStreamer, Tensor | None] = {}
        """Those who are adapted to, the one whose turn was last at the end, each with the newest window."""
        self._thread: Thread | None = None
        self._closed = False
        self._error: BaseException | None = None

    @property
    def people(self) -> int:
        """How many are adapted to."""
        return len(self._waiting)

    def offer(self, person: AdaptingStreamer, window: Float[Tensor, "t i"]) -> None:
        """Gives the newest window of a person, in place of one that there was no time for.

        Raises:
            BaseException: what went wrong in the thread that adapts.
        """
        with self._changed:
            if self._error is not None:
                raise self._error
            if self._closed or (person not in self._waiting and len(self._waiting) >= MOST):
                return
            self._waiting[person] = window
            if self._thread is None:
                self._thread = Thread(target=self._run, name="live-adapt", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def forget(self, person: AdaptingStreamer) -> None:
        """Ends the adaptation to a person, after the step that is being made."""
        with self._changed:
            self._waiting.pop(person, None)

    def close(self) -> None:
        """Ends the thread, after the step that is being made."""
        with self._changed:
            self._closed = True
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            while self._one_turn():
                pass
        except BaseException as error:
            self._error = error

    def _one_turn(self) -> bool:
        """One step for whoever's turn it is, and the rest after it; whether to go on."""
        turn = self._next()
        if turn is None:
            return False
        begun = time.monotonic()
        self.learnt += turn[0].learn(turn[1])
        self._told(self.learnt)
        with self._changed:
            self._changed.wait_for(lambda: self._closed, REST * (time.monotonic() - begun))
        return True

    def _next(self) -> tuple[AdaptingStreamer, Tensor] | None:
        """Waits for whose turn it is, and the window; None at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or any(one is not None for one in self._waiting.values()))
            for person, window in self._waiting.items():
                if window is not None:
                    del self._waiting[person]
                    self._waiting[person] = None
                    return person, window
        return None
