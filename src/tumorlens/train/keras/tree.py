"""An HDF5 file as a tree of arrays in memory, read with nothing in it being trusted.

A group may point into other files, into itself, or claim arrays far larger than the file; such
files are refused before anything is read.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from tumorlens.errors import MissingExtra, ModelCorrupt

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Array = NDArray[np.float32]

MAX_ARRAY_BYTES = 2**31
"""Of all arrays together: a model file cannot hold more (protobuf: 2 GiB)."""

MAX_RATIO = 64
"""Arrays so many times larger than their file are a bomb; weights hardly compress."""

MAX_ITEMS = 100_000
MAX_DEPTH = 40
"""Groups within groups; the deepest nested models of Keras have less than ten."""

_OPTIMIZER = ("optimizer_weights", "optimizer")
_TEXTS = ("layer_names", "weight_names", "model_config", "keras_version", "name")


@dataclass(slots=True)
class Branch:
    """A group: its arrays, its groups, and the attributes that are understood.

    Attributes:
        arrays: Name → float32 array.
        groups: Name → group.
        texts: Attribute → its strings.
    """

    arrays: dict[str, Array] = field(default_factory=dict)
    groups: dict[str, Branch] = field(default_factory=dict)
    texts: dict[str, list[str]] = field(default_factory=dict)

    def text(self, name: str) -> str | None:
        """The one string of an attribute, or None."""
        found = self.texts.get(name)
        return found[0] if found else None

    def at(self, path: str) -> Array:
        """The array at a path such as ``dense/kernel:0``.

        Raises:
            KeyError: There is none.
        """
        *groups, last = [part for part in path.split("/") if part]
        branch = self
        for name in groups:
            branch = branch.groups[name]
        return branch.arrays[last]


def read_tree(content: bytes, source: Path) -> Branch:
    """All arrays of an HDF5 file, but those of an optimizer.

    Args:
        content: The file's bytes.
        source: What messages call it.

    Raises:
        ModelCorrupt: It is not HDF5, is cut off, or points outside of itself.
        MissingExtra: h5py is not installed.
    """
    try:
        import h5py
    except ModuleNotFoundError:
        extra = "train"
        raise MissingExtra(extra, "Reading Keras files") from None
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _Reader(h5py, source, len(content)).branch(file, 0)
    except ModelCorrupt:
        raise
    except (OSError, RuntimeError, LookupError, ValueError, TypeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        msg = f"{source}: its HDF5 cannot be read ({reason}); it may be cut off: copy it again"
        raise ModelCorrupt(msg) from error


class _Reader:
    """Counts what it reads, to stop at the limits."""

    def __init__(self, h5py: Any, source: Path, size: int) -> None:
        self.h5py = h5py
        self.source = source
        self.bytes_left = min(MAX_ARRAY_BYTES, MAX_RATIO * size)
        self.items_left = MAX_ITEMS

    def branch(self, group: Any, depth: int) -> Branch:
        if depth > MAX_DEPTH:
            self._refuse("its groups never end")
        found = Branch(texts=_texts(group))
        for name in group:
            self.items_left -= 1
            if self.items_left < 0:
                self._refuse(f"it has more than {MAX_ITEMS:,} parts")
            if depth == 0 and name in _OPTIMIZER:
                continue
            if not isinstance(group.get(name, getlink=True), self.h5py.HardLink):
                self._refuse(f"{name} points somewhere else")
            item = group[name]
            if isinstance(item, self.h5py.Group):
                found.groups[name] = self.branch(item, depth + 1)
            elif np.issubdtype(item.dtype, np.number):
                found.arrays[name] = self._array(item)
        return found

    def _array(self, item: Any) -> Array:
        if item.is_virtual or item.external:
            self._refuse(f"{item.name} lies in another file")
        self.bytes_left -= int(np.prod(item.shape, dtype=object)) * 4
        if self.bytes_left < 0:
            self._refuse("its arrays are far larger than the file")
        return np.asarray(item[()], np.float32)

    def _refuse(self, reason: str) -> NoReturn:
        msg = f"{self.source}: refused, as {reason}; it is no file that Keras wrote"
        raise ModelCorrupt(msg)


def _texts(group: Any) -> dict[str, list[str]]:
    """The known attributes; Keras splits a long list over numbered ones."""
    found = {}
    for name in _TEXTS:
        if name in group.attrs:
            found[name] = _strings(group.attrs[name])
            continue
        parts: list[list[str]] = []
        while (numbered := f"{name}{len(parts)}") in group.attrs:
            parts.append(_strings(group.attrs[numbered]))
        if parts:
            found[name] = [text for part in parts for text in part]
    return found


def _strings(value: Any) -> list[str]:
    """An attribute's strings; they are bytes or str, one or many, by Keras' version."""
    items = value.tolist() if isinstance(value, np.ndarray) else value
    if not isinstance(items, list):
        items = [items]
    return [item.decode() if isinstance(item, bytes) else str(item) for item in items]
