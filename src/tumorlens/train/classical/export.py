"""The graph of a fitted pipeline: measuring and answering from PyTorch, deciding from skl2onnx."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import torch

from tumorlens.errors import ModelIncompatible
from tumorlens.model.format import INPUT_NAME, REQUIRED_OUTPUTS
from tumorlens.train.classical.decide import FEATURES, OPSETS, SCORES
from tumorlens.train.classical.features import PLACES

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx
    from torch import Tensor, nn

    from tumorlens.model.format import InputSpec
    from tumorlens.train.classical.pipeline import ClassicalPipeline

IR_VERSION = 9
"""Of ONNX files with operator set 18: what every runtime that knows the one knows."""

# They tell of torchvision operators that they do not find, and of attributes of their own making.
_TALKATIVE = ("torch.onnx._internal.exporter._registration", "onnx_ir._convenience")

_MEASURED, _DECIDED, _ANSWERED = "measure/", "decide/", "answer/"


def to_onnx(pipeline: ClassicalPipeline, size: InputSpec) -> onnx.ModelProto:
    """One graph, from ``image`` to ``probabilities``, ``heatmap`` and ``novelty``.

    Args:
        pipeline: The fitted pipeline.
        size: What it takes.

    Raises:
        ModelIncompatible: PyTorch gives no graph.
    """
    import onnx

    image = torch.zeros(2, size.channels, size.height, size.width)
    with torch.inference_mode():
        features = pipeline.measuring(image)
        scores = torch.from_numpy(pipeline.classifier.scores(features.numpy()))
    slices = torch.export.Dim("batch")
    rows = (1 + PLACES) * slices
    measure = _exported(pipeline.measuring, (image,), [slices], [INPUT_NAME], [FEATURES])
    answer = _exported(
        pipeline.answering,
        (features, scores),
        [rows, rows],
        [FEATURES, SCORES],
        list(REQUIRED_OUTPUTS),
    )
    decide = onnx.load_from_string(pipeline.classifier.content)
    return _joined(measure, decide, answer)


def _exported(
    module: nn.Module,
    given: tuple[Tensor, ...],
    lengths: Sequence[object],
    inputs: list[str],
    outputs: list[str],
) -> onnx.ModelProto:
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # PyTorch's exporter warns of its own internals, which nobody here can change.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            given,
            dynamo=True,
            verbose=False,
            opset_version=OPSETS[""],
            input_names=inputs,
            output_names=outputs,
            dynamic_shapes=tuple({0: length} for length in lengths),
        )
    if program is None:
        msg = "PyTorch gave no ONNX program for the pipeline"
        raise ModelIncompatible(msg)
    return program.model_proto


def _joined(
    measure: onnx.ModelProto, decide: onnx.ModelProto, answer: onnx.ModelProto
) -> onnx.ModelProto:
    """The three parts, one behind the other; the last one also looks at the features."""
    import onnx
    from onnx import compose

    parts = [
        compose.add_prefix(_plain(part), prefix)
        for part, prefix in ((measure, _MEASURED), (decide, _DECIDED), (answer, _ANSWERED))
    ]
    found = compose.merge_models(
        parts[0],
        parts[1],
        io_map=[(_MEASURED + FEATURES, _DECIDED + FEATURES)],
        outputs=[_MEASURED + FEATURES, _DECIDED + SCORES],
    )
    found = compose.merge_models(
        found,
        parts[2],
        io_map=[
            (_MEASURED + FEATURES, _ANSWERED + FEATURES),
            (_DECIDED + SCORES, _ANSWERED + SCORES),
        ],
    )
    _rename(found.graph, {_MEASURED + INPUT_NAME: INPUT_NAME})
    _rename(found.graph, {_ANSWERED + name: name for name in REQUIRED_OUTPUTS})
    onnx.checker.check_model(found, full_check=True)
    return found


def _plain(part: onnx.ModelProto) -> onnx.ModelProto:
    """Without what the exporter notes of the machine (stack traces, with paths); of one version."""
    part.ir_version = IR_VERSION
    del part.metadata_props[:]
    graph = part.graph
    del graph.metadata_props[:]
    for group in (graph.node, graph.initializer, graph.input, graph.output, graph.value_info):
        for item in group:
            del item.metadata_props[:]
            item.doc_string = ""
    del graph.value_info[:]
    return part


def _rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Call some inputs and outputs of a graph otherwise, wherever they occur."""
    for value in (*graph.input, *graph.output):
        value.name = names.get(value.name, value.name)
    for node in graph.node:
        for group in (node.input, node.output):
            for index, name in enumerate(group):
                group[index] = names.get(name, name)
