"""The colours of evidence: from purple over red to yellow, ever lighter.

A section of the cubehelix of Green, "A colour scheme for the display of astronomical intensity
images", 2011: lightness rises evenly, so equal steps of evidence look equal, also to readers who
do not see colour and on a grey print.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEVELS = 256
# Full evidence covers most of the slice, and what lies under it can still be made out.
DEFAULT_OPACITY = 0.7
# Where the helix is entered, how far it turns (the colours no tissue on a grey scan has), and how
# colourful it is: with more, a channel would be cut off, and lightness rise unevenly.
START, ROTATIONS, SATURATION = 0.4, 0.35, 2.0
# Neither black, which would hide the scan, nor white, which bright tissue is.
DARKEST, LIGHTEST = 0.30, 0.85
# The plane of equal lightness in RGB (Green, equation 2).
_PLANE = np.array([[-0.14861, 1.78277], [-0.29227, -0.90649], [1.97294, 0.0]])


@cache
def colour_table() -> NDArray[np.float32]:
    """The colours of `LEVELS` even steps of evidence: float32 (256, 3), RGB in [0, 1]."""
    step = np.linspace(0.0, 1.0, LEVELS)
    lightness = DARKEST + (LIGHTEST - DARKEST) * step
    angle = 2 * np.pi * (START / 3 + ROTATIONS * step)
    amplitude = SATURATION * lightness * (1 - lightness) / 2
    turn = np.stack([np.cos(angle), np.sin(angle)])
    colours = np.clip(lightness + amplitude * (_PLANE @ turn), 0, 1).T
    table = np.ascontiguousarray(colours, dtype=np.float32)
    table.setflags(write=False)
    return table


def blend(
    pixels: NDArray[np.float32], evidence: NDArray[np.float32], opacity: float
) -> NDArray[np.uint8]:
    """Colour a slice by its evidence; where there is none, it is left as it is.

    Args:
        pixels: float32 (H, W) in [0, 1].
        evidence: float32 (H, W) in [0, 1].
        opacity: How much of the slice full evidence covers, in [0, 1].

    Returns:
        uint8 (H, W, 3), RGB.
    """
    grey = np.rint(pixels * 255).astype(np.uint8)
    level = np.rint(evidence * (LEVELS - 1)).astype(np.uint8)
    # Rises fast at first, so that middling evidence is seen on bright tissue, and is 0 at 0.
    alpha = np.float32(opacity) * (1 - np.square(1 - evidence))
    picture = np.empty((*grey.shape, 3), np.uint8)
    # Channel by channel: a slice may be large, and its colours as floats would be twelve times it.
    for channel, colours in enumerate(255 * colour_table().T):
        mixed = np.take(colours, level)
        mixed -= grey
        mixed *= alpha
        mixed += grey
        np.rint(mixed, out=mixed)
        picture[..., channel] = mixed
    return picture
