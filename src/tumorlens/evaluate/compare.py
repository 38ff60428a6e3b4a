"""Evaluations of several models side by side: what authors report, and what it is worth here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.data.manifest import Protocol
from tumorlens.errors import DatasetError
from tumorlens.evaluate.evaluation import EVALUATION_FILE, load_evaluation
from tumorlens.evaluate.parts import REST
from tumorlens.evaluate.tables import interval, table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from tumorlens.evaluate.evaluation import Evaluation, Made
    from tumorlens.model.format import Metric

_Key = tuple[str, tuple[str, ...], tuple[tuple[str, str], ...]]

FIGURE = "accuracy"
"""What authors of such systems report."""

NONE = ""

HEAD = (
    "recipe",
    "set",
    "reported",
    "authors' split",
    "of it learnt from",
    "without copies",
    "grouped split",
    "best control, on the three",
    "parameters trained / frozen",
    "model file",
    "training",
)

_MEGABYTE, _MINUTE = 1e6, 60.0


@dataclass(frozen=True, slots=True)
class Compared:
    """A recipe with the evaluations of the models that came of it.

    Attributes:
        made: How it was made; of either of the two.
        authors: On the split of the set's authors, copies and all.
        grouped: On a split in which no group stands on two sides.
    """

    made: Made
    authors: Evaluation | None
    grouped: Evaluation | None

    @property
    def name(self) -> str:
        """The recipe, and what was set otherwise than it says."""
        changes = ", ".join(f"{key}={value}" for key, value in self.made.changes.items())
        return f"{self.made.recipe} ({changes})" if changes else self.made.recipe


def find(places: Iterable[Path]) -> list[Path]:
    """The evaluations in some places: files, folders of an evaluation, or folders of such files.

    Raises:
        DatasetError: A place holds none.
    """
    found: list[Path] = []
    for place in places:
        own = place / EVALUATION_FILE
        inside = [own] if own.is_file() else sorted(place.glob("*.json"))
        inside = (
            [place] if place.is_file() else inside or sorted(place.glob(f"*/{EVALUATION_FILE}"))
        )
        if not inside:
            msg = f"{place}: holds no evaluation; `tumorlens evaluate … --out {place}` writes one"
            raise DatasetError(msg)
        found += inside
    return found


def compare(paths: Iterable[Path]) -> list[Compared]:
    """Evaluations put together by recipe, in alphabetical order.

    Args:
        paths: Of ``evaluation.json`` files.

    Raises:
        DatasetError: One is no evaluation or of a model from elsewhere, or two are of the same
            recipe, sets, settings and split.
    """
    found: dict[_Key, dict[Protocol, Evaluation]] = {}
    for path in paths:
        result = load_evaluation(path)
        if result.made is None:
            msg = f"{path}: the model does not say how it was made, so it has no line of its own"
            raise DatasetError(msg)
        made = result.made
        mine = found.setdefault((made.recipe, made.sources, tuple(made.changes.items())), {})
        if result.protocol in mine:
            msg = (
                f"{path}: a second evaluation of {made.recipe} with these settings on a "
                f"{result.protocol} split; name one of them"
            )
            raise DatasetError(msg)
        mine[result.protocol] = result
    return [_compared(found[key]) for key in sorted(found)]


def summary_rows(compared: Sequence[Compared]) -> list[tuple[str, ...]]:
    """A row a recipe, under `HEAD`."""
    return [
        (
            one.name,
            ", ".join(one.made.sources),
            _reported(one.made),
            _value(_whole(one.authors)),
            _leaking(one.authors),
            _value(_rest(one.authors)),
            _value(_whole(one.grouped)),
            " / ".join(_best_controls(one)) or NONE,
            _parameters(one.made),
            _size(one.authors or one.grouped),
            _time(one.authors or one.grouped),
        )
        for one in compared
    ]


def summary_table(compared: Sequence[Compared]) -> str:
    """All recipes as a Markdown table."""
    return table(HEAD, summary_rows(compared))


def recipe_table(one: Compared) -> str:
    """Every headline figure of one recipe, beside the controls, as a Markdown table."""
    names = list(dict.fromkeys(c.control for each in _evaluations(one) for c in each.controls))
    rows = [
        (
            metric.name,
            _where(each, metric),
            str(metric.count),
            f"{metric.value:.3f}",
            interval(metric.low, metric.high),
            *(_control(each, metric, name) for name in names),
        )
        for each in _evaluations(one)
        for metric in each.metrics
    ]
    return table(("figure", "on", "images", "value", "95 % interval", *names), rows)


def _compared(mine: dict[Protocol, Evaluation]) -> Compared:
    authors, grouped = mine.get(Protocol.AUTHORS), mine.get(Protocol.GROUPED)
    first = authors or grouped
    if first is None or first.made is None:
        msg = "an evaluation without a recipe"
        raise DatasetError(msg)
    return Compared(first.made, authors, grouped)


def _evaluations(one: Compared) -> Iterator[Evaluation]:
    for each in (one.authors, one.grouped):
        if each is not None:
            yield each


def _where(result: Evaluation, metric: Metric) -> str:
    split = "authors' split" if result.protocol is Protocol.AUTHORS else "grouped split"
    return f"{metric.on} ({split})"


def _whole(result: Evaluation | None) -> tuple[Evaluation, Metric] | None:
    """The figure on the whole test side."""
    found = [m for m in result.metrics if m.name == FIGURE] if result else []
    whole = [m for m in found if not m.on.endswith(REST)]
    return (result, whole[0]) if result and whole else None


def _rest(result: Evaluation | None) -> tuple[Evaluation, Metric] | None:
    """The figure on what of the test side was not learnt from."""
    found = [m for m in result.metrics if m.name == FIGURE] if result else []
    rest = [m for m in found if m.on.endswith(REST)]
    return (result, rest[0]) if result and rest else None


def _value(found: tuple[Evaluation, Metric] | None) -> str:
    if found is None:
        return NONE
    _, metric = found
    return f"{metric.value:.3f} ({interval(metric.low, metric.high)})"


def _best_controls(one: Compared) -> Iterator[str]:
    for found in (_whole(one.authors), _rest(one.authors), _whole(one.grouped)):
        if found is not None:
            result, metric = found
            values = [
                each.metric.value
                for each in result.controls
                if (each.metric.name, each.metric.on) == (metric.name, metric.on)
            ]
            yield f"{max(values):.3f}" if values else "not measured"


def _control(result: Evaluation, metric: Metric, name: str) -> str:
    for each in result.controls:
        if (each.control, each.metric.name, each.metric.on) == (name, metric.name, metric.on):
            return f"{each.metric.value:.3f}"
    return NONE


def _reported(made: Made) -> str:
    return f"{made.reported.value:.3f}" if made.reported else NONE


def _leaking(result: Evaluation | None) -> str:
    leak = result.leak if result else None
    return f"{leak.same} of {leak.images} ({leak.same / leak.images:.1%})" if leak else NONE


def _parameters(made: Made) -> str:
    return NONE if made.trainable is None else f"{made.trainable:,} / {made.frozen or 0:,}"


def _size(result: Evaluation | None) -> str:
    size = result.model_bytes if result else None
    return NONE if size is None else f"{size / _MEGABYTE:.1f} MB"


def _time(result: Evaluation | None) -> str:
    seconds = result.made.seconds if result and result.made else None
    if seconds is None:
        return NONE
    return f"{seconds:.0f} s" if seconds < 2 * _MINUTE else f"{seconds / _MINUTE:.0f} min"
