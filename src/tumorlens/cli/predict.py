"""``tumorlens predict``: answer scans."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.analysis import answer_found, find
from tumorlens.cli.guard import ExitCode, tell
from tumorlens.cli.inputs import ModelOption, covering, display_for, share, tell_scan_error
from tumorlens.cli.pictures import pictures_in
from tumorlens.cli.tally import Tally
from tumorlens.cli.writers import Format, writer_for
from tumorlens.decide.finding import NOTICE
from tumorlens.errors import ScanError
from tumorlens.explain.colour import DEFAULT_OPACITY
from tumorlens.model.registry import load_model
from tumorlens.scan import Limits, Plane

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.analysis import Found
    from tumorlens.scan import Scan

EPILOG = """
**Examples**

`tumorlens predict scan.jpg`

`tumorlens predict study/ brain.nii.gz archive.zip "more/*.dcm" --format json > findings.jsonl`

`tumorlens predict study/ --overlay pictures/ --opacity 0.5`

`tumorlens predict scan.png --model my-model.onnx --format csv > findings.csv`

`tumorlens predict --phantom --overlay pictures/` answers a drawing, to try the program.

Exit codes: 0 all inputs answered; 1 some could not be answered (each is named, the others are
answered) or not all overlays could be written; 2 wrong use. An input is also not answered where
all of its slices were rejected.
"""

DEFAULTS = Limits()


def predict(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...", help="Files, folders, zips or patterns.", show_default=False
        ),
    ] = None,
    model: ModelOption = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What is written to standard output.")
    ] = Format.TABLE,
    overlay: Annotated[
        Path | None,
        typer.Option("--overlay", "-o", metavar="DIR", help="Write an overlay a slice there."),
    ] = None,
    opacity: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much full evidence covers the slice.")
    ] = DEFAULT_OPACITY,
    plane: Annotated[
        Plane, typer.Option(help="Which slices of a NIfTI volume are answered.")
    ] = Plane.AUTO,
    coverage: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=0.99,
            help="Share of cases whose prediction set should hold the true class.",
            show_default="as the model says",
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(min=1, max=1024, help="Slices at a time.", show_default="the cores"),
    ] = None,
    limit_bytes: Annotated[
        int, typer.Option(min=1, help="Largest file that is read.")
    ] = DEFAULTS.max_file_bytes,
    limit_pixels: Annotated[
        int, typer.Option(min=1, help="Largest slice that is read.")
    ] = DEFAULTS.max_pixels,
    limit_frames: Annotated[
        int, typer.Option(min=1, help="Most slices of one file.")
    ] = DEFAULTS.max_frames,
    limit_zip_ratio: Annotated[
        float, typer.Option(min=1.0, help="How much smaller a zip may have made a file.")
    ] = DEFAULTS.max_zip_ratio,
    phantom: Annotated[
        bool, typer.Option("--phantom", help="Answer a drawn slice instead of a scan.")
    ] = False,
) -> None:
    """Answer scans: is there a tumor, which kind, how sure, and where the evidence lies."""
    limits = Limits(
        max_file_bytes=limit_bytes,
        max_pixels=limit_pixels,
        max_frames=limit_frames,
        max_zip_ratio=limit_zip_ratio,
    )
    found = _inputs(paths or [], limits, phantom=phantom)
    loaded = covering(load_model(model, threads=1), coverage)
    pictures = None if overlay is None else pictures_in(overlay, opacity)
    writer = writer_for(form, loaded.metadata.classes)
    tally = Tally()
    display, found = display_for(form, found)
    answers = answer_found(found, model=loaded, limits=limits, plane=plane, workers=threads)
    try:
        with display as advance:
            for answer in answers:
                writer.add(answer.outcome)
                tally.add(answer.outcome)
                if isinstance(answer.outcome, ScanError):
                    tell_scan_error(answer.outcome)
                elif pictures is not None:
                    pictures.draw(answer)
                advance(share(answer))
                del answer  # its slice may be large, and the next one is being read
    finally:
        # Also when it is stopped: what was answered is not lost.
        writer.close()
    tell(tally.summary())
    if pictures is not None:
        pictures.tell_where()
    tell(NOTICE)
    if (not tally.is_complete and not phantom) or (pictures is not None and pictures.failed):
        raise typer.Exit(ExitCode.SOME_UNANSWERED)


def _inputs(paths: list[str], limits: Limits, *, phantom: bool) -> Iterable[Found]:
    if phantom and paths:
        msg = "give either PATH or --phantom, not both"
        raise typer.BadParameter(msg)
    if not phantom and not paths:
        msg = "name at least one file, folder, zip or pattern (or --phantom)"
        raise typer.BadParameter(msg)
    return [_drawing()] if phantom else find(paths, limits=limits)


def _drawing() -> Scan:
    from tumorlens.scan.drawn import drawn_scan

    tell("this slice is a drawing, not a scan: its answer says only that the program works")
    return drawn_scan()
