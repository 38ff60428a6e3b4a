"""Writes docs/reference/configuration.md from the settings of the service.

python benchmarks/configuration_page.py
"""

from __future__ import annotations

import types
from enum import EnumMeta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from tumorlens.serve.settings import CONFIG_VARIABLE, ENV_PREFIX, Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic.fields import FieldInfo

PAGE = Path(__file__).parents[1] / "docs" / "reference" / "configuration.md"
# The first setting of each part of the page → its heading.
PARTS = {
    "host": "Listening",
    "accounts": "Accounts",
    "data_dir": "Data",
    "model": "Answering",
    "history": "History and memory",
    "max_upload_bytes": "Limits",
    "log_format": "Log",
}
# Defaults that a call makes, as a reader knows them.
MADE = {"data_dir": "`~/.local/share/tumorlens`"}
MIB = 2**20
KINDS = {int: "number", float: "number", str: "text", bool: "true or false", Path: "path",
         SecretStr: "text, never shown"}  # fmt: skip
HEAD = f"""# Configuration of the service

Every setting of [`tumorlens serve`](../how-to/deploy.md). It can stand, later ones winning,

1. in a TOML file that `--config FILE` or the variable `{CONFIG_VARIABLE}` names: `history_days = 7`
2. in an environment variable, its name in capitals: `{ENV_PREFIX}HISTORY_DAYS=7`
3. on the command line: `--history-days 7` for the commonest, `--set history_days=7` for all.

Lists in environment variables are written as JSON: `{ENV_PREFIX}ALLOWED_HOSTS='["a.example.org"]'`.
An unknown or wrong setting ends the program with a line that says which. `tumorlens serve
--show-settings` prints all settings as they would be. This page is written by
`python benchmarks/configuration_page.py`.
"""


def page() -> str:
    """The whole page."""
    return HEAD + "".join(_lines())


def _lines() -> Iterator[str]:
    for name, field in Settings.model_fields.items():
        if name in PARTS:
            yield f"\n## {PARTS[name]}\n\n| setting | default | means |\n| --- | --- | --- |\n"
        kind = _kind(field.annotation)
        yield f"| `{name}` ({kind}) | {_default(name, field)} | {_meaning(field)} |\n"


def _meaning(field: FieldInfo) -> str:
    return (field.description or "").replace("|", "\\|")


def _kind(annotation: Any) -> str:
    """What a value is, in words."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(parts[0])
    if origin is Literal:
        return ", ".join(map(str, parts))
    if origin is tuple:
        return "list of text"
    if origin in (Union, types.UnionType):
        (kind,) = (_kind(one) for one in parts if one is not type(None))
        return kind
    if isinstance(annotation, EnumMeta):
        return ", ".join(str(one.value) for one in annotation)  # type: ignore[var-annotated]
    return KINDS[annotation]


def _default(name: str, field: FieldInfo) -> str:
    value = field.default
    if value is PydanticUndefined:
        return MADE[name]
    if value is None:
        return "unset"
    if isinstance(value, tuple):
        return "empty" if not value else ", ".join(f"`{one}`" for one in value)
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and value >= MIB and value % MIB == 0:
        return f"`{value}` ({value // MIB} Mi)"
    return f"`{value}`" if str(value) else "empty"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
