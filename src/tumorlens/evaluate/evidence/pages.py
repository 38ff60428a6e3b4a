"""The pages that are made of evidence: every figure on them stands in ``evidence.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.decide.finding import NOTICE
from tumorlens.decide.study import POOLING, rule_words
from tumorlens.evaluate.evidence.checklists import CLAIM, TRIPOD_AI, Item
from tumorlens.evaluate.tables import interval, table, to_markdown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from tumorlens.decide.finding import Status
    from tumorlens.evaluate.evidence.record import Answered, Evidence, Subject
    from tumorlens.model.format import Metric

INTENDED_USE = f"""\
{NOTICE}

- **For**: research into, and teaching of, the finding of tumors in brain MRI; comparing methods;
  finding where models fail.
- **Users**: people who can read brain MRI themselves, and engineers who work with them.
- **Not for**: deciding about any patient; screening; ruling a tumor out ("no tumor found in this
  image" means that and no more); measuring growth.
"""

LIMITS = """\
- There is no independent test for the kinds meningioma and pituitary tumor: all such images with a
  known kind come from the collection that was learnt from.
- Nothing was measured on children, on scans after an operation or radiation, on metastases,
  abscesses, bleeding, stroke or multiple sclerosis, nor on tumors other than the three kinds.
- Most images are T1-weighted after contrast agent. Of other sequences there are few.
- The sets do not say age, sex, scanner or field strength for most images, so no figure says whether
  the model is fair to groups of people.
- Most sets are slices that somebody chose, of patients who mostly have a tumor. In ordinary work
  most slices have none, and a probability means less there.
- Patients of some images are not named: groups of near-copies stand in for them, and intervals on
  these sets are somewhat too narrow.
"""


def pages(evidence: Evidence) -> dict[str, str]:
    """File name → Markdown."""
    return {
        "model-card.md": _model_card(evidence),
        "data-sheet.md": _data_sheet(evidence),
        "results.md": _results(evidence),
        "claim-2024.md": _checklist(
            "CLAIM 2024", "Checklist for Artificial Intelligence in Medical Imaging, 2024", CLAIM
        ),
        "tripod-ai.md": _checklist(
            "TRIPOD+AI", "Reporting of prediction models that use machine learning, 2024", TRIPOD_AI
        ),
    }


def figure_table(metrics: Iterable[Metric]) -> str:
    """Figures as a table."""
    rows = [
        (m.name, m.on, str(m.count), f"{m.value:.3f}", interval(m.low, m.high)) for m in metrics
    ]
    return table(("figure", "on", "images", "value", "95 % interval"), rows)


def _model_card(evidence: Evidence) -> str:
    subject = evidence.subject
    kinds = ", ".join(subject.classes)
    gives = "probabilities, a heatmap and a mask" if subject.gives_mask else (
        "probabilities and a heatmap"
    )  # fmt: skip
    return "\n".join(
        [
            f"# Model card: {subject.name} {subject.version}",
            "",
            'After Mitchell et al., "Model cards for model reporting", 2019. Made by',
            "`tumorlens evaluate --evidence`; [all figures](results.md).",
            "",
            "## Model",
            "",
            f"- File SHA-256 `{subject.sha256}`; licence {subject.licence}.",
            f"- Recipe `{subject.recipe}`; classes {kinds}. It gives {gives}.",
            *_outlines(subject),
            f"- To be named with it: {subject.attribution}",
            "",
            "## Intended use",
            "",
            INTENDED_USE,
            "## Factors",
            "",
            "Figures are given by source and by size of the tumor. Plane, scanner, age and",
            "sex are not",
            "recorded in the sets.",
            "",
            "## Decision",
            "",
            *_decision(evidence),
            "",
            "## Figures",
            "",
            figure_table(_headlines(evidence)),
            "## Training and test data",
            "",
            "[The data sheet](data-sheet.md) has both. No image of the test fold, nor a",
            "near-copy of",
            "one, was learnt from or used to fit a threshold.",
            "",
            "## Ethical considerations",
            "",
            "The images are public and were made anonymous by those who published them. A",
            "wrong answer",
            "can frighten or falsely reassure: doubt is an answer of its own, and is meant",
            "to be used.",
            "",
            "## Limits",
            "",
            LIMITS,
        ]
    )


def _outlines(subject: Subject) -> Iterator[str]:
    if subject.outlines:
        yield "- Drawn with it, on a picture or its mirror image, is the mask of:"
    for source in {one.sha256: one for one in subject.outlines}.values():
        learnt = ", ".join(f"{one.images} images of {one.name}" for one in source.data)
        yield (
            f"    - `{source.name}` (file SHA-256 `{source.sha256}`), which learnt from {learnt}."
        )


def _decision(evidence: Evidence) -> list[str]:
    subject = evidence.subject
    if not subject.fitted_on:
        return ["- This file was not calibrated after training: it has no picture gate."]
    lines = [f"- Gates, limits and references were fitted on {subject.fitted_on}."]
    if (point := subject.operating) is not None:
        kept = "" if point.specificity is None else f", specificity {point.specificity:.3f}"
        lines.append(
            f'- "No tumor" at or below a tumor probability of {point.threshold:.4f}, chosen for a '
            f"sensitivity of {point.target:.2f}: on {point.on} sensitivity "
            f"{point.sensitivity:.3f}{kept}."
        )
    if (rule := subject.selection) is not None:
        lines.append(
            f'- "Tumor" is answered from a tumor probability of {rule.tumor:.3f} and a share of '
            f'its kind of {rule.kind:.3f} up, "no tumor" from a probability of '
            f"{rule.no_tumor:.3f} up, chosen so that {rule.target:.0%} of what is given is right: "
            f"on {rule.on} {rule.accuracy:.3f} of the {rule.answered:.3f} that were answered."
        )
    if subject.coverage is not None:
        lines.append(
            f"- Prediction sets were fitted to hold the true class in {subject.coverage:.0%} of "
            "the cases of each class."
        )
    series = POOLING if subject.study is None else rule_words(subject.study)
    lines.append(f"- Series: {series}.")
    return lines


def _headlines(evidence: Evidence) -> list[Metric]:
    """The figures that a reader should see first."""
    found = [*evidence.evaluation.metrics]
    found += evidence.answered[0].figures if evidence.answered else ()
    found += evidence.calibration[:1]
    found += evidence.gate.figures if evidence.gate else ()
    found += evidence.maps[0].figures if evidence.maps else ()
    for one in evidence.left_out:
        found += one.figures
    return found


def _data_sheet(evidence: Evidence) -> str:
    subject = evidence.subject
    rows = [
        (one.name, str(one.images), one.licence, one.citation, f"`{one.manifest_sha256[:12]}`")
        for one in subject.sources
    ]
    fold = "is not known" if subject.test_fold is None else f"is fold {subject.test_fold}"
    return "\n".join(
        [
            f"# Data sheet: what {subject.name} learnt from",
            "",
            'After Gebru et al., "Datasheets for datasets", 2021. Made by',
            "`tumorlens evaluate --evidence`.",
            "",
            "## Composition",
            "",
            table(("set", "images learnt from", "licence", "citation", "manifest"), rows),
            f"The test side {fold}, of {evidence.evaluation.images} images: patients, or groups of",
            "near-copies where",
            "patients are not known, stand on one side only. The manifest names every file",
            "with its",
            "SHA-256 and its fold.",
            "",
            "## Collection and labels",
            "",
            "Images were collected and labelled by those who published the sets, from",
            "hospitals and",
            "from the web; how, only some of them say. Masks are drawn by hand, one reader",
            "each; how",
            "well readers agree is not known. Copies across sets were joined by hash and",
            "correlation,",
            "over all mirrors and turns.",
            "",
            "## Preprocessing",
            "",
            "The head is cropped of its ground and brought to the size of the network's",
            "input; the same",
            "code does so in training and in answering.",
            "",
            "## Uses, distribution and upkeep",
            "",
            "No image is redistributed: a manifest holds names and hashes. `tumorlens data",
            "fetch` gets",
            "the sets from where they are published; `tumorlens data audit` says what they",
            "are worth.",
            "",
            "## Limits",
            "",
            LIMITS,
        ]
    )


def _results(evidence: Evidence) -> str:
    subject = evidence.subject
    parts = [
        f"# Results: {subject.name} {subject.version}",
        "",
        "Every figure is on images that the model did not learn from, with its 95 % interval by",
        "bootstrap over patients or groups. Made by `tumorlens evaluate --evidence`.",
        "",
        "## Before any answer is withheld",
        "",
        to_markdown(evidence.evaluation),
    ]
    parts += ["## As answered", "", _status_table(evidence.answered)]
    parts += [figure_table(m for one in evidence.answered for m in one.figures)]
    parts += ["## Calibration", "", figure_table(evidence.calibration)]
    parts += _softened(evidence)
    if evidence.coverage:
        asked = subject.coverage or 0.0
        parts += [f"## Prediction sets, {asked:.0%} asked for", "", figure_table(evidence.coverage)]
    if evidence.gate is not None:
        parts += ["## What is no brain MRI", "", figure_table(evidence.gate.figures)]
        parts += [_counts("picture", evidence.gate.kinds)]
    for one in evidence.maps:
        parts += [f"## Heatmaps of {one.who}", "", figure_table(one.figures)]
    if evidence.series:
        names = {f"{one.name} ({one.status.value})": one.slices for one in evidence.series}
        parts += ["## Series and volumes", "", _counts("series (answer)", names)]
    for left in evidence.left_out:
        learnt = " and ".join(left.learnt)
        parts += [f"## {left.source}, left out by {left.model} (learnt from {learnt})", ""]
        parts += [figure_table((*left.figures, *left.answered.figures))]
    parts += ["## Notes", "", *(f"- {note}" for note in evidence.notes), ""]
    parts += ["## Limits", "", LIMITS]
    return "\n".join(parts)


def _softened(evidence: Evidence) -> list[str]:
    """What softening did, source by source."""
    found = evidence.subject.calibration
    if not found:
        return []
    rows = [
        (
            one.source, str(one.images), f"{one.temperature:.3f}", f"{one.ece_before:.3f}",
            f"{one.ece_after:.3f}", f"{one.brier_before:.3f}", f"{one.brier_after:.3f}",
        )
        for one in found
    ]  # fmt: skip
    head = (
        "source", "held-out images", "own temperature", "ECE before", "ECE after", "Brier before",
        "Brier after",
    )  # fmt: skip
    return [f"On {evidence.subject.fitted_on}, where it was fitted:", "", table(head, rows)]


def _status_table(parts: Sequence[Answered]) -> str:
    return _counts("images", {one.on: one.statuses for one in parts})


def _counts(what: str, counts: Mapping[str, Mapping[Status, int]]) -> str:
    """How many have which status."""
    names = sorted({status.value for one in counts.values() for status in one})
    rows = []
    for name, one in counts.items():
        by_name = {status.value: count for status, count in one.items()}
        rows.append((name, *(str(by_name.get(status, 0)) for status in names)))
    return table((what, *names), rows)


def _checklist(name: str, what: str, items: Sequence[Item]) -> str:
    rows = [(item.number, item.asks, item.answer) for item in items]
    return "\n".join(
        [
            f"# {name}",
            "",
            f"{what}: each item, and where it is answered. What is not known is said so.",
            "",
            table(("item", "asks for", "answered"), rows),
        ]
    )
