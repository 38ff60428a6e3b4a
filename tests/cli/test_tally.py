"""If these fail, the exit code tells a script that all was answered when it was not."""

from __future__ import annotations

import pytest

from tumorlens.cli.tally import Tally
from tumorlens.decide.finding import Finding, ModelInfo, ScanInfo, Status
from tumorlens.errors import UnreadableScan

YES, NO, MAYBE, OUT = Status.TUMOR, Status.NO_TUMOR, Status.UNCERTAIN, Status.REJECTED


def slice_of(source: str, status: Status, frame: int = 0, count: int = 1) -> Finding:
    scan = ScanInfo(
        source=source, sha256="", format="png", width=1, height=1, frame=frame, frame_count=count
    )
    model = ModelInfo(name="tiny", version="1", sha256="")
    return Finding(status=status, scan=scan, model=model, elapsed_ms=0.0)


def volume(source: str, *statuses: Status) -> list[Finding]:
    return [slice_of(source, status, frame, len(statuses)) for frame, status in enumerate(statuses)]


@pytest.mark.parametrize(
    ("outcomes", "complete"),
    [
        ([], True),
        ([slice_of("a", YES), slice_of("b", NO), slice_of("c", MAYBE)], True),
        ([slice_of("a", OUT)], False),
        ([slice_of("a", OUT), slice_of("b", YES)], False),
        ([slice_of("b", YES), slice_of("a", OUT)], False),
        (volume("a", OUT, NO, OUT), True),
        (volume("a", OUT, OUT), False),
        (volume("a", OUT, NO) + volume("a", OUT, OUT), False),
        ([slice_of("a", YES), UnreadableScan("b", "gone")], False),
        ([*volume("a", NO, NO), UnreadableScan("a", "cut off")], False),
    ],
)
def test_an_input_is_answered_by_one_slice_that_is_not_rejected(outcomes, complete):
    tally = Tally()
    for outcome in outcomes:
        tally.add(outcome)
    assert tally.is_complete is complete


def test_the_closing_line_counts_slices_and_errors():
    tally = Tally()
    for outcome in [slice_of("a", YES), *volume("b", NO, OUT), UnreadableScan("c", "gone")]:
        tally.add(outcome)
    assert tally.summary() == (
        "3 slices: 1 tumor found, 1 no tumor found, 0 uncertain: to be read, 1 rejected; "
        "1 input not answered"
    )
