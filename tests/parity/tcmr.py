"""Parity checks of tcmr."""

KINDS: dict = {}
