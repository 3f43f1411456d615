"""Formats of other programs, chosen by a file's ending."""

from pathlib import Path

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export.bvh import write_bvh
from anthropose.export.gltf import write_glb
from anthropose.motion import Motion

ENDINGS = {".glb": "all persons, skinned and animated", ".bvh": "one person's skeleton"}


def export(motions: list[Motion], body: BodyModel, path: Path) -> None:
    """Writes motions as the ending of `path` says.

    Raises:
        UserError: the ending is not known, a motion lacks what the format holds, or the file cannot be written.
    """
    match path.suffix.lower():
        case ".glb":
            write_glb(motions, body, path)
        case ".bvh":
            if len(motions) != 1:
                raise UserError(f"{path}: a .bvh holds one person, {len(motions)} were given; call once for each")
            write_bvh(motions[0], body, path)
        case ending:
            known = ", ".join(f"{known} ({what})" for known, what in ENDINGS.items())
            raise UserError(f"{path}: cannot write {ending or 'a file without ending'}; known are {known}")
