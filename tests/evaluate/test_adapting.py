"""`anthropose evaluate dynaboa`: its stream of pictures by the published protocols, on small made sets."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anthropose.body.files import load_body
from anthropose.body.prior import GaussianMixturePrior
from anthropose.errors import UserError
from anthropose.evaluate.command import Options, evaluate_method
from anthropose.evaluate.results import Results
from anthropose.methods.base import joined
from anthropose.methods.dynaboa import PRESETS, PUBLISHED, Adaptation, BaseModel, ExemplarBank
from anthropose.methods.dynaboa.evaluation import Truth, errors
from anthropose.methods.dynaboa.preprocessing import crop, normalised, published_keypoints, published_window
from anthropose.nn.checkpoints import load_network
from anthropose.video.images import read_image
from tests.clips import write_clip
from tests.datasets.raw.releases import write_pictures
from tests.datasets.raw.test_internet import detection, person
from tests.evaluate import sets
from tests.methods.small import install_small
from tests.methods.test_dynaboa_windows import install_fed

SIZE = (640, 480)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small BaseModel is installed."""
    monkeypatch.setenv("ANTHROPOSE_HOME", str(tmp_path / "home"))
    install_small(["dynaboa"])
    return tmp_path


def files_of_3dpw(folder: Path, frames: int = 3, people: int = 2, gender: str = "") -> Path:
    """DynaBOA's files of 3DPW with pictures: the second person's file comes after the first's."""
    for number in range(people):
        images = [f"imageFiles/walk_{number}/image_{frame:05d}.jpg" for frame in range(frames)]
        write_pictures(folder / f"imageFiles/walk_{number}", [Path(name).name for name in images], SIZE)
        pose = sets.moving_body(frames, number)
        generator = np.random.default_rng(number)
        keypoints = np.concatenate([generator.uniform(100, 400, (frames, 49, 2)), np.ones((frames, 49, 1))], axis=-1)
        labels = sets.sequence("x", frames, number)
        arrays: dict[str, Any] = {
            "imgname": np.array(images),
            "center": np.full((frames, 2), 250.5),
            "scale": np.full(frames, 1.51),
            "pose": labels.pose,
            "shape": pose.betas.numpy(),
            "j2d": keypoints,
            "op_j2d": keypoints + np.array([3.0, 0.0, 0.0]),
        }
        if gender:
            arrays["gender"] = np.array([gender] * frames)
        np.savez(folder / f"3dpw_{number}_0.npz", **arrays)
    return folder


def run(preset: str, data: Path, **options: Any) -> Results:
    [results] = evaluate_method("dynaboa", preset, data, Options(**options))
    return results


def test_3dpw_is_one_stream_whose_errors_are_those_after_each_frames_updates(home: Path) -> None:
    folder = files_of_3dpw(home / "3dpw")
    results = run("3dpw", folder)
    body, config = load_body("free"), PRESETS["3dpw"]
    lower, upper = (replace(level, labelled=False) for level in (config.lower, config.upper))
    network = load_network("dynaboa", PUBLISHED)
    assert isinstance(network, BaseModel)
    adaptation = Adaptation(network, body, GaussianMixturePrior.load(), replace(config, lower=lower, upper=upper))
    expected = []
    for number in range(2):
        file = np.load(folder / f"3dpw_{number}_0.npz")
        found = []
        for row, name in enumerate(file["imgname"]):
            center, scale = file["center"][row], file["scale"][row]
            image = normalised(crop(read_image(folder / str(name)), published_window(center, scale)))
            keypoints = published_keypoints(file["j2d"][row], center, scale)
            found.append(adaptation.adapt(image[None], keypoints[None]).prediction)
        rotvecs = torch.from_numpy(file["pose"]).float().unflatten(1, (24, 3))
        truth = Truth(rotvecs, torch.from_numpy(file["shape"]), ("neutral",) * 3)
        expected.append(errors(joined(found), truth, {"neutral": body}))
    values = results.overall.values
    for figure, name in (("mpjpe", "mpjpe"), ("pa_mpjpe", "pa_mpjpe"), ("vertex_error", "pve")):
        ours = 1000 * float(torch.cat([getattr(part, name) for part in expected]).mean())
        assert values[figure] == pytest.approx(ours, rel=1e-4)
    assert results.overall.count == 6
    assert results.about["protocol"] == "ps"
    assert [line.values["pa_mpjpe"] for line in results.published] == [40.4]
    assert "without exemplars" in results.notes[0]
    assert "projected from the true body" in results.notes[1]


def test_detected_keypoints_boa_and_exemplars_are_options(home: Path) -> None:
    folder = files_of_3dpw(home / "3dpw", frames=2)
    true = run("3dpw", folder)
    detected = run("3dpw", folder, keypoints="openpose")
    assert detected.overall.values != true.overall.values
    assert not any(line.is_ours for line in detected.published), "the published figures are not of these keypoints"
    generator = torch.Generator().manual_seed(0)
    bank = ExemplarBank(
        torch.randint(0, 255, (2, 64, 64, 3), generator=generator, dtype=torch.uint8),
        torch.rand(2, 49, 3, generator=generator),
        torch.rand(2, 24, 4, generator=generator),
        0.1 * torch.rand(2, 24, 3, generator=generator),
        torch.zeros(2, 10),
        torch.eye(2, 128),
        torch.arange(2),
    )
    bank.save(home / "bank.npz")
    taught = run("3dpw", folder, exemplars=home / "bank.npz")
    assert taught.overall.values != true.overall.values
    assert not any("without exemplars" in note for note in taught.notes)
    boa = run("boa-3dpw", folder, exemplars=home / "bank.npz", only="3dpw_0")
    assert boa.overall.count == 2
    assert boa.overall.values["unposed_error"] > 0
    assert [line.values["pa_mpjpe"] for line in boa.published] == [49.5]


def test_a_prepared_set_is_read_with_the_pictures_of_its_release(home: Path) -> None:
    folder = files_of_3dpw(home / "3dpw", frames=2, people=1)
    file = np.load(folder / "3dpw_0_0.npz")
    side = 200 * file["scale"]
    labels = sets.sequence(
        "walk",
        2,
        features=None,
        keypoints=file["j2d"],
        keypoint_set=sets.SPIN_49,
        boxes=np.column_stack([file["center"], side, side]),
        pose=file["pose"],
        betas=file["shape"],
        images=file["imgname"],
    )
    prepared = sets.write_set(home / "set", [labels], "3dpw-dynaboa")
    ours = run("3dpw", prepared, pictures=folder).overall.values
    assert ours == pytest.approx(run("3dpw", folder).overall.values)
    assert "--pictures FOLDER" in refused("3dpw", prepared)


def test_videos_from_the_internet_are_told_how_far_bodies_lie_from_their_keypoints(home: Path) -> None:
    root = home / "videos"
    root.mkdir()
    write_clip(root / "street.mp4", 3, SIZE)
    (root / "street.json").write_text(json.dumps([detection(f"{k + 1:06d}.png", person(k)) for k in range(3)]))
    results = run("internet", root)
    values = results.overall.values
    assert results.overall.count == 3
    assert values["keypoint_error"] > 0
    assert values["keypoint_error"] != values["unadapted_error"]
    assert results.about["updates_per_frame"] >= 1
    assert any("no truth" in note for note in results.notes)


def test_openposes_files_are_adapted_to_by_their_own_rows(home: Path) -> None:
    root = home / "videos"
    (root / "street").mkdir(parents=True)
    write_clip(root / "street.mp4", 20, SIZE)
    for frame in range(20):
        people = [{"person_id": [-1], "pose_keypoints_2d": person(frame, joints=25).ravel().tolist()}]
        name = f"street_{frame:012d}_keypoints.json"
        (root / "street" / name).write_text(json.dumps({"version": 1.3, "people": people}))
    by_internet, by_camera = run("internet", root), run("web-camera-plain", root)
    assert by_internet.overall.count == by_camera.overall.count == 20
    assert by_internet.overall.values["keypoint_error"] > 0
    assert by_internet.overall.values != by_camera.overall.values, "the web camera's boxes are wider"


def test_weights_that_see_keypoints_are_evaluated_on_sets_of_keypoints(home: Path) -> None:
    install_fed()
    joints = sets.sequence("a", 20)
    assert joints.keypoint_set is not None
    named = sets.write_set(home / "set", [joints])
    results = run("3dpw", named, weights="own")
    assert results.overall.count == 20
    assert np.isfinite(list(results.overall.values.values())).all()
    assert "preset internet adapts a BaseModel to pictures" in refused("internet", named, weights="own")


def refused(preset: str, data: Path, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        evaluate_method("dynaboa", preset, data, Options(**options))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_adapted_to_is_told_in_one_line(home: Path) -> None:
    folder = files_of_3dpw(home / "3dpw", frames=1, people=1, gender="f")
    assert "takes the true female body" in refused("3dpw", folder)
    assert "no such file or folder" in refused("3dpw", home / "nowhere")
    assert "no sequence with 'cafe' in its name" in refused("3dpw", folder, only="cafe")
    assert "has no preset '4dpw'" in refused("4dpw", folder)
    assert "leave --filter and --protocol away" in refused("3dpw", folder, filter_share=0.3)
    assert "dynaboa's files have openpose" in refused("3dpw", folder, keypoints="cpn")
    (folder / "imageFiles/walk_0/image_00000.jpg").write_bytes(b"no picture")
    assert "image_00000.jpg" in refused("3dpw", files_without_gender(folder))


def files_without_gender(folder: Path) -> Path:
    path = folder / "3dpw_0_0.npz"
    arrays = {key: array for key, array in np.load(path).items() if key != "gender"}
    np.savez(path, **arrays)
    return folder
