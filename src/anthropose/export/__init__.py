"""Motions in the formats of other programs, and the report about them."""
