"""What a model file needs to decide, fitted on held-out images: never on those it learnt from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict

from tumorlens.model.format import MaskRules, Thresholds
from tumorlens.train.fit import answers, partial_label_loss
from tumorlens.train.workers import ALONE

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from tumorlens.train.architectures.classifier import Classifier
    from tumorlens.train.dataset import Examples
    from tumorlens.train.recipe import Recipe
    from tumorlens.train.workers import Workers

SENSITIVITY = 0.97
"""The share of held-out tumor images that the no-tumor threshold must leave above it."""

COVERAGE = 0.90
"""The share of held-out images of each class whose prediction set holds it."""

UNCERTAIN_QUANTILE, REJECTED_QUANTILE = 0.95, 0.99
"""Shares of held-out brain images that are nearer to the training data than the two gates."""

COMPONENTS = 64
"""Principal directions of the features that novelty weighs one by one; the rest share a scale."""


class Calibration(BaseModel):
    """What is fitted on held-out images.

    Attributes:
        temperature: What logits are divided by.
        thresholds: Of the decision.
        mask: What counts as marked, of a network that marks lesions.
    """

    model_config = ConfigDict(frozen=True)

    temperature: float
    thresholds: Thresholds
    mask: MaskRules = MaskRules()


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """A network's answers: pooled features (N, F) and logits (N, C), float32."""

    features: NDArray[np.float32]
    logits: NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class NoveltyReference:
    """A Gaussian a label with a shared covariance, as probabilistic PCA (Tipping & Bishop, 1999).

    Attributes:
        centres: Mean feature of each label, float32 (L, F).
        directions: Principal directions of the spread within labels, divided by the standard
            deviation along them, float32 (F, K).
        residual: Standard deviation of a feature in all other directions.
    """

    centres: NDArray[np.float32]
    directions: NDArray[np.float32]
    residual: float

    def distance(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Root mean square of the whitened difference to the nearest centre: (N, F) → (N,).

        About 1 for images like those that the reference was made of.
        """
        module = NoveltyHead(self)
        with torch.inference_mode():
            result: NDArray[np.float32] = module(torch.from_numpy(features)).numpy()
        return result


class NoveltyHead(torch.nn.Module):
    """`NoveltyReference.distance` as a part of the graph."""

    centres: Tensor
    whitened_centres: Tensor
    deviations: Tensor
    directions: Tensor
    units: Tensor

    def __init__(self, reference: NoveltyReference) -> None:
        super().__init__()
        centres = torch.from_numpy(reference.centres)
        directions = torch.from_numpy(reference.directions)
        self.register_buffer("centres", centres)
        self.register_buffer("directions", directions)
        self.register_buffer("whitened_centres", centres @ directions)
        self.residual = reference.residual
        # A whitened direction has length 1 / deviation.
        deviations = 1 / directions.norm(dim=0)
        self.register_buffer("deviations", deviations)
        self.register_buffer("units", (directions * deviations).T.contiguous())

    def forward(self, features: Tensor) -> Tensor:
        """(N, F) → (N,)."""
        difference = features.unsqueeze(1) - self.centres
        along = (features @ self.directions).unsqueeze(1) - self.whitened_centres
        # The rest itself, and not the difference of two sums of squares: where features spread in
        # few directions only, that would be nothing but rounding.
        rest = difference - (along * self.deviations) @ self.units
        squared = along.square().sum(dim=2) + (rest / self.residual).square().sum(dim=2)
        nearest: Tensor = (squared / features.shape[1]).sqrt().amin(dim=1)
        return nearest


def run_network(
    network: Classifier, examples: Examples, device: torch.device, workers: Workers = ALONE
) -> Outputs:
    """The features and logits of some images, in 32-bit float."""
    features, logits = answers(network, examples, device, workers)
    return Outputs(features.numpy(), logits.numpy())


def fit_novelty(features: NDArray[np.float32], images: Examples) -> NoveltyReference:
    """The reference of some training images' features (N, F)."""
    labels = [entry.label for entry in images.entries]
    names, numbers = np.unique(labels, return_inverse=True)
    centres = np.stack([features[numbers == i].mean(axis=0) for i in range(len(names))])
    within = (features - centres[numbers]).astype(np.float64)
    _, singular, rows = np.linalg.svd(within, full_matrices=False)
    count, size = within.shape
    components = min(COMPONENTS, len(singular) - 1)
    variances = np.maximum(singular**2 / max(count - 1, 1), 1e-12)
    rest = variances[components:].sum() / (size - components)
    directions = rows[:components].T / np.sqrt(variances[:components])
    return NoveltyReference(
        centres.astype(np.float32),
        directions.astype(np.float32),
        float(np.sqrt(max(rest, 1e-12))),
    )


def calibrate(
    held_out: Outputs, images: Examples, recipe: Recipe, novelty: NDArray[np.float32]
) -> Calibration:
    """Fit what decides on held-out images.

    1. The temperature that gives the lowest loss.
    2. The no-tumor threshold: the highest, up to one half, that at least `SENSITIVITY` of the
       tumor images reach; from one half up an image is called a tumor.
    3. A conformal quantile a class (split conformal, class-conditional; Vovk, 2012).
    4. The two gates on novelty.

    Args:
        held_out: Answers for the held-out images.
        images: Those images.
        recipe: Names the classes.
        novelty: Their novelty, float32 (N,).
    """
    temperature = fit_temperature(held_out.logits, images.allowed)
    probabilities = _softmax(held_out.logits / temperature)
    positive = [name in recipe.positive for name in recipe.classes]
    is_tumor = (~images.allowed.numpy()[:, ~np.array(positive)]).all(axis=1)
    tumor_probability = probabilities[:, positive].sum(axis=1)[is_tumor]
    threshold = 0.5
    if tumor_probability.size:
        threshold = min(0.5, float(np.quantile(tumor_probability, 1 - SENSITIVITY, method="lower")))
    return Calibration(
        temperature=temperature,
        thresholds=Thresholds(
            tumor=0.5,
            no_tumor=threshold,
            novelty_uncertain=float(np.quantile(novelty, UNCERTAIN_QUANTILE)),
            novelty_rejected=float(np.quantile(novelty, REJECTED_QUANTILE)),
            conformal=conformal_quantiles(probabilities, images, recipe.classes),
            coverage=COVERAGE,
        ),
    )


def fit_temperature(logits: NDArray[np.float32], allowed: Tensor) -> float:
    """The temperature that minimises the loss of logits (N, C) (Guo et al., 2017)."""
    from scipy.optimize import minimize_scalar

    values = torch.from_numpy(logits)

    def loss(log_temperature: float) -> float:
        return partial_label_loss(values / math.exp(log_temperature), allowed).item()

    found = minimize_scalar(loss, bounds=(math.log(0.25), math.log(8)), method="bounded")
    return float(math.exp(found.x))


def conformal_quantiles(
    probabilities: NDArray[np.float64], images: Examples, classes: tuple[str, ...]
) -> dict[str, float]:
    """For each class, the score ``1 - probability`` that `COVERAGE` of its images do not exceed.

    A class with too few images for the finite-sample correction, or with none whose kind is
    known, gets 1: it is never ruled out.
    """
    quantiles = {}
    known = images.allowed.numpy()
    for number, name in enumerate(classes):
        of_class = known[:, number] & (known.sum(axis=1) == 1)
        scores = 1 - probabilities[of_class, number]
        rank = math.ceil((len(scores) + 1) * COVERAGE)
        quantiles[name] = 1.0
        if rank <= len(scores):
            level = rank / len(scores)
            quantiles[name] = float(np.quantile(scores, level, method="higher"))
    return quantiles


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    from scipy.special import softmax

    result: NDArray[np.float64] = softmax(logits.astype(np.float64), axis=1)
    return result
