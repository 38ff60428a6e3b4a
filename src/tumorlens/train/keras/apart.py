"""Reading HDF5 in a process of its own, which may hang or die without taking this one with it.

The HDF5 library is written in C and trusts what it reads: a few changed bytes in a file can make it
run for ever, or crash. Nothing that a user names may do that to the program.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.errors import MissingExtra, ModelCorrupt, TumorLensError
from tumorlens.train.keras.tree import Branch, read_tree

if TYPE_CHECKING:
    from pathlib import Path

LIMIT_S = 120
"""Seconds after which a file is given up; the largest whole ones take a few."""

REFUSED = 3
"""The reader's exit code for a file that it refused, with the reason on standard error."""

_INDEX = "index"
_PROGRAM = "from tumorlens.train.keras.apart import serve; serve()"


def read_apart(content: bytes, source: Path) -> Branch:
    """All arrays of an HDF5 file, as `read_tree` reads them, whatever the file does to HDF5.

    Raises:
        ModelCorrupt: It is not HDF5, is damaged, or points outside of itself.
        MissingExtra: h5py is not installed.
    """
    _require_h5py()
    try:
        done = subprocess.run(  # noqa: S603 - this interpreter, and a program of our own
            [sys.executable, "-c", _PROGRAM, str(source)],
            input=content, capture_output=True, timeout=LIMIT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        msg = f"{source}: its HDF5 is damaged: reading it does not end. Copy or save it again"
        raise ModelCorrupt(msg) from None
    if done.returncode == REFUSED:
        raise ModelCorrupt(done.stderr.decode(errors="replace").strip())
    try:
        return _unpack(done.stdout)
    except (zipfile.BadZipFile, OSError, ValueError, LookupError, EOFError) as error:
        msg = f"{source}: its HDF5 is damaged: reading it crashes. Copy or save it again"
        raise ModelCorrupt(msg) from error


def serve() -> None:
    """Read a file from standard input, and write its arrays to standard output."""
    from pathlib import Path

    try:
        tree = read_tree(sys.stdin.buffer.read(), Path(sys.argv[1]))
    except TumorLensError as error:
        sys.stderr.write(str(error))
        sys.exit(REFUSED)
    sys.stdout.buffer.write(_pack(tree))


def _require_h5py() -> None:
    try:
        import h5py  # noqa: F401 - only whether it is there
    except ModuleNotFoundError:
        extra = "train"
        raise MissingExtra(extra, "Reading Keras files") from None


def _pack(tree: Branch) -> bytes:
    """A tree as an ``.npz``: its arrays by number, and where each belongs."""
    arrays: list[np.ndarray] = []

    def index(branch: Branch) -> dict[str, Any]:
        numbers = {}
        for name, array in branch.arrays.items():
            numbers[name] = len(arrays)
            arrays.append(array)
        groups = {name: index(group) for name, group in branch.groups.items()}
        return {"arrays": numbers, "groups": groups, "texts": branch.texts}

    text = json.dumps(index(tree)).encode()
    stream = io.BytesIO()
    stored: dict[str, Any] = {_INDEX: np.frombuffer(text, np.uint8)}
    stored |= {f"n{number}": array for number, array in enumerate(arrays)}
    np.savez(stream, **stored)
    return stream.getvalue()


def _unpack(content: bytes) -> Branch:
    with np.load(io.BytesIO(content), allow_pickle=False) as stored:

        def branch(index: dict[str, Any]) -> Branch:
            return Branch(
                {name: stored[f"n{number}"] for name, number in index["arrays"].items()},
                {name: branch(inner) for name, inner in index["groups"].items()},
                index["texts"],
            )

        return branch(json.loads(stored[_INDEX].tobytes()))
