"""What each ingredient of a training gives on a hospital that it has not seen.

python benchmarks/ablation.py run --data sets/ --init WEIGHTS.h5 --runs runs/
python benchmarks/ablation.py table

`run` trains each variant on Cheng and Br35H alone, small and short, and measures it on slices with
and without a tumor of `tcia_btp`, on what of SARTAJ shows nothing that was learnt from, and on fold
1. A run that was interrupted goes on; one that is measured is not repeated. With --only NAME
and --seed N, that one. A JSON file a run is
kept in docs/reference/ablation; `table` writes docs/reference/ablation.md from them.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from trained import keep, trained, write_block

from tumorlens.data import manifest
from tumorlens.evaluate import holdout
from tumorlens.evaluate.segmentation import figures
from tumorlens.train.recipe import load_recipe

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "reference" / "ablation"
PAGE = ROOT / "docs" / "reference" / "ablation.md"
MANIFEST = ROOT / "docs" / "reference" / "tumorlens-v1-manifest.csv"
LEARNT, UNSEEN = ("cheng", "br35h"), ("tcia_btp", "sartaj")
MOVED = str(ROOT / "benchmarks" / "ablation.toml")
"""The recipe that the ingredients were taken from: strong changes, and lesions that are moved."""

RECIPE_OF_TODAY = ROOT / "docs" / "reference" / "protocol" / "without-tcia_btp-tumorlens-v1.json"
"""What `protocol.py` measured of tumorlens-v1 as it is, on the same pictures."""

SMALL = ("fit.epochs=6", "dense.draws.images=2048", "dense.mild_last.epochs=0")
"""Enough to tell a large difference from none within minutes; the figures are below those of a long
training."""

LONGER = (
    "fit.epochs=43",
    "dense.mild_last.epochs=13",
    "dense.small_first.epochs=38",
    "dense.small_first.scale=1",
)


MILD_CHANGES = (
    "augment={rotation=20, scale=0.15, zoom=0.08, translate=0.05, shear=4, elastic=0.02, "
    "flip=true, flip_vertical=true, crop=0.12, gamma=0.3, contrast=0.2, brightness=0.04, "
    "blur=0.1, noise=0.015, bias_field=0.3, low_resolution=0.3, artefact_share=0.2}"
)

MILD = (
    "dense.mirrored=false",
    "fit.refit=true",
    "input.height=192",
    "input.width=192",
    "dense.frozen_stages=3",
    "dense.rules={level=0.4, peak_share=0.4}",
    "dense.style_mixing=0",
    "dense.mild_last.epochs=0",
    "dense.draws={images=2560, size_power=0.75, marked=0.82, free=0.12, unmarked=0.06}",
    "dense.lesions={remove=0, artefact=0, implant=0, draw=0, draw_removed=0}",
    "dense.losses={overlap=1, smoothing=1, worst=0.1, tumor=0.3, kind=0.5}",
    "fit.epochs=16",
    "fit.learning_rate=1e-3",
    "fit.average=0.99",
    MILD_CHANGES,
)


MILD_MOVED = (
    *MILD,
    "dense.draws={images=2560, size_power=0.75, marked=0.70, free=0.22, unmarked=0.08}",
    "dense.lesions={remove=0.1, artefact=0.08, implant=0.25, draw=0.25, draw_removed=0.1}",
)


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to train.

    Attributes:
        says: What differs, in words.
        settings: As for ``--set``.
        recipe: What it starts from.
        scale: Settings of length and size that all variants share.
    """

    says: str
    settings: tuple[str, ...] = ()
    recipe: str = MOVED
    scale: tuple[str, ...] = SMALL


VARIANTS = {
    "whole": Variant("everything"),
    "plain-classifier": Variant(
        "the plain classifier, for as many pictures",
        recipe="mobilenetv2-4class",
        scale=("input.height=160", "input.width=160", "fit.epochs=6", "fit.refit=false"),
    ),
    "no-masks": Variant(
        "no masks: evidence from labels alone", ("dense.losses.pixels=0", "dense.losses.overlap=0")
    ),
    "no-removal": Variant(
        "no lesions replaced by other heads' tissue",
        ("dense.lesions.remove=0", "dense.lesions.artefact=0"),
    ),
    "no-seams": Variant("no seams away from lesions", ("dense.lesions.artefact=0",)),
    "no-implants": Variant("no lesions put into other pictures", ("dense.lesions.implant=0",)),
    "more-implants": Variant(
        "lesions put into half of the tumor-free pictures, drawn ones into a quarter more",
        ("dense.lesions.implant=0.5",),
    ),
    "no-drawn": Variant(
        "no drawn lesions", ("dense.lesions.draw=0", "dense.lesions.draw_removed=0")
    ),
    "no-styles": Variant("no style mixing", ("dense.style_mixing=0",)),
    "upright": Variant("heads never upside down", ("augment.flip_vertical=false",)),
    "plain-greys": Variant(
        "mild grey levels only",
        (
            "augment.histogram=0",
            "augment.invert=0",
            "augment.gamma=0.4",
            "augment.bias_field=0",
            "augment.background=0",
            "augment.frame=0",
        ),
    ),
    "no-artefacts": Variant(
        "no scanner artefacts",
        (
            "augment.bias_field=0",
            "augment.low_resolution=0",
            "augment.gibbs=0",
            "augment.ghosting=0",
            "augment.rician=0",
        ),
    ),
    "no-contrast": Variant("grey levels as they are in the file", ("dense.contrast=0",)),
    "no-average": Variant("no averaging of weights", ("fit.average=0",)),
    "more-removal": Variant("half of the lesions removed", ("dense.lesions.remove=0.5",)),
    "third-removed": Variant(
        "a third of the lesions removed, seams in a quarter of the others",
        ("dense.lesions.remove=0.35", "dense.lesions.artefact=0.25"),
    ),
    "long": Variant("everything, long", scale=()),
    "longer": Variant("everything, long, and five mild epochs more", scale=LONGER),
    "larger-last": Variant(
        "everything, long, and five mild epochs more at 224 pixels: twice the time to answer",
        scale=(*LONGER, "input.height=224", "input.width=224", "dense.small_first.scale=0.7142857"),
    ),
    "one-look": Variant(
        "everything, long, answering without the mirror image",
        scale=("dense.mirrored=false",),
    ),
    "mild": Variant(
        "mild changes and no moved lesions, 192 pixels, 16 epochs, from folds 2 to 5",
        MILD,
        scale=(),
    ),
    "mild-moved": Variant(
        "the same with lesions moved in it: put in, drawn and taken out", MILD_MOVED, scale=()
    ),
}


def main() -> None:
    """Run what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("run", "table"))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--runs", type=Path)
    parser.add_argument("--only", action="append", choices=list(VARIANTS))
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    if asked.action == "run":
        if not (asked.data and asked.init and asked.runs):
            parser.error("run needs --data, --init and --runs")
        for name in asked.only or VARIANTS:
            measure(name, asked.seed, asked.data, asked.init, asked.runs)
    write_table()


def measure(name: str, seed: int, data: Path, init: Path, runs: Path) -> None:
    """Train and measure one variant, unless that was done."""
    kept = KEPT / f"{name}-seed{seed}.json"
    if kept.is_file():
        return
    variant, folder = VARIANTS[name], runs / f"{name}-seed{seed}"
    settings = [*variant.scale, *variant.settings]
    sources = f"data.sources={list(LEARNT)}"
    recipe = load_recipe(variant.recipe, [*settings, sources, f"seed={seed}"])
    entries = [entry for entry in manifest.load(MANIFEST) if entry.source in LEARNT]
    made = trained(recipe, data, folder, init, entries)
    held_out, others = made.sides.held_out, made.others(UNSEEN)
    answers = made.answers(held_out, "held-out")
    metrics = [*holdout.evaluate_sides(made.model, made.sides, answers).metrics]
    metrics += holdout.evaluate_unseen(made.model, others, made.answers(others, "others"))
    if made.model.gives_mask:
        cheng = [entry for entry in held_out if entry.source == "cheng"]
        metrics += figures(made.masks(cheng, "cheng"), "fold 1 of cheng")
    keep(
        kept,
        {
            "variant": name,
            "says": variant.says,
            "seed": seed,
            "recipe": Path(variant.recipe).name,
            "settings": settings,
            "metrics": [metric.model_dump(mode="json") for metric in metrics],
        },
    )


COLUMNS = {
    "hospital not seen: AUROC": ("tumor AUROC", "tcia_btp"),
    "SARTAJ without copies: AUROC": ("tumor AUROC", "sartaj"),
    "Br35H, fold 1: AUROC": ("tumor AUROC", "fold 1 of br35h"),
    "kind, fold 1": ("tumor kind accuracy", "cheng"),
    "mask overlap (Dice), fold 1": ("mask Dice", "cheng"),
}


def write_table() -> None:
    """Write the page's table from the files that are kept."""
    runs = defaultdict(list)
    for path in sorted(KEPT.glob("*.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        runs[run["variant"]].append(run)
    lines = [
        "| variant | seeds | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
    ]
    for name in VARIANTS:
        if found := runs.get(name):
            cells = [_cell(found, *asked) for asked in COLUMNS.values()]
            says = found[0]["says"]
            lines.append(f"| {says} | {len(found)} | " + " | ".join(cells) + " |")
    if RECIPE_OF_TODAY.is_file():
        today = [json.loads(RECIPE_OF_TODAY.read_text(encoding="utf-8"))]
        cells = [_cell(today, *asked) for asked in COLUMNS.values()]
        lines.append("| `tumorlens-v1` as it is | 1 | " + " | ".join(cells) + " |")
    write_block(PAGE, "figures", lines)


def _cell(runs: list[dict], figure: str, on: str) -> str:  # type: ignore[type-arg]
    """The mean over seeds, with the interval of one run or the range of several."""
    found = [
        metric
        for run in runs
        for metric in run["metrics"]
        if metric["name"] == figure and on in metric["on"]
    ]
    if not found:
        return ""
    values = [metric["value"] for metric in found]
    if len(values) == 1:
        low, high = found[0]["low"], found[0]["high"]
        return f"{values[0]:.3f} ({low:.3f} to {high:.3f})"
    return f"{np.mean(values):.3f} (seeds: {min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
