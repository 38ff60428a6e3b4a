"""``tumorlens evaluate``: what a model file scores on images that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.extras import training_extra

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray
    from rich.console import Console

    from tumorlens.cli.display import Display
    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.answers import Answers
    from tumorlens.evaluate.evaluation import Evaluation
    from tumorlens.evaluate.sides import Sides
    from tumorlens.model.run import Model

EPILOG = """
**Examples**

`tumorlens evaluate tumorlens-v1 --data sets/ --out evaluation/`

`tumorlens evaluate tumorlens-v1 --data sets/ --out evaluation/ --unseen sartaj` also
measures tumor against no tumor on a set that the model learnt nothing from.

`tumorlens evaluate first.onnx --data sets/ --run runs/first --out evaluation/` takes the manifest
of the run that the model comes from, and notes how long it trained.

`tumorlens evaluate imported.onnx --data mine/ --out evaluation/` measures a model from elsewhere on
a set with a folder a class. What such a model learnt from nobody knows, and the figures say so.

`tumorlens evaluate masks.onnx --data sets/ --out evaluation/ --pixel-mm cheng=0.77` also measures
masks, where the model gives them and the sets have them, into segmentation.json, .md and .csv.

`tumorlens evaluate answers.csv --data sets/ --manifest manifest.csv --out evaluation/` measures
whatever gave the answers: a line an image, its name and a column of probabilities for each class.

`tumorlens evaluate tumorlens-v1 --data sets/ --evidence evidence/` measures everything that is
published of a model (answers withheld, calibration, coverage, gate, maps, series, sources left out)
into evidence.json, and writes the model card and the other pages from it. With `--out` beside it,
the figures of the test fold are measured once for both.

`tumorlens evaluate calibrated.onnx --data sets/ --out evaluation/ --evidence evidence/ --publish
models/mine.onnx` also writes a copy of the model file with the figures inside, and its hash into
the registry.json of that folder; everything is then said of that file.

The manifest is built again from the sets that the model's recipe names, or read from
`--manifest`. It must be the one that the model was trained with, or the command stops: otherwise
training images could stand among the test images.

Beside the model stand controls that know nothing of tumors: trained on the same images, they show
what copying, the outer frame of the picture, and the properties of the file reach by themselves.
"""


@training_extra("Evaluating")
def evaluate(
    model: Annotated[
        str,
        typer.Argument(help="An installed model, a model file, or a table of answers (.csv)."),
    ],
    data: Annotated[
        Path,
        typer.Option(help="The folder of the model's sets; for a model from elsewhere, a set."),
    ],
    out: Annotated[
        Path | None, typer.Option(help="Where figures, tables, charts and the page go.")
    ] = None,
    evidence: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="Measure everything that is published of a model, and write pages."
        ),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(
            metavar="MODEL",
            help="With --evidence: a model that learnt from fewer sources; may be given again.",
        ),
    ] = None,
    publish: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A copy of the model file to write, with the figures inside."
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="manifest.csv of the training run, instead of a new one.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="The training run itself: its manifest, and its time.")
    ] = None,
    unseen: Annotated[
        list[str] | None,
        typer.Option(help="A set beside the others that it has not seen; may be given again."),
    ] = None,
    pixel_mm: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SET=MM",
            help="How large a pixel of a set's pictures is, for distances of masks.",
        ),
    ] = None,
) -> None:
    """Measure a model on the test fold of its own manifest, with 95 % intervals."""
    from tumorlens.cli.console import OutputConsole
    from tumorlens.cli.display import Display
    from tumorlens.evaluate import holdout
    from tumorlens.evaluate.made import made_of
    from tumorlens.evaluate.sides import sides
    from tumorlens.model.registry import load_model
    from tumorlens.model.run import Model

    _check(model, out, evidence, also, publish)
    others_too = [load_model(one, threads=1) for one in also or ()]
    if out is None:
        if evidence is not None:
            named = manifest or _of(run)
            _evidence(load_model(model, threads=1), data, evidence, named, unseen, others_too)
        return
    display = Display()
    spacings = _spacings(pixel_mm or ())
    subject = _subject(model)
    made = made_of(subject.metadata, run)
    if run is not None and manifest is None:
        manifest = run / "manifest.csv"
    with display.counting("comparing images") as count:
        found = sides(subject.metadata, data, manifest, count)
    entries, probabilities = found.held_out, _answers(subject, found.held_out, found, display)
    result = holdout.evaluate_sides(subject, found, probabilities)
    result = result.model_copy(update={"made": made})
    others: list[Entry] = []
    if unseen:
        others, notes = _unseen(subject, found, unseen, display)
        answers = _answers(subject, others, found, display)
        result = holdout.with_unseen(result, subject, others, answers)
        result = result.model_copy(update={"notes": (*result.notes, *notes)})
    with display.counting("measuring controls") as count:
        result = holdout.beside_controls(
            result, subject.metadata, found, unseen=others, progress=count
        )
    result = _with_masks(result, subject, found, others, spacings, out, display)
    if publish is not None:
        subject = _published(subject, result, publish, display)
        result = result.model_copy(
            update={"model_sha256": subject.sha256, "model_bytes": subject.size}
        )
    _save(result, subject, found, entries, probabilities, out)
    _show(OutputConsole(), result)
    display.say(f"{out / 'evaluation.html'} shows all of it, with the errors that it was surest of")
    if evidence is not None and isinstance(subject, Model):
        before = (found, result)
        _evidence(subject, data, evidence, manifest, unseen, others_too, before)


def _check(
    model: str,
    out: Path | None,
    evidence: Path | None,
    also: Sequence[str] | None,
    publish: Path | None,
) -> None:
    """Refuse what does not go together, before anything is measured."""
    from tumorlens.evaluate.answers import SUFFIX

    if out is None and evidence is None:
        msg = "name the folder to write to with --out, or with --evidence"
        raise typer.BadParameter(msg)
    if also and evidence is None:
        msg = "is for the evidence; name a folder for it with --evidence"
        raise typer.BadParameter(msg, param_hint="'--also'")
    if publish is not None and (out is None or publish.suffix != ".onnx" or publish.is_dir()):
        msg = f"{publish} must be a file that ends in .onnx, and --out must be given"
        raise typer.BadParameter(msg, param_hint="'--publish'")
    if model.lower().endswith(SUFFIX) and (evidence is not None or publish is not None):
        msg = f"{model} is a table of answers; evidence and --publish need a model file"
        raise typer.BadParameter(msg)


def _published(
    subject: Model | Answers, result: Evaluation, target: Path, display: Display
) -> Model:
    """A copy of the model file with its figures."""
    from tumorlens.model.run import Model
    from tumorlens.train.export.publish import publish

    assert isinstance(subject, Model)  # noqa: S101 - a table was refused before
    published = publish(subject, result.metrics, target)
    display.say(f"{target} written, with its figures, and registered beside it")
    return published


def _evidence(
    subject: Model,
    data: Path,
    folder: Path,
    manifest: Path | None,
    unseen: Sequence[str] | None,
    also: Sequence[Model],
    before: tuple[Sides, Evaluation] | None = None,
) -> None:
    """Measure everything that is published of a model, and write it."""
    from contextlib import ExitStack

    from tumorlens.cli.display import Display
    from tumorlens.evaluate.evidence.gather import Measured, gather
    from tumorlens.evaluate.evidence.write import write, write_gallery

    display = Display()
    with ExitStack() as shown:
        found = gather(
            subject,
            data,
            manifest=manifest,
            unseen=unseen or (),
            also=also,
            measured=None if before is None else Measured(*before),
            counting=lambda what: shown.enter_context(display.counting(what)),
        )
    written = write(found, folder)
    if before is None:  # else the errors are drawn in the evaluation already
        written.append(write_gallery(found, subject, folder))
    for path in written:
        display.say(f"{path} written")


def _of(run: Path | None) -> Path | None:
    return None if run is None else run / "manifest.csv"


def _subject(model: str) -> Model | Answers:
    """What is measured."""
    from tumorlens.evaluate.answers import SUFFIX, load_answers
    from tumorlens.model.registry import load_model

    if model.lower().endswith(SUFFIX):
        return load_answers(Path(model))
    return load_model(model, threads=1)


def _answers(
    subject: Model | Answers, entries: Sequence[Entry], found: Sides, display: Display
) -> NDArray[np.float64]:
    """What it answers to some images, (N, C)."""
    from tumorlens.evaluate import holdout
    from tumorlens.evaluate.answers import Answers

    if isinstance(subject, Answers):
        return subject.to(entries)
    with display.counting("answering") as count:
        return holdout.predict(subject, found.root, entries, count)


def _unseen(
    subject: Model | Answers, found: Sides, names: Sequence[str], display: Display
) -> tuple[list[Entry], list[str]]:
    """The images of sets that were not learnt from, without copies of those that were."""
    from tumorlens.evaluate.sides import unseen_entries, without_copies

    with display.counting("comparing images") as count:
        entries = unseen_entries(subject.metadata, found.root, names, count)
    with display.counting("looking for copies of what was learnt from") as count:
        return without_copies(entries, found.training, found.root, count)


def _spacings(given: Sequence[str]) -> dict[str, float]:
    """Set → mm a pixel, from ``SET=MM``."""
    from tumorlens.explain.measure import believable

    found = {}
    for one in given:
        name, _, text = one.rpartition("=")
        try:
            size = float(text)
        except ValueError:
            size = 0.0
        if not name or believable((size, size)) is None:
            msg = f"--pixel-mm takes a set and mm a pixel, such as cheng=0.77, got {one}"
            raise typer.BadParameter(msg)
        found[name] = size
    return found


def _with_masks(
    result: Evaluation,
    subject: Model | Answers,
    found: Sides,
    others: Sequence[Entry],
    spacings: dict[str, float],
    out: Path,
    display: Display,
) -> Evaluation:
    """The evaluation with the headlines of the masks, if there are any; all of them are written."""
    from tumorlens.evaluate.answers import Answers
    from tumorlens.evaluate.figures import where
    from tumorlens.evaluate.segmentation import measure_masks

    if isinstance(subject, Answers):
        return result
    parts = {where(inside): inside for inside in _by_source(found.held_out)}
    parts |= {f"{inside[0].source}, never seen": inside for inside in _by_source(others)}
    with display.counting("comparing masks") as count:
        report = measure_masks(
            subject, found.root, parts, out=out, spacings=spacings, progress=count
        )
    if report is None:
        return result
    return result.model_copy(update={"metrics": (*result.metrics, *report.headlines)})


def _by_source(entries: Sequence[Entry]) -> list[list[Entry]]:
    """The images of each set."""
    sources = sorted({entry.source for entry in entries})
    return [[entry for entry in entries if entry.source == source] for source in sources]


def _save(
    result: Evaluation,
    subject: Model | Answers,
    found: Sides,
    entries: Sequence[Entry],
    probabilities: NDArray[np.float64],
    out: Path,
) -> None:
    """Write everything, the page with the errors last."""
    from tumorlens.evaluate.gallery import draw, mistakes
    from tumorlens.evaluate.outputs import save
    from tumorlens.evaluate.page import write_page

    save(result, subject.metadata, entries, probabilities, out)
    wrong = mistakes(subject.metadata, entries, probabilities)
    write_page(result, draw(wrong, subject, found.root), len(wrong), out)


def _show(console: Console, result: Evaluation) -> None:
    from rich.table import Table

    from tumorlens.evaluate.tables import control_table, interval

    figures = Table("figure", "on", "images", "value", "95 % interval", title=result.model)
    for m in result.metrics:
        limits = interval(m.low, m.high)
        figures.add_row(m.name, m.on, str(m.count), f"{m.value:.3f}", limits)
    console.print(figures)
    confusion = result.confusion
    table = Table("true \\ chosen", *confusion.classes, title=f"confusion on {confusion.on}")
    for name, row in zip(confusion.classes, confusion.counts, strict=True):
        table.add_row(name, *map(str, row))
    console.print(table)
    if result.controls:
        head, rows = control_table(result)
        beside = Table(*head, title="beside controls that know nothing of tumors")
        for cells in rows:
            beside.add_row(*cells)
        console.print(beside)
    for sentence in (*result.warnings, *result.notes):
        console.print(sentence, style="yellow", markup=False, highlight=False)
