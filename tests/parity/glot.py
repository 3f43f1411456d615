"""Parity checks of glot."""

KINDS: dict = {}
