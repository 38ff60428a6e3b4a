"""Findings as a PDF to print: a page each, the answer in words first, then why, then the details.

Drawn for paper: dark letters on white, grey where colour is not needed, and nothing that a black
and white printer would lose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from tumorlens._version import __version__
from tumorlens.decide.finding import NOTICE, Status
from tumorlens.decide.words import (
    class_words,
    headline,
    percent,
    probability_line,
    reason_lines,
    size_lines,
)
from tumorlens.errors import MissingExtra
from tumorlens.explain.colour import DEFAULT_OPACITY, blend
from tumorlens.explain.contour import draw_lesions
from tumorlens.explain.diameters import Line
from tumorlens.explain.measure import marked
from tumorlens.explain.overlay import plain_overlay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from numpy.typing import NDArray

    from tumorlens.decide.finding import Finding
    from tumorlens.model.format import Metric, ModelMetadata

# Millimetres on A4; a printer leaves some of the edge white.
MARGIN = 16.0
# Points that reportlab leaves free around what flows through a page.
FRAME_EDGE = 6.0
# Room between the parts of a page.
PART = 2.5
# Pictures are as large as the words of their page leave room for.
PICTURE_SIDE, SMALLEST_PICTURE_SIDE = 76.0, 46.0
GAP = 8.0
# Captions and the colours' legend take so much of the height.
AROUND_PICTURES = 12.5
# Room for the page's number and the notice below everything.
FOOT = 5.0
# A picture of this many pixels is sharp at its size in print (about 300 dots an inch).
LARGEST_PICTURE, SMALLEST_PICTURE = 1024, 512
LEGEND_STEPS, LEGEND_ROWS, LEGEND_GREY = 256, 8, 0.35
# The figures of a model that fit beside the rest; its card has all of them.
MOST_METRICS = 4
# How hard pictures are packed on their way into the file, which packs them anew.
QUICK = 1
# How a model file names a set that nothing of was learnt from.
NEVER_SEEN = "never seen"
SHOWN_DIGITS = 16

LIMITS = (
    "An answer is about the one image that is shown, not about a patient.",
    (
        "No tumor found does not mean that there is none: small tumors, other sequences and other "
        "planes can hide one."
    ),
    (
        "On scans from hospitals that the model has not learnt from it is less reliable than its "
        "best figures say; figures on sets that it has never seen are the ones to go by."
    ),
    (
        "The probability is calibrated on held-out images of the model's own sets. The coloured "
        "evidence shows what the network used, which need not be what a reader would use."
    ),
)
_MEANING = {
    Status.TUMOR: "Read it as a hint where to look, not as a diagnosis.",
    Status.NO_TUMOR: "It does not mean that the brain is healthy.",
    Status.UNCERTAIN: "The model cannot decide; a person has to read this image.",
    Status.REJECTED: "The image was not answered, for the reasons below.",
}


@dataclass(frozen=True, slots=True, eq=False)
class Sheet:
    """What one page tells of.

    Attributes:
        finding: The answer.
        pixels: float32 (H, W) in [0, 1], the slice of the Finding.
        answered: When it was answered, or None where that is not known.
    """

    finding: Finding
    pixels: NDArray[np.float32]
    answered: datetime | None = None


def pdf_report(sheets: Sequence[Sheet], *, model: ModelMetadata | None = None) -> bytes:
    """Write findings as a PDF, each on a page of its own.

    Args:
        sheets: The findings, at least one.
        model: What is known of the model that gave them; its figures and data are printed.

    Returns:
        The bytes of the file; the same for the same input on one machine.

    Raises:
        MissingExtra: The library for PDF is not installed.
        ValueError: There is no sheet.
    """
    if not sheets:
        msg = "a report needs at least one finding"
        raise ValueError(msg)
    try:
        import reportlab  # noqa: F401
    except ImportError as error:
        extra, what = "serve", "Writing a PDF"
        raise MissingExtra(extra, what) from error
    from reportlab.platypus import PageBreak

    paper = _Paper()
    story: list[Any] = []
    for sheet in sheets:
        story += [*([PageBreak()] if story else []), *_page(sheet, model, paper)]
    return paper.printed(story)


class _Paper:
    """Styles and flowing parts, and the document that they end up in."""

    def __init__(self) -> None:
        from reportlab.lib import colors
        from reportlab.lib.units import mm

        from tumorlens.report.fonts import base_face

        self.mm = float(mm)
        self.face = base_face()
        self.ink, self.dim = colors.HexColor("#15171a"), colors.HexColor("#54585f")
        self.line, self.shade = colors.HexColor("#c9ccd1"), colors.HexColor("#f2f3f5")

    def text(self, words: str, *, size: float = 9.5, bold: bool = False, dim: bool = False) -> Any:
        from reportlab.lib.styles import ParagraphStyle
        from reportlab.platypus import Paragraph

        from tumorlens.report.fonts import marked_up

        marked = marked_up(words, bold=bold)
        style = ParagraphStyle(
            f"size-{size}",
            fontName=marked.font,
            fontSize=size,
            leading=size * 1.35,
            textColor=self.dim if dim else self.ink,
            splitLongWords=True,
            shaping=1,
        )
        return Paragraph(marked.markup, style)

    def space(self, millimetres: float) -> Any:
        from reportlab.platypus import Spacer

        return Spacer(1, millimetres * self.mm)

    def part(self, words: str) -> list[Any]:
        """Where another part of the page begins."""
        return [self.space(PART), self.text(words, bold=True), self.space(PART / 4)]

    def notice(self) -> Any:
        table = self.table([[self.text(NOTICE, bold=True)]], [self.width])
        room = ("LEFTPADDING", (0, 0), (-1, -1), 1.2 * self.mm)
        table.setStyle([("BOX", (0, 0), (-1, -1), 1.0, self.ink), room])
        return table

    def table(self, rows: list[list[Any]], widths: list[float]) -> Any:
        from reportlab.platypus import Table

        edge = 1.2 * self.mm
        style = [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            # Flush with the words around it.
            ("LEFTPADDING", (0, 0), (0, -1), 0),
            ("LEFTPADDING", (1, 0), (-1, -1), edge),
            ("RIGHTPADDING", (0, 0), (-1, -1), edge),
            ("TOPPADDING", (0, 0), (-1, -1), edge / 4),
            ("BOTTOMPADDING", (0, 0), (-1, -1), edge / 2),
        ]
        return Table(rows, [width * self.mm for width in widths], style=style, hAlign="LEFT")

    @property
    def width(self) -> float:
        """Room between the margins, in mm."""
        from reportlab.lib.pagesizes import A4

        return float(A4[0]) / self.mm - 2 * MARGIN

    def spare(self, story: Sequence[Any]) -> float:
        """Room in mm that parts leave on their page; negative where they need another one."""
        from reportlab.lib.pagesizes import A4

        width = self.width * self.mm
        taken = sum(part.wrap(width, float(A4[1]))[1] for part in story)
        return float((A4[1] - taken) / self.mm - 2 * MARGIN - FOOT)

    def printed(self, story: list[Any]) -> bytes:
        from reportlab import rl_config
        from reportlab.lib.pagesizes import A4
        from reportlab.platypus import SimpleDocTemplate

        # As they are: in letters alone they would be a quarter larger, and take long to write.
        rl_config.useA85 = 0
        stream = BytesIO()
        # The frame in which the story flows has an edge of its own.
        margin = MARGIN * self.mm - FRAME_EDGE
        document = SimpleDocTemplate(
            stream,
            pagesize=A4,
            leftMargin=margin,
            rightMargin=margin,
            topMargin=margin,
            bottomMargin=margin + FOOT * self.mm,
            title="TumorLens report",
            author=f"TumorLens {__version__}",
            subject=NOTICE,
            lang="en",
            invariant=1,
        )
        document.build(story, onFirstPage=self._foot, onLaterPages=self._foot)
        return stream.getvalue()

    def _foot(self, canvas: Any, document: Any) -> None:
        canvas.setFont(self.face.name, 7.5)
        canvas.setFillColor(self.dim)
        height = MARGIN * self.mm * 0.75
        edge = MARGIN * self.mm
        canvas.drawString(edge, height, NOTICE)
        right = document.pagesize[0] - edge
        canvas.drawRightString(right, height, f"TumorLens {__version__} · page {document.page}")


def _page(sheet: Sheet, model: ModelMetadata | None, paper: _Paper) -> list[Any]:
    finding = sheet.finding
    above = [paper.notice(), paper.space(4), *_answer(finding, paper), paper.space(3)]
    below = [paper.space(1), *_details(sheet, model, paper)]
    longer = max(finding.scan.width, finding.scan.height) / finding.scan.height
    room = math.floor((paper.spare([*above, *below]) - AROUND_PICTURES) * longer)
    side = min(PICTURE_SIDE, max(SMALLEST_PICTURE_SIDE, room))
    return [*above, _pictures(sheet, paper, side), *below]


def _details(sheet: Sheet, model: ModelMetadata | None, paper: _Paper) -> list[Any]:
    finding = sheet.finding
    parts: list[Any] = []
    if finding.probabilities and finding.status is not Status.REJECTED:
        parts += [*paper.part("Probabilities"), _probabilities(finding, paper)]
    parts += [*paper.part("Image"), _facts(_image_facts(sheet), paper)]
    parts += [*paper.part("Model"), _facts(_model_facts(finding, model), paper)]
    parts += paper.part("Limits")
    return parts + [paper.text(f"• {limit}", size=8) for limit in LIMITS]


def _answer(finding: Finding, paper: _Paper) -> list[Any]:
    parts = [paper.text(headline(finding), size=17, bold=True)]
    if likely := probability_line(finding):
        parts.append(paper.text(f"{likely}. {_MEANING[finding.status]}"))
    else:
        parts.append(paper.text(_MEANING[finding.status]))
    parts += map(paper.text, reason_lines(finding))
    if finding.prediction_set and finding.status is not Status.REJECTED:
        names = ", ".join(
            class_words(name, finding.model.display) for name in finding.prediction_set
        )
        parts.append(paper.text(f"What cannot be ruled out (prediction set): {names}."))
    if finding.measurements is not None:
        parts += [paper.text(f"{line}.") for line in size_lines(finding.measurements)]
    return parts


def _pictures(sheet: Sheet, paper: _Paper, side: float) -> Any:
    """The slice, and beside it the slice with its evidence and outlines, of a side in mm."""
    finding = sheet.finding
    plain = Image.fromarray(np.rint(sheet.pixels * 255).astype(np.uint8))
    columns = [[paper.text("The image as it was read", size=8.5), _flowable(plain, paper, side)]]
    if finding.heatmap_class is not None:
        shown = class_words(finding.heatmap_class, finding.model.display)
        caption = paper.text(f"Evidence for {shown}", size=8.5)
        columns.append([caption, _flowable(_evidence(sheet), paper, side), *_legend(paper, side)])
    else:
        columns.append([paper.space(1)])
    return paper.table([columns], [side + GAP, side + GAP])


def _evidence(sheet: Sheet) -> Image.Image:
    finding = sheet.finding
    picture = _at_print_size(Image.fromarray(plain_overlay(sheet.pixels, finding)))
    measured = () if finding.measurements is None else finding.measurements.lesions
    diameters = [
        Line(*ends) for one in measured for ends in (one.longest_ends, one.perpendicular_ends)
    ]
    outlined = (marked(finding) or {}).values()
    draw_lesions(picture, outlined, diameters, (finding.scan.height, finding.scan.width))
    return picture


def _at_print_size(picture: Image.Image) -> Image.Image:
    longest = max(picture.size)
    target = min(max(longest, SMALLEST_PICTURE), LARGEST_PICTURE)
    if target == longest:
        return picture
    width, height = (max(1, round(side * target / longest)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _flowable(picture: Image.Image, paper: _Paper, side: float) -> Any:
    from reportlab.platypus import Image as Flowable

    picture = _at_print_size(picture)
    scale = side * paper.mm / max(picture.size)
    stream = BytesIO()
    picture.save(stream, "PNG", compress_level=QUICK)
    stream.seek(0)
    return Flowable(stream, picture.width * scale, picture.height * scale, hAlign="LEFT")


def _legend(paper: _Paper, side: float) -> list[Any]:
    from reportlab.platypus import Image as Flowable

    steps = np.tile(np.linspace(0, 1, LEGEND_STEPS, dtype=np.float32), (LEGEND_ROWS, 1))
    bar = Image.fromarray(blend(np.full_like(steps, LEGEND_GREY), steps, DEFAULT_OPACITY))
    stream = BytesIO()
    bar.save(stream, "PNG", compress_level=QUICK)
    stream.seek(0)
    words = paper.text("no evidence (grey) to strong evidence (yellow)", size=7.5)
    width = side * paper.mm
    return [paper.space(1), Flowable(stream, width, 2.5 * paper.mm, hAlign="LEFT"), words]


def _probabilities(finding: Finding, paper: _Paper) -> Any:
    from reportlab.graphics.shapes import Drawing, Rect

    rows = []
    room = 70 * paper.mm
    for name, value in finding.probabilities.items():
        bar = Drawing(room, 3 * paper.mm)
        bar.add(Rect(0, 0, room, 3 * paper.mm, fillColor=paper.shade, strokeColor=paper.line))
        bar.add(Rect(0, 0, room * value, 3 * paper.mm, fillColor=paper.ink, strokeColor=None))
        words = class_words(name, finding.model.display)
        rows.append([paper.text(words, size=8.5), paper.text(percent(value), size=8.5), bar])
    return paper.table(rows, [45, 20, 75])


def _facts(facts: Sequence[tuple[str, str]], paper: _Paper) -> Any:
    rows = [
        [paper.text(name, size=8.5, dim=True), paper.text(value, size=8.5)] for name, value in facts
    ]
    return paper.table(rows, [32, paper.width - 32])


def _image_facts(sheet: Sheet) -> list[tuple[str, str]]:
    scan = sheet.finding.scan
    size = f"{scan.width} x {scan.height} pixels, {scan.format.upper()}"
    if scan.spacing_mm is not None:
        size += f", {scan.spacing_mm[0]:g} x {scan.spacing_mm[1]:g} mm a pixel"
    facts = [("Name", scan.source), ("Size", size)]
    if scan.frame_count > 1:
        facts.append(("Slice", f"{scan.frame + 1} of {scan.frame_count}"))
    if scan.position_mm is not None:
        facts.append(("Position", f"{scan.position_mm:g} mm along the slice normal"))
    facts.append(("SHA-256", scan.sha256))
    if sheet.answered is not None:
        facts.append(("Answered", sheet.answered.strftime("%Y-%m-%d %H:%M %Z").strip()))
    return facts


def _model_facts(finding: Finding, model: ModelMetadata | None) -> list[tuple[str, str]]:
    info = finding.model
    facts = [("Name", f"{info.name} {info.version}, SHA-256 {info.sha256[:SHOWN_DIGITS]}…")]
    if model is None:
        return facts
    if model.metrics:
        told = _chosen(model.metrics)
        left = len(model.metrics) - len(told)
        more = f"; {left} more in its card" if left else ""
        facts.append(("Measured", "; ".join(map(_metric_words, told)) + more))
    if model.data:
        sets = "; ".join(f"{one.name} ({one.images} images, {one.licence})" for one in model.data)
        facts.append(("Learnt from", sets))
    attribution = f". {model.attribution}" if model.attribution else ""
    facts.append(("Licence", f"{model.licence}{attribution}"))
    return facts


def _chosen(metrics: Sequence[Metric]) -> list[Metric]:
    """The first figure, the first of each set that was never seen, of other sets, and others."""
    firsts = list({metric.on: metric for metric in reversed(metrics)}.values())[::-1]
    others = [metric for metric in metrics if metric not in firsts]
    unseen = [metric for metric in firsts[1:] if NEVER_SEEN in metric.on]
    seen = [metric for metric in firsts[1:] if metric not in unseen]
    return [*firsts[:1], *unseen, *seen, *others][:MOST_METRICS]


def _metric_words(metric: Metric) -> str:
    between = ""
    if metric.low is not None and metric.high is not None:
        between = f" ({metric.low:.3f} to {metric.high:.3f})"
    return f"{metric.name} {metric.value:.3f}{between} on {metric.on}"
