"""How published checkpoints become ours: tables of names, and strict renaming by them.

Each method's file ends with one `Published` that says how its checkpoints look.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch import Tensor

from anthropose.errors import UserError

KeyTable = tuple[tuple[str, str | None], ...]
"""(pattern of the whole published key, what replaces it); None drops the entry. The first pattern that fits counts."""

BODY_BUFFERS = (r"(.*\.)?smpl\..*", None)
"""Checkpoints of the VIBE family carry a licensed body model: it is dropped, and never stored again."""


@dataclass(frozen=True)
class Published:
    """How one system's checkpoint is told from the others', and what it becomes here."""

    system: str
    """The method's name in METHODS, or the name of a shared network such as "spin"."""
    title: str
    """What a user calls it: "TCMR (CVPR 2021)"."""
    page: str
    """Where its files are published, for the error that asks for one."""
    files: tuple[str, ...]
    """The names of the published files."""
    entry: str
    """The entry of the checkpoint that holds the state dict; empty where the file is the state dict itself."""
    signature: tuple[str, ...]
    """Patterns of whole published keys (without `module.`); each fits some key of every file of this system."""
    keys: KeyTable
    """Published key -> ours."""
    config: Callable[[Mapping[str, Tensor]], Any]
    """The configuration (a dataclass of plain numbers) that fits the tensors, which already have our names."""
    network: Callable[[Any], Any]
    """From the configuration to the network, whose state dict has our names."""
    absent: tuple[str, ...] = ()
    """Patterns that no key of this system's files fits; signature and these together fit no other system's files."""
    front_end: Literal["image", "keypoints"] = "image"
    """What the network is fed with: features of image crops (or the crops themselves), or keypoints."""
    own: tuple[str, ...] = ()
    """Patterns of our names, each of which fits some tensor: they tell networks of one system and front end apart."""
    only_when_asked: bool = False
    """Whether a file is taken for this system's only when the user names the system, as for weights of a relative."""

    def fits(self, keys: Iterable[str]) -> bool:
        """Whether a state dict with these keys is this system's."""
        keys = list(keys)
        return _all_found(self.signature, keys) and not any(_all_found((one,), keys) for one in self.absent)

    def is_layout_of(self, names: Iterable[str]) -> bool:
        """Whether tensors with these names, ours, belong to this network."""
        return _all_found(self.own, list(names))


def _all_found(patterns: Iterable[str], keys: list[str]) -> bool:
    return all(any(re.fullmatch(pattern, key) for key in keys) for pattern in patterns)


def renamed(state: Mapping[str, Tensor], table: KeyTable) -> dict[str, Tensor]:
    """The tensors under our names.

    Raises:
        UserError: keys that no pattern of the table fits, or two keys that become the same.
    """
    ours: dict[str, Tensor] = {}
    foreign = []
    for key, value in state.items():
        for pattern, replacement in table:
            match = re.fullmatch(pattern, key)
            if match is None:
                continue
            if replacement is not None:
                name = match.expand(replacement)
                if name in ours:
                    raise UserError(f"two entries of the checkpoint become {name}; the second is {key}")
                ours[name] = value
            break
        else:
            foreign.append(key)
    if foreign:
        raise UserError(f"{len(foreign)} entries do not belong to this network: {', '.join(foreign[:5])}")
    return ours
