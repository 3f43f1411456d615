"""Parity checks of protocols."""

KINDS: dict = {}
