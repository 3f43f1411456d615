"""Labelled windows of other people, in one small file, and how one is chosen for a window.

The file holds what a network of keypoints sees and the bodies that are true, as halves of floats. It fits every network
that knows the set of keypoints: clusters are made of each network's own features when the bank is opened for it.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from anthropose.datasets.mocap import MocapBatch
from anthropose.errors import UserError
from anthropose.geometry.keypoints import PLACE
from anthropose.geometry.rotations import rotmat_to_rotvec, rotvec_to_rotmat
from anthropose.methods.dynaboa.exemplars import Retrieval, spherical_means
from anthropose.methods.dynaboa.windows import LabelledWindow, Window
from anthropose.skeleton import SKELETONS, Skeleton
from anthropose.writing import whole_file

FORMAT = "anthropose-labelled-windows/1"
SHIPPED = Path(__file__).parents[2] / "data" / "exemplars.npz"
"""What comes along: windows of CMU's training subjects and of made-up motions, as mediapipe's 33 keypoints."""
CLUSTERS = 10
NEAR = 0.4
"""How far the logarithms of frame rates may be apart."""


@dataclass(frozen=True, eq=False)
class WindowBank:
    """Labelled windows; what their file holds."""

    skeleton: Skeleton
    """Of the keypoints in `inputs`."""
    inputs: Float[Tensor, "n t i"]
    """As `geometry.keypoints.network_inputs` makes them."""
    rotvecs: Float[Tensor, "n t 24 3"]
    """Rotations [rad] relative to the parent, the root's relative to the camera."""
    betas: Float[Tensor, "n 10"]
    cameras: Float[Tensor, "n t 3"]
    """Weak-perspective s, tx, ty of the squares."""
    focals: Float[Tensor, "n"]
    """Of the pictures, in their diagonals."""
    rates: Float[Tensor, "n"]
    """Frames per second."""

    def __len__(self) -> int:
        return len(self.inputs)

    def exemplar(self, number: int) -> LabelledWindow:
        """The window of that number."""
        window = Window(self.inputs[number : number + 1], float(self.focals[number]), float(self.rates[number]))
        return LabelledWindow(window, rotvec_to_rotmat(self.rotvecs[number]), self.betas[number], self.cameras[number])

    def retrieval(self, network: Any, seed: int = 22) -> Retrieval[LabelledWindow]:
        """Draws from the cluster whose centre is nearest in the features of this network, which has not adapted.

        Args:
            network: has `features(inputs)`.
        """
        device = next(network.parameters()).device
        with torch.no_grad():
            parts = [network.features(some.to(device)).mean(1).float().cpu() for some in self.inputs.split(64)]
        directions = torch.nn.functional.normalize(torch.cat(parts), dim=1)
        centres, nearest = spherical_means(directions, min(CLUSTERS, len(self)))
        members = [torch.where(nearest == k)[0].tolist() for k in range(len(centres))]
        kept = [k for k, numbers in enumerate(members) if numbers]
        return Retrieval(centres[kept], [members[k] for k in kept], self.exemplar, seed)

    def retrieval_for(self, network: Any, skeleton: Skeleton) -> Retrieval[LabelledWindow]:
        """The same, for a network that knows this set of keypoints, of the windows that have about its frame rate.

        Raises:
            UserError: the bank's keypoints or the length of its windows are others, or all its windows have more or
                fewer frames a second.
        """
        if skeleton.name != self.skeleton.name:
            raise UserError(
                f"the exemplars are keypoints of {self.skeleton.name} and the weights know those of {skeleton.name}; "
                "make others with `anthropose exemplars`"
            )
        length = getattr(network.network.config, "window", self.inputs.shape[1])
        if length != self.inputs.shape[1]:
            raise UserError(
                f"the exemplars are windows of {self.inputs.shape[1]} frames and the weights see {length}; take a "
                "preset without exemplars: web-camera, web-camera-plain or clip"
            )
        wanted = getattr(network.network.config, "rate", None)
        if wanted is None:
            return self.retrieval(network)
        near = ((self.rates / wanted).log().abs() < NEAR).nonzero()[:, 0]
        if len(near) == 0:
            raise UserError(
                f"the exemplars have {float(self.rates.median()):g} frames a second and the weights want {wanted:g}; "
                f"make others with `anthropose exemplars DATA --rate {wanted:g}`"
            )
        return self._some(near).retrieval(network)

    def _some(self, rows: Int[Tensor, "m"]) -> "WindowBank":
        arrays = {entry.name: getattr(self, entry.name)[rows] for entry in fields(self) if entry.name != "skeleton"}
        return WindowBank(skeleton=self.skeleton, **arrays)

    def save(self, path: Path) -> None:
        """Writes the bank's file, whole or not at all."""
        arrays = {entry.name: getattr(self, entry.name) for entry in fields(self) if entry.name != "skeleton"}
        halves = {name: array.numpy().astype(np.float16) for name, array in arrays.items()}
        with whole_file(path) as part, part.open("wb") as file:
            np.savez_compressed(file, format=np.array(FORMAT), skeleton=np.array(self.skeleton.name), **halves)

    @staticmethod
    def load(path: Path) -> "WindowBank":
        """Reads a bank.

        Raises:
            UserError: the file is missing, cut, or no bank of windows.
        """
        path = Path(path)
        if not path.is_file():
            raise UserError(f"{path}: no such file; make one with `anthropose exemplars DATA --out {path.name}`")
        try:
            with np.load(path, allow_pickle=False) as file:
                found = str(file["format"]) if "format" in file.files else "no format"
                if found != FORMAT:
                    raise ValueError(f"expected {FORMAT}, found {found}")
                skeleton = SKELETONS[str(file["skeleton"])]
                names = [entry.name for entry in fields(WindowBank) if entry.name != "skeleton"]
                arrays = {name: torch.from_numpy(file[name].astype(np.float32)) for name in names}
        except Exception as error:  # numpy, zipfile and zlib each raise their own for a damaged file
            raise UserError(f"{path}: not a whole bank of labelled windows ({error})") from error
        counts = {len(array) for array in arrays.values()}
        if len(counts) != 1 or 0 in counts or arrays["inputs"].shape[-1] != 3 * len(skeleton) + PLACE:
            raise UserError(f"{path}: its arrays do not fit each other or {skeleton.name}; make the file again")
        return WindowBank(skeleton=skeleton, **arrays)


def bank_of(batches: Iterable[MocapBatch]) -> WindowBank:
    """A bank of all windows of some batches of motion capture, which are labelled in all frames."""
    parts = list(batches)
    return WindowBank(
        skeleton=parts[0].skeleton,
        inputs=torch.cat([batch.inputs for batch in parts]).cpu(),
        rotvecs=torch.cat([rotmat_to_rotvec(batch.rotations) for batch in parts]).cpu(),
        betas=torch.cat([batch.betas for batch in parts]).cpu(),
        cameras=torch.cat([batch.crop_camera for batch in parts]).cpu(),
        focals=torch.cat([batch.focal / batch.size.norm(dim=-1) for batch in parts]).cpu(),
        rates=torch.cat([torch.full((len(batch),), batch.rate) for batch in parts]),
    )
