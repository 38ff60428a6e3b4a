"""Which folders of this machine a visitor may audit, and unpacking those that are uploaded."""

from __future__ import annotations

import ipaddress
import os
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from tumorlens.errors import DatasetError
from tumorlens.scan import Limits, Source
from tumorlens.scan.archive import MEMBER_SEPARATOR, Archive
from tumorlens.scan.limits import GIB
from tumorlens.scan.sources import IMAGE_SUFFIXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

FOLDERS_VARIABLE = "TUMORLENS_APP_FOLDERS"
"""Names the folders that visitors may audit, separated as in ``PATH``."""

# Room for a large public set; its members lie on disk only while they are audited.
UNPACKING = Limits(max_total_bytes=4 * GIB)
# With any of these a proxy stands between the visitor and this machine.
PROXY_HEADERS = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
LOCAL_NAMES = ("localhost",)


def named_folders() -> list[Path]:
    """The folders that whoever runs the app lets visitors audit."""
    named = os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep)
    return [Path(one).expanduser().resolve() for one in named if one]


def is_loopback(host: str | None) -> bool:
    """Whether a host, as in an address or a ``Host`` header, is this machine alone."""
    if not host:
        return False
    name = host.rsplit(":", 1)[0] if host.count(":") == 1 else host
    name = name.split("]")[0].lstrip("[").lower()
    if name in LOCAL_NAMES:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_own_machine(bound_to: str | None, headers: Mapping[str, str]) -> bool:
    """Whether the visitor sits at this machine, and may so name any folder of it.

    Args:
        bound_to: The address that the server listens on; None for all.
        headers: Of the visitor's request.
    """
    lower = {name.lower(): value for name, value in headers.items()}
    if any(name in lower for name in PROXY_HEADERS):
        return False
    return is_loopback(bound_to) and is_loopback(lower.get("host"))


def allowed(path: str, *, roots: Sequence[Path]) -> Path:
    """A folder that a visitor named, below one of some roots; links are followed first.

    Raises:
        DatasetError: It is no folder or table, or lies elsewhere.
    """
    try:
        found = Path(path.strip()).expanduser().resolve()
        is_there = found.is_dir() or found.is_file()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a null byte, no home
        found, is_there = Path(path), False
    if not any(found.is_relative_to(root) for root in roots):
        msg = f"{path}: may not be audited here; name a folder below {_words(roots)}"
        raise DatasetError(msg)
    if not is_there:
        msg = f"{path}: no such folder or table on the machine that runs this app"
        raise DatasetError(msg)
    return found


def unpack(name: str, data: bytes, into: Path) -> Path:
    """Unpack the images of an uploaded zip; their folder.

    Args:
        name: Of the upload.
        data: Its bytes.
        into: An empty folder.

    Raises:
        ScanError: It is no whole zip, is encrypted, or would take too much room.
        DatasetError: It holds no images, or a name that leads out of it.
    """
    top = into / (Path(PurePosixPath(name).name).stem.lstrip(".") or "upload")
    count = 0
    for member in Archive(Source.from_bytes(name, data), UNPACKING).members():
        path = PurePosixPath(member.name.split(MEMBER_SEPARATOR, 1)[1])
        if not _is_wanted(path):
            continue
        target = _target(name, top, path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(member.read_bytes(UNPACKING))
        count += 1
    if not count:
        msg = f"{name}: holds no images; zip a folder that has a folder of images for each class"
        raise DatasetError(msg)
    return top


def _is_wanted(path: PurePosixPath) -> bool:
    """Whether it can be an image; DICOM files often have no suffix.

    A table is not taken: it could name any file of this machine.
    """
    hidden = any(part.startswith(".") and part != ".." for part in path.parts)
    is_image = not path.suffix or path.name.lower().endswith(IMAGE_SUFFIXES)
    return is_image and not hidden and "__MACOSX" not in path.parts


def _target(name: str, top: Path, path: PurePosixPath) -> Path:
    if path.is_absolute() or ".." in path.parts or "\\" in str(path) or ":" in str(path):
        msg = f"{name}: holds {str(path)!r}, which leads out of it; nothing of it is audited"
        raise DatasetError(msg)
    return top.joinpath(*path.parts)


def _words(roots: Sequence[Path]) -> str:
    return " or ".join(map(str, roots)) or "none"
