"""If these fail, a reader at a terminal misreads the answer."""

from __future__ import annotations

import io

from rich.console import Console

from tumorlens.report.table import table_of, table_row


def printed(outcomes, *, width: int = 140, colour: str | None = None) -> str:
    text = io.StringIO()
    console = Console(
        file=text, width=width, force_terminal=colour is not None, color_system=colour
    )
    console.print(table_of(map(table_row, outcomes)))
    return text.getvalue()


def test_each_answer_is_said_in_words(outcomes):
    lines = printed(outcomes).splitlines()
    header, tumor, no_tumor, uncertain, rejected, error = lines
    assert header.split() == ["input", "answer", "tumor", "kind", "why"]
    assert "study.zip::a/b.dcm#4" in tumor
    assert "tumor found" in tumor
    assert "97.5 %" in tumor
    assert "pituitary tumor" in tumor
    assert "no tumor found" in no_tumor
    assert "< 0.1 %" in no_tumor
    assert "uncertain: to be read" in uncertain
    assert "the picture is blurred; it contradicts itself" in uncertain
    assert "rejected" in rejected
    assert "it is black" in rejected
    assert "huge.png" in error
    assert "not answered" in error
    assert "it has 900000000 pixels" in error


def test_nothing_says_normal_and_nothing_is_green(outcomes):
    text = printed(outcomes, colour="truecolor")
    assert "normal" not in text.lower()
    assert "\x1b[" in text
    assert not any(f"\x1b[{style}" in text for style in ("32", "1;32", "92", "1;92"))


def test_nothing_is_lost_on_a_narrow_terminal(make_finding, make_scan_info):
    name = "folder/" + "long" * 30 + ".png"
    text = printed([make_finding(scan=make_scan_info(name))], width=70)
    assert name in "".join(line[:40].split("  ")[0] for line in text.splitlines()[1:])


def test_a_name_cannot_command_the_terminal_or_the_table(make_finding, make_scan_info):
    name = "[red]a\x1b[2J\nb.png"
    text = printed([make_finding(scan=make_scan_info(name))])
    assert "[red]a\\x1b[2J\\nb.png" in text
    assert "\x1b" not in text
