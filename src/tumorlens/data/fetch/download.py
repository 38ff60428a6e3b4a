"""Downloading a file so that an interrupted download goes on where it stopped.

Pooch checks the hash and moves the file into its place; it does not resume, so it is given a
downloader that does: what has arrived lies beside the file as ``NAME.part``, and the next request
asks for the rest (RFC 9110, 14: Range), on condition that the file is still the same (If-Range).
A server that cannot send a part sends the whole, and the download begins anew.
"""

from __future__ import annotations

import errno
import logging
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tumorlens._version import __version__
from tumorlens.errors import DownloadError, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import requests

    Progress = Callable[[int, int | None], None]

TRIES = 4
"""Requests for one file before giving up: a server that is busy for a moment is met often."""

SECONDS_BETWEEN_TRIES = 1.0
"""Grows with each try."""

CONNECT_SECONDS, READ_SECONDS = 15.0, 60.0

_BLOCK = 2**14
"""Bytes at a time; those of a block that a broken connection cut short arrive once more."""

_BUSY = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})


class _TryAgain(Exception):
    """What may pass: a broken connection, a busy server, a part that does not fit."""


def download_file(
    url: str,
    path: Path,
    *,
    known_hash: str | None = None,
    progress: Progress | None = None,
) -> None:
    """Download a file, or what is missing of it; does nothing where it is there already.

    Args:
        url: Where it is, http or https.
        path: Where it shall lie. What has arrived of it lies beside it, as ``NAME.part``, until it
            is whole.
        known_hash: ``md5:…`` or ``sha256:…`` that it must have, or None.
        progress: Called with (bytes there, bytes in all or None where the server does not say).

    Raises:
        DownloadError: It cannot be had, or is not the file that was published.
        MissingExtra: Pooch is not installed.
    """
    try:
        import pooch  # type: ignore[import-untyped]
    except ModuleNotFoundError as error:
        extra = "data"
        raise MissingExtra(extra, "Fetching a public set") from error
    fetcher = _Resuming(path.with_name(f"{path.name}.part"), progress)
    try:
        with _silent(pooch.get_logger()):
            pooch.retrieve(url, known_hash, fname=path.name, path=path.parent, downloader=fetcher)
    except ValueError as error:  # how Pooch says that the hash is another
        msg = (
            f"{url}: what arrived is not the file that was published (its {known_hash} differs); "
            "it was removed. Try again, or download it by hand and give it with --from"
        )
        raise DownloadError(msg) from error
    except OSError as error:
        raise _disk_error(path, error) from error


@dataclass(slots=True)
class _Resuming:
    """A downloader for Pooch that goes on where an earlier one stopped."""

    part: Path
    progress: Progress | None

    def __call__(self, url: str, output_file: Any, pooch: Any) -> None:  # noqa: ARG002
        for attempt in range(1, TRIES + 1):
            try:
                self._attempt(url)
                break
            except _TryAgain as error:
                if attempt == TRIES:
                    msg = (
                        f"{url}: {error}. What has arrived is kept; "
                        "the same command again goes on from there"
                    )
                    raise DownloadError(msg) from error
                time.sleep(SECONDS_BETWEEN_TRIES * attempt)
        self.part.replace(output_file)
        self._tag.unlink(missing_ok=True)

    @property
    def _tag(self) -> Path:
        """Holds what names the version of the file that the part is of."""
        return self.part.with_name(f"{self.part.name}.tag")

    def _attempt(self, url: str) -> None:
        import requests

        have = self._usable_bytes()
        headers = {"User-Agent": f"tumorlens/{__version__}", "Accept-Encoding": "identity"}
        if have:
            headers |= {"Range": f"bytes={have}-", "If-Range": self._tag.read_text("ascii")}
        try:
            with requests.get(
                url, headers=headers, stream=True, timeout=(CONNECT_SECONDS, READ_SECONDS)
            ) as response:
                if not self._is_whole(response, have):
                    self._receive(response, url, have)
        except requests.Timeout as error:
            msg = f"no answer from {_host(url)}"
            raise _TryAgain(msg) from error
        except requests.ConnectionError as error:
            msg = f"no connection to {_host(url)} (is there a network?)"
            raise _TryAgain(msg) from error
        except requests.RequestException as error:
            msg = f"the connection to {_host(url)} broke"
            raise _TryAgain(msg) from error

    def _usable_bytes(self) -> int:
        """What is there of a part whose version is known; a part without is begun anew."""
        if self.part.is_file() and self._tag.is_file():
            return self.part.stat().st_size
        return 0

    def _is_whole(self, response: requests.Response, have: int) -> bool:
        """Whether the server says that nothing is missing of the part."""
        if response.status_code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return False
        if response.headers.get("Content-Range") == f"bytes */{have}":
            return True
        self._forget()
        msg = f"{_host(response.url)} has another version of the file"
        raise _TryAgain(msg)

    def _receive(self, response: requests.Response, url: str, have: int) -> None:
        _check_status(response, url)
        if response.status_code != HTTPStatus.PARTIAL_CONTENT:
            have = 0
        elif _start(response) != have:
            self._forget()
            msg = f"{_host(url)} sent another part than was asked for"
            raise _TryAgain(msg)
        length = response.headers.get("Content-Length", "")
        total = have + int(length) if length.isdigit() else None
        self._remember_version(response)
        with self.part.open("ab" if have else "wb") as file:
            for block in response.iter_content(_BLOCK):
                file.write(block)
                have += len(block)
                if self.progress:
                    self.progress(have, total)
        if total is not None and have != total:
            msg = f"{have} of {total} bytes arrived"
            raise _TryAgain(msg)

    def _remember_version(self, response: requests.Response) -> None:
        """Keep what If-Range needs: a strong ETag, or else the date; without, no part is kept."""
        tag = response.headers.get("ETag", "")
        if not tag or tag.startswith("W/"):
            tag = response.headers.get("Last-Modified", "")
        if tag:
            self._tag.write_text(tag, "ascii", errors="ignore")
        else:
            self._tag.unlink(missing_ok=True)

    def _forget(self) -> None:
        self.part.unlink(missing_ok=True)
        self._tag.unlink(missing_ok=True)


def _check_status(response: requests.Response, url: str) -> None:
    status = response.status_code
    if status in _BUSY or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        msg = f"{_host(url)} cannot serve it now (HTTP {status})"
        raise _TryAgain(msg)
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        msg = f"{url}: {_host(url)} wants to know who asks (HTTP {status})"
        raise DownloadError(msg, status=status)
    if status not in {HTTPStatus.OK, HTTPStatus.PARTIAL_CONTENT}:
        msg = (
            f"{url}: not to be had there (HTTP {status}); it may have moved. "
            "Download it by hand and give it with --from"
        )
        raise DownloadError(msg, status=status)


def _start(response: requests.Response) -> int | None:
    """The first byte of a part, as the server says."""
    found = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    return int(found[1]) if found else None


def _host(url: str) -> str:
    return urlsplit(url).netloc


def _disk_error(path: Path, error: OSError) -> DownloadError:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        msg = (
            f"{path}: the disk is full. What has arrived is kept; make room, "
            "and the same command again goes on from there"
        )
    else:
        msg = f"{path}: cannot be written ({error.strerror or error}); name another --out"
    return DownloadError(msg)


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    """Pooch speaks to people who write programs; ours are told by the command."""
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)
