"""Parity checks of rie."""

KINDS: dict = {}
