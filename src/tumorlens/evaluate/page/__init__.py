"""An evaluation as one HTML page that needs nothing else: no network, no other file, no script."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

from tumorlens.errors import MissingExtra, TumorLensError
from tumorlens.evaluate.page import view

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from jinja2 import Environment

    from tumorlens.evaluate.evaluation import Evaluation
    from tumorlens.evaluate.gallery import Picture

__all__ = ["PAGE_FILE", "render", "write_page"]

PAGE_FILE = "evaluation.html"

_SHARED = "tumorlens.data.audit.page"
"""The page of an audit has the same looks, and the same macros for tables."""


def write_page(
    result: Evaluation, pictures: Sequence[Picture], mistakes: int, folder: Path
) -> Path:
    """Write the page of an evaluation.

    Args:
        result: What was measured.
        pictures: The surest mistakes.
        mistakes: How many mistakes there are in all.
        folder: Where to write it.

    Raises:
        MissingExtra: Jinja2 is not installed.
        TumorLensError: The file cannot be written.
    """
    path = folder / PAGE_FILE
    try:
        path.write_text(render(result, pictures, mistakes), encoding="utf-8", newline="\n")
    except OSError as error:
        msg = f"{path}: the page cannot be written ({error.strerror or error}); name another folder"
        raise TumorLensError(msg) from error
    return path


def render(result: Evaluation, pictures: Sequence[Picture], mistakes: int) -> str:
    """The page as text.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    style = _part(_SHARED, "page.css") + _part(__package__, "page.css")
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            **view.build(result),
            pictures=pictures,
            mistakes=mistakes,
            style=style,
            # By hash: even a mistake in the escaping could not start a script or a request.
            policy=(
                f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
                "base-uri 'none'; form-action 'none'"
            ),
        )
    )


def _environment() -> Environment:
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ModuleNotFoundError as error:
        extra = "data"
        raise MissingExtra(extra, "Writing the page of an evaluation") from error
    environment = Environment(
        loader=DictLoader(
            {
                "page.html.j2": _part(__package__, "page.html.j2"),
                "charts.html.j2": _part(__package__, "charts.html.j2"),
                "macros.html.j2": _part(_SHARED, "macros.html.j2"),
            }
        ),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "three": view.three,
        "percent": "{:.1%}".format,
        "count": "{:,}".format,
    }
    environment.globals |= {"some": _some}
    return environment


def _some(number: int, one: str) -> str:
    return f"{number:,} {one}{'' if number == 1 else 's'}"


def _part(package: str, name: str) -> str:
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The source of a Content-Security-Policy that allows exactly this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
