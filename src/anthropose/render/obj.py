"""Bodies as Wavefront OBJ files, one for each person and frame."""

from pathlib import Path

import numpy as np

from anthropose.render.surface import Mesh
from anthropose.writing import whole_file


class ObjWriter:
    """Writes FOLDER/person-NN/FRAME.obj, six digits of the video's frame number.

    Metres, in the camera's place: x right, y up and z towards the viewer. These are camera axes turned about x by half
    a turn, as viewers of OBJ files expect and TCMR and VIBE write them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._faces: dict[int, str] = {}

    def write(self, person: int, frame: int, mesh: Mesh) -> None:
        """Writes one body.

        Raises:
            UserError: no permission, or a full disk.
        """
        turned = mesh.vertices * np.array([1, -1, -1], np.float32)
        text = ("v %.5f %.5f %.5f\n" * len(turned)) % tuple(turned.ravel().tolist())
        with whole_file(self._folder / f"person-{person:02d}" / f"{frame:06d}.obj") as part:
            part.write_text(text + self._faces_of(mesh.faces))

    def _faces_of(self, faces: np.ndarray) -> str:
        """The lines of the faces, which are the same in all frames."""
        place = faces.__array_interface__["data"][0]
        if place not in self._faces:
            self._faces[place] = ("f %d %d %d\n" * len(faces)) % tuple((faces + 1).ravel().tolist())
        return self._faces[place]
