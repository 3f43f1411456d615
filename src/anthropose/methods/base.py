"""What every method offers, and the table of those that are known."""

from collections.abc import Callable
from importlib import import_module
from typing import Protocol, runtime_checkable

from anthropose.errors import UserError
from anthropose.motion import Motion
from anthropose.people.clip import Clip

Progress = Callable[[float], None]
"""Called with the share that is done, from 0 to 1."""

METHODS = {
    "smplify": "anthropose.methods.smplify:SMPLify",
}
"""Name -> module:class, imported when asked for. `my_package.mine:Mine` works in place of a name as well."""


@runtime_checkable
class Method(Protocol):
    """Turns a clip of one person into a motion."""

    name: str

    def reconstruct(self, clip: Clip, progress: Progress = ...) -> Motion:
        """The person's motion in the frames of the clip's track."""
        ...


def find_method(name: str) -> type:
    """The class of the method called `name`.

    Raises:
        UserError: no such method; the message lists those that are known.
    """
    target = METHODS.get(name, name)
    module, _, attribute = target.partition(":")
    if not attribute:
        raise UserError(f"no method {name!r}; known: {', '.join(METHODS)}, or package.module:Class for one of your own")
    try:
        return getattr(import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise UserError(f"method {target}: {error}; expected package.module:Class that can be imported") from error
