"""Readers of the data sets as their makers publish them, one file per release."""
