"""Rotations, cameras, alignment and filters: pure functions on tensors."""
