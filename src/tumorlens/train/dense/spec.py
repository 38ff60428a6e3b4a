"""What a recipe says of the network that marks lesions, and of how it is taught."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tumorlens.model.format import Fraction, MaskRules

NotNegative = Annotated[float, Field(ge=0.0)]


class Encoder(StrEnum):
    """How much of MobileNetV2 a network has."""

    WHOLE = "whole"
    SHALLOW = "shallow"
    """Up to the features at stride 16: a third of the weights, for outlines as good."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class DrawSpec(_Strict):
    """Which pictures are drawn for a batch, as weights of which only the ratios mean anything.

    Every batch is mixed, and within each of the three the sets count by a power of their size, so
    that a small set is seen and a large one does not crowd the others out.

    Attributes:
        images: Pictures an epoch.
        size_power: Of a set's size; 0 lets all sets count the same, 1 all pictures.
        marked: Tumors with a mask.
        free: Pictures without a tumor.
        unmarked: Tumors without a mask: it is only known that there is one.
    """

    images: Annotated[int, Field(ge=1)] = 2048
    size_power: Fraction = 0.5
    marked: NotNegative = 0.60
    free: NotNegative = 0.27
    unmarked: NotNegative = 0.13


class LesionSpec(_Strict):
    """How often lesions are taken out of pictures and put into others.

    Attributes:
        remove: Share of the marked tumors that are replaced by lesion-free tissue of another head;
            the picture then counts as one without a tumor.
        artefact: Share of the other marked tumors in which tissue is replaced away from the
            lesion, so that a seam says nothing.
        implant: Share of the tumor-free pictures that get a lesion of another picture.
        draw: Share of the tumor-free pictures that get a drawn lesion.
        draw_removed: Share of the pictures whose lesion was removed that get a drawn one.
    """

    remove: Fraction = 0.35
    artefact: Fraction = 0.25
    implant: Fraction = 0.25
    draw: Fraction = 0.25
    draw_removed: Fraction = 0.15

    @model_validator(mode="after")
    def _together(self) -> LesionSpec:
        if self.implant + self.draw > 1:
            msg = f"implant and draw must not exceed 1 together, got {self.implant + self.draw}"
            raise ValueError(msg)
        return self


class LossSpec(_Strict):
    """How much each part of the loss counts.

    Attributes:
        pixels: Cross-entropy of the marks, over all pixels and over the worst of each picture.
        worst: How much the worst pixels count in it.
        overlap: One minus the soft Dice overlap, of pictures with a lesion.
        smoothing: Pixels of the marks that are added to both sides of the overlap, so that a speck
            does not decide it; many of them let small lesions count less.
        tumor: Cross-entropy of the decision.
        kind: Cross-entropy of the kind, of tumors whose kind is known.
    """

    pixels: NotNegative = 1.0
    worst: NotNegative = 0.3
    overlap: NotNegative = 0.5
    smoothing: NotNegative = 10.0
    tumor: NotNegative = 0.5
    kind: NotNegative = 0.5


class SmallFirst(_Strict):
    """The first epochs see smaller pictures: they cost a part of the time and teach nearly as much.

    Attributes:
        epochs: How many; 0 for none.
        scale: Of the sides of the input.
    """

    epochs: Annotated[int, Field(ge=0)] = 0
    scale: Annotated[float, Field(gt=0.0, le=1.0)] = 5 / 7


class MildLast(_Strict):
    """The last epochs change pictures less: what strong changes hide can be learnt there.

    Lesions that are hardly darker than the brain around them vanish under noise and bent greys.
    Where pictures become larger among these epochs (`SmallFirst`), the learning rate falls to rest
    before, and once more from there.

    Attributes:
        epochs: How many; 0 for none.
        scale: Of the ranges of the augmentation.
        rate: Of the learning rate, which falls from there to 0 by the recipe's schedule.
    """

    epochs: Annotated[int, Field(ge=0)] = 0
    scale: Annotated[float, Field(ge=0.0, le=1.0)] = 0.4
    rate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.4


class DenseSpec(_Strict):
    """A network that marks lesions, decides from the marks, and names the kind.

    Attributes:
        dropout: Before the layer that names the kind.
        contrast: Spreads of the brain's grey levels that fill most of the network's range; 0 leaves
            them as they are.
        mirrored: Whether the trained network answers a picture and its mirror image, and gives the
            mean of both: twice the time, and less chance in the answer.
        encoder: How much of MobileNetV2 there is.
        frozen_stages: Stages at the encoder's beginning that stay as they are: edges and textures,
            which spares the time of training them. They need weights to begin with.
        rules: What counts as marked, of a network that learns from the validation fold too
            (``fit.refit``). Such a run trains once, and its answers are not calibrated before
            other models of the recipe lend the folds that they held out. Where there is no refit,
            or none are given, a network that did not learn from the validation fold fits them
            there, with temperature and thresholds.
        draws: Which pictures are drawn.
        lesions: How lesions are taken out and put in.
        losses: What counts.
        style_mixing: Share of the pictures whose coarse brightness pattern is mixed with another
            picture's (low Fourier amplitudes).
        small_first: Which epochs see smaller pictures.
        mild_last: Which epochs change pictures less.
    """

    dropout: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.3
    contrast: NotNegative = 0.0
    mirrored: bool = False
    encoder: Encoder = Encoder.WHOLE
    frozen_stages: Annotated[int, Field(ge=0, le=6)] = 0
    rules: MaskRules | None = None
    draws: DrawSpec = DrawSpec()
    lesions: LesionSpec = LesionSpec()
    losses: LossSpec = LossSpec()
    style_mixing: Fraction = 0.2
    small_first: SmallFirst = SmallFirst()
    mild_last: MildLast = MildLast()
