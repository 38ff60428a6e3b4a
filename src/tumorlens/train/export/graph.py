"""ONNX graphs: their metadata, and which of their nodes are the feature extractor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.model.format import METADATA_KEY

if TYPE_CHECKING:
    import onnx

    from tumorlens.model.format import ModelMetadata

NOVELTY = "novelty"
LIKENESS = (NOVELTY, "embedding")
"""Outputs that tell pictures apart, and answer nothing of them."""


def named(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy whose nodes all have names that differ: what the functions below tell them by."""
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    seen: set[str] = set()
    for number, node in enumerate(copy.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{number}_named"
        seen.add(node.name)
    return copy


def extractor_nodes(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes that every answer depends on, in order.

    Probabilities, heatmap and mask are computed from the same features, so what they have in
    common is the feature extractor (and the decoder of a network that marks), whatever the
    architecture. What tells pictures apart may look at a part of it only, such as the picture
    without its mirror image.
    """
    answers = [output.name for output in graph.output if output.name not in LIKENESS]
    shared = set.intersection(*(names_behind(graph, name) for name in answers))
    return [node for node in graph.node if node.name in shared]


def names_behind(graph: onnx.GraphProto, output: str) -> set[str]:
    """The names of the nodes that one output depends on."""
    makers = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    open_names = [output]
    while open_names:
        node = makers.get(open_names.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            open_names += node.input
    return found


def drop_unused(graph: onnx.GraphProto) -> None:
    """Take out weights that no node reads any more."""
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name in used]
    del graph.initializer[:]
    graph.initializer.extend(kept)


def with_metadata(proto: onnx.ModelProto, metadata: ModelMetadata) -> bytes:
    """The bytes of a model file: a graph with what it says of itself."""
    del proto.metadata_props[:]
    entry = proto.metadata_props.add()
    entry.key, entry.value = METADATA_KEY, metadata.model_dump_json()
    content: bytes = proto.SerializeToString()
    return content
