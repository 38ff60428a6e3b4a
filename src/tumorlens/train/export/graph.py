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

MASK = "mask"

OUTLINES = "outlines."
"""What the parts of a graph begin with that come from other models, which draw the outlines."""

ANY_SIZE = 2**31
"""More numbers than a tensor of a model file has."""

GIVEN_TUMOR = f"{OUTLINES}given_tumor"
"""The mean of their masks: where a lesion is, if there is one."""


OWN = f"{OUTLINES}own"
"""The mask of the network that decides, where it is one of them."""


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


def extractors(graph: onnx.GraphProto) -> list[list[onnx.NodeProto]]:
    """The feature extractors of a graph, each as its nodes in order; the decision's comes first.

    Probabilities, heatmap and mask are computed from the same features, so what they have in
    common is the feature extractor (and the decoder of a network that marks), whatever the
    architecture. Where outlines are drawn by networks of their own (`tumorlens.train.export.join`),
    all that the mask of each depends on is a further one; they may begin with the same nodes. What
    tells pictures apart may look at a part of the first only, such as the picture without its
    mirror image.
    """
    drawn = next((node.input for node in graph.node if GIVEN_TUMOR in node.output), ())
    outputs = {output.name for output in graph.output} - {*LIKENESS, *([MASK] if drawn else [])}
    decides = set.intersection(*(names_behind(graph, name) for name in sorted(outputs)))
    draw = [names_behind(graph, name) for name in drawn if name != OWN]
    return [[node for node in graph.node if node.name in names] for names in (decides, *draw)]


def prefix_of(number: int) -> str:
    """What the parts of a graph begin with that come from one of the models for outlines."""
    return f"{OUTLINES}{number}."


def names_behind(graph: onnx.GraphProto, output: str) -> set[str]:
    """The names of the nodes that one output, or tensor, depends on."""
    makers = {name: node for node in graph.node for name in node.output}
    found: set[str] = set()
    open_names = [output]
    while open_names:
        node = makers.get(open_names.pop())
        if node is not None and node.name not in found:
            found.add(node.name)
            open_names += node.input
    return found


def compute_once(proto: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in which nodes that compute the same from the same are one, and so are their weights.

    What two networks begin with alike, such as the frozen first stages of an encoder, is then run
    once for both.
    """
    import onnx_ir
    from onnx_ir.passes import Sequential
    from onnx_ir.passes.common import (
        CommonSubexpressionEliminationPass,
        DeduplicateInitializersPass,
    )

    once = Sequential(
        DeduplicateInitializersPass(size_limit=ANY_SIZE), CommonSubexpressionEliminationPass()
    )
    result: onnx.ModelProto = onnx_ir.to_proto(once(onnx_ir.from_proto(proto)).model)
    return result


def rename(graph: onnx.GraphProto, old: str, new: str) -> None:
    """Another name for a tensor wherever a node gives or takes it; outputs keep theirs."""
    for node in graph.node:
        for names in (node.input, node.output):
            for index, name in enumerate(names):
                if name == old:
                    names[index] = new


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
