"""A training run becomes one ONNX model file, checked against the network that it came from."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import logging
import platform
import warnings
import zipfile
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from tumorlens.data import manifest
from tumorlens.errors import ModelCorrupt, ModelIncompatible, RecipeError
from tumorlens.model.format import (
    INPUT_NAME,
    METADATA_KEY,
    REQUIRED_OUTPUTS,
    DataSource,
    Metric,
    ModelMetadata,
)
from tumorlens.model.registry import REGISTRY_FILE
from tumorlens.model.run import first_line
from tumorlens.train.architectures.mobilenetv2 import Classifier
from tumorlens.train.calibrate import Calibration, NoveltyHead, NoveltyReference
from tumorlens.train.fit import load_state
from tumorlens.train.run import open_run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnx
    from torch import Tensor

    from tumorlens.train.run import Run

OPSET = 18
PROBABILITY_TOLERANCE = 1e-4
HEATMAP_TOLERANCE = 1e-3
"""How far the exported graph may be from the network, on logits that are tens in size."""

_UNKNOWN_TERMS = "as the data's owner says"


class ExportedClassifier(nn.Module):
    """What the model file computes: (N, 1, H, W) in [0, 1] → probabilities, heatmap, novelty.

    The heatmap of a class is its class activation map (Zhou et al., 2016) in units of calibrated
    logits: the mean over a map is exactly the logit of its class.
    """

    def __init__(
        self, network: Classifier, temperature: float, reference: NoveltyReference
    ) -> None:
        super().__init__()
        self.network = network
        self.novelty = NoveltyHead(reference)
        self.temperature = temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1, H, W) → (N, C), (N, C, h, w), (N,)."""
        features = self.network.features(image)
        pooled = features.mean(dim=(2, 3))
        dense = self.network.predictions
        kernel = dense.weight[:, :, None, None] / self.temperature
        heatmap = functional.conv2d(features, kernel, dense.bias / self.temperature)
        probabilities = torch.softmax(dense(pooled) / self.temperature, dim=1)
        return probabilities, heatmap, self.novelty(pooled)


def export(folder: Path, target: Path, metrics: Sequence[Metric] = ()) -> ModelMetadata:
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
    run = open_run(folder)
    exported = assemble(run)
    metadata = describe(run, metrics)
    image = torch.rand(2, 1, run.recipe.input.height, run.recipe.input.width)
    proto = _to_onnx(exported, image)
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, metadata.model_dump_json()
    content = proto.SerializeToString()
    check_parity(content, exported, image.numpy())
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return metadata


def register(model_file: Path, name: str) -> Path:
    """Publish a model file in the registry of its folder, as the default where it is the first.

    Returns:
        The registry, ``{"default": name, "models": {name: {"file", "sha256"}}}``.

    Raises:
        ModelCorrupt: The folder has a registry that cannot be read.
    """
    path = model_file.with_name(REGISTRY_FILE)
    try:
        registry = json.loads(path.read_text("utf-8")) if path.is_file() else {"models": {}}
        digest = hashlib.sha256(model_file.read_bytes()).hexdigest()
        registry["models"][name] = {"file": model_file.name, "sha256": digest}
    except (ValueError, LookupError, TypeError) as error:
        msg = f"{path}: not a registry ({error}); mend or delete it"
        raise ModelCorrupt(msg) from error
    registry.setdefault("default", name)
    path.write_text(json.dumps(registry, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path


def assemble(run: Run) -> ExportedClassifier:
    """The network of a finished run, ready to be exported, with its normalisation folded in."""
    for file in (run.weights, run.calibration, run.novelty):
        if not file.is_file():
            msg = f"{run.folder}: the run is not finished ({file.name} is missing); train on"
            raise RecipeError(msg)
    network = Classifier(len(run.recipe.classes), dropout=0.0)
    network.load_state_dict(load_state(run.weights))
    network.eval()
    calibration = _calibration(run)
    try:
        with run.novelty.open("rb") as stream, np.load(stream) as arrays:
            reference = NoveltyReference(
                arrays["centres"], arrays["directions"], float(arrays["residual"])
            )
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise ModelCorrupt(_damaged(run.novelty, error)) from error
    return ExportedClassifier(network, calibration.temperature, reference).eval()


def describe(run: Run, metrics: Sequence[Metric] = ()) -> ModelMetadata:
    """The metadata of a finished run's model file."""
    recipe = run.recipe
    entries = [e for e in manifest.load(run.manifest) if e.fold != recipe.data.test_fold]
    calibration = _calibration(run)
    hashes = manifest.hash_by_source(entries)
    sources = []
    for name, count in sorted(Counter(e.source for e in entries).items()):
        terms = recipe.sources.get(name)
        sources.append(
            DataSource(
                name=name,
                images=count,
                manifest_sha256=hashes[name],
                licence=terms.licence if terms else _UNKNOWN_TERMS,
                citation=terms.citation if terms else _UNKNOWN_TERMS,
            )
        )
    return ModelMetadata(
        name=recipe.name,
        version=version("tumorlens"),
        task=recipe.task,
        classes=recipe.classes,
        positive=recipe.positive,
        display=recipe.display,
        input=recipe.input,
        thresholds=calibration.thresholds,
        recipe=recipe.model_dump(mode="json"),
        data=tuple(sources),
        metrics=tuple(metrics),
        attribution="; ".join(f"{s.name}: {s.citation} ({s.licence})" for s in sources),
        created=dt.datetime.now(dt.UTC).date().isoformat(),
        created_with={
            "python": platform.python_version(),
            **{name: version(name) for name in ("tumorlens", "torch", "onnx")},
        },
    )


def _calibration(run: Run) -> Calibration:
    try:
        return Calibration.model_validate_json(run.calibration.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelCorrupt(_damaged(run.calibration, error)) from error


def _damaged(path: Path, error: Exception) -> str:
    return f"{path}: it is damaged ({first_line(error)}); run the same `tumorlens train` again"


def check_parity(content: bytes, exported: nn.Module, image: np.ndarray) -> dict[str, float]:
    """The largest difference between a model file and its network, an output each.

    Raises:
        ModelIncompatible: A difference is beyond the tolerance.
    """
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    answers = session.run(list(REQUIRED_OUTPUTS), {INPUT_NAME: image})
    with torch.inference_mode():
        wanted = [t.numpy() for t in exported(torch.from_numpy(image))]
    differences = {
        name: float(np.abs(answer - want).max())
        for name, answer, want in zip(REQUIRED_OUTPUTS, answers, wanted, strict=True)
    }
    allowed = {"probabilities": PROBABILITY_TOLERANCE}
    beyond = {n: d for n, d in differences.items() if d > allowed.get(n, HEATMAP_TOLERANCE)}
    if beyond:
        msg = f"the exported graph differs from the network: {beyond}"
        raise ModelIncompatible(msg)
    return differences


def _to_onnx(exported: nn.Module, image: Tensor) -> onnx.ModelProto:
    import onnx

    # PyTorch's exporter tells of torchvision operators that it does not find; none is used.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # PyTorch's exporter warns of its own internals, which nobody here can change.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            exported,
            (image,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=list(REQUIRED_OUTPUTS),
            dynamic_shapes=({0: torch.export.Dim("batch")},),
        )
    if program is None:
        msg = "PyTorch gave no ONNX program for the network"
        raise ModelIncompatible(msg)
    proto = program.model_proto
    _strip(proto)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _strip(proto: onnx.ModelProto) -> None:
    """Take out what the exporter notes of the machine: stack traces, with paths."""
    del proto.metadata_props[:]
    graph = proto.graph
    del graph.metadata_props[:]
    for part in (graph.node, graph.initializer, graph.input, graph.output, graph.value_info):
        for item in part:
            del item.metadata_props[:]
            item.doc_string = ""
    del graph.value_info[:]
