"""What a model marks beside what was drawn by hand, image by image and lesion by lesion."""

from __future__ import annotations

import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.analysis import answer_scan
from tumorlens.data.index import NO_TUMOR
from tumorlens.decide.finding import Status
from tumorlens.errors import DatasetError
from tumorlens.explain.measure import (
    DECIMALS,
    believable,
    marked,
    measure_lesion,
    smallest_area,
)
from tumorlens.explain.regions import Region, components
from tumorlens.scan import read
from tumorlens.train.dense.images import mask_paths

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.run import Model

    Progress = Callable[[int, int], None]
    Spacing = tuple[float, float]

# A lesion is found where at least this share of it is marked: less is a touch at its rim.
FOUND_SHARE = 0.1
# The surface distance that 95 % of the two outlines stay below: robust to a stray pixel.
PERCENTILE = 95
_OWN_WARNING = r"monai\.metrics.*always_return_as_numpy"


@dataclass(frozen=True, slots=True)
class Agreement:
    """How well two masks of one image agree; both may be empty.

    Attributes:
        dice: Dice coefficient; None where nothing was drawn.
        iou: Intersection over union; None where nothing was drawn.
        hd95: 95th percentile of the distances between the two outlines (Hausdorff), in mm where
            the spacing is known and in pixels elsewhere; None where one of the masks is empty.
        pixels: How many pixels are marked.
    """

    dice: float | None
    iou: float | None
    hd95: float | None
    pixels: int


@dataclass(frozen=True, slots=True)
class DrawnLesion:
    """A lesion that was drawn by hand.

    Attributes:
        diameter: Its longest diameter, in mm where the spacing is known and in pixels elsewhere.
        found: Whether the network marks it.
        found_as_answered: Whether it is marked where only answers "tumor" mark anything.
    """

    diameter: float
    found: bool
    found_as_answered: bool


@dataclass(frozen=True, slots=True)
class MaskCase:
    """One image whose true mask is known.

    Attributes:
        entry: The image.
        status: The answer for it.
        spacing: (row, column) distance of pixel centres in mm, or None where unknown.
        true_pixels: How many pixels were drawn; 0 on a tumor-free image.
        network: What the network marks, whatever the answer is; specks are left out.
        answered: What the program marks: nothing, unless the answer is "tumor".
        lesions: The lesions that were drawn; a part of a mask that is as small as a speck is none.
        false_lesions: How many lesions the network marks that touch none of them.
    """

    entry: Entry
    status: Status
    spacing: Spacing | None
    true_pixels: int
    network: Agreement
    answered: Agreement
    lesions: tuple[DrawnLesion, ...]
    false_lesions: int


def mask_cases(
    model: Model,
    root: Path,
    entries: Sequence[Entry],
    spacings: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> list[MaskCase]:
    """Compare masks on all images whose true mask is known.

    That is every image for which its set's table names a mask, and every image without a tumor:
    its true mask is empty. Tumors without a mask are left out.

    Args:
        model: A model that gives a mask.
        root: The folder that the names of images are relative to.
        entries: The images.
        spacings: Set → mm a pixel, for sets whose files do not say it.
        progress: Called with (images compared, images in all).

    Raises:
        DatasetError: A mask is missing, or not of the size of its image.
        ScanError: An image or a mask cannot be read.
    """
    paths = mask_paths(root, {entry.source for entry in entries})
    known = [entry for entry in entries if entry.name in paths or entry.label == NO_TUMOR]
    found = []

    def one(entry: Entry) -> MaskCase:
        return _case(model, root, entry, paths.get(entry.name), spacings or {})

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, case in enumerate(pool.map(one, known), start=1):
            found.append(case)
            if progress:
                progress(number, len(known))
    return found


def agreement(
    seen: NDArray[np.bool_], truth: NDArray[np.bool_], spacing: Spacing | None
) -> Agreement:
    """How well a mask agrees with the one that was drawn, as MONAI measures it.

    Args:
        seen: What is marked, bool (H, W).
        truth: What was drawn, bool (H, W).
        spacing: (row, column) distance of pixel centres in mm, or None where unknown.
    """
    import torch
    from monai.metrics.hausdorff_distance import compute_hausdorff_distance
    from monai.metrics.meandice import compute_dice
    from monai.metrics.meaniou import compute_iou

    pixels = int(np.count_nonzero(seen))
    if not truth.any():
        return Agreement(None, None, None, pixels)
    if not pixels:
        return Agreement(0.0, 0.0, None, 0)
    # MONAI calls itself in a way that it has itself deprecated; a reader can do nothing about it.
    warnings.filterwarnings("ignore", message=_OWN_WARNING, category=FutureWarning)
    given, drawn = (torch.from_numpy(mask[None, None].astype(np.float32)) for mask in (seen, truth))
    distance = compute_hausdorff_distance(
        given, drawn, include_background=True, percentile=PERCENTILE, spacing=spacing or (1.0, 1.0)
    )
    return Agreement(
        dice=float(compute_dice(given, drawn)),
        iou=float(compute_iou(given, drawn)),
        hd95=float(distance),
        pixels=pixels,
    )


def _case(
    model: Model, root: Path, entry: Entry, mask: Path | None, spacings: Mapping[str, float]
) -> MaskCase:
    scan = next(read(root / entry.name))
    truth = np.zeros(scan.pixels.shape, np.bool_) if mask is None else _drawn(mask)
    if truth.shape != scan.pixels.shape:
        msg = f"{mask}: its size {truth.shape} is not that of {entry.name}, {scan.pixels.shape}"
        raise DatasetError(msg)
    given = spacings.get(entry.source)
    spacing = believable(scan.spacing or (None if given is None else (given, given)))
    finding = answer_scan(scan, model)
    # As if the answer were "tumor": what the network draws, before the answer is asked.
    drawn = marked(finding.model_copy(update={"status": Status.TUMOR})) or {}
    answered = marked(finding) or {}
    seen, shown = (_together(one, truth.shape) for one in (drawn, answered))
    return MaskCase(
        entry=entry,
        status=finding.status,
        spacing=spacing,
        true_pixels=int(np.count_nonzero(truth)),
        network=agreement(seen, truth, spacing),
        answered=agreement(shown, truth, spacing),
        lesions=tuple(_lesions(truth, seen, shown, spacing, smallest_area(finding))),
        false_lesions=sum(not (region.mask() & truth).any() for region in drawn.values()),
    )


def _drawn(mask: Path) -> NDArray[np.bool_]:
    pixels = next(read(mask)).pixels
    drawn: NDArray[np.bool_] = pixels > 0
    return drawn


def _together(lesions: Mapping[int, Region], shape: tuple[int, ...]) -> NDArray[np.bool_]:
    seen = np.zeros(shape, np.bool_)
    for region in lesions.values():
        seen |= region.mask()
    return seen


def _lesions(
    truth: NDArray[np.bool_],
    seen: NDArray[np.bool_],
    shown: NDArray[np.bool_],
    spacing: Spacing | None,
    smallest: float,
) -> list[DrawnLesion]:
    region = Region.of(truth)
    (labels,) = components([region])
    found = []
    for number in np.unique(labels):
        part = region.part(labels == number)
        if part.area < smallest:
            continue
        inside = part.mask()
        size = measure_lesion(1, part, spacing)
        longest = size.longest_pixels if size.longest_mm is None else size.longest_mm
        found.append(
            DrawnLesion(
                diameter=round(longest, DECIMALS),
                found=bool(seen[inside].mean() >= FOUND_SHARE),
                found_as_answered=bool(shown[inside].mean() >= FOUND_SHARE),
            )
        )
    return found
