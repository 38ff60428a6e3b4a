"""The frames of a DICOM image, decoded one at a time, whatever compresses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pydicom.encaps import encapsulate, generate_frames
from pydicom.pixels.decoders.base import get_decoder
from pydicom.uid import (
    JPEG2000TransferSyntaxes,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from tumorlens.errors import UnreadableScan, UnsupportedScan
from tumorlens.scan.damage import named_damage
from tumorlens.scan.dicom.codestream import jpeg2000_size, jpeg_size
from tumorlens.scan.dicom.jpeg_lossless import decode_lossless
from tumorlens.scan.turns import decoding_turn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset
    from pydicom.pixels.decoders.base import Decoder

    from tumorlens.scan.dicom.header import PixelHeader

OWN_DECODER = frozenset({JPEGLossless, JPEGLosslessSV1})
_BYTE = 8  # bits
_WHAT = "the DICOM pixels"


def decoded_frames(
    name: str, dataset: FileDataset, header: PixelHeader, wanted: range | None = None
) -> Iterator[NDArray[Any]]:
    """Decode frame after frame.

    Args:
        name: The input as the user named it.
        dataset: The object.
        header: How its pixels are stored.
        wanted: Indices of the frames to decode; None is all.

    Yields:
        (rows, columns) for one sample a pixel, (rows, columns, 3) RGB for three, of the stored
        type.

    Raises:
        UnreadableScan: A frame is damaged or missing; the earlier ones have been given.
        UnsupportedScan: Nothing that is installed decodes this transfer syntax.
    """
    with named_damage(name, _WHAT):
        decoder = _decoder(name, header)
    encoded = _encoded_frames(name, dataset, header)
    for index in range(header.frames):
        with named_damage(name, _WHAT):
            frame = next(encoded, None)
        if frame is None:
            raise UnreadableScan(
                name,
                f"it says that it holds {header.frames} frames, and has pixels for {index}",
                "Get the file again",
            )
        if wanted is None or index in wanted:
            with named_damage(name, _WHAT), decoding_turn(header.rows * header.columns):
                decoded = _decode(name, frame, header, decoder)
            yield decoded


def _decoder(name: str, header: PixelHeader) -> Decoder | None:
    """The plugins for a transfer syntax; None where only the decoder of this package serves."""
    try:
        decoder = get_decoder(header.syntax)
    except NotImplementedError as error:
        raise UnsupportedScan(
            name,
            f"its pixels are stored as {header.syntax.name} ({header.syntax}), which nothing here "
            "decodes",
            "Export it without compression (Explicit VR Little Endian)",
        ) from error
    if decoder.is_available:
        return decoder
    if header.syntax in OWN_DECODER and header.samples == 1:
        return None
    raise _no_decoder(name, header, decoder)


def _no_decoder(name: str, header: PixelHeader, decoder: Decoder) -> UnsupportedScan:
    missing = "; ".join(decoder.missing_dependencies)
    return UnsupportedScan(
        name,
        f"its pixels are stored as {header.syntax.name}, and no decoder for it is installed "
        f"({missing})",
        "Install one of these, or export it without compression",
    )


def _encoded_frames(name: str, dataset: FileDataset, header: PixelHeader) -> Iterator[bytes]:
    pixels: bytes = getattr(dataset, header.keyword)
    if header.syntax.is_encapsulated:
        offsets = None
        if "ExtendedOffsetTable" in dataset:
            offsets = (dataset.ExtendedOffsetTable, dataset.ExtendedOffsetTableLengths)
        yield from generate_frames(pixels, number_of_frames=header.frames, extended_offsets=offsets)
        return
    view = memoryview(pixels)
    for start in range(0, len(pixels), header.frame_bytes):
        frame = view[start : start + header.frame_bytes]
        if len(frame) < header.frame_bytes:
            if start == 0:
                raise UnreadableScan(
                    name,
                    f"its pixels are cut off: {len(pixels)} bytes, where {header.columns} x "
                    f"{header.rows} pixels need {header.frame_bytes}",
                    "Get the file again",
                )
            return
        yield bytes(frame)


def _decode(name: str, frame: bytes, header: PixelHeader, decoder: Decoder | None) -> NDArray[Any]:
    if header.syntax.is_encapsulated:
        _check_coded_size(name, frame, header, decoder)
    elif decoder:
        return _as_array(frame, header, decoder)
    if decoder is None:
        return _signed(decode_lossless(frame), header)
    return _as_array(encapsulate([frame], has_bot=False), header, decoder)


def _as_array(pixels: bytes, header: PixelHeader, decoder: Decoder) -> NDArray[Any]:
    options: dict[str, Any] = {
        "rows": header.rows,
        "columns": header.columns,
        "number_of_frames": 1,
        "samples_per_pixel": header.samples,
        "photometric_interpretation": header.photometric,
        "bits_allocated": header.bits_allocated,
        "bits_stored": min(header.bits_stored, header.bits_allocated),
        "pixel_representation": int(header.is_signed),
        "pixel_keyword": header.keyword,
        "pixel_vr": "OW",
    }
    if header.samples > 1:
        options["planar_configuration"] = header.planar
    array, _ = decoder.as_array(pixels, index=0, **options)
    return array


def _check_coded_size(
    name: str, frame: bytes, header: PixelHeader, decoder: Decoder | None
) -> None:
    if header.syntax in JPEG2000TransferSyntaxes:
        coded = jpeg2000_size(frame)
    elif header.syntax in JPEGTransferSyntaxes or header.syntax in JPEGLSTransferSyntaxes:
        coded = jpeg_size(frame)
    else:
        return  # RLE has no size of its own
    if coded.shape != (header.rows, header.columns, header.samples):
        raise UnreadableScan(
            name,
            f"its header says {header.columns} x {header.rows} pixels of {header.samples} samples, "
            f"its compressed pixels say {coded.columns} x {coded.rows} of {coded.components}",
            "Get the file again",
        )
    if decoder and coded.precision > _BYTE and _only_for_bytes(header, decoder):
        raise _no_decoder(name, header, decoder)


def _only_for_bytes(header: PixelHeader, decoder: Decoder) -> bool:
    """Whether what is installed decodes 8 of the 12 bits that JPEG Extended may have."""
    return header.syntax == JPEGExtended12Bit and decoder.available_plugins == ("pillow",)


def _signed(values: NDArray[np.uint16], header: PixelHeader) -> NDArray[Any]:
    """Give bit patterns their sign, as PixelRepresentation says."""
    if not header.is_signed:
        return values
    unused = 16 - min(header.bits_stored, 16)
    return (values << unused).view(np.int16) >> unused
