"""The pictures of a slice: as it was read, and coloured by the evidence for a class."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.explain.colour import blend
from tumorlens.explain.overlay import LEGEND_GREY, evidence_panel, overlay

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from tumorlens.app.cases import AnsweredSlice
    from tumorlens.explain.regions import Region

# Colours of the legend: enough that the bar looks even.
LEGEND_STEPS = 9


def plain(one: AnsweredSlice) -> NDArray[np.uint8]:
    """The slice as it was read, uint8 (height, width, 3), large enough to look at."""
    return _panel(one, opacity=0.0, lesions=())


def coloured(one: AnsweredSlice, opacity: float) -> NDArray[np.uint8]:
    """The slice coloured by its evidence, uint8 (height, width, 3)."""
    return _panel(one, opacity=opacity, lesions=())


def outlined(one: AnsweredSlice, opacity: float) -> NDArray[np.uint8]:
    """The same with what is marked outlined, and its diameters."""
    return evidence_panel(one.pixels, one.finding, opacity=opacity)


def _panel(one: AnsweredSlice, *, opacity: float, lesions: Sequence[Region]) -> NDArray[np.uint8]:
    # The diameters of a Finding are drawn with its lesions; without lesions they would float.
    bare = one.finding.model_copy(update={"measurements": None})
    return evidence_panel(one.pixels, bare, opacity=opacity, lesions=lesions)


def overlay_png(one: AnsweredSlice, opacity: float) -> bytes:
    """The whole answer as one PNG, as ``tumorlens predict --overlay`` writes it."""
    return png(overlay(one.pixels, one.finding, opacity=opacity))


def png(picture: NDArray[np.uint8]) -> bytes:
    """A picture as the bytes of a PNG."""
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def legend_colours(opacity: float) -> list[str]:
    """The colours from no evidence to strong evidence on grey tissue, as CSS writes them."""
    steps = np.linspace(0, 1, LEGEND_STEPS, dtype=np.float32)[None]
    (colours,) = blend(np.full_like(steps, LEGEND_GREY), steps, opacity)
    return [f"rgb({red}, {green}, {blue})" for red, green, blue in colours.tolist()]
