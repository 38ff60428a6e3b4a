"""Changes of a model's graph: softer probabilities, and an output to compare examples by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.train.export.graph import NOVELTY, named, names_behind, rename

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


def take_temperature(proto: onnx.ModelProto) -> float:
    """Let a graph that training wrote give its logits undivided; what they were divided by.

    The temperature was fitted for a network by itself. It is 1 where none is found, and afterwards;
    the graph is changed in place.
    """
    from onnx import numpy_helper

    made_by = {output: node for node in proto.graph.node for output in node.output}
    softmax = made_by["probabilities"]
    division = made_by.get(softmax.input[0]) if softmax.op_type == "Softmax" else None
    if division is None or division.op_type != "Div":
        return 1.0
    found = [one for one in proto.graph.initializer if one.name == division.input[1]]
    if not found or numpy_helper.to_array(found[0]).size != 1:
        return 1.0
    divisor, undivided = numpy_helper.to_array(found[0]), f"{found[0].name}.undivided"
    for node in proto.graph.node:  # the heatmap is in the unit of the logits
        if node.op_type == "Div" and node.input[1] == found[0].name:
            node.input[1] = undivided
    proto.graph.initializer.append(numpy_helper.from_array(np.ones_like(divisor), undivided))
    if not any(found[0].name in node.input for node in proto.graph.node):
        proto.graph.initializer.remove(found[0])
    return float(divisor.reshape(()))


def soften(proto: onnx.ModelProto, softening: Softening) -> None:
    """Let a graph give softened probabilities, and heatmaps in the unit of the tumor logit.

    The steps are those of `Softening.of`; the graph is changed in place.
    """
    graph = proto.graph
    inner = f"{_MARK}probabilities"
    rename(graph, "probabilities", inner)
    rename(graph, "heatmap", f"{_MARK}heatmap")
    constants = {
        "least": _LEAST,
        "members": softening.members,
        "classes": softening.members.T,
        "share": 1 / softening.temperature,
        "kind_share": 1 / softening.kind_temperature,
        "tumor_bias": [[0.0, softening.tumor_bias]],
        "biases": [softening.biases],
    }
    for name, value in constants.items():
        _constant(graph, name, np.array(value, np.float32))
    chain = [
        ("Max", [inner, "least"], "floored"),
        ("Log", ["floored"], "logits"),
        ("MatMul", ["floored", "classes"], "both"),
        ("Log", ["both"], "either"),
        ("MatMul", ["either", "members"], "either_of"),
        ("Sub", ["logits", "either_of"], "among"),
        ("Mul", ["among", "kind_share"], "among_softer"),
        ("Add", ["among_softer", "biases"], "among_shifted"),
        ("Exp", ["among_shifted"], "among_weights"),
        ("MatMul", ["among_weights", "classes"], "among_sums"),
        ("Log", ["among_sums"], "among_logs"),
        ("MatMul", ["among_logs", "members"], "among_logs_of"),
        ("Sub", ["among_shifted", "among_logs_of"], "kinds"),
        ("Mul", ["either", "share"], "either_softer"),
        ("Add", ["either_softer", "tumor_bias"], "either_shifted"),
        ("LogSoftmax", ["either_shifted"], "either_logs"),
        ("MatMul", ["either_logs", "members"], "either_logs_of"),
        ("Add", ["either_logs_of", "kinds"], "softened"),
    ]
    for operator, inputs, output in chain:
        _node(graph, operator, inputs, f"{_MARK}{output}")
    _node(graph, "Exp", ["softened"], "probabilities")
    _node(graph, "Mul", ["heatmap", "share"], "heatmap")


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


def _constant(graph: onnx.GraphProto, name: str, value: NDArray[Any]) -> None:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(value, f"{_MARK}{name}"))


def _node(graph: onnx.GraphProto, operator: str, inputs: list[str], output: str) -> None:
    """A node on tensors of this module; softmax is over the last axis, the default."""
    from onnx import helper

    names = [name if name.startswith(_MARK) else f"{_MARK}{name}" for name in inputs]
    graph.node.append(helper.make_node(operator, names, [output]))
