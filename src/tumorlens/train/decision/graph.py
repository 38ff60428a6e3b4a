"""Changes of a model's graph: softer probabilities, and an output to compare examples by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.train.export.graph import NOVELTY, named, names_behind

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

    from tumorlens.train.decision.neighbours import Projection
    from tumorlens.train.decision.probabilities import Softening

EMBEDDING = "embedding"
_POOLINGS = ("ReduceMean", "GlobalAveragePool")
_MARK = "decision."
_LEAST = 1e-12


def pooled_features(proto: onnx.ModelProto) -> str | None:
    """The tensor (N, D) of features that novelty is measured on; None where there is none.

    It is the last mean over all pixels of what convolutions gave, among what novelty depends on.
    """
    graph = named(proto).graph
    behind = names_behind(graph, NOVELTY)
    found = None
    for node in graph.node:
        if node.name in behind and node.op_type in _POOLINGS:
            before = names_behind(graph, node.input[0])
            if any(one.op_type == "Conv" and one.name in before for one in graph.node):
                found = node.output[0]
    return found


def with_output(proto: onnx.ModelProto, tensor: str, name: str, width: int | None) -> bytes:
    """The bytes of a copy that also gives a tensor, (N, width), under a name."""
    import onnx
    from onnx import TensorProto, helper

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    if name != tensor:
        copy.graph.node.append(helper.make_node("Identity", [tensor], [name]))
    shape = ["batch", width or "width"]
    copy.graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    content: bytes = copy.SerializeToString()
    return content


def soften(proto: onnx.ModelProto, softening: Softening) -> None:
    """Let a graph give softened probabilities, and heatmaps in the same unit, in place."""
    inner = f"{_MARK}probabilities"
    _rename(proto.graph, "probabilities", inner)
    _rename(proto.graph, "heatmap", f"{_MARK}heatmap")
    _constant(proto.graph, "least", np.array(_LEAST, np.float32))
    _constant(proto.graph, "share", np.array(1 / softening.temperature, np.float32))
    _constant(proto.graph, "biases", np.array([softening.biases], np.float32))
    chain = [
        ("Max", [inner, "least"], "floored"),
        ("Log", ["floored"], "logits"),
        ("Mul", ["logits", "share"], "softer"),
        ("Add", ["softer", "biases"], "shifted"),
    ]
    for operator, inputs, output in chain:
        _node(proto.graph, operator, inputs, f"{_MARK}{output}")
    _node(proto.graph, "Softmax", ["shifted"], "probabilities")
    _node(proto.graph, "Mul", ["heatmap", "share"], "heatmap")


def embed(proto: onnx.ModelProto, tensor: str, projection: Projection) -> None:
    """Let a graph give what its table of training examples is compared by, in place."""
    from onnx import TensorProto, helper

    graph = proto.graph
    offset = -(projection.centre @ projection.directions)
    _constant(graph, "directions", projection.directions.astype(np.float32))
    _constant(graph, "offset", offset.astype(np.float32)[None])
    _constant(graph, "flat", np.array([0, len(projection.centre)], np.int64))
    graph.node.append(helper.make_node("Reshape", [tensor, f"{_MARK}flat"], [f"{_MARK}pooled"]))
    _node(graph, "MatMul", ["pooled", "directions"], f"{_MARK}placed")
    _node(graph, "Add", ["placed", "offset"], EMBEDDING)
    shape = ["batch", projection.directions.shape[1]]
    graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, shape))


def is_calibrated(proto: onnx.ModelProto) -> bool:
    """Whether these changes were made already: they must not be made twice."""
    return any(tensor.name.startswith(_MARK) for tensor in proto.graph.initializer)


def _rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Another name for a tensor wherever a node gives or takes it; outputs keep theirs."""
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new


def _constant(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> None:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(value, f"{_MARK}{name}"))


def _node(graph: onnx.GraphProto, operator: str, inputs: list[str], output: str) -> None:
    """A node on tensors of this module; softmax is over the last axis, the default."""
    from onnx import helper

    names = [name if name.startswith(_MARK) else f"{_MARK}{name}" for name in inputs]
    graph.node.append(helper.make_node(operator, names, [output]))
