"""Half precision: a graph whose feature extractor computes, and whose weights lie, in 16-bit float.

Input and outputs stay 32-bit float. So do normalisation, head and novelty, which are small and
whose sums of squares leave the range of 16-bit float (65504); of them only large weight matrices
are stored in 16 bits, and widened when the model is loaded.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.errors import ModelIncompatible
from tumorlens.model.format import INPUT_NAME
from tumorlens.train.export.graph import drop_unused, extractors, named, names_behind

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

HALVED = frozenset({"Conv", "BatchNormalization", "Relu", "Clip", "Add", "MaxPool", "Pad"})
"""The operators that feature extractors are made of; all take 16-bit float."""

DENSE = frozenset({"Gemm", "MatMul"})
"""The operators of a head's layers."""

LARGE = 2**14
"""Weights of the head with more numbers than this are stored in 16 bits."""

LARGEST_HALF = float(np.finfo(np.float16).max)

_NARROW = "_as_float16"
_BEYOND = "beyond the range of 16-bit float; keep this model in 32 bits"


def halve(proto: onnx.ModelProto, images: NDArray[np.float32]) -> onnx.ModelProto:
    """A graph with its feature extractor in 16-bit float.

    1. Take the extractor's nodes, from the first convolution on, and see that on some images all
       they give is within the range of 16-bit float. (A CPU would not tell: ONNX Runtime computes
       in 32 bits there and rounds.)
    2. Give them 16-bit copies of their weights.
    3. Narrow what else enters them, and widen what leaves them.
    4. Store the large weights of the head in 16 bits.

    Args:
        proto: A model in 32-bit float.
        images: What its range is tried on, (N, channels, H, W) in [0, 1].

    Raises:
        ModelIncompatible: It has no convolution, or a weight or a feature beyond the range of
            16-bit float.
    """
    copy = named(proto)
    zone = _zone(copy.graph)
    given = {name for node in copy.graph.node if node.name in zone for name in node.output}
    _check_range(copy, given, images)
    _halve_weights(copy.graph, zone, given)
    _cast_at_the_border(copy.graph, zone, given)
    store_head_in_half(copy)
    drop_unused(copy.graph)
    return copy


def store_head_in_half(proto: onnx.ModelProto) -> None:
    """Store the large weights that lead from features to probabilities in 16 bits, in place.

    A runtime widens them once, when it loads the model, so nothing is lost in speed.

    Args:
        proto: A model whose nodes have names that differ.
    """
    from onnx import TensorProto, numpy_helper

    graph = proto.graph
    behind = names_behind(graph, "probabilities")
    dense = [n for n in graph.node if n.name in behind and n.op_type in DENSE]
    read = {name for node in dense for name in node.input}
    for tensor in list(graph.initializer):
        large = np.prod(tensor.dims, dtype=int) > LARGE
        if large and tensor.name in read and tensor.data_type == TensorProto.FLOAT:
            name = tensor.name
            values = _narrowed(numpy_helper.to_array(tensor), name)
            tensor.CopyFrom(numpy_helper.from_array(values, name + _NARROW))
            graph.node.insert(0, _cast(name + _NARROW, name, TensorProto.FLOAT))


def _zone(graph: onnx.GraphProto) -> set[str]:
    """The names of the extractors' nodes, from the first convolution of each on."""
    zone: set[str] = set()
    given: set[str] = set()
    for node in chain.from_iterable(extractors(graph)):
        follows = node.op_type == "Conv" or given.intersection(node.input)
        if follows and node.op_type in HALVED:
            zone.add(node.name)
            given.update(node.output)
    if not zone:
        msg = "its graph has no convolution that all outputs depend on; it cannot be converted"
        raise ModelIncompatible(msg)
    return zone


def _check_range(proto: onnx.ModelProto, names: set[str], images: NDArray[np.float32]) -> None:
    """Run a graph in 32 bits and look at what some of its nodes give.

    Raises:
        ModelIncompatible: A value is beyond the range of 16-bit float.
    """
    import onnx
    import onnxruntime
    from onnx import helper

    probe = onnx.ModelProto()
    probe.CopyFrom(proto)
    probe.graph.output.extend(
        helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in sorted(names)
    )
    session = onnxruntime.InferenceSession(
        probe.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    for image in images:
        for values in session.run(sorted(names), {INPUT_NAME: image[None]}):
            largest = float(np.abs(values).max(initial=0))
            if largest > LARGEST_HALF:
                msg = f"its features reach {largest:.3g}, {_BEYOND}"
                raise ModelIncompatible(msg)


def _halve_weights(graph: onnx.GraphProto, zone: set[str], given: set[str]) -> None:
    """Let every input of a zone's nodes be 16-bit: weights as copies, the rest by name.

    Args:
        graph: Changed in place.
        zone: Names of the nodes.
        given: What they give.
    """
    from onnx import TensorProto, numpy_helper

    weights = {tensor.name: tensor for tensor in graph.initializer}
    whole = {name for name, tensor in weights.items() if tensor.data_type != TensorProto.FLOAT}
    copied: set[str] = set()
    for node in graph.node:
        if node.name not in zone:
            continue
        for place, name in enumerate(node.input):
            if not name or name in given or name in whole:  # sizes and axes are whole numbers
                continue
            node.input[place] = name + _NARROW
            if name in weights and name not in copied:
                copied.add(name)
                values = _narrowed(numpy_helper.to_array(weights[name]), name)
                graph.initializer.append(numpy_helper.from_array(values, name + _NARROW))


def _cast_at_the_border(graph: onnx.GraphProto, zone: set[str], given: set[str]) -> None:
    """Narrow what a zone reads from outside, and widen what is read of it outside."""
    from onnx import TensorProto

    inside: set[str] = set()
    outside = {output.name for output in graph.output}
    for node in graph.node:
        (inside if node.name in zone else outside).update(node.input)
    entering = {name.removesuffix(_NARROW) for name in inside if name.endswith(_NARROW)}
    entering -= {tensor.name.removesuffix(_NARROW) for tensor in graph.initializer}
    leaving = given & outside
    ordered = [
        _cast(value.name, value.name + _NARROW, TensorProto.FLOAT16)
        for value in graph.input
        if value.name in entering
    ]
    for node in list(graph.node):
        ordered.append(node)
        if node.name in zone:
            _rename(node, leaving)
            ordered += [
                _cast(name, name.removesuffix(_NARROW), TensorProto.FLOAT)
                for name in node.output
                if name.endswith(_NARROW)
            ]
        ordered += [
            _cast(name, name + _NARROW, TensorProto.FLOAT16)
            for name in node.output
            if name in entering
        ]
    copies = [_copied(node) for node in ordered]
    del graph.node[:]
    graph.node.extend(copies)


def _rename(node: onnx.NodeProto, names: set[str]) -> None:
    """Mark some of the names that a node reads and gives as 16-bit."""
    for places in (node.input, node.output):
        for place, name in enumerate(places):
            if name in names:
                places[place] = name + _NARROW


def _cast(name: str, target: str, kind: int) -> onnx.NodeProto:
    from onnx import helper

    return helper.make_node("Cast", [name], [target], name=f"{target}_cast", to=kind)


def _copied(node: onnx.NodeProto) -> onnx.NodeProto:
    import onnx

    copy = onnx.NodeProto()
    copy.CopyFrom(node)
    return copy


def _narrowed(values: np.ndarray, name: str) -> np.ndarray:
    """Weights in 16-bit float; numbers too small for it become 0, infinite ones stay.

    Raises:
        ModelIncompatible: A finite one is beyond the range of 16-bit float.
    """
    largest = np.abs(values, where=np.isfinite(values), out=np.zeros_like(values)).max(initial=0)
    if largest > LARGEST_HALF:
        msg = f"its weight {name} reaches {largest:.3g}, {_BEYOND}"
        raise ModelIncompatible(msg)
    return values.astype(np.float16)
