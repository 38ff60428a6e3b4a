"""The ranges within which training images are changed: what a recipe says of it, checked."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from tumorlens.model.format import Fraction

NotNegative = Annotated[float, Field(ge=0.0)]


class AugmentRecipe(BaseModel):
    """The ranges that each training image is changed within; 0 turns a change off.

    Attributes:
        rotation: Degrees to either side.
        scale: Share of the size, larger or smaller.
        translate: Share of the side, in each direction.
        flip: Whether half of the images are mirrored left to right.
        gamma: The exponent lies between 1 / (1 + gamma) and 1 + gamma.
        contrast: Share of the spread about the mean, more or less.
        brightness: Shift in units of the full range, up or down.
        blur: Share of the images that are blurred.
        noise: Highest standard deviation of added noise, in units of the full range.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    rotation: Annotated[float, Field(ge=0.0, le=180.0)] = 0.0
    scale: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    translate: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.0
    flip: bool = False
    gamma: NotNegative = 0.0
    contrast: Fraction = 0.0
    brightness: Fraction = 0.0
    blur: Fraction = 0.0
    noise: Fraction = 0.0
