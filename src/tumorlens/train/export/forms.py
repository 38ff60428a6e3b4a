"""The formats that can be written, and what each needs; nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum

MOST_POINTS_LOST = 0.5
"""Points of accuracy (hundredths) that a conversion may cost unless the user allows more."""


class Form(StrEnum):
    """What to export to.

    ONNX, FP16 and INT8 are model files that ``tumorlens predict --model`` answers with; the others
    are for other programs.
    """

    ONNX = "onnx"
    FP16 = "onnx-fp16"
    INT8 = "onnx-int8"
    OPENVINO = "openvino"
    SAFETENSORS = "safetensors"
    KERAS = "keras"

    @property
    def suffixes(self) -> tuple[str, ...]:
        """How files of this format end; the first is the usual one."""
        return _SUFFIXES.get(self, (".onnx",))

    @property
    def is_model_file(self) -> bool:
        """Whether TumorLens itself answers with it."""
        return self in {Form.ONNX, Form.FP16, Form.INT8}

    @property
    def takes_model_files(self) -> bool:
        """Whether it can be made of a model file; the others need the run's own weights."""
        return self in {Form.FP16, Form.INT8, Form.OPENVINO}

    def named(self, name: str) -> str:
        """What a model is called in this format: precision is a part of the name."""
        return f"{name}-{self.removeprefix('onnx-')}" if self in {Form.FP16, Form.INT8} else name


_SUFFIXES = {
    Form.OPENVINO: (".xml",),
    Form.SAFETENSORS: (".safetensors",),
    Form.KERAS: (".keras", ".h5"),
}
