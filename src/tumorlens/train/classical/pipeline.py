"""A fitted pipeline, whole: it gives what a model file gives, and keeps itself in a folder."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import torch
from torch import nn

from tumorlens.errors import ModelCorrupt, RecipeError
from tumorlens.model.format import REQUIRED_OUTPUTS
from tumorlens.train.calibrate import Calibration, NoveltyHead, NoveltyReference
from tumorlens.train.classical.decide import LogitMap, Scorer
from tumorlens.train.classical.features import PLACES, FeatureExtractor
from tumorlens.train.classical.measure import CELLS

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.train.run import Run

NUMBERS = "classical.npz"
"""The file of a run that holds the numbers around its classifier."""

SAME = 1e-4
"""Features run from hundredths to tens; one that deviates by less is the same in all images."""

FARTHEST = 10.0
"""Deviations from the mean beyond which a feature says no more: one odd number decides nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """What brings every feature to mean 0 and deviation 1.

    Attributes:
        mean: float32 (D,).
        deviation: float32 (D,), 1 for a feature that is the same in all images.
    """

    mean: NDArray[np.float32]
    deviation: NDArray[np.float32]

    @classmethod
    def of(cls, features: NDArray[np.float32]) -> Scale:
        """Of the training images' features (N, D)."""
        deviation = features.std(axis=0, dtype=np.float64)
        deviation[deviation < SAME] = 1
        mean = features.mean(axis=0, dtype=np.float64)
        return cls(mean.astype(np.float32), deviation.astype(np.float32))

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, D) → (N, D), within `FARTHEST` of 0."""
        scaled: NDArray[np.float32] = (features - self.mean) / self.deviation
        return scaled.clip(-FARTHEST, FARTHEST)


class Measuring(nn.Module):
    """The first part of the graph: scaled features of each slice, and of it without each place."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, extractor: FeatureExtractor, scale: Scale) -> None:
        super().__init__()
        self.extractor = extractor
        self.register_buffer("mean", torch.from_numpy(scale.mean))
        self.register_buffer("deviation", torch.from_numpy(scale.deviation))

    def forward(self, image: Tensor) -> Tensor:
        """(N, 1 or 3, H, W) → (N * (1 + PLACES), D)."""
        features = self.extractor.with_places_left_out(image).flatten(0, 1)
        return ((features - self.mean) / self.deviation).clamp(-FARTHEST, FARTHEST)


class Answering(nn.Module):
    """The last part of the graph: what the classifier's scores of those rows say.

    The heatmap of a class is the fall of its calibrated logit when a place is not counted, times
    the number of places, plus what the places do not explain: the mean over the map is the logit.
    """

    weight: Tensor
    bias: Tensor

    def __init__(self, logits: LogitMap, temperature: float, reference: NoveltyReference) -> None:
        super().__init__()
        self.register_buffer("weight", torch.from_numpy(logits.weight / np.float32(temperature)))
        self.register_buffer("bias", torch.from_numpy(logits.bias / np.float32(temperature)))
        self.novelty = NoveltyHead(reference)

    def forward(self, features: Tensor, scores: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N * (1 + PLACES), D) and (…, S) → (N, C), (N, C, CELLS, CELLS), (N,)."""
        classes = self.weight.shape[0]
        logits = (scores @ self.weight.T + self.bias).reshape(-1, 1 + PLACES, classes)
        whole = logits[:, :1]
        fall = (whole - logits[:, 1:]) * PLACES
        maps = (fall - fall.mean(dim=1, keepdim=True) + whole).transpose(1, 2)
        heatmap = maps.reshape(-1, classes, CELLS, CELLS)
        of_slices = features.reshape(-1, 1 + PLACES, features.shape[1])[:, 0]
        novelty = self.novelty(of_slices)
        return torch.softmax(whole[:, 0], dim=1), heatmap, novelty


class ClassicalPipeline(nn.Module):
    """Measuring, a classifier and answering, as a model file computes them.

    Attributes:
        outputs: Names of what it gives.
        classifier: The part in the middle, which is no module but a graph of its own.
    """

    outputs: ClassVar[tuple[str, ...]] = REQUIRED_OUTPUTS

    def __init__(self, measuring: Measuring, classifier: Scorer, answering: Answering) -> None:
        super().__init__()
        self.measuring = measuring
        self.classifier = classifier
        self.answering = answering

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1 or 3, H, W) in [0, 1] → probabilities, heatmap, novelty."""
        features = self.measuring(image)
        scores = torch.from_numpy(self.classifier.scores(features.numpy()))
        found: tuple[Tensor, Tensor, Tensor] = self.answering(features, scores)
        return found


def save(run: Run, classifier: Scorer, logits: LogitMap, scale: Scale) -> None:
    """Keep what was fitted: the numbers as arrays, then the classifier as ONNX."""
    np.savez(
        run.folder / NUMBERS,
        weight=logits.weight,
        bias=logits.bias,
        mean=scale.mean,
        deviation=scale.deviation,
    )
    run.classifier.write_bytes(classifier.content)


def is_finished(run: Run) -> bool:
    """Whether everything is there that an export needs."""
    return not _missing(run)


def assemble(run: Run) -> ClassicalPipeline:
    """The pipeline of a finished run.

    Raises:
        RecipeError: The run is of another method, or not finished.
        ModelCorrupt: One of its files is damaged.
    """
    spec = run.recipe.classical
    if spec is None:
        msg = f"{run.folder}: {run.recipe.name} is no classical pipeline"
        raise RecipeError(msg)
    if missing := _missing(run):
        msg = f"{run.folder}: the run is not finished ({missing[0].name} is missing); train on"
        raise RecipeError(msg)
    try:
        scorer = Scorer.load(run.classifier.read_bytes())
    except Exception as error:  # ONNX Runtime's errors have no class in common
        raise _damaged(run.classifier) from error
    arrays = _arrays(run.folder / NUMBERS, ("weight", "bias", "mean", "deviation"))
    reference = _arrays(run.novelty, ("centres", "directions", "residual"))
    try:
        calibration = Calibration.model_validate_json(run.calibration.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _damaged(run.calibration) from error
    answering = Answering(
        LogitMap(arrays["weight"], arrays["bias"]),
        calibration.temperature,
        NoveltyReference(
            reference["centres"], reference["directions"], float(reference["residual"])
        ),
    )
    scale = Scale(arrays["mean"], arrays["deviation"])
    measuring = Measuring(FeatureExtractor(spec, run.recipe.input), scale)
    return ClassicalPipeline(measuring, scorer, answering).eval()


def _missing(run: Run) -> list[Path]:
    files = (run.folder / NUMBERS, run.classifier, run.calibration, run.novelty)
    return [file for file in files if not file.is_file()]


def _arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[np.float32]]:
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> ModelCorrupt:
    return ModelCorrupt(f"{path}: it is damaged; run the same `tumorlens train` again")
