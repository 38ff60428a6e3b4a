"""Checksums: of what was downloaded, so that the same comes again, and of what was laid out.

Where a publisher gives no checksum, the first download is trusted and its SHA-256 is kept in
``checksums.json`` beside the sets; a later download of the same file must have the same. The files
of a set are listed in its ``SHA256SUMS``, which ``sha256sum --check`` understands too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tumorlens.errors import DatasetError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

LEDGER = "checksums.json"
SUMS = "SHA256SUMS"

_SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A downloaded file.

    Attributes:
        sha256: Of its bytes.
        size: In bytes.
        how: What it was checked against (``md5 of the publisher``, ``first use``).
    """

    sha256: str
    size: int
    how: str


class Ledger:
    """What is known of every file that was downloaded into a folder of sets.

    Args:
        folder: The folder that holds the sets.

    Raises:
        DatasetError: Its ``checksums.json`` is not one.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / LEDGER
        self._sets: dict[str, dict[str, dict[str, Any]]] = {}
        if self._path.is_file():
            self._sets = self._load()

    def sha256(self, set_name: str, file_name: str) -> str | None:
        """The SHA-256 that the file had when it was first downloaded, or None."""
        entry = self._sets.get(set_name, {}).get(file_name)
        return str(entry["sha256"]) if entry else None

    def check(self, set_name: str, file_name: str, sha256: str) -> None:
        """Compare a file with the one that was downloaded first, where there was one.

        Raises:
            DownloadError: It was another file then.
        """
        known = self.sha256(set_name, file_name)
        if known is not None and known != sha256:
            msg = (
                f"{file_name}: its SHA-256 is {sha256}, but was {known} when it was first fetched. "
                f"If its publisher says that it changed, remove its entry from {self._path}"
            )
            raise DownloadError(msg)

    def keep(self, set_name: str, files: Mapping[str, Checked]) -> None:
        """Keep what is new of the files of a set that turned out whole."""
        entries = self._sets.setdefault(set_name, {})
        for name, file in files.items():
            entries.setdefault(
                name,
                {
                    "sha256": file.sha256,
                    "bytes": file.size,
                    "checked_against": file.how,
                    "first_fetched": datetime.now(UTC).isoformat(timespec="seconds"),
                },
            )
        self._save()

    def _load(self) -> dict[str, dict[str, dict[str, Any]]]:
        try:
            content = json.loads(self._path.read_text("utf-8"))
            sets = content["sets"]
            readable = content["schema_version"] == _SCHEMA_VERSION and all(
                isinstance(entry["sha256"], str) for one in sets.values() for entry in one.values()
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            msg = f"{self._path}: cannot be understood ({error}); move it away to begin anew"
            raise DatasetError(msg) from error
        if not readable:
            msg = f"{self._path}: is of another version; move it away to begin anew"
            raise DatasetError(msg)
        loaded: dict[str, dict[str, dict[str, Any]]] = sets
        return loaded

    def _save(self) -> None:
        text = json.dumps({"schema_version": _SCHEMA_VERSION, "sets": self._sets}, indent=2)
        temporary = self._path.with_name(f".{LEDGER}.part")
        temporary.write_text(text + "\n", "utf-8")
        temporary.replace(self._path)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_md5(path: Path) -> str:
    """MD5 of a file's bytes, as publishers give it; tells damage, not malice."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def write_sums(folder: Path, names: Iterable[str]) -> None:
    """List the SHA-256 of files of a folder in its `SUMS`."""
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / SUMS).write_text("".join(lines), "utf-8", newline="\n")


def changed_files(folder: Path) -> list[str]:
    """The files of a folder's `SUMS` that are gone or are not what they were.

    Raises:
        DatasetError: The list cannot be read.
    """
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
        listed = [(digest, name) for digest, name in (line.split("  ", 1) for line in lines)]
    except (OSError, ValueError) as error:
        msg = f"{folder / SUMS}: cannot be understood; remove {folder} and fetch it again"
        raise DatasetError(msg) from error
    return [
        name
        for digest, name in listed
        if not (folder / name).is_file() or file_sha256(folder / name) != digest
    ]
