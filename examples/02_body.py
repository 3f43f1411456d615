"""Poses the free body, prints its joints, and writes it as an OBJ file that any 3D program opens.

Run it as it is: `python examples/02_body.py`.
"""

import tempfile
from pathlib import Path

import torch

import anthropose as ap
from anthropose.geometry.rotations import rotvec_to_rotmat
from anthropose.skeleton import SMPL_24

body = ap.load_body("free")
tall = torch.zeros(10)
tall[0] = 2.0  # the first shape component, two standard deviations out
rotations = torch.eye(3).repeat(24, 1, 1)
rotations[SMPL_24.index("left_shoulder")] = rotvec_to_rotmat(torch.tensor([0.0, 0.0, 1.2]))  # the left arm goes up

posed = body.shaped(tall).posed(rotations)
for name in ("head", "left_wrist", "right_wrist", "left_ankle"):
    print(f"{name:12} {posed.joints[SMPL_24.index(name)].numpy().round(3)} m (x to the person's left, y up, z forward)")

path = Path(tempfile.gettempdir()) / "body.obj"
lines = [f"v {x:.5f} {y:.5f} {z:.5f}" for x, y, z in posed.vertices.tolist()]
lines += [f"f {a + 1} {b + 1} {c + 1}" for a, b, c in body.faces.tolist()]
path.write_text("\n".join(lines))
print(path)
