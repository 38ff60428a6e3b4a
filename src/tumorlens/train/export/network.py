"""The network of a finished run as one module that computes what a model file gives."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np
import torch
from torch import nn

from tumorlens.errors import ModelCorrupt, RecipeError
from tumorlens.model.format import REQUIRED_OUTPUTS
from tumorlens.model.run import RawOutputs, first_line
from tumorlens.train.architectures.classifier import build
from tumorlens.train.calibrate import Calibration, NoveltyHead, NoveltyReference
from tumorlens.train.dense.export import ExportedLesions
from tumorlens.train.dense.train import start_dense
from tumorlens.train.fit import load_state

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.run import Run


class Exportable(Protocol):
    """A module in inference mode that computes a model file's outputs.

    Attributes:
        outputs: Their names, in order: `REQUIRED_OUTPUTS`, and ``mask`` where it gives one.
    """

    outputs: ClassVar[tuple[str, ...]]

    def __call__(self, image: Tensor) -> tuple[Tensor, ...]:
        """(N, 1 or 3, H, W) in [0, 1] → the outputs."""


class ExportedClassifier(nn.Module):
    """What a classifier's model file computes.

    Probabilities are calibrated: the logits are divided by the run's temperature. The heatmap of a
    class is its evidence map in the same unit: its mean is exactly the calibrated logit.

    Args:
        network: The trained network.
        temperature: What its logits are divided by.
        reference: What novelty is measured from.
    """

    outputs: ClassVar[tuple[str, ...]] = REQUIRED_OUTPUTS

    def __init__(
        self, network: Classifier, temperature: float, reference: NoveltyReference
    ) -> None:
        super().__init__()
        self.network = network
        self.novelty = NoveltyHead(reference)
        self.reference = reference
        self.temperature = temperature

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(N, 1 or 3, H, W) → (N, C), (N, C, h, w), (N,)."""
        features = self.network.features(image)
        probabilities = torch.softmax(self.network.classify(features) / self.temperature, dim=1)
        heatmap = self.network.class_maps(features) / self.temperature
        return probabilities, heatmap, self.novelty(self.network.embedding(features))


def assemble(run: Run) -> ExportedClassifier | ExportedLesions:
    """The network of a finished run, in inference mode, ready to be exported.

    Raises:
        RecipeError: The run is not finished, or what it trained is no network of classes.
        ModelCorrupt: A file of the run is damaged.
    """
    if run.recipe.classical is not None:
        msg = f"{run.folder}: {run.recipe.name} is no network; export it to onnx"
        raise RecipeError(msg)
    for file in (run.weights, run.calibration, run.novelty):
        if not file.is_file():
            msg = f"{run.folder}: the run is not finished ({file.name} is missing); train on"
            raise RecipeError(msg)
    try:
        return rebuild(
            run.recipe,
            load_state(run.weights),
            calibration_of(run).temperature,
            _reference(run.novelty),
        )
    except RuntimeError as error:
        raise ModelCorrupt(damaged(run.weights, error)) from error


def rebuild(
    recipe: Recipe,
    weights: dict[str, Tensor],
    temperature: float,
    reference: NoveltyReference,
) -> ExportedClassifier | ExportedLesions:
    """What a model file computes, from a recipe and what training found.

    Raises:
        RecipeError: The recipe trains no network.
        RuntimeError: The weights are of another network.
    """
    if recipe.dense is not None:
        lesions = start_dense(recipe, None, torch.device("cpu"))
        lesions.load_state_dict(weights)
        return ExportedLesions(lesions, temperature, reference).eval()
    if recipe.network is None:
        msg = f"{recipe.name} trains no network of classes; none can be exported"
        raise RecipeError(msg)
    network = build(recipe.network, len(recipe.classes), recipe.input)
    network.load_state_dict(weights)
    return ExportedClassifier(network, temperature, reference).eval()


def calibration_of(run: Run) -> Calibration:
    """Temperature and thresholds of a run.

    Raises:
        ModelCorrupt: The file is damaged.
    """
    try:
        return Calibration.model_validate_json(run.calibration.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelCorrupt(damaged(run.calibration, error)) from error


def answers(exported: Exportable, images: NDArray[np.float32]) -> RawOutputs:
    """What a network gives for images (N, 1 or 3, H, W)."""
    with torch.inference_mode():
        given = exported(torch.from_numpy(images))
    return RawOutputs(
        **{name: value.numpy() for name, value in zip(exported.outputs, given, strict=True)}
    )


def damaged(path: Path, error: Exception) -> str:
    """The message for a file of a run that cannot be read."""
    return f"{path}: it is damaged ({first_line(error)}); run the same `tumorlens train` again"


def _reference(path: Path) -> NoveltyReference:
    try:
        with path.open("rb") as stream, np.load(stream) as arrays:
            return NoveltyReference(
                arrays["centres"], arrays["directions"], float(arrays["residual"])
            )
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile) as error:
        raise ModelCorrupt(damaged(path, error)) from error
