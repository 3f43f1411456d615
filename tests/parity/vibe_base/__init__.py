"""Parity checks of what the systems share (vibe_base spec)."""

from tests.parity.vibe_base import arithmetic, networks

KINDS = arithmetic.KINDS | networks.KINDS
