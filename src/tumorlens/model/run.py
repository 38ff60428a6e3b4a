"""A loaded model: a batch of prepared slices goes in, checked raw outputs come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.errors import ModelError, ModelIncompatible
from tumorlens.model.format import INPUT_NAME, OPTIONAL_OUTPUTS, REQUIRED_OUTPUTS, ModelMetadata

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

# Rounding in float32 stays far below this; a graph that is off by more does not give
# probabilities.
PROBABILITY_TOLERANCE = 1e-3

_MAP_RANK, _VECTOR_RANK = 4, 2


@dataclass(frozen=True, slots=True, eq=False)
class RawOutputs:
    """What the network gave for N slices, checked.

    Attributes:
        probabilities: float32 (N, C), calibrated, in [0, 1], each row summing to 1 within 1e-3.
        heatmap: float32 (N, C, h, w), the class activation map of each class, in logits.
        novelty: float32 (N,), distance from the training data.
        mask: float32 (N, 1, h, w), tumor probability a pixel in [0, 1], or None.
        embedding: float32 (N, D), what slices are compared with training examples by, or None.
    """

    probabilities: NDArray[np.float32]
    heatmap: NDArray[np.float32]
    novelty: NDArray[np.float32]
    mask: NDArray[np.float32] | None = None
    embedding: NDArray[np.float32] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A model that is loaded and can be run, from any number of threads at once.

    Attributes:
        metadata: What its file says of it.
        sha256: SHA-256 of its file.
        path: Where its file lies.
        size: Bytes of its file.
        session: The ONNX Runtime session.
    """

    metadata: ModelMetadata
    sha256: str
    path: Path
    size: int
    session: Any

    @property
    def label(self) -> str:
        """Name and version, as messages say them."""
        return f"{self.metadata.name} {self.metadata.version}"

    @property
    def gives_mask(self) -> bool:
        """Whether it marks the tumor pixel by pixel."""
        return any(output.name == "mask" for output in self.session.get_outputs())

    def run(self, batch: NDArray[np.float32]) -> RawOutputs:
        """Run the network once.

        Args:
            batch: float32 (N, channels, height, width) as the metadata's input says, values in
                [0, 1].

        Raises:
            ValueError: The batch has another shape or type.
            ModelIncompatible: What came out is not what a model file promises.
            ModelError: The network could not be run.
        """
        spec = self.metadata.input
        if batch.shape[1:] != (spec.channels, spec.height, spec.width) or batch.dtype != np.float32:
            msg = (
                f"batch must be float32 (N, {spec.channels}, {spec.height}, {spec.width}), "
                f"got {batch.dtype} {batch.shape}"
            )
            raise ValueError(msg)
        outputs = self._outputs(batch)
        self._check(outputs, len(batch))
        return RawOutputs(
            np.clip(outputs["probabilities"], 0.0, 1.0),
            outputs["heatmap"],
            outputs["novelty"],
            np.clip(outputs["mask"], 0.0, 1.0) if "mask" in outputs else None,
            outputs.get("embedding"),
        )

    def _outputs(self, batch: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        names = [output.name for output in self.session.get_outputs()]
        try:
            values = self.session.run(names, {INPUT_NAME: batch})
        except Exception as error:  # ONNX Runtime's errors have no class in common
            msg = f"{self.label} could not be run: {first_line(error)}"
            raise ModelError(msg) from error
        return dict(zip(names, values, strict=True))

    def _check(self, outputs: dict[str, NDArray[np.float32]], count: int) -> None:
        classes = len(self.metadata.classes)
        shapes: dict[str, tuple[int, ...]] = {
            "probabilities": (count, classes),
            "heatmap": (count, classes),
            "novelty": (count,),
            "mask": (count, 1),
            "embedding": (count,),
        }
        ranks = {"heatmap": _MAP_RANK, "mask": _MAP_RANK, "embedding": _VECTOR_RANK}
        for name, value in outputs.items():
            expected = shapes[name]
            if value.shape[: len(expected)] != expected or value.ndim != ranks.get(
                name, len(expected)
            ):
                msg = f"output {name} has shape {value.shape}"
                raise self._wrong(msg)
            if not np.isfinite(value).all():
                msg = f"output {name} holds values that are not numbers"
                raise self._wrong(msg)
        self._check_range("probabilities", outputs["probabilities"])
        sums = outputs["probabilities"].sum(axis=1, dtype=np.float64)
        if np.abs(sums - 1).max(initial=0) > PROBABILITY_TOLERANCE:
            msg = f"probabilities sum to {sums[np.abs(sums - 1).argmax()]:.4f}, not 1"
            raise self._wrong(msg)
        if "mask" in outputs:
            self._check_range("mask", outputs["mask"])

    def _check_range(self, name: str, value: NDArray[np.float32]) -> None:
        low, high = float(value.min(initial=0)), float(value.max(initial=0))
        if low < -PROBABILITY_TOLERANCE or high > 1 + PROBABILITY_TOLERANCE:
            msg = f"output {name} runs from {low:.4g} to {high:.4g}, not in [0, 1]"
            raise self._wrong(msg)

    def _wrong(self, what: str) -> ModelIncompatible:
        return ModelIncompatible(f"{self.label} ({self.path}): {what}. Export the model again.")


def check_signature(session: Any, metadata: ModelMetadata) -> None:
    """Compare the graph's inputs and outputs with what the metadata promises.

    Raises:
        ModelIncompatible: They differ; the message says in what.
    """
    spec, classes = metadata.input, len(metadata.classes)
    table = metadata.decision.neighbours
    image = (None, spec.channels, spec.height, spec.width)
    _check_values("input", session.get_inputs(), {INPUT_NAME: image})
    expected: dict[str, tuple[int | None, ...]] = {
        "probabilities": (None, classes),
        "heatmap": (None, classes, None, None),
        "novelty": (None,),
    }
    outputs = session.get_outputs()
    names = {value.name for value in outputs}
    optional: dict[str, tuple[int | None, ...]] = {
        "mask": (None, 1, None, None),
        "embedding": (None, None if table is None else table.dimensions),
    }
    expected |= {name: optional[name] for name in OPTIONAL_OUTPUTS if name in names}
    if table is not None and "embedding" not in names:
        msg = "its metadata names training examples, but its graph lacks the output embedding"
        raise ModelIncompatible(msg)
    if missing := set(REQUIRED_OUTPUTS) - names:
        msg = f"its graph lacks the output {', '.join(sorted(missing))}"
        raise ModelIncompatible(msg)
    _check_values("output", outputs, expected)
    if isinstance(session.get_inputs()[0].shape[0], int):
        msg = "its graph fixes the number of slices in a batch; it must be free"
        raise ModelIncompatible(msg)


def _check_values(kind: str, values: Any, expected: dict[str, tuple[int | None, ...]]) -> None:
    if {value.name for value in values} != set(expected):
        got = ", ".join(value.name for value in values) or "none"
        msg = f"its graph has the {kind}s {got}, expected {', '.join(expected)}"
        raise ModelIncompatible(msg)
    for value in values:
        if value.type != "tensor(float)":
            msg = f"its {kind} {value.name} is {value.type}, not tensor(float)"
            raise ModelIncompatible(msg)
        shape = expected[value.name]
        # A dimension that the graph leaves open is a name or None; it is checked when run.
        fits = len(value.shape) == len(shape) and all(
            want is None or not isinstance(got, int) or got == want
            for got, want in zip(value.shape, shape, strict=True)
        )
        if not fits:
            msg = (
                f"its {kind} {value.name} has shape {tuple(value.shape)}, but its metadata says "
                f"{tuple('N' if size is None else size for size in shape)}"
            )
            raise ModelIncompatible(msg)


def first_line(error: BaseException) -> str:
    """The first line of what a library says, which is the one with the cause."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
