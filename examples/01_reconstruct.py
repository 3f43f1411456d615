"""Makes a short clip, reconstructs the people in it, and prints where each of them walks.

Run it as it is: `python examples/01_reconstruct.py`. Put your own video's path in its place.
"""

import tempfile
from pathlib import Path

import anthropose as ap
from anthropose.synthetic import make_scene

with tempfile.TemporaryDirectory() as folder:
    clip = Path(folder) / "clip.mp4"
    make_scene(seconds=2.0).write(clip)
    for motion in ap.reconstruct(clip):
        first, last = motion.translation[0], motion.translation[-1]
        print(f"person {motion.track.person}: {len(motion)} frames by {motion.method}")
        print(f"  pelvis from {first.numpy().round(2)} to {last.numpy().round(2)} m (x right, y down, z away)")
        wrist = motion.skeleton.index("right_wrist")
        print(f"  right wrist in the picture at first: {motion.projected[0, wrist].numpy().round()} px")
