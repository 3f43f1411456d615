"""Imports point one way, from geometry up to the command line."""

import ast
from pathlib import Path

import anthropose

LAYERS = [
    ["errors", "progress", "settings", "colours", "unchecked"],
    ["writing"],
    ["workspace"],
    ["geometry"],
    ["skeleton"],
    ["motion"],
    ["body", "video"],
    ["people"],
    ["nn", "datasets", "losses", "jobs", "schedules", "metrics", "render", "export"],
    ["methods", "synthetic"],
    ["reconstruction", "train", "evaluate", "viewer", "web"],
    ["outputs", "capture", "preparing", "live"],
    ["demo", "doctor", "display"],
    ["cli"],
    ["__main__"],
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
ROOT = Path(anthropose.__file__).parent


def test_modules_import_only_from_lower_layers_or_their_own_folder() -> None:
    for path in ROOT.rglob("*.py"):
        own = path.relative_to(ROOT).parts[0].removesuffix(".py")
        if own == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("anthropose."):
                other = node.module.split(".")[1]
                assert other == own or RANK[other] < RANK[own], f"{path.relative_to(ROOT)} imports {node.module}"
