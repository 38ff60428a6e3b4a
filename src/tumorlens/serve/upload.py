"""Receiving files: in memory only, never on the disk, within limits of size, number and time."""

from __future__ import annotations

import asyncio
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from tumorlens.scan.limits import readable_size
from tumorlens.scan.source import printable
from tumorlens.serve.engine import Refused
from tumorlens.serve.problems import ProblemError

if TYPE_CHECKING:
    from starlette.requests import Request

    from tumorlens.serve.settings import Settings

# Room for the longest path that a browser sends with a folder.
LONGEST_NAME = 255
# RFC 2046, section 5.1.1.
LONGEST_BOUNDARY = 70
# A slow start is forgiven: some networks take a while to get up to speed.
SPEED_GRACE_SECONDS = 10.0
ROOM_RETRY_SECONDS = 2
UNNAMED = "unnamed"


class File(NamedTuple):
    """One file as it was sent.

    Attributes:
        name: As its sender named it; text that any output can carry.
        data: Its bytes.
    """

    name: str
    data: bytes


class Room:
    """Memory for what is being received and answered, shared by all requests.

    Used from the event loop alone.

    Args:
        max_bytes: So much, over all requests.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.used = 0

    def share(self) -> Share:
        """What one request takes; to be freed when it ends."""
        return Share(self)

    def take(self, count: int) -> None:
        """Take some bytes.

        Raises:
            Refused: There is no room.
        """
        if self.used + count > self._max_bytes:
            why = "too many uploads are being received"
            raise Refused(why, ROOM_RETRY_SECONDS)
        self.used += count


class Share:
    """What one request takes of a `Room`."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._taken = 0

    def take(self, count: int) -> None:
        """Take some more bytes.

        Raises:
            Refused: There is no room.
        """
        self._room.take(count)
        self._taken += count

    def free(self) -> None:
        """Give all back."""
        self._room.used -= self._taken
        self._taken = 0


async def receive(request: Request, settings: Settings, share: Share) -> list[File]:
    """Receive the files of a multipart request.

    Args:
        request: Its body has not been read.
        settings: The limits.
        share: Where its memory is counted.

    Raises:
        ProblemError: It is not multipart, holds no file, is too large or too slow, or is cut off.
        Refused: There is no room for it now.
    """
    form = _Form(_boundary(request), settings)
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > settings.max_upload_bytes:
        raise _too_large(settings)
    async for chunk in _chunks(request, settings, share):
        form.feed(chunk)
    return form.finished()


async def _chunks(request: Request, settings: Settings, share: Share):  # type: ignore[no-untyped-def]  # noqa: ANN202
    stream = request.stream()
    start, received = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(settings.upload_idle_seconds):
                chunk = await anext(stream, None)
        except TimeoutError:
            raise _too_slow() from None
        except ClientDisconnect:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "the upload was cut off") from None
        if chunk is None:
            return
        received += len(chunk)
        if received > settings.max_upload_bytes:
            raise _too_large(settings)
        spent = time.monotonic() - start
        if spent > SPEED_GRACE_SECONDS and received < spent * settings.upload_min_bytes_per_second:
            raise _too_slow()
        share.take(len(chunk))
        yield chunk


class _Form:
    """The files of a form, gathered from its pieces."""

    def __init__(self, boundary: bytes, settings: Settings) -> None:
        self._settings = settings
        self._files: list[File] = []
        self._field = self._value = b""
        self._name: str | None = None
        self._data = bytearray()
        self._is_ended = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._add_field,
                "on_header_value": self._add_value,
                "on_header_end": self._end_header,
                "on_part_data": self._add_data,
                "on_part_end": self._end_part,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            detail = f"the form is damaged ({error})"
            raise ProblemError(HTTPStatus.BAD_REQUEST, detail) from error

    def finished(self) -> list[File]:
        if not self._is_ended:
            raise ProblemError(HTTPStatus.BAD_REQUEST, "the form ends in the middle")
        if not self._files:
            raise ProblemError(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                "the form holds no file: send one or more in the field files",
                kind="urn:tumorlens:invalid-request",
            )
        return self._files

    def _begin(self) -> None:
        self._name, self._data = None, bytearray()
        self._field = self._value = b""

    def _add_field(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _add_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        if self._field.lower() == b"content-disposition":
            _, options = parse_options_header(self._value)
            if b"filename" in options:
                self._name = _clean(options[b"filename"])
        self._field = self._value = b""

    def _add_data(self, data: bytes, start: int, end: int) -> None:
        if self._name is not None:  # other fields mean nothing here
            self._data += data[start:end]

    def _end_part(self) -> None:
        # A browser sends an empty file without a name where none was chosen.
        if self._name is None or not (self._name or self._data):
            return
        if len(self._files) >= self._settings.max_files:
            raise ProblemError(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"more than {self._settings.max_files} files in one request: send them in parts, "
                "or as a zip",
                kind="urn:tumorlens:too-large",
            )
        self._files.append(File(self._name or UNNAMED, bytes(self._data)))
        self._data = bytearray()

    def _end(self) -> None:
        self._is_ended = True


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    boundary = options.get(b"boundary", b"")
    if kind != b"multipart/form-data" or not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise ProblemError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            "send the files as multipart/form-data, such as curl -F files=@scan.jpg does",
            kind="urn:tumorlens:invalid-request",
        )
    return boundary


def _clean(name: bytes) -> str:
    """A name as text; nothing is ever written under it."""
    text = printable(name.decode("utf-8", "replace")).strip()
    return text[-LONGEST_NAME:]


def _too_large(settings: Settings) -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        f"the request is over the limit of {readable_size(settings.max_upload_bytes)}: send the "
        "files in parts",
        kind="urn:tumorlens:too-large",
    )


def _too_slow() -> ProblemError:
    return ProblemError(
        HTTPStatus.REQUEST_TIMEOUT, "the upload is too slow", kind="urn:tumorlens:too-slow"
    )
