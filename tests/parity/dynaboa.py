"""Parity checks of dynaboa."""

KINDS: dict = {}
