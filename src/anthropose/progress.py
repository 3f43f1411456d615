"""How long work tells how far it is."""

from collections.abc import Callable

StageProgress = Callable[[str, float], None]
"""Called with the name of the stage and the share of it that is done, from 0 to 1."""


def silent(stage: str, share: float) -> None:
    """Tells nobody."""
