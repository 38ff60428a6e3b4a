"""How inputs are named and status is said in lists, safely for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.decide.finding import Status

if TYPE_CHECKING:
    from tumorlens.decide.finding import ScanInfo

STATUS_WORDS = {
    Status.TUMOR: "tumor found",
    Status.NO_TUMOR: "no tumor found",
    Status.UNCERTAIN: "uncertain: to be read",
    Status.REJECTED: "rejected",
}
NOT_ANSWERED = "not answered"


def slice_name(scan: ScanInfo) -> str:
    """The input as the user named it, with the slice (from 1) where the file holds several."""
    return f"{scan.source}#{scan.frame + 1}" if scan.frame_count > 1 else scan.source


def one_line(text: str) -> str:
    """Text that stays on its line: a file's name may hold line breaks and terminal commands."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
