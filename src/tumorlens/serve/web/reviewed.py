"""The reviewed set: pictures of the history with the labels that readers gave them.

A folder as ``tumorlens data split`` reads it: ``index.csv`` and ``images/``. It is how what readers
know comes back into training.
"""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tumorlens.decide.finding import NOTICE, Status
from tumorlens.report.csv_rows import FORMULA_STARTS
from tumorlens.serve.query import Query, Sort
from tumorlens.serve.records import Verdict
from tumorlens.serve.render import slice_png

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Buffer

    from tumorlens.serve.keep import Keeper, Kept
    from tumorlens.serve.people import User
    from tumorlens.serve.records import Feedback

FOLDER = "reviewed"
AT_ONCE = 200
NO_TUMOR, TUMOR = "no_tumor", "tumor"
COLUMNS = (
    "image", "label", "patient", "verdict", "comment", "answer", "answer_label",
    "tumor_probability", "input", "slice", "sha256", "model", "model_version", "reviewed",
)  # fmt: skip
README = f"""A set of brain MRI slices that readers have looked at.

index.csv names each picture in images/ and its label; `tumorlens data split` and
`tumorlens data audit` read this folder. Pictures are as large as the history keeps them.

- A reader who agreed gives the label of the answer; one who named a label gives that label.
- A reader who disagreed without naming a label gives none, so the picture is left out, and so is
  what was agreed with although the answer was uncertain or rejected.
- Where readers said different things, the latest counts.
- patient is equal for the slices of one series or volume, and empty where nothing tells of a
  patient: whether two single pictures are of one person is not known here.

{NOTICE}
"""


@dataclass(frozen=True, slots=True)
class _Labelled:
    kept: Kept
    label: str
    said: Feedback


class _Pipe(io.RawIOBase):
    """Takes what is written until somebody fetches it, so that no set has to fit into memory."""

    def __init__(self) -> None:
        self._written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: Buffer) -> int:
        part = bytes(data)
        self._written += part
        return len(part)

    def fetch(self) -> bytes:
        written, self._written = bytes(self._written), bytearray()
        return written


def reviewed_set(keeper: Keeper, user: User) -> Iterator[bytes]:
    """The set as a zip, in pieces; without pictures where nobody has given a label.

    Args:
        keeper: The history.
        user: Who asks; readers get their own findings, reviewers all.

    Yields:
        The next bytes of the zip.

    Raises:
        StoreError: The history cannot be asked.
    """
    pipe, table = _Pipe(), io.StringIO(newline="")
    rows = csv.writer(table, lineterminator="\n")
    rows.writerow(COLUMNS)
    # PNG is compressed already.
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_STORED) as archive:
        for number, one in enumerate(_labelled(keeper, user), start=1):
            name = f"images/{number:05d}.png"
            archive.writestr(f"{FOLDER}/{name}", slice_png(one.kept.picture))
            rows.writerow([_safe(cell) for cell in _cells(name, one)])
            yield pipe.fetch()
        archive.writestr(f"{FOLDER}/index.csv", table.getvalue())
        archive.writestr(f"{FOLDER}/README.txt", README)
    yield pipe.fetch()


def label_of(status: Status, label: str | None, said: Feedback) -> str | None:
    """The label that a reader's word gives a picture; None where it gives none.

    Args:
        status: The answer.
        label: Its kind of tumor, where it was named.
        said: The reader's word.
    """
    if said.verdict is Verdict.OTHER_LABEL:
        return said.label
    if said.verdict is Verdict.AGREE:
        return {Status.TUMOR: label or TUMOR, Status.NO_TUMOR: NO_TUMOR}.get(status)
    return None


def _labelled(keeper: Keeper, user: User) -> Iterator[_Labelled]:
    owner = None if user.sees_all else user.id
    offset = 0
    while True:
        wanted = Query(owner=owner, reviewed=True, sort=Sort.OLDEST, offset=offset, limit=AT_ONCE)
        found = keeper.find(wanted).items
        for one in found:
            said = one.feedback[-1]
            label = label_of(one.finding.status, one.finding.label, said)
            # The list has no pictures; one that was deleted meanwhile has none either.
            kept = None if label is None else keeper.get(one.id, user)
            if label is not None and kept is not None:
                yield _Labelled(kept, label, said)
        offset += len(found)
        if len(found) < AT_ONCE:
            return


def _cells(name: str, one: _Labelled) -> list[str | int | float]:
    finding = one.kept.finding
    scan, model = finding.scan, finding.model
    # Slices of one series or volume are of one person, and belong on one side of a split.
    whole = scan.series or (scan.sha256 if scan.frame_count > 1 else None)
    probability = finding.tumor_probability
    return [
        name,
        one.label,
        f"series-{whole[:16]}" if whole else "",
        one.said.verdict.value,
        one.said.comment,
        finding.status.value,
        finding.label or "",
        "" if probability is None else probability,
        scan.source,
        scan.frame + 1,
        scan.sha256,
        model.name,
        model.version,
        one.said.created.isoformat(timespec="seconds"),
    ]


def _safe(cell: str | float) -> str | float:
    """A cell that no spreadsheet runs as a formula."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA_STARTS) else cell
