"""What works on this machine, and what to do about what does not."""

import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from anthropose import __version__


def examine() -> str:
    """One line per thing that the library needs, each tried rather than looked up."""
    checks: list[tuple[str, Callable[[], str]]] = [
        ("python", _python),
        ("torch", _torch),
        ("body", _body),
        ("weights", _weights),
        ("detector", _detector),
        ("rendering", _rendering),
        ("video writing", _video),
        ("optional", _optional),
        ("disk", _disk),
    ]
    return "\n".join([f"anthropose {__version__}", *(_line(name, check) for name, check in checks)])


def _line(name: str, check: Callable[[], str]) -> str:
    try:
        return f"  ok    {name:<14} {check()}"
    except Exception as error:  # The doctor reports whatever is wrong, of any kind.
        return f"  FAIL  {name:<14} {type(error).__name__}: {error}"


def _python() -> str:
    return f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores"


def _torch() -> str:
    import torch

    device = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "CPU only (enough for all that ships)"
    return f"{torch.__version__}, {device}"


def _body() -> str:
    from anthropose.body.files import load_body

    model = load_body("free")
    return f"free body, {len(model.template)} vertices; `anthropose body` lists others"


def _weights() -> str:
    from anthropose.nn.checkpoints import installed_weights, weights_folder

    broken = {path.stem for path in weights_folder().glob("*.safetensors")} - {w.name for w in installed_weights()}
    assert not broken, f"{', '.join(sorted(broken))} in {weights_folder()} cannot be read; install them again"
    names = ", ".join(f"{weights.name} ({weights.system})" for weights in installed_weights())
    return names or "none installed, and smplify needs none; `anthropose weights` tells where to get others"


def _detector() -> str:
    import numpy as np

    from anthropose.people.detect import find_detector

    list(find_detector("mediapipe").detect([np.zeros((240, 320, 3), np.uint8)]))
    return f"mediapipe {version('mediapipe')}, models from its wheel"


def _rendering() -> str:
    import torch

    from anthropose.render.meshes import MeshRenderer

    triangle = torch.tensor([[-0.5, -0.5, 2.0], [0.5, -0.5, 2.0], [0.0, 0.5, 2.0]]).numpy()
    faces = torch.tensor([[0, 1, 2]]).numpy()
    with MeshRenderer(64, 48) as renderer:
        picture = renderer.draw(None, [(triangle, faces, (1.0, 0.0, 0.0))], 50.0, (32.0, 24.0))
        red, green, _ = picture[24, 32].tolist()
        assert red > green + 50, "a red triangle in front of the camera was not drawn"
        return renderer.device


def _video() -> str:
    import numpy as np

    from anthropose.video import VideoWriter, open_video

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "test.mp4"
        with VideoWriter(path, (64, 48), 30.0) as writer:
            for _ in range(3):
                writer.write(np.zeros((48, 64, 3), np.uint8))
        assert len(open_video(path)) == 3
    return f"H.264 through PyAV {version('av')}"


def _optional() -> str:
    found = []
    for package, use in (
        ("rtmlib", "RTMPose detector"),
        ("body-models", "another body reader"),
        ("smplx", "benchmark"),
    ):
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed ({use})")
    return ", ".join(found)


def _disk() -> str:
    return f"{shutil.disk_usage('.').free / 1e9:.1f} GB free here"
