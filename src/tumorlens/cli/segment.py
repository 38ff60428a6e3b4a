"""``tumorlens segment``: mark tumors pixel by pixel, and measure them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.analysis import answer_found, find
from tumorlens.cli.guard import ExitCode, tell
from tumorlens.cli.inputs import covering, display_for, model_names, share, tell_scan_error
from tumorlens.cli.segment_files import files_in
from tumorlens.cli.tally import Tally
from tumorlens.cli.writers import Format, size_writer_for
from tumorlens.decide.finding import NOTICE
from tumorlens.errors import ScanError
from tumorlens.explain.colour import DEFAULT_OPACITY
from tumorlens.explain.stack import Marking
from tumorlens.model.registry import load_model
from tumorlens.scan import Limits, Plane
from tumorlens.segmentation import segment_answers, with_level

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from tumorlens.analysis import Answer
    from tumorlens.cli.progress import Advance
    from tumorlens.cli.segment_files import Files
    from tumorlens.cli.writers import SizeWriter
    from tumorlens.model.run import Model

EPILOG = """
**Examples**

`tumorlens segment scan.jpg --out masks/`

`tumorlens segment series/ brain.nii.gz --out masks/ --format json > lesions.jsonl`

`tumorlens segment brain.nii.gz --level 0.7 --format csv > lesions.csv` writes no files.

With `--out`, each slice that is answered tumor or no tumor gives a mask (PNG, 255 where marked),
each slice gives an overlay, and each series or volume a NIfTI mask that overlays it voxel for
voxel. Only answers "tumor" mark anything, unless `--mark uncertain` is given.

Exit codes: 0 all inputs answered; 1 some could not be answered (each is named, the others are
answered) or not all files could be written; 2 wrong use.
"""

DEFAULTS = Limits()


def segment(
    *,
    paths: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="PATH...", help="Files, folders, zips or patterns.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="DIR", help="Write masks and overlays there."),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="Name of an installed model that gives a mask, or a model file.",
            show_default="the default model",
            autocompletion=model_names,
        ),
    ] = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What is written to standard output.")
    ] = Format.TABLE,
    level: Annotated[
        float | None,
        typer.Option(
            min=0.01,
            max=1.0,
            help="Tumor probability from which on a pixel is marked.",
            show_default="as the model says",
        ),
    ] = None,
    mark: Annotated[
        Marking,
        typer.Option(help="Mark lesions that some slice answers so; uncertain takes both."),
    ] = Marking.TUMOR,
    opacity: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="How much evidence covers the overlays.")
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
) -> None:
    """Mark tumors pixel by pixel, and measure area, diameters and volume."""
    if not paths:
        msg = "name at least one file, folder, zip or pattern"
        raise typer.BadParameter(msg)
    limits = Limits(
        max_file_bytes=limit_bytes,
        max_pixels=limit_pixels,
        max_frames=limit_frames,
        max_zip_ratio=limit_zip_ratio,
    )
    loaded = covering(_segmenter(model, level), coverage)
    files = None if out is None else files_in(out, opacity)
    writer = size_writer_for(form, loaded.metadata.classes)
    tally = Tally()
    display, found = display_for(form, find(paths, limits=limits))
    answers = answer_found(found, model=loaded, limits=limits, plane=plane, workers=threads)
    try:
        with display as advance:
            _write_all(_counted(answers, tally, advance), mark, writer, files)
    finally:
        # Also when it is stopped: what was answered is not lost.
        writer.close()
    tell(tally.summary())
    if files is not None:
        files.tell_where()
    tell(NOTICE)
    if not tally.is_complete or (files is not None and files.failed):
        raise typer.Exit(ExitCode.SOME_UNANSWERED)


def _segmenter(name: str | None, level: float | None) -> Model:
    loaded = load_model(name, threads=1)
    if not loaded.gives_mask:
        msg = (
            f"{loaded.label} gives no mask, so it cannot say which pixels are tumor; name a model "
            "that gives one with --model"
        )
        raise typer.BadParameter(msg)
    return with_level(loaded, level)


def _counted(answers: Iterable[Answer], tally: Tally, advance: Advance) -> Iterator[Answer]:
    for answer in answers:
        tally.add(answer.outcome)
        if isinstance(answer.outcome, ScanError):
            tell_scan_error(answer.outcome)
        advance(share(answer))
        yield answer


def _write_all(
    answers: Iterator[Answer], mark: Marking, writer: SizeWriter, files: Files | None
) -> None:
    for one in segment_answers(answers, mark):
        if isinstance(one, ScanError):
            writer.add(one)
            continue
        written = one if files is None else files.write(one)
        for part in written.slices:
            writer.add(part.finding)
        if written.study is not None:
            writer.add(written.study)
