"""All features of a recipe, as one part of a graph."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from tumorlens.errors import RecipeError
from tumorlens.train.classical.glcm import CoOccurrence
from tumorlens.train.classical.hog import Gradients
from tumorlens.train.classical.intensity import Intensity
from tumorlens.train.classical.lbp import BinaryPatterns
from tumorlens.train.classical.measure import CELLS
from tumorlens.train.classical.picture import look
from tumorlens.train.classical.shape import Shape
from tumorlens.train.classical.spec import Family

if TYPE_CHECKING:
    from torch import Tensor

    from tumorlens.model.format import InputSpec
    from tumorlens.train.classical.measure import Measure
    from tumorlens.train.classical.spec import ClassicalSpec

PLACES = CELLS * CELLS


class FeatureExtractor(nn.Module):
    """From slices to numbers: `look`, then every family of the recipe, side by side.

    Attributes:
        names: What each feature is.

    Raises:
        RecipeError: The input cannot be divided into places.
    """

    kept: Tensor

    def __init__(self, spec: ClassicalSpec, size: InputSpec) -> None:
        super().__init__()
        if size.height % CELLS or size.width % CELLS:
            msg = (
                f"input.height and input.width must be multiples of {CELLS}, got {size.height} "
                f"and {size.width}; try --set input.height=128 --set input.width=128"
            )
            raise RecipeError(msg)
        self.spec = spec
        self.measures = [_measure(family, spec, size) for family in spec.features]
        self.names = tuple(name for measure in self.measures for name in measure.names)
        whole = torch.ones(1, PLACES)
        self.register_buffer("kept", torch.cat([whole, 1 - torch.eye(PLACES)]), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """The features of each slice: (N, 1 or 3, H, W) in [0, 1] → (N, D)."""
        return self._features(image, self.kept[:1])[:, 0]

    def with_places_left_out(self, image: Tensor) -> Tensor:
        """The features of each slice, and what they would be without each of its places.

        Where the spot, the head and the grey levels are stays as it is; what lies in the place is
        not counted.

        Args:
            image: (N, 1 or 3, H, W) in [0, 1].

        Returns:
            (N, 1 + PLACES, D); the first are those of the whole slice.
        """
        return self._features(image, self.kept)

    def _features(self, image: Tensor, kept: Tensor) -> Tensor:
        picture = look(image.mean(dim=1, keepdim=True), self.spec)
        found = []
        for measure in self.measures:
            totals = measure.total(measure.sums(picture).flatten(2), kept)
            found.append(measure.describe(totals.flatten(0, 1)))
        return torch.cat(found, dim=1).reshape(-1, kept.shape[0], len(self.names))


def _measure(family: Family, spec: ClassicalSpec, size: InputSpec) -> Measure:
    match family:
        case Family.GLCM:
            return CoOccurrence(spec)
        case Family.SHAPE:
            return Shape(size.height, size.width)
        case Family.INTENSITY:
            return Intensity()
        case Family.LBP:
            return BinaryPatterns()
        case Family.HOG:
            return Gradients()
