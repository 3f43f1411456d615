"""What a user can set about live use; light to import, since the command line is made from it."""

from dataclasses import dataclass
from typing import Annotated, Literal

from tyro.conf import arg


@dataclass(frozen=True)
class Live:
    """How a camera is shown while it runs."""

    live: bool = False
    """Reconstruct and draw as the camera runs, or a file played as if it were one; recorded only where --out is
    given."""
    adapt: bool = False
    """With --live: the network goes on learning about each person while the session runs, as dynaboa does in files;
    --preset says how."""
    show: Annotated[Literal["auto", "window", "page"], arg(help_behavior_hint="")] = "auto"
    """With --live: where the picture is shown. auto takes a window where there is a display, else a page for a browser
    on this machine."""
    host: Annotated[str, arg(metavar="ADDRESS", help_behavior_hint="")] = "127.0.0.1"
    """With --live: the address that the page is offered on. Any other than this machine's own shows the camera to
    everyone who can reach it."""
    port: Annotated[int, arg(metavar="N", help_behavior_hint="")] = 8008
    """With --live: the page's port; the next free one where it is taken."""
