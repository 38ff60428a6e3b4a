"""Files are made beside their place, and moved into it once they are found right."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def made_beside(target: Path) -> Iterator[Path]:
    """Gives a path of the target's name in a folder of its own, and moves what was made there.

    Files that share its folder (the weights beside an OpenVINO graph) are moved too, the target
    last. Where anything fails, nothing is left, and what was there before stays.

    Args:
        target: Where the file is to be.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder = tempfile.TemporaryDirectory(prefix=f".{target.stem}-", dir=target.parent)
    except OSError as error:  # which names the folder of its own, that nobody has heard of
        raise OSError(error.errno, error.strerror, str(target)) from error
    with folder as name:
        made = Path(name) / target.name
        yield made
        for file in sorted(made.parent.iterdir(), key=lambda file: file == made):
            file.replace(target.with_name(file.name))
