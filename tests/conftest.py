"""A tiny model, made by code, that sees bright lesions: for every test that needs an answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tumorlens.model.format import (
    METADATA_KEY,
    CropPolicy,
    InputSpec,
    ModelMetadata,
    ResizePolicy,
    Thresholds,
)

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64
CLASSES = ("no_tumor", "glioma", "meningioma", "pituitary")
# Brighter than any tissue of a drawn head but its tumors, once averaged over 4x4 pixels.
LESION_LEVEL = 0.7
# How strongly each class takes a bright place as evidence, and what speaks for no tumor.
GAINS = (0.0, 2000.0, 8000.0, 1000.0)
NO_TUMOR_BIAS = 3.0


def tiny_metadata(**changes: Any) -> ModelMetadata:
    """The metadata of the tiny model."""
    fields: dict[str, Any] = {
        "name": "tiny",
        "version": "1.2",
        "task": "multiclass",
        "classes": CLASSES,
        "positive": CLASSES[1:],
        "display": {"pituitary": "pituitary tumor"},
        "input": InputSpec(
            height=SIDE, width=SIDE, crop=CropPolicy.FOREGROUND, resize=ResizePolicy.LETTERBOX
        ),
        "thresholds": Thresholds(),
        "created": "2026-01-01",
    }
    return ModelMetadata(**(fields | changes))


@dataclass(kw_only=True)
class TinyModel:
    """What the tiny model is made of; a test changes one part to break it.

    Attributes:
        metadata: Its metadata, or the text in its place, or None for none.
        gains: Logits that a bright place gives each class.
        fault: A node type put after `faulty_output`, such as ``Neg``.
        faulty_output: The output that is spoilt.
        mask: Whether it gives a mask.
        renamed: Output name → the name it gets instead.
        batch: The batch dimension: a name, or a number that fixes it.
        channels: Channels of the image.
    """

    metadata: ModelMetadata | str | None = field(default_factory=tiny_metadata)
    gains: tuple[float, ...] = GAINS
    fault: str | None = None
    faulty_output: str = "probabilities"
    mask: bool = False
    renamed: dict[str, str] = field(default_factory=dict)
    batch: str | int = "batch"
    channels: int = 1

    def graph(self) -> Any:
        """The ONNX model."""
        from onnx import TensorProto, helper

        classes, cells = len(self.gains), SIDE // 4
        bias = np.zeros(classes, np.float32)
        bias[0] = NO_TUMOR_BIAS
        weight = np.repeat(np.array(self.gains, np.float32)[:, None], self.channels, axis=1)
        constants = [
            helper.make_tensor("level", TensorProto.FLOAT, [1], [LESION_LEVEL]),
            helper.make_tensor(
                "weight", TensorProto.FLOAT, [classes, self.channels, 1, 1], weight / self.channels
            ),
            helper.make_tensor("bias", TensorProto.FLOAT, [classes], bias),
            helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
            helper.make_tensor("channel", TensorProto.INT64, [1], [1]),
        ]
        shapes = {
            "probabilities": [self.batch, classes],
            "heatmap": [self.batch, classes, cells, cells],
            "novelty": [self.batch],
        }
        nodes = [
            helper.make_node(
                "AveragePool", ["image"], ["cells"], kernel_shape=[4, 4], strides=[4, 4]
            ),
            helper.make_node("Sub", ["cells", "level"], ["above"]),
            helper.make_node("Relu", ["above"], ["bright"]),
            helper.make_node("Conv", ["bright", "weight"], ["heatmap"]),
            helper.make_node("GlobalAveragePool", ["heatmap"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["flat"]),
            helper.make_node("Add", ["flat", "bias"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
            helper.make_node("ReduceMean", ["image", "axes"], ["novelty"], keepdims=0),
        ]
        if self.mask:
            shapes["mask"] = [self.batch, 1, cells, cells]
            nodes.append(helper.make_node("ReduceMax", ["bright", "channel"], ["peak"]))
            nodes.append(helper.make_node("Sign", ["peak"], ["mask"]))
        if self.fault is not None:
            self._spoil(nodes)
        self._rename(nodes)
        outputs = [
            helper.make_tensor_value_info(self.renamed.get(name, name), TensorProto.FLOAT, shape)
            for name, shape in shapes.items()
        ]
        image = helper.make_tensor_value_info(
            "image", TensorProto.FLOAT, [self.batch, self.channels, SIDE, SIDE]
        )
        graph = helper.make_graph(nodes, "tiny", [image], outputs, constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)

    def save(self, path: Path) -> Path:
        """Write the model file."""
        from onnx import helper

        model = self.graph()
        if self.metadata is not None:
            text = self.metadata
            text = text if isinstance(text, str) else text.model_dump_json()
            helper.set_model_props(model, {METADATA_KEY: text})
        path.write_bytes(model.SerializeToString())
        return path

    def _spoil(self, nodes: list[Any]) -> None:
        from onnx import helper

        for node in nodes:
            if self.faulty_output in node.output:
                node.output[0] = "sound"
        nodes.append(helper.make_node(self.fault, ["sound"], [self.faulty_output]))

    def _rename(self, nodes: list[Any]) -> None:
        for node in nodes:
            for names in (node.input, node.output):
                for index, name in enumerate(names):
                    names[index] = self.renamed.get(name, name)


@pytest.fixture(scope="session")
def tiny_model() -> type[TinyModel]:
    """The recipe of the tiny model, to change and to save."""
    return TinyModel


@pytest.fixture(scope="session")
def tiny_model_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of the tiny model."""
    return TinyModel().save(tmp_path_factory.mktemp("models") / "tiny.onnx")
