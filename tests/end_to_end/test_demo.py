"""The whole job on clips whose truth is known: the real detector, the real fit, every file."""

import subprocess
import sys
from pathlib import Path

import av
import pytest

from anthropose.demo import demo
from anthropose.motion import Motion
from anthropose.synthetic import score

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    out = tmp_path_factory.mktemp("demo")
    return out, demo(out, seconds=2.0)


@pytest.mark.slow
def test_the_demo_finds_everyone_and_comes_near_the_truth(finished: tuple[Path, list[str]]) -> None:
    out, lines = finished
    motions = [Motion.load(path) for path in sorted(out.glob("person-*.npz"))]
    errors = score(motions, [Motion.load(path) for path in sorted(out.glob("truth-*.npz"))])
    assert errors.found == 2
    assert errors.mpjpe < 100.0
    assert errors.pa_mpjpe < 70.0
    assert errors.acceleration < 12.0
    assert [line.split()[0] for line in lines[1:4]] == ["MPJPE", "PA-MPJPE", "acceleration"]


@pytest.mark.slow
def test_the_demo_writes_every_file_and_none_by_halves(finished: tuple[Path, list[str]]) -> None:
    out, _ = finished
    names = {path.name for path in out.iterdir() if path.is_file()}
    assert names == {
        *("clip.mp4", "overlay.mp4", "scene.glb", "report.html", "stages.json"),
        *(f"{kind}-{n:02d}.npz" for kind in ("person", "truth") for n in (0, 1)),
        *(f"person-{n:02d}.bvh" for n in (0, 1)),
    }
    with av.open(str(out / "overlay.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert sum(1 for _ in file.decode(video=0)) == 60


@pytest.mark.slow
def test_a_second_run_redoes_nothing_and_other_settings_only_what_depends_on_them(
    finished: tuple[Path, list[str]],
) -> None:
    from anthropose.outputs import run
    from anthropose.settings import Outputs, Settings

    out, _ = finished

    def times() -> dict[str, int]:
        return {str(path.relative_to(out)): path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}

    before = times()
    run(out / "clip.mp4", out, Settings(), Outputs(side_view=True))
    assert times() == before
    run(out / "clip.mp4", out, Settings(smooth="gaussian"), Outputs(side_view=True))
    after = times()
    changed = {name for name in after if after[name] != before[name]}
    assert not any(name.startswith("stages/") for name in changed), "smoothing needs neither detection nor fit again"
    assert {"person-00.npz", "overlay.mp4", "scene.glb", "report.html"} <= changed


@pytest.mark.slow
@pytest.mark.parametrize("path", sorted((ROOT / "examples").glob("*.py")), ids=lambda path: path.stem)
def test_each_example_runs_as_it_is(path: Path) -> None:
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
