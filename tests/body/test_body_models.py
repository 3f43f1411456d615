"""The free body read by a SMPL reader that is not ours, body-models: in a venv of its own, since it needs numpy 2."""

import json
import subprocess
import sys
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from anthropose.body import load_body

PYTHON = Path(sys.prefix) / "body-models" / "bin" / "python"
THEIRS = """
import json, sys
import numpy as np
from body_models.smpl.numpy import SMPL
path, given, out = sys.argv[1:]
given = np.load(given)
betas, rotations, move = (given[key] for key in ("betas", "rotations", "move"))
model = SMPL(model_path=path, rotation_type="rotmat")
pose = dict(pelvis_rotation=rotations[:, 0], shape=betas, global_translation=move)
vertices = model.forward_vertices(rotations[:, 1:], **pose)
joints = model.forward_skeleton(rotations[:, 1:], **pose)[..., :3, 3]
np.savez(out, vertices=vertices, joints=joints)
print(json.dumps({"joints": model.joint_names}))
"""


@pytest.mark.slow
@pytest.mark.skipif(not PYTHON.exists(), reason=f"no body-models at {PYTHON}; `make test` installs it")
def test_body_models_reads_the_free_body_and_gives_the_same_vertices(tmp_path: Path) -> None:
    make = torch.Generator().manual_seed(0)
    betas, move = torch.randn(4, 10, generator=make), torch.randn(4, 3, generator=make)
    rotations = roma.rotvec_to_rotmat(0.7 * torch.randn(4, 24, 3, generator=make))
    np.savez(tmp_path / "given.npz", betas=betas, rotations=rotations, move=move)
    with resources.as_file(resources.files("anthropose") / "data" / "free_body.npz") as path:
        command = [PYTHON, "-c", THEIRS, path, tmp_path / "given.npz", tmp_path / "out.npz"]
        finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert len(json.loads(finished.stdout.splitlines()[-1])["joints"]) == 24
    theirs = np.load(tmp_path / "out.npz")
    ours = load_body().shaped(betas).posed(rotations, move)
    assert np.abs(ours.vertices.numpy() - theirs["vertices"]).max() < 1e-5
    assert np.abs(ours.joints.numpy() - theirs["joints"]).max() < 1e-5
