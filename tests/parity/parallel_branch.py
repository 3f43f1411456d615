"""Parity checks of parallel_branch."""

KINDS: dict = {}
