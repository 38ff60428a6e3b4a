"""If these fail, a long run in a log says nothing, or too much."""

from __future__ import annotations

from tumorlens.cli import progress


def test_a_line_now_and_then_says_how_far_it_is(monkeypatch, capsys):
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    with progress.lines() as advance:
        for _ in range(100):
            now += progress.SECONDS_BETWEEN_LINES / 40
            advance(1.0)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "tumorlens: 41 slices so far, 4 a second",
        "tumorlens: 82 slices so far, 4 a second",
    ]
