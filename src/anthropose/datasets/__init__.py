"""Labelled clips: sequences, the windows cut from them, and the files that they are read from."""
