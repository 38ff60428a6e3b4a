"""A DICOM file, from its bytes to its Scans."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.errors import ScanError
from tumorlens.scan.damage import named_damage
from tumorlens.scan.dicom import geometry, values
from tumorlens.scan.dicom.dataset import parse, parse_header
from tumorlens.scan.dicom.elements import integer, text
from tumorlens.scan.dicom.frames import decoded_frames
from tumorlens.scan.dicom.header import pixel_header
from tumorlens.scan.dicom.objects import modality_of
from tumorlens.scan.intensity import grey_of_rgb, robust_range, stretch, unit_range
from tumorlens.scan.limits import Limits
from tumorlens.scan.scan import FileFormat, Scan
from tumorlens.scan.series import SliceKey
from tumorlens.scan.source import Source, named_errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from pydicom.dataset import FileDataset

    from tumorlens.scan.dicom.header import PixelHeader

_SERIES_DIGITS = 16  # of a SHA-256: enough that no two series of an archive meet
_ORIENTATION_DECIMALS = 2  # slices of one stack agree to far better, planes differ by far more
_COLOUR_NDIM = 3
_ORDER_KEYWORDS = (
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "InstanceNumber",
)

# A volume without a window is shown by the percentiles of so many of its frames, evenly spread:
# more change the range by less than a reader sees.
_FRAMES_FOR_RANGE = 9
_PIXELS_FOR_RANGE = 65_536  # of each of them


def read_dicom(name: str, data: bytes, *, limits: Limits) -> Iterator[Scan]:
    """Read the frames of one DICOM object as they would be shown.

    Modality LUT or rescale, then the first window or the VOI LUT, else robust percentiles of the
    frames; MONOCHROME1 is turned over; colour is made grey. Spacing is PixelSpacing, or else that
    of the imager or the scanned film. Nothing that identifies a patient is kept.

    Raises:
        UnreadableScan: The file is damaged; frames before the damage have been given.
        UnsupportedScan: It is no MR image, or compressed in a way that nothing here decodes.
        ScanTooLarge: It is beyond the limits.
    """
    digest = hashlib.sha256(data).hexdigest()
    dataset = parse(name, data, limits)
    del data  # the dataset has its own copy of the pixels
    with named_damage(name, "the DICOM header"):
        modality = modality_of(name, dataset)
        header = pixel_header(name, dataset, limits)
        series = series_key(text(dataset, "SeriesInstanceUID"))
    fallback = _volume_range(name, dataset, header)
    for frame, stored in enumerate(decoded_frames(name, dataset, header)):
        with named_damage(name, "the DICOM pixels"):
            pixels, colour = _shown(name, stored, dataset, frame, fallback)
            spacing, position = geometry.spacing(dataset, frame), geometry.position(dataset, frame)
            place = geometry.place(dataset, frame)
        yield Scan(
            pixels=pixels,
            source=name,
            sha256=digest,
            format=FileFormat.DICOM,
            spacing=spacing,
            frame=frame,
            frame_count=header.frames,
            position=position,
            series=series,
            modality=modality,
            place=place,
            colour=colour,
        )


def read_slice_key(source: Source, limits: Limits | None = None) -> SliceKey:
    """What orders a DICOM file among others; its pixels are not read.

    Raises:
        ScanError: The file cannot be read.
    """
    name = source.name
    with named_errors(name), source.origin.open() as stream:
        dataset = parse_header(name, stream, _ORDER_KEYWORDS, limits or Limits())
    with named_damage(name, "the DICOM header"):
        axes = geometry.orientation(dataset) or ()
        return SliceKey(
            series=text(dataset, "SeriesInstanceUID") or "",
            orientation=tuple(round(one, _ORIENTATION_DECIMALS) + 0.0 for one in axes),
            position=geometry.position(dataset),
            instance=integer(dataset, "InstanceNumber"),
        )


def series_key(uid: str | None) -> str | None:
    """A key of a series that cannot be turned back into its UID."""
    return hashlib.sha256(uid.encode()).hexdigest()[:_SERIES_DIGITS] if uid else None


def _shown(
    name: str,
    stored: NDArray[Any],
    dataset: FileDataset,
    frame: int,
    fallback: tuple[float, float] | None,
) -> tuple[NDArray[np.float32], float]:
    """Pixels as shown, and how coloured they were."""
    if text(dataset, "PhotometricInterpretation") == "PALETTE COLOR":
        stored = values.palette_rgb(stored, dataset)
    if stored.ndim == _COLOUR_NDIM:
        return grey_of_rgb(stored)
    filling = values.padding(dataset, stored)
    scaled = values.rescaled(name, stored, dataset, frame)
    if window := values.window_of(dataset, frame):
        pixels = window.apply(scaled)
    elif (looked_up := values.by_voi_lut(scaled, dataset)) is not None:
        pixels = looked_up
    elif scaled.dtype == np.uint8:  # made for a screen already
        pixels = unit_range(scaled)
    else:
        inner = scaled if filling is None else scaled[~filling]
        pixels = stretch(scaled, *(fallback or robust_range(inner)))
    if values.is_inverted(dataset):
        np.subtract(np.float32(1.0), pixels, out=pixels)
    if filling is not None:
        pixels[filling] = 0.0
    return pixels, 0.0


def _volume_range(
    name: str, dataset: FileDataset, header: PixelHeader
) -> tuple[float, float] | None:
    """The range that all frames are shown by, where there are several and none has a window."""
    if header.frames == 1 or header.samples > 1 or values.window_of(dataset, 0):
        return None
    wanted = range(0, header.frames, -(-header.frames // _FRAMES_FOR_RANGE))
    sample: list[NDArray[Any]] = []
    with suppress(ScanError):  # a damaged frame is named when its turn comes
        for frame, stored in zip(
            wanted, decoded_frames(name, dataset, header, wanted), strict=True
        ):
            with named_damage(name, "the DICOM pixels"):
                step = max(stored.size // _PIXELS_FOR_RANGE, 1)
                scaled = values.rescaled(name, stored, dataset, frame)
                sample.append(scaled.ravel()[::step].astype(np.float32))
    return robust_range(np.concatenate(sample)) if sample else None
