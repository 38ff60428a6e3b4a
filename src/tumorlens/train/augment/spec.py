"""The ranges within which training images are changed: what a recipe says of it, checked."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

from annotated_types import Le, Lt
from pydantic import BaseModel, ConfigDict, Field

from tumorlens.model.format import Fraction

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

NotNegative = Annotated[float, Field(ge=0.0)]
Degrees = Annotated[float, Field(ge=0.0, le=180.0)]
Part = Annotated[float, Field(ge=0.0, lt=1.0)]

DIGITS = 12
"""Decimals of a scaled range."""

BELOW_LIMIT = 0.95
"""Share of a limit that cannot itself be reached, such as a scale of 0, to which ranges grow."""


class Fill(StrEnum):
    """What comes in from outside where an image is turned, shifted or made smaller."""

    BLACK = "black"
    NEAREST = "nearest"
    REFLECT = "reflect"


class AugmentRecipe(BaseModel):
    """The ranges that each training image is changed within; 0 turns a change off.

    Chance is uniform within a range, and drawn anew for each image.

    Attributes:
        rotation: Degrees to either side.
        scale: Share of the size, larger or smaller, the same along both axes.
        zoom: Share of the size, larger or smaller, drawn for each axis by itself. The factor is
            that of Keras' ``zoom_range``, by which the frame grows: above 1 the picture shrinks.
        translate: Share of the side, in each direction.
        shear: Degrees by which upright lines lean to either side, as by Keras' ``shear_range``.
        flip: Whether half of the images are mirrored left to right.
        flip_vertical: Whether half of the images are mirrored top to bottom.
        crop: Highest share of each side that is cut off; what is left fills the frame.
        elastic: Furthest that a point is moved by a smooth random bend, as a share of the side.
        fill: What comes in from outside.
        gamma: The exponent lies between 1 / (1 + gamma) and 1 + gamma.
        histogram: How far a random rising curve from 0 to 1 bends the grey levels: its eight
            straight pieces have slopes between 1 / (1 + histogram) and 1 + histogram before they
            are scaled to end at 1.
        contrast: Share of the spread about the mean, more or less.
        brightness: Shift in units of the full range, up or down.
        gain: Share of the values, more or less: they are multiplied, as by Keras'
            ``brightness_range``.
        invert: Share of the images whose grey levels are turned over inside the head; the empty
            surroundings stay as they are.
        blur: Share of the images that are blurred.
        noise: Highest standard deviation of added noise, in units of the full range.
        bias_field: The brightness drifts over the image by factors up to 1 + bias_field, as the
            sensitivity of a receiving coil does.
        low_resolution: Highest share of the resolution that is lost along each axis by itself.
        gibbs: Highest share of k-space, from its rim, that is left out: edges ring.
        ghosting: Highest share by which periodic lines of k-space are weakened: the head appears
            again, faint and shifted, along one axis.
        spikes: Highest amplitude of the stripes that a false point in k-space leaves, in units of
            the full range.
        rician: Highest standard deviation of the two-channel noise of a magnitude image.
        artefact_share: Share of the images that each change from ``bias_field`` on is made to.
        background: Highest grey level that the empty surroundings of the head are lifted to.
        frame: Widest border, as a share of the side, that is painted over in one grey level.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rotation: Degrees = 0.0
    scale: Part = 0.0
    zoom: Part = 0.0
    translate: Part = 0.0
    shear: Annotated[float, Field(ge=0.0, lt=90.0)] = 0.0
    flip: bool = False
    flip_vertical: bool = False
    crop: Part = 0.0
    elastic: Annotated[float, Field(ge=0.0, le=0.2)] = 0.0
    fill: Fill = Fill.BLACK

    gamma: NotNegative = 0.0
    histogram: NotNegative = 0.0
    contrast: Fraction = 0.0
    brightness: Fraction = 0.0
    gain: Fraction = 0.0
    invert: Fraction = 0.0
    blur: Fraction = 0.0
    noise: Fraction = 0.0

    bias_field: NotNegative = 0.0
    low_resolution: Part = 0.0
    gibbs: Part = 0.0
    ghosting: Fraction = 0.0
    spikes: Fraction = 0.0
    rician: Fraction = 0.0
    artefact_share: Fraction = 0.5

    background: Fraction = 0.0
    frame: Annotated[float, Field(ge=0.0, lt=0.5)] = 0.0

    def scaled(self, factor: float) -> AugmentRecipe:
        """All ranges and shares times a factor, each as far as it may go; flips and fill stay.

        Args:
            factor: 0 turns all changes off but the flips, 1 is the recipe itself.
        """
        ranges = {
            # rounded, so that a recipe that is written down says 0.075 and not 0.07500000000000001
            name: round(min(value * factor, max(value, _highest(field))), DIGITS)
            for name, field in type(self).model_fields.items()
            if name != "artefact_share" and isinstance(value := getattr(self, name), float)
        }
        return self.model_copy(update=ranges)


def _highest(field: FieldInfo) -> float:
    for limit in field.metadata:
        if isinstance(limit, Le):
            return float(limit.le)  # type: ignore[arg-type]
        if isinstance(limit, Lt):
            return BELOW_LIMIT * float(limit.lt)  # type: ignore[arg-type]
    return math.inf
