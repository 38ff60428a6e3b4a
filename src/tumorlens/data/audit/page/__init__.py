"""The audit as one HTML page that needs nothing else: no network, no other file, no script.

The script that sorts and filters the tables is a convenience; everything is readable without it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from importlib import resources
from typing import TYPE_CHECKING

from tumorlens.data.audit.page import view, words
from tumorlens.data.audit.page.pictures import Pictures
from tumorlens.errors import MissingExtra, TumorLensError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from jinja2 import Environment

    from tumorlens.data.audit.report import AuditReport

__all__ = ["PICTURE_BYTES", "write_page"]

PICTURE_BYTES = 10_000_000
"""Of all pictures together, as they stand in the page. With the tables, whose rows are capped, the
page stays below 15 MB, which a mail server takes and a phone opens."""


def write_page(
    report: AuditReport,
    images: Mapping[str, Path],
    path: Path,
    *,
    picture_bytes: int = PICTURE_BYTES,
) -> None:
    """Write the page of an audit. The same report and images give the same bytes.

    Args:
        report: What the audit found.
        images: Name of an image in the report → its file. One that is missing or cannot be read
            is shown as a placeholder.
        path: The HTML file; its folder is made. An earlier page is replaced once this is whole.
        picture_bytes: Bytes that all pictures may take; the page says how many it leaves out.

    Raises:
        MissingExtra: Jinja2 is not installed.
        TumorLensError: The file cannot be written.
    """
    text = render(report, images, picture_bytes)
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        msg = f"{path}: the page cannot be written ({error.strerror or error}); name another file"
        raise TumorLensError(msg) from error


def render(report: AuditReport, images: Mapping[str, Path], picture_bytes: int) -> str:
    """The page as text.

    Raises:
        MissingExtra: Jinja2 is not installed.
    """
    shown = view.build(report, Pictures(images, picture_bytes))
    style, script = _part("page.css"), _part("page.js")
    template = _environment().get_template("page.html.j2")
    return template.render(
        **shown,
        style=style,
        script=script,
        # A policy by hash: even a mistake in the escaping could not start a script or a request.
        policy=(
            f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; "
            f"script-src '{_digest(script)}'; base-uri 'none'; form-action 'none'"
        ),
    )


def _environment() -> Environment:
    try:
        from jinja2 import DictLoader, Environment, StrictUndefined
    except ModuleNotFoundError as error:
        extra = "data"
        raise MissingExtra(extra, "Writing the page of an audit") from error
    names = ("page.html.j2", "macros.html.j2")
    environment = Environment(
        loader=DictLoader({name: _part(name) for name in names}),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "count": words.count,
        "moment": words.moment,
        "percent": words.percent,
        "short": words.short,
        "some": words.some,
    }
    environment.globals |= {
        "part": words.part,
        "severities": words.SEVERITIES,
        "strengths": words.STRENGTHS,
        "problems_in_words": words.PROBLEMS,
        "against_chance": words.against_chance,
        "bar": view.bar,
    }
    return environment


def _part(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """The source of a Content-Security-Policy that allows exactly this text."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")
