"""What a model file says of itself, from the run that it comes from."""

from __future__ import annotations

import datetime as dt
import platform
from collections import Counter
from importlib.metadata import version
from typing import TYPE_CHECKING

from tumorlens.data import manifest
from tumorlens.model.format import DataSource, Metric, ModelMetadata
from tumorlens.train.export.network import calibration_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tumorlens.train.run import Run

_UNKNOWN_TERMS = "as the data's owner says"


def describe(run: Run, metrics: Sequence[Metric] = ()) -> ModelMetadata:
    """The metadata of a finished run's model file.

    Args:
        run: The run.
        metrics: What was measured on its test fold.

    Raises:
        DatasetError: Its manifest cannot be read.
        ModelCorrupt: Its calibration is damaged.
    """
    recipe, calibration = run.recipe, calibration_of(run)
    sources = _sources(run)
    return ModelMetadata(
        name=recipe.name,
        version=version("tumorlens"),
        task=recipe.task,
        classes=recipe.classes,
        positive=recipe.positive,
        display=recipe.display,
        input=recipe.input,
        thresholds=calibration.thresholds,
        mask=calibration.mask,
        recipe=recipe.model_dump(mode="json"),
        data=sources,
        metrics=tuple(metrics),
        attribution="; ".join(f"{s.name}: {s.citation} ({s.licence})" for s in sources),
        created=today(),
        created_with={
            "python": platform.python_version(),
            **{name: version(name) for name in ("tumorlens", "torch", "onnx")},
        },
    )


def today() -> str:
    """The date, ISO 8601, in UTC."""
    return dt.datetime.now(dt.UTC).date().isoformat()


def _sources(run: Run) -> tuple[DataSource, ...]:
    """The sets that the run learnt from, each with a hash of which images."""
    recipe = run.recipe
    entries = [e for e in manifest.load(run.manifest) if e.fold != recipe.data.test_fold]
    hashes = manifest.hash_by_source(entries)
    sources = []
    for name, count in sorted(Counter(e.source for e in entries).items()):
        terms = recipe.sources.get(name)
        sources.append(
            DataSource(
                name=name,
                images=count,
                manifest_sha256=hashes[name],
                licence=terms.licence if terms else _UNKNOWN_TERMS,
                citation=terms.citation if terms else _UNKNOWN_TERMS,
            )
        )
    return tuple(sources)
