"""A plain reader of BVH files: the joints' names and their positions in every frame, in the file's own unit."""

from pathlib import Path

import numpy as np
from scipy.spatial.transform import Rotation


class Bvh:
    """What a file says, and the forward kinematics of it."""

    def __init__(self, path: Path) -> None:
        hierarchy, motion = Path(path).read_text().split("MOTION\n")
        self.names: list[str] = []
        self.parents: list[int] = []
        self.offsets: list[np.ndarray] = []
        self.channels: list[list[str]] = []
        self._read_hierarchy(hierarchy)
        frames, frame_time, *rows = motion.strip().split("\n")
        self.frame_time = float(frame_time.removeprefix("Frame Time:"))
        self.values = np.array([[float(x) for x in row.split()] for row in rows])
        assert frames == f"Frames: {len(self.values)}"
        assert self.values.shape[1] == sum(len(c) for c in self.channels)

    def _read_hierarchy(self, text: str) -> None:
        above: list[int] = []
        for line in text.split("\n"):
            words = line.split()
            match words:
                case ["ROOT" | "JOINT", name] | ["End", "Site" as name]:
                    self.names.append(name if words[0] != "End" else f"{self.names[above[-1]]}_end")
                    self.parents.append(above[-1] if above else -1)
                    self.channels.append([])
                case ["{"]:
                    above.append(len(self.names) - 1)
                case ["}"]:
                    above.pop()
                case ["OFFSET", *numbers]:
                    self.offsets.append(np.array([float(x) for x in numbers]))
                case ["CHANNELS", count, *names]:
                    assert int(count) == len(names)
                    self.channels[-1] = names
        assert not above

    def positions(self) -> np.ndarray:
        """(frames, joints, 3), end sites included."""
        frames = len(self.values)
        places = np.zeros((frames, len(self.names), 3))
        turns: list[Rotation] = []
        column = 0
        for joint, parent in enumerate(self.parents):
            named = {c: self.values[:, column + k] for k, c in enumerate(self.channels[joint])}
            column += len(named)
            order = "".join(c[0] for c in named if c.endswith("rotation"))
            angles = np.stack([named[f"{axis}rotation"] for axis in order], 1) if order else np.zeros((frames, 3))
            own = Rotation.from_euler(order or "ZXY", angles, degrees=True)
            moved = np.stack([named.get(f"{axis}position", np.zeros(frames)) for axis in "XYZ"], 1)
            local = self.offsets[joint] + moved
            places[:, joint] = local if parent < 0 else places[:, parent] + turns[parent].apply(local)
            turns.append(own if parent < 0 else turns[parent] * own)
        return places
