"""Parity checks of what the systems share (vibe_base spec)."""

KINDS = {}
