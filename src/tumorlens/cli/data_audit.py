"""``tumorlens data audit``: what a folder of labelled images is worth."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

EPILOG = """
**Examples**

`tumorlens data audit sets/nickparvar --out audit/`

`tumorlens data audit sets/cheng sets/sartaj --out audit/` also says what the sets share.
"""


def audit(
    folders: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders or tables of labelled images.")
    ],
) -> None:
    """Find copies, leaks, shortcuts and wrong labels in folders of labelled images."""
