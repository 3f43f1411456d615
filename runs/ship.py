"""Puts weights of ours into the package, as 16-bit numbers: python runs/ship.py OUT/METHOD-PRESET.safetensors NAME."""

import sys
from pathlib import Path

import torch

from anthropose.nn.checkpoints.installed import shipped_folder
from anthropose.nn.checkpoints.stored import read_header, read_tensors, write_weights


def main(path: str, name: str) -> None:
    weights, tensors = read_header(Path(path)), read_tensors(Path(path))
    halved = {key: value.half() if value.dtype == torch.float32 else value for key, value in tensors.items()}
    worst = max(float((halved[key].float() - value).abs().max()) for key, value in tensors.items())
    if any(not bool(value.isfinite().all()) for value in halved.values()):
        raise SystemExit(f"{path}: some numbers do not fit into 16 bits")
    target = shipped_folder() / f"{name}.safetensors"
    write_weights(weights, halved, target)
    print(f"{target}: {target.stat().st_size / 1e6:.1f} MB, off by at most {worst:.1e}, made by `{weights.source}`")


if __name__ == "__main__":
    main(*sys.argv[1:])
