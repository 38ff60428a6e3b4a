"""Pictures of a kept slice, as PNG."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tumorlens.explain.colour import LEVELS, colour_table
from tumorlens.explain.measure import marked
from tumorlens.explain.overlay import overlay, plain_overlay
from tumorlens.serve.picture import WHITE, thumbnail

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.serve.picture import Picture

# Pictures go to a page on the same network: quick to write matters more than small.
COMPRESSION = 1


def slice_png(picture: Picture) -> bytes:
    """The slice in 8-bit grey, as large as it is kept."""
    return _png(picture.grey)


def thumbnail_png(picture: Picture, side: int) -> bytes:
    """The slice reduced to `side` pixels at most."""
    return _png(thumbnail(picture.grey, side))


def heatmap_png(picture: Picture) -> bytes | None:
    """The evidence in colour, clear where there is none, to be laid over the slice; or None."""
    heatmap = picture.finding.heatmap
    if heatmap is None:
        return None
    coloured = np.empty((*heatmap.shape, 4), np.uint8)
    table = np.rint(colour_table() * WHITE).astype(np.uint8)
    coloured[..., :3] = table[np.rint(heatmap * (LEVELS - 1)).astype(np.intp)]
    # The same rise as in the overlay: middling evidence is seen on bright tissue.
    coloured[..., 3] = np.rint(WHITE * (1 - np.square(1 - heatmap))).astype(np.uint8)
    return _png(coloured)


def overlay_png(picture: Picture, opacity: float) -> bytes:
    """The slice coloured by its evidence, without words, in its own size."""
    return _png(plain_overlay(picture.pixels, picture.finding, opacity=opacity))


def sheet_png(picture: Picture, opacity: float) -> bytes:
    """The answer as one picture: words, the slice, the overlay, a legend and the notice."""
    return _png(overlay(picture.pixels, picture.finding, opacity=opacity))


def mask_png(picture: Picture) -> bytes | None:
    """What is marked: 255, else 0, in the slice's own size; None where nothing can be said."""
    regions = marked(picture.finding)
    if regions is None:
        return None
    scan = picture.finding.scan
    whole = np.zeros((scan.height, scan.width), np.uint8)
    for region in regions.values():
        whole[region.mask()] = WHITE
    return _png(whole)


def _png(values: NDArray[np.uint8]) -> bytes:
    stream = BytesIO()
    Image.fromarray(values).save(stream, "PNG", compress_level=COMPRESSION)
    return stream.getvalue()
