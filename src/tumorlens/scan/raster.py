"""Ordinary pictures: JPEG, PNG, BMP, TIFF, WebP and still GIF, made grey and right way up.

Pillow decodes them, through the plugin that the content asks for and no other; sizes are
compared with the limits after the header and before any pixel is decoded.
"""

from __future__ import annotations

import ctypes
import hashlib
import struct
from contextlib import suppress
from functools import cache
from importlib import import_module
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.errors import ScanTooLarge, UnreadableScan, UnsupportedScan
from tumorlens.scan.damage import named_damage
from tumorlens.scan.gif import gif_frame_count
from tumorlens.scan.intensity import unit_range
from tumorlens.scan.scan import FileFormat, Scan
from tumorlens.scan.turns import decoding_turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray
    from PIL import Image, ImageFile

    from tumorlens.scan.limits import Limits

_PLUGINS = {
    FileFormat.JPEG: "JpegImage",
    FileFormat.PNG: "PngImage",
    FileFormat.BMP: "BmpImage",
    FileFormat.TIFF: "TiffImage",
    FileFormat.WEBP: "WebPImage",
    FileFormat.GIF: "GifImage",
}
_EXIF_ORIENTATION = 0x0112
_ANIMATED = frozenset(
    {FileFormat.PNG, FileFormat.WEBP}
)  # and GIF, whose frames are not counted there
_ALPHA_MODES = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})


def read_raster(name: str, data: bytes, kind: FileFormat, *, limits: Limits) -> Iterator[Scan]:
    """Read a picture; the pages of a TIFF come one by one.

    Colour is made grey by the luma of ITU-R BT.601, alpha is composited over black, and EXIF
    orientation is applied.

    Raises:
        UnreadableScan: The picture is damaged.
        UnsupportedScan: It is animated.
        ScanTooLarge: It has more pixels or pages than the limits allow.
    """
    what = f"the {kind.upper()} data"
    with named_damage(name, what):
        picture = _open(name, data, kind, limits)
        _refuse_animation(name, data, kind, picture)
        pages = _page_count(name, picture, limits) if kind is FileFormat.TIFF else 1
    digest = hashlib.sha256(data).hexdigest()
    for page in range(pages):
        with named_damage(name, what):
            if page:
                picture.seek(page)
                _check_size(name, picture.size, limits)
            with decoding_turn(picture.width * picture.height):
                grey, colour = _decode(picture)
        if not np.isfinite(grey).all():
            count = int(np.count_nonzero(~np.isfinite(grey)))
            raise UnreadableScan(
                name, f"{count} of {grey.size} pixels are not numbers (NaN or infinite)"
            )
        yield Scan(
            pixels=unit_range(grey),
            source=name,
            sha256=digest,
            format=kind,
            frame=page,
            frame_count=pages,
            colour=colour,
        )


def _open(name: str, data: bytes, kind: FileFormat, limits: Limits) -> ImageFile.ImageFile:
    if kind is FileFormat.WEBP:  # its plugin allocates the whole canvas when it opens
        _check_size(name, _webp_size(data), limits)
    if kind is FileFormat.TIFF:
        _hush_libtiff()
    picture = _plugin(kind)(BytesIO(data))
    _check_size(name, picture.size, limits)
    return picture


@cache
def _hush_libtiff() -> None:
    """Stop libtiff from writing about damaged files to stderr; Pillow raises for them as well."""
    # Where libtiff is linked into Pillow without its own names, there is no handler to take off.
    with suppress(OSError, AttributeError):
        ctypes.CDLL(import_module("PIL._imaging").__file__).TIFFSetErrorHandler(None)


def _plugin(kind: FileFormat) -> Callable[[BytesIO], ImageFile.ImageFile]:
    """The class of Pillow that reads a format, imported with nothing else of Pillow's formats."""
    module = import_module(f"PIL.{_PLUGINS[kind]}Plugin")
    found: Callable[[BytesIO], ImageFile.ImageFile] = getattr(
        module, _PLUGINS[kind].replace("Image", "ImageFile")
    )
    return found


def _check_size(name: str, size: tuple[int, int], limits: Limits) -> None:
    width, height = size
    if width * height > limits.max_pixels:
        raise ScanTooLarge(
            name,
            f"{width} x {height} pixels are over the limit of {limits.max_pixels}",
            "Make the picture smaller, or raise max_pixels",
        )
    if width <= 0 or height <= 0:
        raise UnreadableScan(name, f"it has no pixels ({width} x {height})")


def _refuse_animation(
    name: str, data: bytes, kind: FileFormat, picture: ImageFile.ImageFile
) -> None:
    if kind is FileFormat.GIF:
        frames = gif_frame_count(data)
    elif kind in _ANIMATED:
        frames = int(getattr(picture, "n_frames", 1))
    else:
        return
    if frames > 1:
        raise UnsupportedScan(
            name, f"it is an animation of {frames} frames", "Save the frame you want as a picture"
        )


def _page_count(name: str, picture: ImageFile.ImageFile, limits: Limits) -> int:
    """How many pages a TIFF has; a damaged one counts, and is named when its turn comes."""
    for page in range(1, limits.max_frames + 1):
        try:
            picture.seek(page)
        except EOFError:
            picture.seek(0)
            return page
        except Exception:  # noqa: BLE001  (any decoder error means damage, which reading names)
            picture.seek(0)
            return page + 1
    raise ScanTooLarge(
        name, f"it has more pages than the limit of {limits.max_frames}", "Raise max_frames"
    )


def _decode(picture: Image.Image) -> tuple[NDArray[Any], float]:
    """Grey pixels, of the picture's own depth and range, and how coloured it was."""
    picture.load()
    picture = _upright(picture)
    if picture.mode == "L":
        return np.asarray(picture), 0.0
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return np.asarray(picture), 0.0
    if picture.mode == "1":
        return np.asarray(picture.convert("L")), 0.0
    if picture.mode == "LAB":  # its colours are not a matter for a scan
        return np.asarray(picture.getchannel("L")), 0.0
    picture = _over_black(picture)
    if picture.mode == "L":
        return np.asarray(picture), 0.0
    return np.asarray(picture.convert("L")), _colour(picture)


def _upright(picture: Image.Image) -> Image.Image:
    if "exif" not in picture.info:  # TIFF is turned by its plugin
        return picture
    from PIL import ImageOps

    try:
        turned = picture.getexif().get(_EXIF_ORIENTATION, 1) != 1
        return ImageOps.exif_transpose(picture) if turned else picture
    except Exception:  # noqa: BLE001  (a broken note beside the pixels does not harm the pixels)
        return picture


def _over_black(picture: Image.Image) -> Image.Image:
    from PIL import Image

    if picture.mode not in _ALPHA_MODES and "transparency" not in picture.info:
        return picture.convert("RGB")
    if picture.mode == "LA":
        grey, alpha = picture.split()
        return Image.composite(grey, Image.new("L", picture.size), alpha)
    picture = picture.convert("RGBA")
    return Image.composite(
        picture.convert("RGB"), Image.new("RGB", picture.size), picture.getchannel("A")
    )


def _colour(picture: Image.Image) -> float:
    from PIL import ImageChops

    red, green, blue = picture.split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    smallest = ImageChops.darker(ImageChops.darker(red, green), blue)
    return float(np.asarray(ImageChops.subtract(largest, smallest)).mean()) / 255.0


def _webp_size(data: bytes) -> tuple[int, int]:
    chunk = data[12:16]
    if chunk == b"VP8X":
        return (
            int.from_bytes(data[24:27], "little") + 1,
            int.from_bytes(data[27:30], "little") + 1,
        )
    if chunk == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return width & 0x3FFF, height & 0x3FFF
