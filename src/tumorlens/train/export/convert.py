"""A run or a model file becomes a file of another format; what differs is never left behind."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from tumorlens.errors import ModelError, ModelIncompatible, RecipeError
from tumorlens.model.load import load_file
from tumorlens.train.export.compare import (
    HALF_PRECISION,
    SAME_GRAPH,
    Differences,
    differences,
    drawn_images,
)
from tumorlens.train.export.describe import describe, today
from tumorlens.train.export.forms import MOST_POINTS_LOST, Form
from tumorlens.train.export.graph import with_metadata
from tumorlens.train.export.loss import Loss, measure
from tumorlens.train.export.place import made_beside

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import onnx

    from tumorlens.model.format import Metric, ModelMetadata
    from tumorlens.model.run import Model
    from tumorlens.train.export.samples import Samples
    from tumorlens.train.run import Run

    Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """A file that was written and found right.

    Attributes:
        path: Where it is.
        size: Bytes of it and of the files that belong to it.
        metadata: What it says of itself.
        differences: How far its answers are from its source's on drawn images; None for 8-bit
            integers, which are judged on real ones.
        loss: What it costs on held-out images, where there were any.
    """

    path: Path
    size: int
    metadata: ModelMetadata
    differences: Differences | None = None
    loss: Loss | None = None


def export(folder: Path, target: Path, metrics: Sequence[Metric] = ()) -> Exported:
    """Write the model file of a finished run.

    1. Put the network, its temperature and its novelty reference into one graph.
    2. Write it with its metadata, weights inside.
    3. Run the file and the network on the same input; refuse to leave a file that differs.

    Args:
        folder: The ``--out`` folder of a training run.
        target: The ``.onnx`` file to write.
        metrics: What was measured on the test fold, from an evaluation of the same run.

    Raises:
        RecipeError: The folder holds no finished run.
        ModelCorrupt: A file of the run is damaged.
        ModelIncompatible: The exported graph does not compute what the network does.
    """
    from tumorlens.train.export.methods import exportable
    from tumorlens.train.export.network import answers
    from tumorlens.train.run import open_run

    run = open_run(folder)
    exported, proto = exportable(run)
    metadata = describe(run, metrics)
    images = drawn_images(metadata.input)
    with made_beside(target) as made:
        made.write_bytes(with_metadata(proto, metadata))
        found = differences(load_file(made).run(images), answers(exported, images))
        found.require(SAME_GRAPH, "the exported graph")
        size = made.stat().st_size
    return Exported(target, size, metadata, found)


def export_weights(
    folder: Path, target: Path, form: Form, metrics: Sequence[Metric] = ()
) -> Exported:
    """Write the network of a finished run for another library.

    Args:
        folder: The ``--out`` folder of a training run.
        target: The file to write; for Keras ``.keras`` or ``.h5``.
        form: `Form.SAFETENSORS` or `Form.KERAS`.
        metrics: What was measured on the test fold.

    Raises:
        RecipeError: The folder holds no finished run of a network.
        ModelIncompatible: What was written does not compute what the network does.
        MissingExtra: The library is not installed.
    """
    from tumorlens.train.run import open_run

    run = open_run(folder)
    metadata = describe(run, metrics)
    write = _write_safetensors if form is Form.SAFETENSORS else _write_keras
    with made_beside(target) as made:
        found = write(run, metadata, made)
        size = made.stat().st_size
    return Exported(target, size, metadata, found)


def convert(
    model: Model,
    target: Path,
    form: Form,
    *,
    samples: Samples | None = None,
    most_points_lost: float = MOST_POINTS_LOST,
    progress: Progress | None = None,
) -> Exported:
    """Write a model file in another precision, or for OpenVINO.

    Args:
        model: A model in 32-bit float.
        target: The file to write.
        form: `Form.FP16`, `Form.INT8` or `Form.OPENVINO`.
        samples: Images of its manifest. 8-bit integers need them, to calibrate and to measure;
            with them, the loss of 16-bit float is measured too.
        most_points_lost: Points of accuracy that may be lost on the held-out images.
        progress: Called with (images answered, images in all).

    Raises:
        RecipeError: 8-bit integers are asked for without samples.
        ModelIncompatible: The model is of reduced precision already, cannot be converted, or what
            becomes of it differs too much.
        MissingExtra: OpenVINO is not installed.
    """
    if form is Form.OPENVINO:
        return _to_openvino(model, target)
    if model.metadata.recipe.get("classical"):
        msg = (
            f"{model.metadata.name} is no network, and what it measures needs 32-bit float; export "
            "it to onnx or openvino"
        )
        raise ModelIncompatible(msg)
    source = graph_of(model)
    if form is Form.FP16:
        from tumorlens.train.export.half import halve

        converted = halve(source, drawn_images(model.metadata.input))
    else:
        from tumorlens.train.export.int8 import quantise

        if samples is None:
            msg = f"--to {form}: needs images to calibrate on; name the folder of sets with --data"
            raise RecipeError(msg)
        converted = quantise(source, samples.images(model.metadata.input))
    with made_beside(target) as made:
        metadata = _renamed(model.metadata, form)
        made.write_bytes(with_metadata(converted, metadata))
        found = _checked(model, load_file(made, threads=1), form)
        loss = None
        if samples is not None and samples.held_out:
            loss = measure(model, load_file(made, threads=1), samples, progress)
            loss.require(most_points_lost)
            metadata = metadata.model_copy(update={"metrics": (*metadata.metrics, *loss.metrics)})
            made.write_bytes(with_metadata(converted, metadata))
            load_file(made, threads=1)
        size = made.stat().st_size
    return Exported(target, size, metadata, found, loss)


def _checked(model: Model, converted: Model, form: Form) -> Differences | None:
    """Run a converted model on drawn images, and refuse one that is too far from its source."""
    images = drawn_images(model.metadata.input)
    try:
        given = converted.run(images)  # checks in itself that these are answers
    except ModelError as error:
        msg = f"{model.label} cannot answer in {form}: {error} No file was left; keep 32 bits."
        raise ModelIncompatible(msg) from error
    if form is Form.INT8:
        return None
    found = differences(given, model.run(images))
    found.require(HALF_PRECISION, f"the model in {form}")
    return found


def _to_openvino(model: Model, target: Path) -> Exported:
    from tumorlens.train.export.openvino import OpenVinoModel, save_openvino

    images = drawn_images(model.metadata.input)
    with made_beside(target) as made:
        save_openvino(model, made)
        written = OpenVinoModel(made)
        found = differences(written.run(images), model.run(images))
        found.require(HALF_PRECISION if _is_reduced(_proto_of(model)) else SAME_GRAPH, "OpenVINO's")
        size = sum(file.stat().st_size for file in made.parent.iterdir())
    return Exported(target, size, model.metadata, found)


def _write_safetensors(run: Run, metadata: ModelMetadata, made: Path) -> Differences:
    from tumorlens.train.export.network import answers, assemble
    from tumorlens.train.export.safetensors import load_safetensors, save_safetensors

    exported = assemble(run)
    save_safetensors(exported, metadata, made)
    images = drawn_images(metadata.input)
    loaded, _ = load_safetensors(made)
    found = differences(answers(loaded, images), answers(exported, images))
    found.require(SAME_GRAPH, "the file")
    return found


def _write_keras(run: Run, metadata: ModelMetadata, made: Path) -> Differences:
    from tumorlens.train.keras.writing import to_keras

    return to_keras(run, metadata, made)


def graph_of(model: Model) -> onnx.ModelProto:
    """The graph of a model in 32-bit float.

    Raises:
        ModelIncompatible: It is of reduced precision already.
    """
    proto = _proto_of(model)
    if _is_reduced(proto):
        msg = f"{model.path}: is of reduced precision already; convert the 32-bit model"
        raise ModelIncompatible(msg)
    return proto


def _proto_of(model: Model) -> onnx.ModelProto:
    import onnx

    return onnx.load_from_string(model.path.read_bytes())


def _is_reduced(proto: onnx.ModelProto) -> bool:
    from onnx import TensorProto

    halves = any(tensor.data_type == TensorProto.FLOAT16 for tensor in proto.graph.initializer)
    return halves or any(node.op_type == "QuantizeLinear" for node in proto.graph.node)


def _renamed(metadata: ModelMetadata, form: Form) -> ModelMetadata:
    """The metadata of a converted model; what was measured before says that it was."""
    before = tuple(
        metric.model_copy(update={"name": f"{metric.name}, before conversion"})
        for metric in metadata.metrics
    )
    return metadata.model_copy(
        update={
            "name": form.named(metadata.name),
            "metrics": before,
            "created": today(),
            "created_with": {
                **metadata.created_with,
                **{name: version(name) for name in ("tumorlens", "onnx", "onnxruntime")},
            },
        }
    )
