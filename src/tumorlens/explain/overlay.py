"""The picture that shows why: the slice, beside it the slice coloured by its evidence."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from tumorlens.decide.finding import Status
from tumorlens.decide.words import (
    class_words,
    headline,
    probability_line,
    reason_lines,
    size_lines,
)
from tumorlens.explain.colour import DEFAULT_OPACITY, blend
from tumorlens.explain.contour import draw_lesions
from tumorlens.explain.diameters import Line
from tumorlens.explain.measure import marked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from tumorlens.decide.finding import Finding
    from tumorlens.explain.regions import Region

# A panel's longer side, in pixels: a tiny slice is enlarged, and a huge one reduced, so that the
# words beside it can be read and the picture fits a screen.
SMALLEST_PANEL, LARGEST_PANEL = 384, 1536
# The narrowest picture in which the words keep a sensible measure.
SMALLEST_WIDTH = 720
# Size of the text as a share of the picture's width, and its bounds in pixels.
TEXT_SHARE, SMALLEST_TEXT, LARGEST_TEXT = 1 / 52, 15, 40
HEADLINE_RATIO = 1.5
LINE_RATIO = 1.35
# What the colours of the legend are laid on: the grey of brain on most scans.
LEGEND_GREY = 0.35
LEGEND_HEIGHT_RATIO = 1.1
# Very large slices are first reduced by whole factors; the eye cannot tell (Pillow, ``resize``).
REDUCING_GAP = 3.0

_BACKGROUND = (16, 17, 20)
_TEXT = (232, 232, 232)
_DIM = (166, 168, 172)
# No green: nothing here says that a person is well. The words carry the answer, the colour only
# helps the eye.
_STATUS_COLOURS = {
    Status.TUMOR: (255, 148, 92),
    Status.UNCERTAIN: (240, 208, 96),
    Status.NO_TUMOR: (146, 190, 240),
    Status.REJECTED: (190, 190, 194),
}

Colour = tuple[int, int, int]


def plain_overlay(
    pixels: NDArray[np.float32], finding: Finding, *, opacity: float = DEFAULT_OPACITY
) -> NDArray[np.uint8]:
    """The slice coloured by its evidence, at its own resolution and without any words.

    Args:
        pixels: float32 (H, W) in [0, 1], the slice of the Finding.
        finding: The answer; the slice stays grey where it holds no heatmap.
        opacity: How much of the slice full evidence covers, in [0, 1].

    Returns:
        uint8 (H, W, 3), RGB.
    """
    heatmap = finding.heatmap
    return blend(pixels, np.zeros_like(pixels) if heatmap is None else heatmap, opacity)


def evidence_panel(
    pixels: NDArray[np.float32],
    finding: Finding,
    *,
    opacity: float = DEFAULT_OPACITY,
    lesions: Iterable[Region] | None = None,
) -> NDArray[np.uint8]:
    """The slice coloured by its evidence and with its lesions outlined, large enough to look at.

    Args:
        pixels: float32 (H, W) in [0, 1], the slice of the Finding.
        finding: The answer; the slice stays grey where it holds no heatmap.
        opacity: How much of the slice full evidence covers, in [0, 1].
        lesions: What is outlined; what the answer marks by itself if None. The diameters that the
            Finding holds are drawn with it.

    Returns:
        uint8 (height, width, 3), RGB, the longer side at least `SMALLEST_PANEL` and at most
        `LARGEST_PANEL`.
    """
    return np.asarray(_evidence_image(_at_panel_size(pixels), pixels, finding, opacity, lesions))


def overlay(
    pixels: NDArray[np.float32],
    finding: Finding,
    *,
    opacity: float = DEFAULT_OPACITY,
    lesions: Iterable[Region] | None = None,
) -> NDArray[np.uint8]:
    """The answer as a picture: words, slice, slice with evidence, legend, and the notice.

    Args:
        pixels: float32 (H, W) in [0, 1], the slice of the Finding.
        finding: The answer.
        opacity: How much of the slice full evidence covers, in [0, 1].
        lesions: What is outlined; what the answer marks by itself if None.

    Returns:
        uint8 (height, width, 3), RGB; as large as the slice and the words need.
    """
    seen = _at_panel_size(pixels)
    panels = [_panel(seen, np.zeros_like(seen), opacity, "The slice as it was read")]
    if finding.evidence_map is not None and finding.heatmap_class is not None:
        shown = class_words(finding.heatmap_class, finding.model.display)
        image = _evidence_image(seen, pixels, finding, opacity, lesions)
        panels.append(_Panel(image, f"Evidence for {shown}"))
    sheet = _Sheet.of(panels)
    for line in _answer_lines(finding):
        sheet.write(line)
    sheet.show(panels)
    if finding.heatmap_class is not None:
        sheet.legend(opacity)
    sheet.write(_Line(_provenance(finding), _DIM))
    sheet.write(_Line(finding.notice, _TEXT))
    return sheet.finished()


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    colour: Colour
    ratio: float = 1.0


@dataclass(frozen=True, slots=True)
class _Panel:
    image: Image.Image
    caption: str


class _Sheet:
    """A picture that is filled from the top and cut where it ends."""

    def __init__(self, width: int, height: int, text_size: int) -> None:
        self._image = Image.new("RGB", (width, height), _BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)
        self._text_size = text_size
        self._gap = text_size
        self._bottom = text_size

    @classmethod
    def of(cls, panels: list[_Panel]) -> _Sheet:
        """A sheet wide enough for the panels, and high enough for a start."""
        inner = sum(panel.image.width for panel in panels)
        text_size = round(np.clip(inner * TEXT_SHARE, SMALLEST_TEXT, LARGEST_TEXT))
        width = max(SMALLEST_WIDTH, inner + (len(panels) + 1) * text_size)
        return cls(width, text_size, text_size)

    def write(self, line: _Line) -> None:
        """Write a line, broken wherever it would leave the sheet."""
        size = round(self._text_size * line.ratio)
        font = _font(size)
        for part in _wrapped(line.text, font, self._image.width - 2 * self._gap):
            top = self._take(round(size * LINE_RATIO))
            self._draw.text((self._gap, top), part, fill=line.colour, font=font)

    def show(self, panels: list[_Panel]) -> None:
        """Put the panels side by side, their captions above them."""
        self._take(self._gap // 2)
        room = (self._image.width - (len(panels) + 1) * self._gap) // len(panels)
        font = _font(self._text_size)
        captions = [_wrapped(panel.caption, font, room) for panel in panels]
        line_height = round(self._text_size * LINE_RATIO)
        top = self._take(line_height * max(map(len, captions)))
        picture_top = self._take(max(panel.image.height for panel in panels))
        for index, (panel, lines) in enumerate(zip(panels, captions, strict=True)):
            left = self._gap + index * (room + self._gap)
            for row, part in enumerate(lines):
                place = (left, top + row * line_height)
                self._draw.text(place, part, fill=_TEXT, font=font)
            self._image.paste(panel.image, (left, picture_top))
        self._take(self._gap // 2)

    def legend(self, opacity: float) -> None:
        """A bar of the colours of evidence, with what its ends and its middle mean."""
        width = self._image.width - 2 * self._gap
        height = round(self._text_size * LEGEND_HEIGHT_RATIO)
        steps = np.tile(np.linspace(0, 1, width, dtype=np.float32), (height, 1))
        bar = Image.fromarray(blend(np.full_like(steps, LEGEND_GREY), steps, opacity))
        self._image.paste(bar, (self._gap, self._take(height)))
        font = _font(self._text_size)
        top = self._take(round(self._text_size * LINE_RATIO))
        right = self._gap + width
        for text, place, anchor in (
            ("no evidence", self._gap, "la"),
            ("some", self._gap + width // 2, "ma"),
            ("strong evidence", right, "ra"),
        ):
            self._draw.text((place, top), text, fill=_TEXT, font=font, anchor=anchor)

    def finished(self) -> NDArray[np.uint8]:
        """The picture, uint8 (height, width, 3)."""
        self._take(self._gap)
        cut = self._image.crop((0, 0, self._image.width, self._bottom))
        return np.asarray(cut)

    def _take(self, height: int) -> int:
        """Claim the next `height` rows, making the sheet higher where needed; their top."""
        top = self._bottom
        self._bottom += height
        if self._bottom > self._image.height:
            taller = Image.new("RGB", (self._image.width, 2 * self._bottom), _BACKGROUND)
            taller.paste(self._image)
            self._image, self._draw = taller, ImageDraw.Draw(taller)
        return top


def _panel(
    pixels: NDArray[np.float32], evidence: NDArray[np.float32], opacity: float, caption: str
) -> _Panel:
    return _Panel(Image.fromarray(blend(pixels, evidence, opacity)), caption)


def _evidence_image(
    seen: NDArray[np.float32],
    pixels: NDArray[np.float32],
    finding: Finding,
    opacity: float,
    lesions: Iterable[Region] | None,
) -> Image.Image:
    """The panel of the evidence; `seen` is the slice at the size of a panel."""
    heatmap = finding.heatmap
    shown = np.zeros_like(seen) if heatmap is None else _at_panel_size(heatmap)
    image = Image.fromarray(blend(seen, shown, opacity))
    outlined = list((marked(finding) or {}).values() if lesions is None else lesions)
    draw_lesions(image, outlined, _diameters(finding), pixels.shape)
    return image


def _at_panel_size(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A slice, or a map over it, enlarged or reduced so that it can be seen."""
    height, width = values.shape
    longest = max(height, width)
    target = min(max(longest, SMALLEST_PANEL), LARGEST_PANEL)
    if target == longest:
        return values
    size = (max(1, width * target // longest), max(1, height * target // longest))
    image = Image.fromarray(np.ascontiguousarray(values))
    resized = image.resize(size, Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    clipped: NDArray[np.float32] = np.clip(np.asarray(resized), 0, 1)
    return clipped


def _answer_lines(finding: Finding) -> list[_Line]:
    lines = [_Line(headline(finding), _STATUS_COLOURS[finding.status], HEADLINE_RATIO)]
    if probability := probability_line(finding):
        lines.append(_Line(probability, _TEXT))
    lines += [_Line(text, _TEXT) for text in reason_lines(finding)]
    if (size := finding.measurements) is not None:
        lines += [_Line(text, _TEXT) for text in size_lines(size)]
    return lines


def _diameters(finding: Finding) -> list[Line]:
    """The two diameters of each lesion that was measured."""
    measured = () if finding.measurements is None else finding.measurements.lesions
    ends = [pair for one in measured for pair in (one.longest_ends, one.perpendicular_ends)]
    return [Line(*pair) for pair in ends]


def _provenance(finding: Finding) -> str:
    scan = finding.scan
    which = f", slice {scan.frame + 1} of {scan.frame_count}" if scan.frame_count > 1 else ""
    return f"{scan.source}{which} · {finding.model.name} {finding.model.version}"


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _wrapped(
    text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int
) -> list[str]:
    """The text in lines no wider than `width`; a word that is wider is broken."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".lstrip()
        if font.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append("")
        for letter in word:
            if lines[-1] and font.getlength(lines[-1] + letter) > width:
                lines.append("")
            lines[-1] += letter
    return lines
