"""Parity checks of GLoT (glot spec)."""

from tests.parity.glot import networks, training

KINDS = networks.KINDS | training.KINDS
