"""What is kept of a slice for its pictures: grey levels, and the maps at the network's resolution.

In memory the slice is kept as it was read, in 8 bits; in the history it is reduced to a thumbnail.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tumorlens.decide.finding import Finding
from tumorlens.model.format import MaskRules
from tumorlens.model.prepare import Box, PlacedMap, Placement

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from tumorlens.serve.records import StoredFinding

WHITE = 255
# Thumbnails are written once and read seldom, but many at a time.
COMPRESSION = 6
_MAPS = ("evidence_map", "mask_map")
_LENGTH = struct.Struct("<I")
_REDUCING_GAP = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A finding with the grey levels of its slice.

    Attributes:
        finding: The answer, with its maps where it has any.
        grey: uint8 (h, w): the slice, or its thumbnail.
    """

    finding: Finding
    grey: NDArray[np.uint8]

    @property
    def pixels(self) -> NDArray[np.float32]:
        """The slice in its own size, float32 (H, W) in [0, 1]; enlarged from a thumbnail."""
        scan = self.finding.scan
        grey = self.grey
        if grey.shape != (scan.height, scan.width):
            image = Image.fromarray(grey)
            grey = np.asarray(image.resize((scan.width, scan.height), Image.Resampling.BICUBIC))
        return np.asarray(grey / np.float32(WHITE), np.float32)

    @property
    def byte_count(self) -> int:
        """About how much memory it takes."""
        return self.grey.nbytes + sum(one.values.nbytes for one in _maps(self.finding).values())


def grey_levels(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """A slice, float32 (H, W) in [0, 1], as uint8."""
    return np.rint(pixels * WHITE).astype(np.uint8)


def thumbnail(grey: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """A slice reduced so that its longer side is at most `side` pixels."""
    height, width = grey.shape
    if max(height, width) <= side:
        return grey
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    image = Image.fromarray(grey)
    smaller = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=_REDUCING_GAP)
    return np.asarray(smaller)


def pack(picture: Picture, side: int) -> bytes:
    """A picture as bytes for the history: a header as JSON, the thumbnail as PNG, the maps.

    What the Finding's JSON leaves out, such as how classes are shown, is in the header.
    """
    finding = picture.finding
    maps = _maps(finding)
    png = BytesIO()
    small = Image.fromarray(thumbnail(picture.grey, side))
    small.save(png, "PNG", compress_level=COMPRESSION)
    parts = [png.getvalue(), *(_array_bytes(one.values) for one in maps.values())]
    header = {
        "display": finding.model.display,
        "mask": finding.model.mask.model_dump(),
        "placements": {name: asdict(one.placement) for name, one in maps.items()},
    }
    return b"".join(
        _LENGTH.pack(len(part)) + part for part in (json.dumps(header).encode(), *parts)
    )


def unpack(stored: StoredFinding) -> Picture:
    """The picture of a finding of the history."""
    header_bytes, png, *arrays = _parts(stored.picture)
    header: dict[str, Any] = json.loads(header_bytes)
    finding = Finding.model_validate_json(stored.document)
    model = finding.model.model_copy(
        update={"display": header["display"], "mask": MaskRules(**header["mask"])}
    )
    known: dict[str, Any] = {"model": model}
    for (name, place), data in zip(header["placements"].items(), arrays, strict=True):
        known[name] = PlacedMap(_array(data), _placement(place))
    with Image.open(BytesIO(png)) as image:
        grey = np.asarray(image.convert("L"))
    return Picture(finding.model_copy(update=known), grey)


def _maps(finding: Finding) -> dict[str, PlacedMap]:
    found = {name: getattr(finding, name) for name in _MAPS}
    return {name: one for name, one in found.items() if one is not None}


def _array_bytes(values: NDArray[np.float32]) -> bytes:
    # Half precision has three digits, of which a picture shows two.
    stream = BytesIO()
    np.savez_compressed(stream, values=values.astype(np.float16))
    return stream.getvalue()


def _array(data: bytes) -> NDArray[np.float32]:
    with np.load(BytesIO(data), allow_pickle=False) as archive:
        return np.asarray(archive["values"], np.float32)


def _placement(fields: dict[str, Any]) -> Placement:
    return Placement(
        slice_shape=tuple(fields["slice_shape"]),
        box=Box(*fields["box"]),
        input_shape=tuple(fields["input_shape"]),
        inner=Box(*fields["inner"]),
    )


def _parts(data: bytes) -> list[bytes]:
    parts, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size
        parts.append(data[at : at + length])
        at += length
    return parts
