"""tumorlens-v1 and others where it counts: a source left out, and five folds.

python benchmarks/protocol.py run --data sets/ --init WEIGHTS.h5 --runs runs/
python benchmarks/protocol.py table

`run` trains each method without one source and measures it there, and five times without a fifth
of the patients. A run that was interrupted goes on; one that is measured is not repeated. With
--only NAME, that one. A JSON file a run is kept in docs/reference/protocol; `table` writes
docs/reference/unseen-sources.md and docs/reference/five-folds.md from them.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from experiments import EXPERIMENTS, FOLDS, KEPT, MANIFEST, METHODS, REFERENCE
from trained import Trained, keep, trained, write_block

from tumorlens.data import manifest
from tumorlens.evaluate import holdout
from tumorlens.evaluate.evidence.cases import Case, answer_cases, answered, probabilities_of
from tumorlens.evaluate.evidence.figures import calibration_of, coverage_of
from tumorlens.evaluate.figures import where
from tumorlens.evaluate.metrics import auroc, with_interval
from tumorlens.evaluate.segmentation import figures
from tumorlens.model.registry import load_model
from tumorlens.train.decision.fit import calibrate_file
from tumorlens.train.export.join import join
from tumorlens.train.recipe import Recipe, load_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tumorlens.data.manifest import Entry
    from tumorlens.evaluate.masks import MaskCase
    from tumorlens.model.format import Metric


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--only", action="append", choices=list(EXPERIMENTS))
    parser.add_argument("--method", action="append", choices=list(METHODS))
    asked = parser.parse_args()
    if asked.action == "run":
        if not (asked.data and asked.init and asked.runs):
            parser.error("run needs --data, --init and --runs")
        places = (asked.data, asked.init, asked.runs)
        for name in asked.only or EXPERIMENTS:
            for method in asked.method or METHODS:
                measure(name, method, *places)
        for method in METHODS:
            pool_folds(method, *places)
    write_pages()


def measure(name: str, method: str, data: Path, init: Path, runs: Path) -> None:
    """Train and measure one method in one experiment, unless that was done."""
    kept = KEPT / f"{name}-{method}.json"
    if kept.is_file():
        return
    what = EXPERIMENTS[name]
    made = _made(name, method, data, init, runs)
    held_out = made.sides.held_out
    result = holdout.evaluate_sides(made.model, made.sides, made.answers(held_out, "held-out"))
    metrics = [*result.metrics]
    for source in what.unseen:
        metrics += on_unseen(made, source)
    if made.model.gives_mask:
        for source in sorted({entry.source for entry in held_out}):
            metrics += figures(_masks_on(made, source), f"fold {what.fold} of {source}")
    keep(
        kept,
        {
            "experiment": name,
            "method": method,
            "settings": _settings(name, method),
            "images": len(made.sides.training),
            "metrics": [metric.model_dump(mode="json") for metric in metrics],
        },
    )


def _masks_on(made: Trained, source: str) -> list[MaskCase]:
    inside = [entry for entry in made.sides.held_out if entry.source == source]
    return made.masks(inside, source)


def on_unseen(made: Trained, source: str) -> Iterator[Metric]:
    """The figures on a set that was left out, without copies of what was learnt from."""
    entries = made.others((source,))
    answers = made.answers(entries, source)
    yield from holdout.evaluate_unseen(made.model, entries, answers)
    if not any(entry.label == "no_tumor" for entry in entries):
        yield from beside_tumor_free(made, entries, answers)
    elif made.model.metadata.classes[1] in {entry.label for entry in entries}:
        result = holdout.evaluate(made.model, entries, answers)
        for metric in result.metrics:
            if not metric.name.startswith("tumor AUROC"):
                yield metric.model_copy(update={"on": f"{source}, never seen"})
    if made.model.gives_mask and source == "tcia_btp":
        yield from figures(made.masks(entries, source), f"{source}, never seen")


def beside_tumor_free(
    made: Trained, entries: Sequence[Entry], answers: np.ndarray[Any, np.dtype[np.float64]]
) -> Iterator[Metric]:
    """A set of tumors alone: how many are found, and AUROC beside held-out tumor-free pictures.

    The tumor-free pictures are of other sets, so that AUROC could be had by telling sets apart.
    """
    metadata = made.model.metadata
    free = [entry for entry in made.sides.held_out if entry.label == "no_tumor"]
    both = [*entries, *free]
    probabilities = np.concatenate([answers, made.answers(free, "tumor-free")])
    score = probabilities[:, [metadata.classes.index(name) for name in metadata.positive]].sum(1)
    truth = np.array([entry.label != "no_tumor" for entry in both])
    found = score >= metadata.thresholds.tumor
    source = entries[0].source
    yield with_interval(
        "tumor sensitivity",
        f"{source}, never seen",
        lambda chosen: float(found[: len(entries)][chosen].mean()),
        [entry.group for entry in entries],
    )
    yield with_interval(
        "tumor AUROC",
        f"{source}, never seen, beside tumor-free pictures of other sets",
        auroc(truth, score),
        [f"{entry.source}:{entry.group}" for entry in both],
    )


def pool_folds(method: str, data: Path, init: Path, runs: Path) -> None:
    """The figures of five models, each on the patients that it never saw, taken together."""
    kept = KEPT / f"five-folds-{method}.json"
    if kept.is_file() or not all((KEPT / f"fold-{n}-{method}.json").is_file() for n in FOLDS):
        return
    models = [_made(f"fold-{n}", method, data, init, runs) for n in FOLDS]
    entries = [entry for made in models for entry in made.sides.held_out]
    answers = np.concatenate([made.answers(made.sides.held_out, "held-out") for made in models])
    metrics = [*holdout.evaluate(models[0].model, entries, answers).metrics]
    doubting = _doubting(models, data) if METHODS[method].doubts else models
    if METHODS[method].outlines:
        doubting = [
            _joined(
                made, [_made(f"fold-{n}", m, data, init, runs) for m in METHODS[method].outlines]
            )
            for n, made in zip(FOLDS, doubting, strict=True)
        ]
    if models[0].model.gives_mask:
        metrics += outlined(doubting)
    if METHODS[method].doubts:
        metrics += as_answered(doubting, data)
    keep(
        kept,
        {
            "experiment": "five-folds",
            "method": method,
            "images": len(entries),
            "metrics": [metric.model_dump(mode="json") for metric in metrics],
        },
    )


def outlined(models: Sequence[Trained]) -> Iterator[Metric]:
    """What is marked beside what was drawn, of all folds together and fold by fold."""
    for source in ("cheng", "tcia_btp"):
        together: list[MaskCase] = []
        for made in models:
            inside = [entry for entry in made.sides.held_out if entry.source == source]
            cases = made.masks(inside, f"{source}-{made.model.path.stem}")
            yield from figures(cases, f"fold {_test_fold(made)} of {source}")
            together += cases
        yield from figures(together, f"all of {source}")


def as_answered(models: Sequence[Trained], data: Path) -> Iterator[Metric]:
    """What is answered and what is withheld, by models that doubt."""
    cases: list[Case] = []
    probabilities = []
    for made in models:
        found = answer_cases(made.model, data, made.sides.held_out, {})
        cases += found
        probabilities.append(probabilities_of(made.model, data, found))
    metadata, on = models[0].model.metadata, where([case.entry for case in cases])
    yield from answered(metadata, cases, on).figures
    yield from calibration_of(metadata, cases, np.concatenate(probabilities))
    yield from coverage_of(metadata, cases, on)


def _doubting(models: Sequence[Trained], data: Path) -> list[Trained]:
    """The models of the folds, each with its doubt, and what it marks, fitted beside the others.

    Each is fitted on what the others answered for the folds that they held out, and on its own
    validation fold where it did not learn from that: on all but the fold that it is measured on.
    """
    found = []
    for made in models:
        path = made.folder / "calibrated.onnx"
        if not path.is_file():
            recipe = Recipe.of_model(made.model.metadata)
            taken = {recipe.data.test_fold}
            taken |= set() if recipe.fit.refit else {recipe.data.validation_fold}
            beside = [other.model for other in models if _test_fold(other) not in taken]
            of_run = made.folder / "manifest.csv"
            calibrate_file(made.model, data, path, manifest=of_run, beside=beside)
        found.append(replace(made, model=load_model(str(path), threads=1)))
    return found


def _joined(made: Trained, outlines: Sequence[Trained]) -> Trained:
    """A model with the outlines of others, which left the same fold out."""
    path = made.folder / "joined.onnx"
    if not path.is_file():
        join(made.model, [one.model for one in outlines], path)
    return replace(made, model=load_model(str(path), threads=1))


def _test_fold(made: Trained) -> int:
    return Recipe.of_model(made.model.metadata).data.test_fold


def _made(name: str, method: str, data: Path, init: Path, runs: Path) -> Trained:
    """The model of an experiment: trained, or loaded where its run is finished."""
    recipe = load_recipe(METHODS[method].recipe, _settings(name, method))
    return trained(recipe, data, runs / f"{name}-{method}", init, _entries(name))


def _settings(name: str, method: str) -> list[str]:
    return [*METHODS[method].settings, *EXPERIMENTS[name].settings]


def _entries(name: str) -> list[Entry]:
    return [e for e in manifest.load(MANIFEST) if e.source in EXPERIMENTS[name].sources]


UNSEEN_COLUMNS = {
    "AUROC": "tumor AUROC",
    "sensitivity": "tumor sensitivity",
    "specificity": "tumor specificity",
    "four classes, accuracy": "accuracy",
}
FOLD_ROWS = {
    "tumor kind, given a tumor": ("kind accuracy, given a tumor", "all of cheng"),
    "its macro F1": ("kind macro F1, given a tumor", "all of cheng"),
    "four classes, accuracy": ("accuracy", "all of"),
    "tumor AUROC, Br35H": ("tumor AUROC", "all of br35h"),
    "tumor AUROC, tcia_btp": ("tumor AUROC", "all of tcia_btp"),
    "mask Dice, mean": ("mask Dice", "all of cheng"),
    "mask Dice, median": ("mask Dice, median", "all of cheng"),
    "HD95 where marked, median (mm)": ("mask HD95 where marked, median (mm)", "all of cheng"),
    "lesions found": ("lesions found", "all of cheng"),
    "ECE": ("ECE", "all of"),
    "90 % sets hold: no tumor": ("coverage no_tumor", "all of"),
    "90 % sets hold: glioma": ("coverage glioma", "all of"),
    "90 % sets hold: meningioma": ("coverage meningioma", "all of"),
    "90 % sets hold: pituitary tumor": ("coverage pituitary", "all of"),
    "share answered": ("share answered", "all of"),
    "accuracy of what is answered": ("accuracy of what is answered", "all of"),
    "tumors answered no tumor": ("tumors answered no tumor", "all of"),
}

SINGLE_FOLDS = {
    "tumor kind, given a tumor": ("kind accuracy, given a tumor", "cheng"),
    "its macro F1": ("kind macro F1, given a tumor", "cheng"),
    "tumor AUROC, Br35H": ("tumor AUROC", "br35h"),
    "tumor AUROC, tcia_btp": ("tumor AUROC", "tcia_btp"),
    "mask Dice, mean": ("mask Dice", "cheng"),
    "lesions found": ("lesions found", "cheng"),
}


def write_pages() -> None:
    """Write the tables of both pages from the files that are kept."""
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(KEPT.glob("*.json"))}
    lines = [f"| never seen | trained as | images | {' | '.join(UNSEEN_COLUMNS)} |"]
    lines.append("|---" * (3 + len(UNSEEN_COLUMNS)) + "|")
    for name, what in EXPERIMENTS.items():
        for source in what.unseen if name.startswith("without") else ():
            for method, how in METHODS.items():
                if run := found.get(f"{name}-{method}"):
                    metrics = _on(run, f"{source}, never seen")
                    cells = [_cell(metrics.get(figure)) for figure in UNSEEN_COLUMNS.values()]
                    count = max((metric["count"] for metric in metrics.values()), default="")
                    lines.append(f"| {source} | {how.says} | {count} | {' | '.join(cells)} |")
    write_block(REFERENCE / "unseen-sources.md", "figures", lines)
    pooled = {m: found[f"five-folds-{m}"] for m in METHODS if f"five-folds-{m}" in found}
    lines = ["| figure | " + " | ".join(METHODS[m].says for m in pooled) + " |"]
    lines.append("|---|" + "---|" * len(pooled))
    for says, (figure, on) in FOLD_ROWS.items():
        # Of two classes, accuracy is not that of four.
        cells = [
            _cell(_first(run, figure, on) if METHODS[m].doubts or figure != "accuracy" else None)
            for m, run in pooled.items()
        ]
        if any(cells):
            lines.append(f"| {says} | {' | '.join(cells)} |")
    nothing = ["Not all five folds have been measured yet."]
    write_block(REFERENCE / "five-folds.md", "figures", lines if pooled else nothing)
    write_block(REFERENCE / "five-folds.md", "folds", list(_fold_by_fold(found)))


def _fold_by_fold(found: dict[str, dict[str, Any]]) -> Iterator[str]:
    """The folds that are measured, each by itself: lines of a table."""
    yield f"| fold | trained as | {' | '.join(SINGLE_FOLDS)} |"
    yield "|---" * (2 + len(SINGLE_FOLDS)) + "|"
    for fold in FOLDS:
        for method, how in METHODS.items():
            if run := found.get(f"fold-{fold}-{method}"):
                pooled = found.get(f"five-folds-{method}", run)
                cells = [
                    _cell(_first(pooled, figure, place) or _first(run, figure, place))
                    for figure, place in (
                        (figure, f"fold {fold} of {on}") for figure, on in SINGLE_FOLDS.values()
                    )
                ]
                yield f"| {fold} | {how.says} | {' | '.join(cells)} |"


def _on(run: dict[str, Any], on: str) -> dict[str, Any]:
    """The first metric of each name whose place begins so."""
    found: dict[str, Any] = {}
    for metric in run["metrics"]:
        if metric["on"].startswith(on):
            found.setdefault(metric["name"], metric)
    return found


def _first(run: dict[str, Any], figure: str, on: str) -> dict[str, Any] | None:
    return _on(run, on).get(figure)


def _cell(metric: dict[str, Any] | None) -> str:
    if metric is None:
        return ""
    return f"{metric['value']:.3f} ({metric['low']:.3f} to {metric['high']:.3f})"


if __name__ == "__main__":
    main()
