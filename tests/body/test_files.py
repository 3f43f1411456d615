"""Body files of every kind that users have, and of every kind that should be refused."""

import io
import os
import pickle
import struct
import sys
import types
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from scipy.sparse import csc_matrix

from anthropose.body.files import SMPL_PICKED, install_body, installed_bodies, load_body, read_body
from anthropose.errors import UserError
from tests.body.bodies import random_arrays


class Python2Pickler(pickle._Pickler):
    """Writes strings and bytes as Python 2 did, as SMPL's published files have them."""

    dispatch: ClassVar[dict[type, Any]] = dict(pickle._Pickler.dispatch)

    def save_text(self, text: str | bytes) -> None:
        data = text.encode("latin1") if isinstance(text, str) else text
        self.write(pickle.BINSTRING + struct.pack("<i", len(data)) + data)
        self.memoize(text)

    dispatch[str] = dispatch[bytes] = save_text


@pytest.fixture
def old_libraries(monkeypatch: pytest.MonkeyPatch) -> types.SimpleNamespace:
    """Classes with the names that the published pickles ask for: chumpy's, and scipy's of that time."""

    def make(module: str, name: str) -> type:
        kind = type(name, (), {"__module__": module})
        for part in (module.rpartition(".")[0], module):
            monkeypatch.setitem(sys.modules, part, sys.modules.get(part) or types.ModuleType(part))
        fake = types.ModuleType(module)
        setattr(fake, name, kind)
        monkeypatch.setitem(sys.modules, module, fake)
        return kind

    return types.SimpleNamespace(
        ch=make("chumpy.ch", "Ch"),
        select=make("chumpy.reordering", "Select"),
        sparse=make("scipy.sparse.csc", "csc_matrix"),
    )


def with_state(kind: type, **state: Any) -> Any:
    made = kind()
    made.__dict__.update(state)
    return made


def chumpy(libraries: types.SimpleNamespace, array: np.ndarray) -> Any:
    return with_state(libraries.ch, x=array.astype(np.float64), _dirty_vars={"x"}, _cache={"r": None})


def old_sparse(libraries: types.SimpleNamespace, array: np.ndarray) -> Any:
    made = csc_matrix(array.astype(np.float64))
    return with_state(
        libraries.sparse, _shape=made.shape, data=made.data, indices=made.indices, indptr=made.indptr, maxprint=50
    )


def dumped(content: Any, protocol: int = 2) -> bytes:
    buffer = io.BytesIO()
    Python2Pickler(buffer, protocol=protocol).dump(content)
    return buffer.getvalue()


def smpl_arrays(count: int = 60, directions: int = 10) -> dict[str, Any]:
    arrays: dict[str, Any] = random_arrays(count, directions=directions)
    del arrays["J_regressor_extra"], arrays["J_regressor_h36m"]
    return arrays


def assert_same_body(path: Path, arrays: dict[str, Any]) -> None:
    found = read_body(path)
    for key in ("v_template", "posedirs", "weights", "J_regressor"):
        np.testing.assert_allclose(found[key], arrays[key], atol=1e-6)
    np.testing.assert_allclose(found["shapedirs"], arrays["shapedirs"][..., :10], atol=1e-6)
    np.testing.assert_array_equal(found["f"], arrays["f"])


@pytest.mark.parametrize("protocol", [1, 2])
def test_old_pickles_with_chumpy_arrays_and_a_sparse_regressor_are_read(
    tmp_path: Path, old_libraries: types.SimpleNamespace, protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = smpl_arrays(directions=300)
    content = dict(arrays) | {
        "v_template": chumpy(old_libraries, arrays["v_template"]),
        "shapedirs": with_state(
            old_libraries.select,
            a=chumpy(old_libraries, arrays["shapedirs"]),
            idxs=np.arange(arrays["shapedirs"].size),
            preferred_shape=arrays["shapedirs"].shape,
        ),
        "posedirs": chumpy(old_libraries, arrays["posedirs"]),
        "weights": chumpy(old_libraries, arrays["weights"]),
        "J_regressor": old_sparse(old_libraries, arrays["J_regressor"]),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
        "pose_training_info": {"gender": "male", "numbers": [1, 2.5, None, np.float64(3)]},
    }
    path = tmp_path / "basicmodel_m_lbs_10_207_0_v1.1.0.pkl"
    path.write_bytes(dumped(content, protocol))
    for name in ("chumpy", "chumpy.ch", "chumpy.reordering", "scipy.sparse.csc"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    assert_same_body(path, arrays)
    assert "chumpy" not in sys.modules


def test_new_pickles_with_plain_arrays_are_read(tmp_path: Path) -> None:
    arrays = smpl_arrays()
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(arrays | {"J_regressor": csc_matrix(arrays["J_regressor"])}, protocol=4))
    assert_same_body(path, arrays)


def test_a_pickle_of_smpl_size_gets_the_published_vertices(tmp_path: Path) -> None:
    arrays = smpl_arrays(6890)
    del arrays["picked"], arrays["posedirs"]
    path = tmp_path / "smpl.pkl"
    path.write_bytes(dumped(arrays))
    body = load_body(path)
    assert body.picked.tolist() == list(SMPL_PICKED)
    assert body.pose_basis is None
    assert body.shaped(torch.zeros(10)).posed(torch.eye(3).expand(24, 3, 3)).body_54().isfinite().all()


class Running:
    """Unpickles by calling something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("inside_an_array", [False, True])
@pytest.mark.parametrize("function", [os.system, eval, exec, getattr, print, np.load, __import__])
def test_a_pickle_that_asks_for_anything_else_is_refused_before_it_runs(
    tmp_path: Path, old_libraries: types.SimpleNamespace, function: Any, inside_an_array: bool
) -> None:
    marker = tmp_path / "it-ran"
    trap = Running(function, f"touch {marker}")
    content = smpl_arrays()
    content["v_template"] = with_state(old_libraries.ch, x=trap) if inside_an_array else trap
    path = tmp_path / "SMPL_NEUTRAL.pkl"
    path.write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(UserError, match="refused") as refusal:
        load_body(path)
    assert str(path) in str(refusal.value)
    assert not marker.exists()


def test_a_file_cut_anywhere_is_refused_in_one_line(tmp_path: Path) -> None:
    arrays = smpl_arrays(30)
    pickled, zipped = tmp_path / "body.pkl", tmp_path / "body.npz"
    pickled.write_bytes(dumped(arrays))
    np.savez(zipped, **arrays)
    for path in (pickled, zipped):
        whole = path.read_bytes()
        for share in (0.0, 0.001, 0.1, 0.5, 0.9, 0.999):
            path.write_bytes(whole[: int(len(whole) * share)])
            with pytest.raises(UserError) as refusal:
                load_body(path)
            assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("name", ["body.pkl", "body.npz", "body.txt"])
@pytest.mark.parametrize("content", [b"just some text", b"\x80\x02]q\x00.", bytes(range(256)) * 10])
def test_files_of_another_kind_are_refused_in_one_line(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        load_body(path)
    assert "\n" not in str(refusal.value)


CHANGES = {
    "no weights": (lambda a: a.pop("weights"), "weights"),
    "SMPL-X": (lambda a: a.update(kintree_table=np.zeros((2, 55), int)), "SMPL-X"),
    "another tree": (lambda a: a.update(kintree_table=np.zeros((2, 24), int)), "tree"),
    "too few shapes": (lambda a: a.update(shapedirs=a["shapedirs"][..., :4]), "shapedirs"),
    "not finite": (lambda a: a["v_template"].__setitem__((3, 1), np.nan), "finite"),
    "faces past the end": (lambda a: a["f"].__setitem__((0, 0), 99), "triangles"),
    "text for numbers": (lambda a: a.update(weights=np.array(["a"])), "not a SMPL body"),
    "objects": (lambda a: a.update(weights=np.array([{}, None], object)), "whole"),
    "unnamed points": (lambda a: a.pop("picked"), "picked"),
}


@pytest.mark.parametrize(("change", "word"), CHANGES.values(), ids=CHANGES)
def test_bodies_that_are_not_smpl_are_refused_with_the_reason(tmp_path: Path, change: Any, word: str) -> None:
    arrays = smpl_arrays()
    change(arrays)
    np.savez(tmp_path / "body.npz", **arrays)
    with pytest.raises(UserError, match=word):
        load_body(tmp_path / "body.npz")


def test_unknown_names_list_the_bodies_at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"at hand are free;.*body add"):
        load_body("smpl_neutral")


def test_a_body_that_was_brought_in_is_known_by_name_with_the_regressors_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    arrays, full = smpl_arrays(), random_arrays()
    source = tmp_path / "SMPL NEUTRAL.pkl"
    source.write_bytes(dumped(arrays))
    assert install_body(source, "bare") == "bare"
    for key in ("J_regressor_extra", "J_regressor_h36m"):
        np.save(tmp_path / f"{key}.npy", full[key].astype(np.float64))
    assert install_body(source) == "smpl-neutral"
    assert installed_bodies() == ["free", "bare", "smpl-neutral"]
    source.unlink()
    bare, whole = load_body("bare"), load_body("smpl-neutral")
    assert whole.name == "smpl-neutral"
    assert bare.approximate
    assert bare.h36m_regressor is None
    assert not whole.approximate
    np.testing.assert_allclose(whole.extra_regressor, full["J_regressor_extra"], atol=1e-7)
    np.testing.assert_allclose(whole.h36m_regressor, full["J_regressor_h36m"], atol=1e-7)
    np.testing.assert_allclose(whole.template, arrays["v_template"])


@pytest.mark.parametrize("name", ["free", "../elsewhere", "a b"])
def test_names_that_would_mislead_are_refused(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path))
    np.savez(tmp_path / "body.npz", **smpl_arrays())
    with pytest.raises(UserError, match="name"):
        install_body(tmp_path / "body.npz", name)
    assert installed_bodies() == ["free"]


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").write_text("a file where the folder should be")
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    np.savez(tmp_path / "body.npz", **smpl_arrays())
    with pytest.raises(UserError):
        install_body(tmp_path / "body.npz")


def test_missing_files_and_wrong_regressors_are_reported(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        install_body(tmp_path / "nothing.pkl")
    np.savez(tmp_path / "body.npz", **smpl_arrays())
    np.save(tmp_path / "J_regressor_extra.npy", np.zeros((3, 60)))
    with pytest.raises(UserError, match="expected 9 rows"):
        load_body(tmp_path / "body.npz")


def test_guessed_joints_come_near_the_free_bodys_own(tmp_path: Path) -> None:
    arrays = {key: value for key, value in read_body(FREE).items() if not key.startswith("J_regressor_")}
    np.savez(tmp_path / "body.npz", **arrays)
    body, free = load_body(tmp_path / "body.npz"), load_body()
    assert body.approximate
    error = ((body.extra_regressor - free.extra_regressor) @ free.template).norm(dim=1)
    assert error.max() < 0.03


FREE = Path(sys.modules["anthropose"].__file__ or "").parent / "data" / "free_body.npz"
