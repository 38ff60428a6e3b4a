"""Several networks in one graph: the decision of one model, and the outlines of others.

What a decision should be made of and what an outline should follow are not the same. A network that
decides must see pictures without a lesion, and marks with restraint; an outline is drawn best by a
network that never saw any, and draws one in every picture. So the mask of a joined file is what
networks for outlines give, times the probability of a tumor that the decision is made by: that of a
lesion in a pixel, if there is one, and that there is one.

The masks of several networks are averaged, with that of the decision's own where it has one, and
every second network for outlines looks at the mirror image; one that is named twice looks at both.
What networks begin with alike, the frozen first stages of their encoders, is computed once where
they look at the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from tumorlens.errors import ModelIncompatible
from tumorlens.evaluate.figures import tumor_probability
from tumorlens.model.format import INPUT_NAME, OutlineSource
from tumorlens.model.load import load_file
from tumorlens.model.run import RawOutputs
from tumorlens.train.export.compare import SAME_GRAPH, differences, drawn_images
from tumorlens.train.export.convert import Exported, graph_of
from tumorlens.train.export.graph import (
    GIVEN_TUMOR,
    MASK,
    OUTLINES,
    OWN,
    compute_once,
    prefix_of,
    rename,
    with_metadata,
)
from tumorlens.train.export.place import made_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import onnx
    from numpy.typing import NDArray

    from tumorlens.model.format import InputSpec, ModelMetadata
    from tumorlens.model.run import Model

MIRROR = {
    "starts": np.array([-1], np.int64),
    "ends": np.array([np.iinfo(np.int64).min], np.int64),
    "axes": np.array([3], np.int64),
    "steps": np.array([-1], np.int64),
}
"""What ONNX's ``Slice`` takes to turn left into right."""

LOWEST_LEVEL = 0.01
"""Below it nothing is outlined, however low the probability at which a tumor is ruled out."""

SMALLER = f"{INPUT_NAME}.smaller"
"""The picture as the decision takes it, where the outlines take a larger one."""


def join(decision: Model, outlines: Sequence[Model], target: Path) -> Exported:
    """Write a model file that decides as one model does, and whose mask is the mean of others'.

    The file takes pictures of the size that the outlines are drawn on. Where the decision was made
    on smaller ones, the graph averages pixels as `tumorlens.model.prepare` does.

    Args:
        decision: Gives everything but the mask, and the probability of a tumor that the mask is
            multiplied by. A mask of its own is averaged with the others', unless it is of another
            size or a join itself.
        outlines: Give the mask, at least one of them. The second, fourth and so on see the mirror
            image. What counts as marked is as the first says, but for the level: its own is that of
            a lesion if there is one, and is multiplied by the least probability of a tumor at which
            the decision does not rule one out. So all that may be a tumor is outlined.
        target: The file to write.

    Raises:
        ModelIncompatible: One of the others gives no mask, sees another part of a picture or a
            smaller one, or learnt from pictures that the decision is tested on; or what was written
            does not compute what they compute.
    """
    for one in outlines:
        _check(decision, outlines[0], one)
    proto = compute_once(_joined(decision, outlines))
    metadata = _described(decision.metadata, outlines)
    images = drawn_images(metadata.input)
    wanted = _wanted(decision, outlines, images)
    with made_beside(target) as made:
        made.write_bytes(with_metadata(proto, metadata))
        found = differences(load_file(made, threads=1).run(images), wanted)
        found.require(SAME_GRAPH, "the joined graph")
        size = made.stat().st_size
    return Exported(target, size, metadata, found)


def averaging(larger: int, smaller: int) -> NDArray[np.float32]:
    """What brings a line of pixels to fewer: (smaller, larger), each row a triangle of sum 1.

    It is the antialiased linear filter of Pillow and PyTorch.
    """
    scale = larger / smaller
    centres = (np.arange(smaller) + 0.5) * scale
    distances = np.abs(np.arange(larger) + 0.5 - centres[:, None]) / scale
    weights = np.clip(1 - distances, 0, None)
    result: NDArray[np.float32] = (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)
    return result


def _check(decision: Model, first: Model, outlines: Model) -> None:
    ours, theirs = decision.metadata.input, outlines.metadata.input
    if not outlines.gives_mask:
        msg = f"{outlines.label}: gives no mask; name a model that outlines lesions"
        raise ModelIncompatible(msg)
    if (ours.channels, ours.crop, ours.resize) != (theirs.channels, theirs.crop, theirs.resize):
        msg = (
            f"{outlines.label} sees another part of a picture than {decision.label} does; "
            "channels, crop and resize of their inputs must be the same"
        )
        raise ModelIncompatible(msg)
    if ours.height > theirs.height or ours.width > theirs.width:
        msg = (
            f"{outlines.label} takes smaller pictures ({theirs.height} x {theirs.width}) than "
            f"{decision.label} does ({ours.height} x {ours.width}); it must take as large ones"
        )
        raise ModelIncompatible(msg)
    if ours.height * theirs.width != ours.width * theirs.height:
        msg = f"the pictures of {outlines.label} and {decision.label} are not of the same shape"
        raise ModelIncompatible(msg)
    if (size := first.metadata.input) != theirs:
        msg = (
            f"{outlines.label} takes pictures of {theirs.height} x {theirs.width} pixels, and "
            f"{first.label} of {size.height} x {size.width}; they must be of one size"
        )
        raise ModelIncompatible(msg)
    (rows, columns), (high, wide) = _mask_size(outlines), _mask_size(first)
    if (rows, columns) != (high, wide):
        msg = (
            f"{outlines.label} gives a mask of {rows} x {columns} places, and {first.label} of "
            f"{high} x {wide}; they must be of one size"
        )
        raise ModelIncompatible(msg)
    tested, left_out = (_test_fold(one.metadata) for one in (decision, outlines))
    if tested is not None and left_out is not None and tested != left_out:
        msg = (
            f"{outlines.label} left out fold {left_out}, and learnt from fold {tested}, which "
            f"{decision.label} is tested on; train it with data.test_fold={tested}"
        )
        raise ModelIncompatible(msg)


def _mask_size(model: Model) -> tuple[int, int]:
    """Of the mask that a model gives: height and width."""
    (mask,) = (output for output in model.session.get_outputs() if output.name == MASK)
    height, width = mask.shape[2:]
    return height, width


def _averages_own(decision: Model, outlines: Sequence[Model]) -> bool:
    """Whether the mask of the network that decides counts."""
    own = decision.gives_mask and not decision.metadata.outlines
    return own and _mask_size(decision) == _mask_size(outlines[0])


def _test_fold(metadata: ModelMetadata) -> object:
    data: Any = metadata.recipe.get("data")
    return data.get("test_fold") if isinstance(data, dict) else None


def _described(metadata: ModelMetadata, outlines: Sequence[Model]) -> ModelMetadata:
    sources = tuple(
        OutlineSource(
            name=one.metadata.name,
            sha256=one.sha256,
            recipe=one.metadata.recipe,
            data=one.metadata.data,
        )
        for one in outlines
    )
    first = outlines[0].metadata
    level = round(first.mask.level * least_suspected(metadata), 4)
    rules = first.mask.model_copy(update={"level": max(level, LOWEST_LEVEL)})
    return metadata.model_copy(
        # What was measured before holds no more: the mask is another, and pixels are averaged.
        update={"input": first.input, "mask": rules, "outlines": sources, "metrics": ()}
    )


def least_suspected(metadata: ModelMetadata) -> float:
    """The least probability of a tumor at which a slice is not answered "no tumor" any more."""
    selection = metadata.decision.selection
    sure = 1.0 if selection is None else 1 - selection.no_tumor
    return min(metadata.thresholds.no_tumor, sure)


def _joined(decision: Model, outlines: Sequence[Model]) -> onnx.ModelProto:
    import onnx

    ours = graph_of(decision)
    proto = onnx.ModelProto()
    own = _averages_own(decision, outlines)
    kept = [output.name for output in ours.graph.output if output.name != MASK or own]
    proto.CopyFrom(onnx.utils.Extractor(ours).extract_model([INPUT_NAME], kept))
    graph = proto.graph
    if own:
        rename(graph, MASK, OWN)
        del graph.output[kept.index(MASK)]
    _shrink(graph, decision.metadata.input, outlines[0].metadata.input)
    for number, one in enumerate(outlines):
        theirs = graph_of(one)
        if _operators(ours) != _operators(theirs):
            msg = f"{one.label} and {decision.label} are of different operator sets; export anew"
            raise ModelIncompatible(msg)
        drawing = onnx.utils.Extractor(theirs).extract_model([INPUT_NAME], [MASK]).graph
        if number == 0:
            graph.input[0].CopyFrom(drawing.input[0])
            graph.output.append(drawing.output[0])
        _add(graph, drawing, number)
    drawn = [prefix_of(number) + MASK for number in range(len(outlines))]
    _average(graph, [*drawn, *([OWN] if own else [])])
    _multiply_by_tumor(graph, decision.metadata)
    del graph.value_info[:]
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _operators(proto: onnx.ModelProto) -> set[tuple[str, int]]:
    return {(one.domain, one.version) for one in proto.opset_import}


def _add(graph: onnx.GraphProto, drawing: onnx.GraphProto, number: int) -> None:
    """Put a graph that draws outlines into another, in place."""
    from onnx import compose, helper, numpy_helper

    drawing = compose.add_prefix_graph(drawing, prefix_of(number))
    image, mask = (prefix_of(number) + name for name in (INPUT_NAME, MASK))
    graph.initializer.extend(drawing.initializer)
    if number % 2 == 0:
        rename(drawing, image, INPUT_NAME)
        graph.node.extend(drawing.node)
        return
    constants = [f"{prefix_of(number)}{name}" for name in MIRROR]
    graph.initializer.extend(
        numpy_helper.from_array(value, name)
        for value, name in zip(MIRROR.values(), constants, strict=True)
    )
    turned = f"{mask}.turned"
    rename(drawing, mask, turned)
    before = helper.make_node("Slice", [INPUT_NAME, *constants], [image], name=image)
    after = helper.make_node("Slice", [turned, *constants], [mask], name=mask)
    graph.node.extend([before, *drawing.node, after])


def _average(graph: onnx.GraphProto, drawn: Sequence[str]) -> None:
    """The mean of what the networks outline, in place."""
    from onnx import helper

    graph.node.append(helper.make_node("Mean", drawn, [GIVEN_TUMOR], name=GIVEN_TUMOR))


def _multiply_by_tumor(graph: onnx.GraphProto, metadata: ModelMetadata) -> None:
    """The mask is what is outlined times the probability of a tumor, in place."""
    from onnx import helper, numpy_helper

    positive = np.array([metadata.classes.index(name) for name in metadata.positive], np.int64)
    constants = {"classes": positive, "axis": np.array([1]), "shape": np.array([-1, 1, 1, 1])}
    graph.initializer.extend(
        numpy_helper.from_array(value.astype(np.int64), OUTLINES + name)
        for name, value in constants.items()
    )
    classes, axis, shape = (OUTLINES + name for name in constants)
    kinds, tumor, factor = (OUTLINES + name for name in ("kinds", "tumor", "factor"))
    graph.node.extend(
        [
            helper.make_node("Gather", ["probabilities", classes], [kinds], name=kinds, axis=1),
            helper.make_node("ReduceSum", [kinds, axis], [tumor], name=tumor),
            helper.make_node("Reshape", [tumor, shape], [factor], name=factor),
            helper.make_node("Mul", [GIVEN_TUMOR, factor], [MASK], name=f"{OUTLINES}{MASK}"),
        ]
    )


def _shrink(graph: onnx.GraphProto, smaller: InputSpec, larger: InputSpec) -> None:
    """Let a graph take larger pictures, in place."""
    from onnx import helper, numpy_helper

    if (smaller.height, smaller.width) == (larger.height, larger.width):
        return
    rename(graph, INPUT_NAME, SMALLER)
    rows, columns = f"{SMALLER}.rows", f"{SMALLER}.columns"
    graph.initializer.extend(
        [
            numpy_helper.from_array(averaging(larger.height, smaller.height), rows),
            numpy_helper.from_array(
                np.ascontiguousarray(averaging(larger.width, smaller.width).T), columns
            ),
        ]
    )
    before = [
        helper.make_node("MatMul", [rows, INPUT_NAME], [f"{SMALLER}.half"], name=f"{SMALLER}.1"),
        helper.make_node("MatMul", [f"{SMALLER}.half", columns], [SMALLER], name=f"{SMALLER}.2"),
    ]
    after = list(graph.node)
    del graph.node[:]
    graph.node.extend([*before, *after])


def _wanted(decision: Model, outlines: Sequence[Model], images: NDArray[np.float32]) -> RawOutputs:
    """What all give for the same pictures, each by itself."""
    size = decision.metadata.input
    rows = averaging(images.shape[2], size.height)
    columns = averaging(images.shape[3], size.width)
    smaller = images
    if images.shape[2:] != (size.height, size.width):
        smaller = np.ascontiguousarray(rows @ images @ columns.T, dtype=np.float32)
    decided = decision.run(smaller)
    tumor = tumor_probability(decision.metadata, decided.probabilities.astype(np.float64))
    factor = tumor.astype(np.float32)[:, None, None, None]
    drawn = [_drawn(model, images, 1 - 2 * (number % 2)) for number, model in enumerate(outlines)]
    if _averages_own(decision, outlines):
        drawn.append(cast("NDArray[np.float32]", decided.mask))
    return RawOutputs(
        probabilities=decided.probabilities,
        heatmap=decided.heatmap,
        novelty=decided.novelty,
        mask=np.mean(drawn, axis=0, dtype=np.float32) * factor,
    )


def _drawn(model: Model, images: NDArray[np.float32], step: int) -> NDArray[np.float32]:
    """The mask of pictures, or with a step of -1 of their mirror images, turned back."""
    mask = model.run(np.ascontiguousarray(images[..., ::step])).mask
    return cast("NDArray[np.float32]", mask)[..., ::step]
