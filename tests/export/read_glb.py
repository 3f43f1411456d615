"""A plain reader of animated GLB files, from the specification alone: no code is shared with the writer."""

import json
import struct
from pathlib import Path

import numpy as np

NUMBERS = {5121: np.uint8, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


class Glb:
    """A file with its node tree, skins and animation, to be looked at at any time."""

    def __init__(self, path: Path) -> None:
        data = Path(path).read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        json_length, json_kind = struct.unpack_from("<I4s", data, 12)
        assert json_kind == b"JSON"
        self.tree = json.loads(data[20 : 20 + json_length])
        blob_length, blob_kind = struct.unpack_from("<I4s", data, 20 + json_length)
        assert blob_kind == b"BIN\0"
        self.blob = data[28 + json_length : 28 + json_length + blob_length]

    def array(self, accessor: int) -> np.ndarray:
        what = self.tree["accessors"][accessor]
        view = self.tree["bufferViews"][what["bufferView"]]
        width = WIDTHS[what["type"]]
        start = view.get("byteOffset", 0) + what.get("byteOffset", 0)
        flat = np.frombuffer(self.blob, NUMBERS[what["componentType"]], what["count"] * width, start)
        if what["type"] == "MAT4":
            return flat.reshape(-1, 4, 4).transpose(0, 2, 1)
        return flat.reshape(-1, width) if width > 1 else flat

    def node(self, name: str) -> dict:
        (found,) = [n for n in self.tree["nodes"] if n.get("name") == name]
        return found

    def at(self, time: float) -> list[np.ndarray]:
        """The 4x4 world matrix of every node at `time` [s]."""
        nodes = [dict(node) for node in self.tree["nodes"]]
        for animation in self.tree.get("animations", []):
            for channel in animation["channels"]:
                value = self._sample(animation["samplers"][channel["sampler"]], channel["target"]["path"], time)
                nodes[channel["target"]["node"]][channel["target"]["path"]] = value
        world: list[np.ndarray] = [np.eye(4)] * len(nodes)

        def visit(index: int, above: np.ndarray) -> None:
            world[index] = above @ _local(nodes[index])
            for child in nodes[index].get("children", []):
                visit(child, world[index])

        for root in self.tree["scenes"][self.tree["scene"]]["nodes"]:
            visit(root, np.eye(4))
        return world

    def vertices(self, name: str, time: float) -> np.ndarray:
        """The skinned vertices (v, 3) of the mesh node called `name`, in the scene."""
        node = self.node(name)
        world, skin = self.at(time), self.tree["skins"][node["skin"]]
        (primitive,) = self.tree["meshes"][node["mesh"]]["primitives"]
        rest = self.array(primitive["attributes"]["POSITION"]).astype(np.float64)
        joints = self.array(primitive["attributes"]["JOINTS_0"])
        weights = self.array(primitive["attributes"]["WEIGHTS_0"]).astype(np.float64)
        moves = np.stack([world[j] for j in skin["joints"]]) @ self.array(skin["inverseBindMatrices"])
        moves = np.einsum("vk,vkab->vab", weights, moves[joints])
        return np.einsum("vab,vb->va", moves[:, :3, :3], rest) + moves[:, :3, 3]

    def faces(self, name: str) -> np.ndarray:
        (primitive,) = self.tree["meshes"][self.node(name)["mesh"]]["primitives"]
        return self.array(primitive["indices"]).reshape(-1, 3)

    def _sample(self, sampler: dict, path: str, time: float) -> np.ndarray:
        times, values = self.array(sampler["input"]), self.array(sampler["output"]).astype(np.float64)
        after = int(np.searchsorted(times, np.float32(time), side="right"))
        if after == 0 or after == len(times):
            return values[min(after, len(times) - 1)]
        before = after - 1
        if sampler["interpolation"] == "STEP":
            return values[before]
        share = (time - times[before]) / (times[after] - times[before])
        return (_slerp if path == "rotation" else _lerp)(values[before], values[after], share)


def _lerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    return a + share * (b - a)


def _slerp(a: np.ndarray, b: np.ndarray, share: float) -> np.ndarray:
    """As in appendix C.4 of the specification, which takes the short way whatever the signs."""
    dot = float(a @ b)
    angle = np.arccos(min(abs(dot), 1.0))
    if angle < 1e-6:
        return a
    return (np.sin((1 - share) * angle) * a + np.sign(dot) * np.sin(share * angle) * b) / np.sin(angle)


def _local(node: dict) -> np.ndarray:
    x, y, z, w = node.get("rotation", (0, 0, 0, 1))
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    matrix = np.eye(4)
    matrix[:3, :3] = rotation * np.array(node.get("scale", (1, 1, 1)))
    matrix[:3, 3] = node.get("translation", (0, 0, 0))
    return matrix
