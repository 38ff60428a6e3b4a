"""A server that behaves as servers do, and files in the layout that MATLAB 7.3 writes."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tumorlens.data.fetch import download as downloading

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass
class Server:
    """What a server holds, how it misbehaves, and what it was asked.

    Attributes:
        url: Its address, with a slash at the end.
        files: Path → content.
        ranges: Whether it can send parts.
        tags: Whether it names the version of a file.
        statuses: Statuses to answer the next requests with, in order, before it serves.
        cuts: After how many bytes to break off each of the next answers.
        asked: (path, Range header or None) of each request.
    """

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    tags: bool = True
    statuses: list[int] = field(default_factory=list)
    cuts: list[int] = field(default_factory=list)
    asked: list[tuple[str, str | None]] = field(default_factory=list)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        data = self.files.get(request.path.lstrip("/"))
        if self.statuses or data is None:
            request.send_error(self.statuses.pop(0) if self.statuses else 404)
            return
        tag = f'"{hashlib.sha256(data).hexdigest()[:8]}"'
        start = 0
        if wanted and self.ranges and request.headers.get("If-Range", tag) == tag:
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(data):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(data)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            request.send_response(200)
        if self.tags:
            request.send_header("ETag", tag)
        request.send_header("Content-Length", str(len(data) - start))
        request.end_headers()
        end = start + self.cuts.pop(0) if self.cuts else len(data)
        request.wfile.write(data[start:end])


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A local server; requests to it are repeated without waiting."""
    monkeypatch.setattr(downloading, "SECONDS_BETWEEN_TRIES", 0.0)
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{listening.server_port}/"
    yield state
    listening.shutdown()
    listening.server_close()
    thread.join()


def matlab_header() -> bytes:
    """The 512 bytes that MATLAB 7.3 writes before the HDF5 part."""
    text = b"MATLAB 7.3 MAT-file, Platform: PCWIN64, Created on: Mon Jan 01 00:00:00 2015 HDF5"
    return text.ljust(116) + bytes(8) + b"\x00\x02IM" + bytes(384)


def matlab_file(write: Any) -> bytes:
    """A MATLAB 7.3 file that `write` fills, given an open HDF5 file."""
    h5py = pytest.importorskip("h5py")
    buffer = io.BytesIO()
    with h5py.File(buffer, "w", userblock_size=512) as file:
        write(file)
    return matlab_header() + buffer.getvalue()[512:]


def matlab_slice(
    image: np.ndarray,
    *,
    label: int = 2,
    patient: str = "100360",
    mask: np.ndarray | None = None,
    referenced: bool = False,
    without: str = "",
) -> bytes:
    """A slice as Cheng's set has it: arrays transposed, text as 16-bit units, MATLAB's classes."""
    import h5py

    mask = np.zeros(image.shape, bool) if mask is None else mask
    fields = {
        "PID": (np.array([[ord(c)] for c in patient], np.uint16), "char"),
        "image": (image.T.astype(np.int16), "int16"),
        "label": (np.array([[float(label)]]), "double"),
        "tumorBorder": (np.array([[10.5], [20.0], [11.0], [21.25]]), "double"),
        "tumorMask": (mask.T.astype(np.uint8), "logical"),
    }

    def write(file: Any) -> None:
        struct = file.create_group("cjdata")
        struct.attrs["MATLAB_class"] = np.bytes_("struct")
        for name, (values, matlab_class) in fields.items():
            if name == without:
                continue
            home = file.require_group("#refs#") if referenced else struct
            stored = home.create_dataset(name, data=values)
            stored.attrs["MATLAB_class"] = np.bytes_(matlab_class)
            if referenced:
                link = struct.create_dataset(name, (1, 1), h5py.ref_dtype)
                link[0, 0] = stored.ref

    return matlab_file(write)


def matlab_folds(folds: list[int]) -> bytes:
    """``cvind.mat``: a column of doubles, so a row once transposed."""

    def write(file: Any) -> None:
        stored = file.create_dataset("cvind", data=np.array([folds], float))
        stored.attrs["MATLAB_class"] = np.bytes_("double")

    return matlab_file(write)


def zipped(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def png(value: int = 90) -> bytes:
    """A small picture."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(np.full((8, 8), value, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture
def make() -> Any:
    """The makers of files, for tests in other modules."""
    import sys

    return sys.modules[__name__]
