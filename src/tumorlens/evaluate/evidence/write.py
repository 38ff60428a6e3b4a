"""The files of the evidence: JSON, the pages that are made of it, and the gallery of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tumorlens.errors import TumorLensError
from tumorlens.evaluate.evidence.pages import pages
from tumorlens.evaluate.evidence.record import EVIDENCE_FILE, to_json
from tumorlens.evaluate.gallery import draw, mistakes
from tumorlens.evaluate.page import write_page

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.evaluate.evidence.gather import Gathered
    from tumorlens.model.run import Model


def write(found: Gathered, model: Model, folder: Path) -> list[Path]:
    """Write ``evidence.json``, a page a file, and ``evaluation.html`` with the errors drawn.

    The gallery shows pictures of patients, so it is for this machine and not for publishing; the
    others hold numbers and words only.

    Raises:
        TumorLensError: The folder cannot be written to.
    """
    texts = {EVIDENCE_FILE: to_json(found.evidence), **pages(found.evidence)}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text, encoding="utf-8")
        wrong = mistakes(model.metadata, found.sides.held_out, found.probabilities)
        drawn = draw(wrong, model, found.sides.root)
        write_page(found.evaluation, drawn, len(wrong), folder)
    except OSError as error:
        msg = f"{folder}: cannot be written to ({error.strerror or error}); name another folder"
        raise TumorLensError(msg) from error
    return [folder / name for name in (*texts, "evaluation.html")]
