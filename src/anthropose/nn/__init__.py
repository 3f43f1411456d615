"""Networks and layers that several methods share; each does arithmetic only and is given its body and its files."""
