"""Figures of what a model marks, with 95 % intervals by bootstrap over patients or groups.

Overlap is measured where something was drawn, and what is marked where nothing was is counted
apart: Dice is not defined for an empty truth, and counting such images as 0 or 1 would let their
number decide the mean (Maier-Hein et al. 2024, "Metrics reloaded", doi:10.1038/s41592-023-02151-z).
"""

from __future__ import annotations

import csv
import json
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from pydantic import BaseModel, ConfigDict

from tumorlens.evaluate.masks import FOUND_SHARE, MaskCase, mask_cases
from tumorlens.evaluate.metrics import with_interval
from tumorlens.evaluate.tables import interval
from tumorlens.model.format import MaskRules, Metric

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry
    from tumorlens.model.run import Model

    Indices = NDArray[np.intp]
    Statistic = Callable[[Indices], float]
    Progress = Callable[[int, int], None]

HEADLINES = ("mask Dice", "mask Dice as answered", "lesions found", "tumor-free images marked")
"""The figures that a model with masks is chosen by."""

# Below 10 mm RANO does not call a lesion measurable; the others double.
DIAMETERS_MM = (10.0, 20.0, 40.0)

SEGMENTATION_FILE = "segmentation.json"


class SegmentationReport(BaseModel):
    """What a model's masks scored.

    Attributes:
        model: Name of the model.
        model_sha256: Hash of the file that was measured.
        rules: What counts as marked.
        metrics: Every figure, with its interval and what it is on.
        notes: What was left out, a sentence each.
    """

    model_config = ConfigDict(frozen=True, json_schema_serialization_defaults_required=True)

    model: str
    model_sha256: str
    rules: MaskRules
    metrics: tuple[Metric, ...]
    notes: tuple[str, ...] = ()

    @property
    def headlines(self) -> tuple[Metric, ...]:
        """The figures that stand in the evaluation itself."""
        return tuple(metric for metric in self.metrics if metric.name in HEADLINES)


def measure_masks(
    model: Model,
    root: Path,
    parts: Mapping[str, Sequence[Entry]],
    *,
    out: Path,
    spacings: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> SegmentationReport | None:
    """Measure the masks of a model, and write ``segmentation.json``, ``.md`` and ``.csv``.

    Args:
        model: The model.
        root: The folder that the names of images are relative to.
        parts: Images to measure together, by what they are in words.
        out: Where the files go.
        spacings: Set → mm a pixel, for sets whose files do not say it.
        progress: Called with (images compared, images in all) for each part.

    Returns:
        None where the model gives no mask, or no mask was drawn on any of the images.

    Raises:
        DatasetError: A mask is missing, or not of the size of its image.
        ScanError: An image or a mask cannot be read.
    """
    if not model.gives_mask:
        return None
    cases = {
        on: mask_cases(model, root, entries, spacings, progress) for on, entries in parts.items()
    }
    # Without any drawn mask, there is only what is marked on tumor-free images, which says little.
    if not any(case.true_pixels for inside in cases.values() for case in inside):
        return None
    report = SegmentationReport(
        model=model.metadata.name,
        model_sha256=model.sha256,
        rules=model.metadata.mask,
        metrics=tuple(metric for on, inside in cases.items() for metric in figures(inside, on)),
        notes=tuple(_notes(parts, cases)),
    )
    _save(report, cases, out)
    return report


def figures(cases: Sequence[MaskCase], on: str) -> Iterator[Metric]:
    """All figures of some images, in the order of the table."""
    drawn = [case for case in cases if case.true_pixels]
    if drawn:
        yield from _overlap(drawn, on)
        yield from _sizes(drawn, on)
        yield from _detection(drawn, on)
    free = [case for case in cases if not case.true_pixels]
    if free:
        yield from _absent(free, on)


def _overlap(cases: Sequence[MaskCase], on: str) -> Iterator[Metric]:
    dice = [case.network.dice or 0.0 for case in cases]
    yield _figure("mask Dice", on, cases, dice, np.mean)
    yield _figure("mask Dice, median", on, cases, dice, np.median)
    answered = [case.answered.dice or 0.0 for case in cases]
    yield _figure("mask Dice as answered", on, cases, answered, np.mean)
    yield _figure("mask IoU", on, cases, [case.network.iou or 0.0 for case in cases], np.mean)
    missed = [float(not case.network.pixels) for case in cases]
    yield _figure("tumor images with nothing marked", on, cases, missed, np.mean)
    marked = [case for case in cases if case.network.hd95 is not None]
    if marked:
        unit = "mm" if all(case.spacing for case in marked) else "pixels"
        distances = [case.network.hd95 or 0.0 for case in marked]
        yield _figure(f"mask HD95 where marked ({unit})", on, marked, distances, np.mean)
        yield _figure(f"mask HD95 where marked, median ({unit})", on, marked, distances, np.median)


def _sizes(cases: Sequence[MaskCase], on: str) -> Iterator[Metric]:
    """How far areas are off, and volumes: sums over the images of a patient or group."""
    off = [abs(case.network.pixels - case.true_pixels) / case.true_pixels for case in cases]
    yield _figure("area error, median share", on, cases, off, np.median)
    groups = sorted({case.entry.group for case in cases})
    if len(groups) == len(cases):
        return
    sums = {group: np.zeros(2) for group in groups}
    for case in cases:
        sums[case.entry.group] += (case.network.pixels, case.true_pixels)
    errors = np.array([abs(sums[g][0] - sums[g][1]) / sums[g][1] for g in groups])
    yield with_interval(
        "volume error over a group's images, median share",
        on,
        lambda indices: float(np.median(errors[indices])),
        groups,
    )


def _detection(cases: Sequence[MaskCase], on: str) -> Iterator[Metric]:
    """Which drawn lesions are found, by their longest diameter, and which marks are false."""
    pairs = [(case, lesion) for case in cases for lesion in case.lesions]
    if not pairs:
        return
    owners = [case for case, _ in pairs]
    yield _figure("lesions found", on, owners, [float(one.found) for _, one in pairs], np.mean)
    answered = [float(one.found_as_answered) for _, one in pairs]
    yield _figure("lesions found as answered", on, owners, answered, np.mean)
    if all(case.spacing for case in cases):
        bounds = (0.0, *DIAMETERS_MM, np.inf)
        for low, high in pairwise(bounds):
            inside = [(case, one) for case, one in pairs if low <= one.diameter < high]
            if inside:
                found = [float(one.found) for _, one in inside]
                name = f"lesions found, {_range(low, high)}"
                yield _figure(name, on, [case for case, _ in inside], found, np.mean)
    false = [float(case.false_lesions) for case in cases]
    yield _figure("false lesions on a tumor image", on, cases, false, np.mean)


def _absent(cases: Sequence[MaskCase], on: str) -> Iterator[Metric]:
    marked = [float(case.network.pixels > 0) for case in cases]
    yield _figure("tumor-free images marked", on, cases, marked, np.mean)
    answered = [float(case.answered.pixels > 0) for case in cases]
    yield _figure("tumor-free images marked as answered", on, cases, answered, np.mean)
    false = [float(case.false_lesions) for case in cases]
    yield _figure("false lesions on a tumor-free image", on, cases, false, np.mean)


def _figure(
    name: str,
    on: str,
    cases: Sequence[MaskCase],
    values: Sequence[float],
    pool: Callable[[NDArray[np.float64]], np.floating],
) -> Metric:
    """A mean or median of a value of each image or lesion; its cases say the groups."""
    array = np.asarray(values, np.float64)
    groups = [case.entry.group for case in cases]
    return with_interval(name, on, lambda indices: float(pool(array[indices])), groups)


def _range(low: float, high: float) -> str:
    if not low:
        return f"below {high:.0f} mm"
    return f"{low:.0f} mm and longer" if np.isinf(high) else f"{low:.0f} to {high:.0f} mm"


def _notes(
    parts: Mapping[str, Sequence[Entry]], cases: Mapping[str, Sequence[MaskCase]]
) -> Iterator[str]:
    yield (
        "Dice, IoU and HD95 are of what the network marks on images where a tumor was drawn, "
        'specks left out; "as answered" counts only marks of images that are answered tumor. '
        f"A lesion is found where at least {FOUND_SHARE:.0%} of it is marked; drawn parts that are "
        "as small as a speck count in the overlap and are no lesions."
    )
    for on, entries in parts.items():
        if missing := len(entries) - len(cases[on]):
            yield f"{missing} images on {on} show a tumor that nobody drew; left out."
        if any(case.true_pixels and not case.spacing for case in cases[on]):
            yield (
                f"The images on {on} do not say how large a pixel is, so distances are in pixels "
                "and lesions are not told apart by their size; --pixel-mm SET=MM says it."
            )


def _in_words(rules: MaskRules) -> str:
    if not rules.peak_share:
        return f"from {rules.level:g} on"
    return (
        f"from {rules.peak_share:g} of the highest probability on, where that reaches "
        f"{rules.level:g}"
    )


def to_markdown(report: SegmentationReport) -> str:
    """The figures as a table, for the docs and for people."""
    lines = [("figure", "on", "count", "value", "95 % interval"), ("---",) * 5]
    lines += [
        (m.name, m.on, str(m.count), f"{m.value:.3f}", interval(m.low, m.high))
        for m in report.metrics
    ]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    notes = "".join(f"- {note}\n" for note in report.notes)
    return (
        f"Masks of `{report.model}`, file SHA-256 `{report.model_sha256}`, marked "
        f"{_in_words(report.rules)}.\n\n{table}\n{notes}"
    )


def _save(
    report: SegmentationReport, cases: Mapping[str, Sequence[MaskCase]], folder: Path
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(report.model_dump(mode="json"), indent=2) + "\n"
    (folder / SEGMENTATION_FILE).write_text(text, encoding="utf-8")
    (folder / "segmentation.md").write_text(to_markdown(report), encoding="utf-8")
    with (folder / "segmentation.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for on, inside in cases.items():
            writer.writerows(_row(on, case) for case in inside)


_COLUMNS = (
    *("on", "name", "label", "group", "status", "true_pixels", "marked_pixels"),
    *("marked_pixels_as_answered", "dice", "iou", "hd95", "dice_as_answered"),
    *("lesions", "lesions_found", "false_lesions"),
)


def _row(on: str, case: MaskCase) -> tuple[object, ...]:
    return (
        on,
        case.entry.name,
        case.entry.label,
        case.entry.group,
        case.status.value,
        case.true_pixels,
        case.network.pixels,
        case.answered.pixels,
        *(_cell(value) for value in (case.network.dice, case.network.iou, case.network.hd95)),
        _cell(case.answered.dice),
        len(case.lesions),
        sum(lesion.found for lesion in case.lesions),
        case.false_lesions,
    )


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
