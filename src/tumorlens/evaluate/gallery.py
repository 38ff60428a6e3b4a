"""The errors that a model was surest of, drawn with what it saw: where to look first."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import NO_TUMOR, TUMOR
from tumorlens.errors import ScanError
from tumorlens.evaluate.figures import tumor_probability
from tumorlens.evaluate.truth import UNKNOWN, truth_of
from tumorlens.model.run import Model
from tumorlens.scan import read

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.holdout import Subject
    from tumorlens.model.format import ModelMetadata
    from tumorlens.scan.scan import Scan

SHOWN = 24
"""So many errors fit a page that a mail server takes (about 20 kB each)."""

SIDE = 256
QUALITY = 80


@dataclass(frozen=True, slots=True)
class Mistake:
    """An image that a model answered wrongly.

    Attributes:
        row: Of the image.
        name: Its name in the manifest.
        label: What it is.
        chosen: What the model said.
        probability: How sure it was of that.
    """

    row: int
    name: str
    label: str
    chosen: str
    probability: float


@dataclass(frozen=True, slots=True)
class Picture:
    """A mistake with what the model saw, as JPEG in data URIs; None where it cannot be drawn."""

    mistake: Mistake
    slice: str | None
    overlay: str | None


def mistakes(
    metadata: ModelMetadata, entries: Sequence[Entry], probabilities: NDArray[np.float64]
) -> list[Mistake]:
    """All wrong answers, the surest first.

    An image of known class is wrong where another class is the most probable; one that shows a
    tumor of unknown kind where its tumor probability is below the model's threshold.

    Args:
        metadata: Of the model.
        entries: The images.
        probabilities: The answers, (N, C).
    """
    truth, score = truth_of(metadata, entries), tumor_probability(metadata, probabilities)
    found = []
    for row, (entry, given) in enumerate(zip(entries, probabilities, strict=True)):
        if truth.kind[row] != UNKNOWN:
            number = int(given.argmax())
            if number != truth.kind[row]:
                chosen, sure = metadata.classes[number], float(given[number])
                found.append(Mistake(row, entry.name, entry.label, chosen, sure))
            continue
        called = bool(score[row] >= metadata.thresholds.tumor)
        if truth.tumor[row] != UNKNOWN and called != bool(truth.tumor[row]):
            sure = float(score[row] if called else 1 - score[row])
            found.append(Mistake(row, entry.name, entry.label, TUMOR if called else NO_TUMOR, sure))
    return sorted(found, key=lambda one: (-one.probability, one.name))


def draw(found: Sequence[Mistake], subject: Subject, root: Path) -> list[Picture]:
    """The surest mistakes as pictures: the slice, and beside it the evidence that the model gives.

    Args:
        found: From `mistakes`.
        subject: What answered; only a model has evidence to show.
        root: The folder that names are relative to.
    """
    return [_drawn(one, subject, root) for one in found[:SHOWN]]


def _drawn(mistake: Mistake, subject: Subject, root: Path) -> Picture:
    try:
        scan = next(read(root / mistake.name))
    except (ScanError, StopIteration):
        return Picture(mistake, None, None)
    grey = _jpeg(np.rint(scan.pixels * 255).astype(np.uint8))
    return Picture(mistake, grey, _overlay(scan, subject))


def _overlay(scan: Scan, subject: Subject) -> str | None:
    from tumorlens.analysis import answer_scan
    from tumorlens.explain.overlay import plain_overlay

    if not isinstance(subject, Model):
        return None
    finding = answer_scan(scan, subject)
    return None if finding.heatmap is None else _jpeg(plain_overlay(scan.pixels, finding))


def _jpeg(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((SIDE, SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
