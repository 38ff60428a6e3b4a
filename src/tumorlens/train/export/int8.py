"""8-bit integers: a graph whose feature extractor computes in them, calibrated on images.

Weights are rounded for each output channel by itself, activations by the range that they take on
the calibration images (ONNX Runtime's static quantisation, in the QDQ layout). What is small and
sensitive stays in float: normalisation, head, class maps, novelty, and the extractor's first
layers as far as they need it.

Why a beginning, and not single layers: where a layer in float stands between two in integers, ONNX
Runtime rounds its weights too when it loads the model, with one scale for all channels. MobileNetV2
then loses two thirds of its answers.
"""

from __future__ import annotations

import logging
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.errors import ModelIncompatible
from tumorlens.model.format import INPUT_NAME
from tumorlens.train.export.graph import drop_unused, extractors, named
from tumorlens.train.export.half import store_head_in_half

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx
    from numpy.typing import NDArray

QUANTISED = ("Conv", "Clip", "Relu", "Add", "MaxPool")
"""The operators that have integer kernels, or need none."""

HIGHEST = 127
"""Of a signed 8-bit integer; weights are rounded symmetrically about 0."""

SENSITIVE = 0.02
"""A layer is sensitive where rounding its weights alone moves the logits by more than this share of
their spread. In MobileNetV2 the first block's depthwise and projecting layers do (8 % and 4 %),
whose few weights differ a hundredfold from each other; all later ones stay below 2 %."""

FLOAT_SHARE = 0.25
"""At most this share of the convolutions stays in float; the later ones hold most of the weights
and of the time."""

FEWEST_CHANNELS = 8
"""A convolution that gives fewer is the last of a decoder: it marks pixels, costs next to nothing,
and in 8 bits would leave the mask a few dozen levels."""

LEAST_PROBABILITY = 1e-30
"""Below this, 32-bit float holds nothing that a logarithm could be taken of."""

PROBES = 16
"""Calibration images that sensitivity is judged on."""


def quantise(proto: onnx.ModelProto, images: NDArray[np.float32]) -> onnx.ModelProto:
    """A graph with its feature extractor in 8-bit integers.

    1. Round the weights of one early layer at a time, and see how far the logits move.
    2. Leave the layers up to the last sensitive one in float; where outlines have an extractor of
       their own, as many of its layers.
    3. Run the calibration images to find the range of every activation of the others.
    4. Round weights and activations; store the large weights of the head in 16-bit float.

    Args:
        proto: A model in 32-bit float.
        images: Calibration images as the model takes them, (N, channels, H, W) in [0, 1]. They
            must be images that it learnt from.

    Raises:
        ModelIncompatible: It has too few convolutions, or is not in 32-bit float.
    """
    source = named(proto)
    found = extractors(source.graph)
    convolutions = [[n.name for n in nodes if n.op_type == "Conv"] for nodes in found]
    if not convolutions[0]:
        msg = "its graph has no convolution that all outputs depend on; it cannot be converted"
        raise ModelIncompatible(msg)
    layers = sensitive_layers(source, convolutions[0], images[:PROBES])
    kept = {name for names in convolutions for name in names[:layers]}
    kept |= _narrow_layers(source.graph)
    chosen = [node.name for nodes in found for node in nodes if node.name not in kept]
    quantised = named(_quantised(source, chosen, images))
    store_head_in_half(quantised)
    drop_unused(quantised.graph)
    return quantised


def sensitive_layers(
    proto: onnx.ModelProto, convolutions: list[str], images: NDArray[np.float32]
) -> int:
    """How many of the first convolutions are to stay in float: up to the last sensitive one.

    Args:
        proto: The model, its nodes named.
        convolutions: Names of the extractor's convolutions, in order.
        images: To judge by, (N, channels, H, W).
    """
    wanted = _logits(proto, images)
    spread = float(wanted.std())
    if spread == 0:
        return 0
    most = int(len(convolutions) * FLOAT_SHARE)
    for number in range(most, 0, -1):
        moved = _logits(_rounded(proto, convolutions[number - 1]), images) - wanted
        if float(np.sqrt(np.square(moved).mean())) > SENSITIVE * spread:
            return number
    return 0


def _rounded(proto: onnx.ModelProto, convolution: str) -> onnx.ModelProto:
    """The model with one convolution's weights rounded to 8 bits for each output channel."""
    import onnx
    from onnx import numpy_helper

    copy = onnx.ModelProto()
    copy.CopyFrom(proto)
    name = next(node.input[1] for node in copy.graph.node if node.name == convolution)
    for tensor in copy.graph.initializer:
        if tensor.name == name:
            weights = numpy_helper.to_array(tensor)
            axes = tuple(range(1, weights.ndim))
            scale = np.abs(weights).max(axis=axes, keepdims=True) / HIGHEST
            scale[scale == 0] = 1
            rounded = (np.rint(weights / scale) * scale).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(rounded, name))
    return copy


def _narrow_layers(graph: onnx.GraphProto) -> set[str]:
    """The names of the convolutions that give few channels."""
    channels = {tensor.name: tensor.dims[0] for tensor in graph.initializer if tensor.dims}
    return {
        node.name
        for node in graph.node
        if node.op_type == "Conv" and channels.get(node.input[1], FEWEST_CHANNELS) < FEWEST_CHANNELS
    }


def _logits(proto: onnx.ModelProto, images: NDArray[np.float32]) -> NDArray[np.float64]:
    """The logits (N, C) of images, up to a number that is the same for all classes."""
    import onnxruntime

    session = onnxruntime.InferenceSession(
        proto.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    rows = [session.run(["probabilities"], {INPUT_NAME: image[None]})[0] for image in images]
    logarithms = np.log(np.maximum(np.concatenate(rows), LEAST_PROBABILITY, dtype=np.float64))
    centred: NDArray[np.float64] = logarithms - logarithms.mean(axis=1, keepdims=True)
    return centred


def _quantised(
    proto: onnx.ModelProto, chosen: list[str], images: NDArray[np.float32]
) -> onnx.ModelProto:
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        CalibrationMethod,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        """Gives one image after the other."""

        def __init__(self) -> None:
            self._rest = iter(images)

        def get_next(self) -> dict[str, NDArray[np.float32]] | None:
            image = next(self._rest, None)
            return None if image is None else {INPUT_NAME: image[None]}

    with tempfile.TemporaryDirectory() as folder, _without_advice():
        target = Path(folder) / "int8.onnx"
        quantize_static(
            proto,
            target,
            Reader(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED),
            nodes_to_quantize=chosen,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Percentiles and entropy take ten times as long and give the same answers here.
            calibrate_method=CalibrationMethod.MinMax,
        )
        return onnx.load(target)


@contextmanager
def _without_advice() -> Iterator[None]:
    """Keep back ONNX Runtime's advice to optimise the graph first: the exporter has done that."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
