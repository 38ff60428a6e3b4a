"""Answers that something else gave, as a table: whatever answers images can be measured here."""

from __future__ import annotations

import csv
import datetime as dt
import hashlib
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.data.index import NO_TUMOR, class_name
from tumorlens.errors import DatasetError
from tumorlens.model.format import InputSpec, ModelMetadata
from tumorlens.model.run import PROBABILITY_TOLERANCE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from tumorlens.data.manifest import Entry

SUFFIX = ".csv"

NAME = "name"
NOT_CLASSES = frozenset({NAME, "label", "group", "chosen"})
"""Columns of a table of answers that are no class."""

_ANY_INPUT = InputSpec(height=224, width=224)
"""Answers are not asked for again, so what their giver takes is of no account."""


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """What something answered to images, whatever it is.

    Attributes:
        metadata: Its name is the table's, its classes are the table's columns.
        sha256: Of the table.
        size: Bytes of the table.
        rows: Name of an image → its probabilities, (C,).
    """

    metadata: ModelMetadata
    sha256: str
    size: int
    rows: dict[str, NDArray[np.float64]]

    def to(self, entries: Sequence[Entry]) -> NDArray[np.float64]:
        """The answers to some images, (N, C).

        Raises:
            DatasetError: An image has none.
        """
        missing = [entry.name for entry in entries if entry.name not in self.rows]
        if missing:
            msg = (
                f"{self.metadata.name}: the table answers {len(missing)} of {len(entries)} images "
                f"not, such as {missing[0]}; name images as the manifest does"
            )
            raise DatasetError(msg)
        return np.stack([self.rows[entry.name] for entry in entries])


def load_answers(path: Path) -> Answers:
    """Read a table of answers.

    It is a CSV file with a line an image: ``name`` as in the manifest, and a column a class with
    its probability. The columns ``label``, ``group`` and ``chosen`` that `tumorlens evaluate`
    writes are passed over. Every class but no tumor counts as a tumor.

    Raises:
        DatasetError: No such file, or not such a table.
    """
    try:
        data = path.read_bytes()
        reader = csv.DictReader(data.decode("utf-8-sig").splitlines())
        classes = tuple(name for name in reader.fieldnames or () if name not in NOT_CLASSES)
        rows = {line[NAME]: np.array([float(line[name]) for name in classes]) for line in reader}
        metadata = _metadata(path, classes)
    except (OSError, ValueError, KeyError, TypeError, csv.Error) as error:
        msg = (
            f"{path}: not a table of answers ({error}); it needs the column {NAME} and a column "
            "of probabilities for each class, no_tumor among them"
        )
        raise DatasetError(msg) from error
    _check(path, rows)
    return Answers(metadata, hashlib.sha256(data).hexdigest(), len(data), rows)


def _metadata(path: Path, classes: tuple[str, ...]) -> ModelMetadata:
    tumors = tuple(name for name in classes if class_name(name) != NO_TUMOR)
    name = re.sub(r"[^a-z0-9._-]+", "-", path.stem.lower()).lstrip("._-") or "answers"
    return ModelMetadata(
        name=name,
        version="0",
        task="binary" if len(classes) == 2 else "multiclass",  # noqa: PLR2004
        classes=classes,
        positive=tumors,
        input=_ANY_INPUT,
        created=dt.datetime.now(dt.UTC).date().isoformat(),
    )


def _check(path: Path, rows: dict[str, NDArray[np.float64]]) -> None:
    for name, row in rows.items():
        off = abs(float(row.sum()) - 1.0)
        if not np.isfinite(row).all() or (row < 0).any() or off > PROBABILITY_TOLERANCE:
            msg = f"{path}: the probabilities of {name} are not shares of 1: {row.tolist()}"
            raise DatasetError(msg)
