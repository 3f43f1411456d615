"""The two BlazePose networks out of mediapipe's wheel, made ready for the Tasks API.

The wheel's models lack the note on how their input is normalised that the Tasks API asks for, and their landmark
network draws a mask of the body as well, which takes a third of its time and which nothing here looks at. The note is
added and the mask left out once, into a bundle (`.task`) in the user's cache.
"""

import os
import tempfile
import zipfile
from pathlib import Path

from anthropose.errors import UserError
from anthropose.writing import whole_file

BUNDLE_ENTRIES = ("pose_detector.tflite", "pose_landmarks_detector.tflite")
TFLITE = b"TFL3"
"""What the file of a network begins with."""
LANDMARK_OUTPUTS = ("landmarks", "presence", "segmentation", "heatmap", "world")


def wheel_bundle() -> Path:
    """The bundle made from the models of the installed wheel, in the user's cache or else in the temporary folder.

    Raises:
        UserError: this mediapipe has no pose models inside.
    """
    import mediapipe

    name = f"mediapipe-{mediapipe.__version__}-pose-points.task"
    caches = [
        Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "anthropose",
        Path(tempfile.gettempdir()),
    ]
    for folder in caches:
        if _is_bundle(folder / name):
            return folder / name
    content = _wheel_models(Path(mediapipe.__file__).parent / "modules", mediapipe.__version__)
    for folder in caches:
        try:
            with whole_file(folder / name) as part, zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as bundle:
                for entry, model in content.items():
                    bundle.writestr(entry, model)
            return folder / name
        except UserError:
            continue
    raise UserError(
        f"the pose models could be written neither to {caches[0]} nor to {caches[1]}; free some space there"
    )


def _is_bundle(path: Path) -> bool:
    try:
        with zipfile.ZipFile(path) as bundle:
            return set(BUNDLE_ENTRIES) <= set(bundle.namelist()) and bundle.testzip() is None
    except (OSError, zipfile.BadZipFile):
        return False


def read_bundle(path: Path) -> dict[str, bytes]:
    """The two networks of a bundle, by the names of its entries.

    Raises:
        UserError: it is no bundle, or one of another kind.
    """
    try:
        with zipfile.ZipFile(path) as bundle:
            return {entry: bundle.read(entry) for entry in BUNDLE_ENTRIES}
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise UserError(f"{path}: expected a pose landmarker bundle (.task) of mediapipe; {error}") from error


def _wheel_models(modules: Path, version: str) -> dict[str, bytes]:
    detector = modules / "pose_detection" / "pose_detection.tflite"
    landmarks = modules / "pose_landmark" / "pose_landmark_full.tflite"
    if not (detector.is_file() and landmarks.is_file()):
        raise UserError(
            f"mediapipe {version} has no pose models inside; install the one that has: pip install mediapipe==0.10.21"
        )
    return {
        BUNDLE_ENTRIES[0]: _with_metadata(detector.read_bytes(), 127.5, 127.5, ("boxes", "scores")),
        BUNDLE_ENTRIES[1]: _with_metadata(_without_mask(landmarks.read_bytes()), 0.0, 255.0, LANDMARK_OUTPUTS),
    }


def _without_mask(model: bytes) -> bytes:
    """The landmark network without the layers that only the mask of the body needs; all else stays as it is.

    The graph asks for five outputs and looks at four: the presence is given in place of the mask as well.
    """
    import flatbuffers
    from mediapipe.tasks.metadata import schema_py_generated as schema

    whole = schema.ModelT.InitFromObj(schema.Model.GetRootAs(model))
    graph = whole.subgraphs[0]
    outputs = [int(tensor) for tensor in graph.outputs]
    outputs[LANDMARK_OUTPUTS.index("segmentation")] = outputs[LANDMARK_OUTPUTS.index("presence")]
    graph.outputs = outputs
    needed, kept = set(outputs), []
    for layer in reversed(graph.operators):  # They stand in the order in which they are run.
        if not needed.isdisjoint(int(tensor) for tensor in layer.outputs):
            needed.update(int(tensor) for tensor in layer.inputs)
            kept.append(layer)
    graph.operators = kept[::-1]
    builder = flatbuffers.Builder(len(model))
    builder.Finish(whole.Pack(builder), TFLITE)
    return bytes(builder.Output())


def _with_metadata(model: bytes, mean: float, std: float, outputs: tuple[str, ...]) -> bytes:
    """The model with the note on how its input is normalised, `(value - mean) / std`, that the Tasks API asks for."""
    import flatbuffers
    from mediapipe.tasks.metadata import metadata_schema_py_generated as schema
    from mediapipe.tasks.python.metadata.metadata import MetadataPopulator

    image = schema.TensorMetadataT()
    image.name = "image"
    image.content = schema.ContentT()
    image.content.contentPropertiesType = schema.ContentProperties.ImageProperties
    image.content.contentProperties = schema.ImagePropertiesT()
    image.content.contentProperties.colorSpace = schema.ColorSpaceType.RGB
    unit = schema.ProcessUnitT()
    unit.optionsType = schema.ProcessUnitOptions.NormalizationOptions
    unit.options = schema.NormalizationOptionsT()
    unit.options.mean, unit.options.std = [mean], [std]
    image.processUnits = [unit]
    graph = schema.SubGraphMetadataT()
    graph.inputTensorMetadata, graph.outputTensorMetadata = [image], []
    for name in outputs:
        tensor = schema.TensorMetadataT()
        tensor.name = name
        graph.outputTensorMetadata.append(tensor)
    metadata = schema.ModelMetadataT()
    metadata.name, metadata.subgraphMetadata = "pose", [graph]
    builder = flatbuffers.Builder(0)
    builder.Finish(metadata.Pack(builder), MetadataPopulator.METADATA_FILE_IDENTIFIER)
    populator = MetadataPopulator.with_model_buffer(model)
    populator.load_metadata_buffer(bytes(builder.Output()))
    populator.populate()
    return bytes(populator.get_model_buffer())
