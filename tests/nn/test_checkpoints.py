"""Published checkpoints: whose they are, what they become, and what is refused."""

import copyreg
import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from anthropose.errors import UserError
from anthropose.methods.base import known_systems
from anthropose.nn import checkpoints
from anthropose.nn.checkpoints import (
    convert,
    find_weights,
    install_weights,
    installed_weights,
    load_network,
    read_checkpoint,
    shipped_weights,
    weights_folder,
    weights_table,
)
from anthropose.nn.weights import Published
from tests.nn.published_files import FILES, made, save, smpl, tcmr, vibe, vibe_family, write_case

SYSTEMS = known_systems()


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty place for what is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def published(system: str) -> tuple[Published, ...]:
    return tuple(one for one in SYSTEMS if one.system == system)


def refusal(call: Callable[[], Any]) -> str:
    """The one line with which a call is refused."""
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("case", FILES)
def test_a_published_file_is_recognised_and_every_tensor_finds_its_place(tmp_path: Path, case: str, old: bool) -> None:
    system = FILES[case][0]
    path = write_case(case, tmp_path, old)
    weights, lines = install_weights(path, SYSTEMS)
    assert weights.system == system
    assert weights.source == path.name
    assert published(system)[0].title in lines[0]
    assert str(weights.path) in lines[-1]
    network = load_network(weights.name, published(system))
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    state = {key.removeprefix("module."): value for key, value in made(FILES[case][2]()).items()}
    ours, theirs = network.state_dict(), sorted(float(value.double().sum()) for value in state.values())
    for key, value in ours.items():
        assert float(value.double().sum()) in theirs, f"{key} has not the values of any published tensor"
    assert len(ours) <= len(state)


@pytest.mark.parametrize("case", FILES)
def test_every_file_fits_one_system_and_no_other(case: str) -> None:
    system, _, shapes, _ = FILES[case]
    keys = [key.removeprefix("module.") for key in shapes()]
    fitting = [one.system for one in SYSTEMS if not one.only_when_asked and one.fits(keys)]
    assert fitting == [system]


def test_the_header_holds_all_that_loading_needs(tmp_path: Path) -> None:
    path = write_case("tcmr", tmp_path)
    weights, _ = install_weights(path, SYSTEMS)
    with safe_open(weights.path, framework="pt") as file:
        header = file.metadata()
        keys = list(file.keys())
    assert header["format"] == "anthropose-weights/1"
    known = json.loads(header["weights"])
    assert known["system"] == "tcmr"
    assert known["config"]["hidden"] == 4
    assert known["config"]["features"] == 16
    assert known["front_end"] == "image"
    assert known["source"] == "tcmr_demo_model.pth.tar"
    assert known["sha256"] == weights.sha256
    assert len(weights.sha256) == 64
    assert not any("smpl" in key for key in keys)


def test_what_is_stored_counts_where_shapes_do_not_tell(tmp_path: Path) -> None:
    weights, _ = install_weights(write_case("glot", tmp_path), SYSTEMS)
    tensors = load_network(weights, published("glot")).state_dict()
    checkpoints.write_weights(replace(weights, config={**weights.config, "heads": 2}), tensors, weights.path)
    network = load_network(weights.name, published("glot"))
    assert network.config.heads == 2
    assert network.config.token_hidden == (5, 7), "lists of JSON are tuples again"


@pytest.mark.parametrize("components", [10, 300])
def test_body_models_inside_are_dropped_whatever_their_size(tmp_path: Path, components: int) -> None:
    state = made({**tcmr(), **smpl("regressor.", components, vertices=30)})
    weights, lines = install_weights(save(vibe_family(state), tmp_path / "tcmr.pth.tar"), SYSTEMS)
    assert any("dropped, of a body model or unused: 11" in line for line in lines)
    without = {key: value for key, value in state.items() if "smpl" not in key}
    again, lines = install_weights(save(vibe_family(without), tmp_path / "other.pth.tar"), SYSTEMS)
    assert not any("dropped" in line for line in lines)
    one, two = (load_network(found, published("tcmr")).state_dict() for found in (weights, again))
    assert all(torch.equal(one[key], two[key]) for key in one)


def test_a_prefix_and_a_bare_state_dict_are_taken_as_well(tmp_path: Path) -> None:
    state = made(tcmr())
    plain, _ = install_weights(save(vibe_family(state), tmp_path / "plain.pth.tar"), SYSTEMS)
    prefixed = {f"module.{key}": value for key, value in state.items()}
    for content in (vibe_family(prefixed), state):
        other, _ = install_weights(save(content, tmp_path / "other.pth.tar"), SYSTEMS)
        one, two = (load_network(found, published("tcmr")).state_dict() for found in (plain, other))
        assert all(torch.equal(one[key], two[key]) for key in one)


@pytest.mark.parametrize("old", [False, True])
def test_numpy_objects_become_nothing(tmp_path: Path, old: bool) -> None:
    objects = {
        "scalar": np.float64(52.7),
        "small": np.float32(1.5),
        "whole": np.int64(3),
        "array": np.arange(6.0).reshape(2, 3),
        "shuffler": np.random.RandomState(1),
        "generator": np.random.default_rng(2),
        "list": [np.float64(1.0), "text", 2],
        "weights": torch.ones(2),
    }
    found = read_checkpoint(save(objects, tmp_path / "file.pt", old))
    assert found["weights"].tolist() == [1, 1]
    assert found["list"][1:] == ["text", 2]
    kept = [found[key] for key in ("scalar", "small", "whole", "array", "shuffler", "generator")] + [found["list"][0]]
    for value in kept:
        assert not isinstance(value, np.generic | np.ndarray | np.random.RandomState | np.random.Generator)
        assert not vars(value), "a stand-in keeps nothing of what it is given"


class Running:
    """Unpickles by calling something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "function", [os.system, eval, exec, getattr, print, np.load, __import__, copyreg._reconstructor]
)
def test_a_file_that_asks_for_code_is_refused_before_it_runs(tmp_path: Path, function: Any, old: bool) -> None:
    marker = tmp_path / "it-ran"
    state = made(tcmr())
    content = {**vibe_family(state), "performance": Running(function, f"touch {marker}")}
    path = save(content, tmp_path / "tcmr.pth.tar", old)
    line = refusal(lambda: install_weights(path, SYSTEMS))
    assert "refused" in line
    assert str(path) in line
    assert not marker.exists()
    assert not installed_weights()


@pytest.mark.parametrize("old", [False, True])
def test_a_file_cut_anywhere_is_refused(tmp_path: Path, old: bool) -> None:
    whole = write_case("rie, stage 1", tmp_path, old).read_bytes()
    path = tmp_path / "cut.bin"
    for share in (0.0, 0.0005, 0.01, 0.3, 0.9, 0.9995):
        path.write_bytes(whole[: int(len(whole) * share)])
        line = refusal(lambda: install_weights(path, SYSTEMS))
        assert "is empty" in line if share == 0 else "cut short" in line
    assert not installed_weights()


@pytest.mark.parametrize(
    "content", [b"just some text", b"\x80\x02]q\x00.", bytes(range(256)) * 10, b"\x00" * 100, b"PK\x03\x04 no zip"]
)
def test_a_foreign_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "movie.pt"
    path.write_bytes(content)
    assert str(path) in refusal(lambda: install_weights(path, SYSTEMS))


def test_files_that_hold_something_else_are_refused(tmp_path: Path) -> None:
    missing = tmp_path / "absent.pth.tar"
    assert "no such file" in refusal(lambda: install_weights(missing, SYSTEMS))
    assert "no such file" in refusal(lambda: install_weights(tmp_path, SYSTEMS))
    array = save(torch.ones(3), tmp_path / "tensor.pt")
    assert "named entries" in refusal(lambda: install_weights(array, SYSTEMS))
    foreign = save({"state_dict": {"backbone.conv.weight": torch.ones(3)}}, tmp_path / "foreign.pt")
    line = refusal(lambda: install_weights(foreign, SYSTEMS))
    assert "no system that is known" in line
    assert "TCMR" in line
    empty = save({}, tmp_path / "nothing.pt")
    assert "nothing" in refusal(lambda: install_weights(empty, SYSTEMS))


def test_tensors_that_are_missing_left_over_or_of_another_shape_are_listed(tmp_path: Path) -> None:
    def line(change: Callable[[dict[str, torch.Tensor]], Any]) -> str:
        state = made(tcmr())
        change(state)
        path = save(vibe_family(state), tmp_path / "tcmr.pth.tar")
        return refusal(lambda: install_weights(path, SYSTEMS))

    assert "regressor.hidden2.bias is missing" in line(lambda state: state.pop("regressor.fc2.bias"))
    assert "encoder.extra" in line(lambda state: state.update({"encoder.extra": torch.ones(2)}))
    grown = line(lambda state: state.update({"regressor.fc2.bias": torch.ones(7)}))
    assert "regressor.hidden2.bias is 7, not 1024" in grown

    def without(part: str) -> str:
        state = {key: value for key, value in made(tcmr()).items() if part not in key}
        return refusal(lambda: install_weights(save(vibe_family(state), tmp_path / "tcmr.pth.tar"), SYSTEMS))

    assert "past.gru.weight_hh_l0 is missing; past.gru.weight_hh_l1 is missing" in without("gru_bef.weight_hh")
    assert without("gru_aft").endswith("and 3 more"), "eight are missing, five of them are named"
    assert "sizes cannot be told" in without("fc1")


def test_dynaboa_refuses_running_statistics(tmp_path: Path) -> None:
    path = write_case("spin, SPIN's own", tmp_path)
    line = refusal(lambda: install_weights(path, SYSTEMS, system="dynaboa"))
    assert "is a file of SPIN (ICCV 2019), not of DynaBOA" in line


def test_vibes_file_becomes_parallel_branchs_only_when_asked_for(tmp_path: Path) -> None:
    path = write_case("vibe", tmp_path)
    plain, _ = install_weights(path, SYSTEMS)
    assert plain.system == "vibe"
    taken = refusal(lambda: install_weights(path, SYSTEMS, system="parallel-branch"))
    assert "--name" in taken, "the name is VIBE's by now"
    other, _ = install_weights(path, SYSTEMS, "other", "parallel-branch")
    assert other.system == "parallel-branch"
    one, two = load_network(plain, published("vibe")), load_network("other", published("parallel-branch"))
    features = torch.randn(1, 20, 16)
    assert torch.allclose(one(features).pose.rotations, two(features).pose.rotations, atol=1e-6)
    assert "no system 'nonsense'" in refusal(lambda: install_weights(path, SYSTEMS, system="nonsense"))


def test_weights_are_found_by_method_by_name_and_by_path(tmp_path: Path) -> None:
    known = published("vibe")
    line = refusal(lambda: find_weights("", known))
    for part in ("vibe_model_w_3dpw.pth.tar", "https://github.com/mkocabas/VIBE", "anthropose weights add"):
        assert part in line
    path = write_case("vibe", tmp_path)
    direct = load_network(str(path), known).state_dict()
    install_weights(path, SYSTEMS)
    for name in ("", "vibe_model_w_3dpw", str(weights_folder() / "vibe_model_w_3dpw.safetensors")):
        state = load_network(name, known).state_dict()
        assert all(torch.equal(state[key], direct[key]) for key in direct)
    assert "no weights 'nonsense'" in refusal(lambda: find_weights("nonsense", known))
    assert "belong to vibe" in refusal(lambda: find_weights("vibe_model_w_3dpw", published("tcmr")))


def test_among_several_the_one_named_after_the_system_is_the_usual_one(tmp_path: Path) -> None:
    path = write_case("vibe", tmp_path)
    install_weights(path, SYSTEMS, "one")
    install_weights(path, SYSTEMS, "two")
    assert "one, two; choose with --weights" in refusal(lambda: find_weights("", published("vibe")))
    install_weights(path, SYSTEMS, "vibe")
    assert find_weights("", published("vibe")).name == "vibe"


def test_what_one_machine_installed_another_takes_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = install_weights(write_case("vibe", tmp_path), SYSTEMS)
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "elsewhere"))
    again, _ = install_weights(first.path, SYSTEMS)
    assert replace(again, path=first.path) == first
    assert "elsewhere" in str(again.path)
    foreign = tmp_path / "foreign.safetensors"
    save_file({"a": torch.ones(2)}, foreign)
    assert "not weights that anthropose wrote" in refusal(lambda: install_weights(foreign, SYSTEMS))
    assert "anthropose wrote" in refusal(lambda: find_weights(str(foreign), published("vibe")))


def test_installed_files_that_were_damaged_are_told(tmp_path: Path) -> None:
    weights, _ = install_weights(write_case("vibe", tmp_path), SYSTEMS)
    whole = weights.path.read_bytes()
    for cut in (0, 7, 100, len(whole) - 10):
        weights.path.write_bytes(whole[:cut])
        assert "install" in refusal(lambda: load_network("vibe_model_w_3dpw", published("vibe")))
    assert installed_weights() == []
    install_weights(write_case("vibe", tmp_path), SYSTEMS)
    assert len(installed_weights()) == 1, "what is damaged can be installed over"


@pytest.mark.parametrize("name", ["../escape", "a/b", "", ".hidden", "with space"])
def test_names_that_are_no_file_names_are_refused(tmp_path: Path, name: str) -> None:
    path = save(vibe_family(made(vibe())), tmp_path / "....pth.tar" if not name else tmp_path / "vibe.pth.tar")
    assert "cannot be a name" in refusal(lambda: install_weights(path, SYSTEMS, name))


def test_the_table_lists_what_is_there_and_where_to_get_the_rest(tmp_path: Path) -> None:
    install_weights(write_case("vibe", tmp_path), SYSTEMS)
    lines = weights_table(SYSTEMS).splitlines()
    assert "vibe_model_w_3dpw: VIBE (CVPR 2020), from vibe_model_w_3dpw.pth.tar" in lines[0]
    ours = 1 + len(shipped_weights())
    assert all(line.startswith("free-") for line in lines[1:ours])
    assert len(lines[ours:]) == len({one.system for one in SYSTEMS}) - 1
    assert all("anthropose weights add" in line for line in lines[ours:])


def test_converting_says_what_it_left_out(tmp_path: Path) -> None:
    converted = convert(write_case("rie, stage 3", tmp_path), SYSTEMS)
    assert converted.others == ("epoch", "lr", "random_state", "optimizer")
    assert converted.dropped == 0
    assert converted.config.latent == 6
