"""Small pictures for the page, as data URIs, within a budget of bytes."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.audit.report import Turn
from tumorlens.errors import TumorLensError
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 144
"""Longest side of a picture on the page: two fit beside one another on a phone."""

QUALITY = 78
"""Of JPEG: below this the edges of small slices begin to ring."""

_QUARTERS = {
    Turn.NONE: 0,
    Turn.ROTATED_90: 1,
    Turn.ROTATED_180: 2,
    Turn.ROTATED_270: 3,
    Turn.MIRRORED: 0,
    Turn.MIRRORED_ROTATED_90: 1,
    Turn.MIRRORED_ROTATED_180: 2,
    Turn.MIRRORED_ROTATED_270: 3,
}


class Pictures:
    """Pictures of named images, until a budget is spent.

    Args:
        images: Name of an image → its file.
        budget: Bytes of data URIs that may be given in all.

    Attributes:
        left_out: How many pictures were asked for when the budget was spent.
        broken: Names of images that could not be read or have no file.
    """

    def __init__(self, images: Mapping[str, Path], budget: int) -> None:
        self.left_out = 0
        self.broken: set[str] = set()
        self._images = images
        self._budget = budget
        self._kept: dict[tuple[str, Turn], str] = {}

    def uri(self, name: str, turn: Turn = Turn.NONE) -> str:
        """The picture of an image, turned, as a data URI; empty where there is none to show."""
        if self._budget <= 0:
            self.left_out += 1
            return ""
        if (name, turn) not in self._kept:
            self._kept[name, turn] = self._encode(name, turn)
        uri = self._kept[name, turn]
        self._budget -= len(uri)
        return uri

    def _encode(self, name: str, turn: Turn) -> str:
        path = self._images.get(name)
        try:
            scan = None if path is None else next(read(path), None)
        except TumorLensError:
            scan = None
        if scan is None:
            self.broken.add(name)
            return ""
        return _data_uri(turn_pixels(scan.pixels, turn))


def turn_pixels(pixels: NDArray[np.float32], turn: Turn) -> NDArray[np.float32]:
    """A picture (H, W) mirrored left to right where the turn says so, then rotated clockwise."""
    mirrored = pixels[:, ::-1] if turn.value.startswith("mirrored") else pixels
    return np.rot90(mirrored, -_QUARTERS[turn])


def undo(turn: Turn) -> Turn:
    """The turn that brings a turned picture back; a mirror undoes itself, however rotated."""
    back = {Turn.ROTATED_90: Turn.ROTATED_270, Turn.ROTATED_270: Turn.ROTATED_90}
    return back.get(turn, turn)


def _data_uri(pixels: NDArray[np.float32]) -> str:
    from PIL import Image

    levels = np.clip(np.rint(pixels * 255.0), 0, 255).astype(np.uint8)
    image = Image.fromarray(np.ascontiguousarray(levels))
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
