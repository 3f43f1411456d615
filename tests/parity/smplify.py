"""Parity checks of Temporal SMPLify (temporal_smplify spec)."""

KINDS = {}
