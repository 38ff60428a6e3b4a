"""A network becomes an ONNX graph."""

from __future__ import annotations

import logging
import warnings
from typing import TYPE_CHECKING

import torch

from tumorlens.errors import ModelIncompatible
from tumorlens.model.format import INPUT_NAME

if TYPE_CHECKING:
    import onnx
    from torch import nn

    from tumorlens.model.format import InputSpec
    from tumorlens.train.export.network import Exportable

OPSET = 18


def to_onnx(exported: Exportable, size: InputSpec) -> onnx.ModelProto:
    """The graph of a network, from ``image`` to its outputs, for any number of slices.

    Args:
        exported: The network, a `torch.nn.Module`.
        size: What it takes.

    Raises:
        ModelIncompatible: PyTorch gives no graph.
    """
    import onnx

    image = torch.zeros(2, size.channels, size.height, size.width)
    module: nn.Module = exported  # type: ignore[assignment]
    # PyTorch's exporter tells of torchvision operators that it does not find; none is used.
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # PyTorch's exporter warns of its own internals, which nobody here can change.
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module,
            (image,),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=list(exported.outputs),
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
