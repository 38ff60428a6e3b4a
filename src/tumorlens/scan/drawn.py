"""The drawn slice that shows that the program works, where there is no scan at hand."""

from __future__ import annotations

import hashlib

from tumorlens.scan import DrawnTumor, FileFormat, Scan, draw_phantom

NAME = "drawn phantom"
# Of the drawings, one that lies well within what the bundled model takes for a head.
SEED, SIZE = 5, 256


def drawn_scan() -> Scan:
    """A drawn head with a drawn meningioma."""
    pixels = draw_phantom(SEED, tumor=DrawnTumor.MENINGIOMA, size=SIZE).pixels
    digest = hashlib.sha256(pixels.tobytes()).hexdigest()
    return Scan(pixels=pixels, source=NAME, sha256=digest, format=FileFormat.ARRAY)
