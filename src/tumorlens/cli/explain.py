"""``tumorlens explain``: why an answer came about."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tumorlens.cli.guard import ExitCode, tell
from tumorlens.cli.inputs import ModelOption, tell_scan_error
from tumorlens.decide.finding import NOTICE, Status
from tumorlens.errors import ScanError
from tumorlens.model.registry import load_model

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.analysis import Answer
    from tumorlens.explanation import Explained
    from tumorlens.model.run import Model
    from tumorlens.scan import Scan

EPILOG = """
**Examples**

`tumorlens explain scan.jpg`

`tumorlens explain scan.jpg --out why/` also draws the heatmap, and what the answer hangs on.

`tumorlens explain brain.nii.gz --format json` explains the slice that is likeliest to show a tumor.

`tumorlens explain scan.jpg --out why/ --shap` adds Shapley values (needs the extra `shap`).

Exit codes: 0 all inputs explained; 1 some could not be (each is named); 2 wrong use.
"""


class Format(StrEnum):
    """What is written to standard output."""

    TABLE = "table"
    JSON = "json"


def explain(
    *,
    paths: Annotated[list[str], typer.Argument(metavar="SCAN...", help="Files, folders, zips.")],
    model: ModelOption = None,
    form: Annotated[
        Format, typer.Option("--format", "-f", help="What is written to standard output.")
    ] = Format.TABLE,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="DIR", help="Write pictures there.")
    ] = None,
    shap: Annotated[
        bool, typer.Option("--shap", help="Draw Shapley values too; takes some seconds.")
    ] = False,
) -> None:
    """Say what an answer hangs on, what it resembles, and how firmly it stands."""
    from tumorlens.explanation import explain_scan

    if shap and out is None:
        msg = "Shapley values are a picture: name a folder for it with --out"
        raise typer.BadParameter(msg, param_hint="'--shap'")
    loaded = load_model(model)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
    failed = 0
    for number, scan in enumerate(_scans(paths, loaded), start=1):
        try:
            if isinstance(scan, ScanError):
                raise scan
            explained = explain_scan(scan, loaded)
        except ScanError as error:
            failed += 1
            tell_scan_error(error)
            continue
        if form is Format.JSON:
            sys.stdout.write(explained.explanation.model_dump_json() + "\n")
        else:
            _print(explained)
        if out is not None:
            _draw(explained, scan, loaded, out, f"{number:03}-{Path(scan.name).stem}", shap=shap)
    tell(NOTICE)
    if failed:
        raise typer.Exit(ExitCode.SOME_UNANSWERED)


def _scans(paths: list[str], model: Model) -> Iterator[Scan | ScanError]:
    """Of each input the slice that is to be explained: the one likeliest to show a tumor."""
    from itertools import groupby

    from tumorlens.analysis import answer_found, find

    answers = answer_found(find(paths), model=model)
    for _, together in groupby(answers, key=_key):
        group = list(together)
        for one in group:
            if isinstance(one.outcome, ScanError):
                yield one.outcome
        kept = [one for one in group if one.scan is not None]
        if kept:
            best = max(kept, key=_likelihood)
            if best.scan is not None:
                yield best.scan


def _key(answer: Answer) -> object:
    if isinstance(answer.outcome, ScanError) or answer.scan is None:
        return id(answer)
    return answer.scan.series or answer.scan.source


def _likelihood(answer: Answer) -> float:
    if isinstance(answer.outcome, ScanError) or answer.outcome.status is Status.REJECTED:
        return -1.0
    return answer.outcome.tumor_probability or 0.0


def _print(explained: Explained) -> None:
    from rich.table import Table

    from tumorlens.cli.console import OutputConsole
    from tumorlens.decide.words import headline, probability_line
    from tumorlens.report.words import one_line

    console, found = OutputConsole(), explained.explanation
    finding = found.finding
    console.print(one_line(finding.scan.source), style="bold", markup=False)
    console.print(f"{headline(finding)}. {probability_line(finding)}", markup=False)
    for reason in finding.reasons:
        console.print(f"- {reason.text}", markup=False)
    console.print(
        f"Covering one place lets the tumor logit fall by up to {found.occlusion_drop:.2f}; "
        f"agreement of that map with the heatmap {_number(found.occlusion_agreement)}",
        markup=False,
    )
    console.print(f"Stability {found.stability:.0%}: the same answer after", markup=False)
    table = Table("change", "answer", "tumor probability", "agreement of maps", box=None)
    for one in found.variations:
        words = one.status.value + (f" ({one.label})" if one.label else "")
        table.add_row(one.name, words, _number(one.tumor_probability), _number(one.map_agreement))
    console.print(table)
    if found.neighbours:
        console.print(
            f"Nearest training examples (usually nearer than {found.far_distance:.2f}):",
            markup=False,
        )
        near = Table("kind", "set", "distance", box=None)
        for example in found.neighbours:
            near.add_row(example.label, example.source, f"{example.distance:.2f}")
        console.print(near)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _draw(
    explained: Explained, scan: Scan, model: Model, out: Path, stem: str, *, shap: bool
) -> None:
    from dataclasses import replace

    from PIL import Image

    from tumorlens.explain.overlay import plain_overlay
    from tumorlens.explanation import shapley_map

    pictures = {
        "heatmap": explained.explanation.finding,
        "occlusion": explained.occlusion_finding(),
    }
    if shap:
        pictures["shap"] = replace(
            explained, occlusion=shapley_map(scan, model)
        ).occlusion_finding()
    for name, finding in pictures.items():
        path = out / f"{stem}-{name}.png"
        Image.fromarray(plain_overlay(scan.pixels, finding)).save(path)
        tell(f"{path} written")
