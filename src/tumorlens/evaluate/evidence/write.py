"""The files of the evidence: JSON, the pages that are made of it, and the gallery of errors."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tumorlens.errors import TumorLensError
from tumorlens.evaluate.evidence.pages import pages
from tumorlens.evaluate.evidence.record import EVIDENCE_FILE, to_json
from tumorlens.evaluate.gallery import draw, mistakes
from tumorlens.evaluate.page import write_page

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tumorlens.evaluate.evidence.gather import Gathered
    from tumorlens.model.run import Model


def write(found: Gathered, folder: Path) -> list[Path]:
    """Write ``evidence.json``, and a page a file: numbers and words only, so for publishing.

    Raises:
        TumorLensError: The folder cannot be written to.
    """
    texts = {EVIDENCE_FILE: to_json(found.evidence), **pages(found.evidence)}
    with _written_to(folder):
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in texts]


def write_gallery(found: Gathered, model: Model, folder: Path) -> Path:
    """Write ``evaluation.html`` with the errors drawn: pictures of patients, not for publishing.

    Raises:
        TumorLensError: The folder cannot be written to.
    """
    wrong = mistakes(model.metadata, found.sides.held_out, found.probabilities)
    with _written_to(folder):
        drawn = draw(wrong, model, found.sides.root)
        write_page(found.evaluation, drawn, len(wrong), folder)
    return folder / "evaluation.html"


@contextmanager
def _written_to(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        msg = f"{folder}: cannot be written to ({error.strerror or error}); name another folder"
        raise TumorLensError(msg) from error
