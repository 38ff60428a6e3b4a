"""A Keras file on disk: what kind it is, and its configuration and weights in memory."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from tumorlens.errors import ModelCorrupt, ModelIncompatible, ModelNotFound
from tumorlens.train.keras.apart import read_apart
from tumorlens.train.keras.tree import MAX_ARRAY_BYTES, Branch

if TYPE_CHECKING:
    from pathlib import Path

MAX_FILE_BYTES = MAX_ARRAY_BYTES
MAX_JSON_BYTES = 2**26
"""Of a configuration; those of the largest published networks have about one megabyte."""

MAX_ZIP_RATIO = 100
"""Weights hardly compress; a member that grows more than this is a bomb."""

_HDF5 = b"\x89HDF\r\n\x1a\n"
_ZIP = b"PK\x03\x04"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b", b"BZh", b"\xfd7zXZ")
_PICKLE = tuple(bytes([0x80, protocol]) for protocol in range(2, 6))
_CONFIG, _WEIGHTS, _METADATA = "config.json", "model.weights.h5", "metadata.json"

_PICKLE_ADVICE = (
    "it is a pickle (or joblib) file, and opening one runs the code in it. Open it where you "
    "trust it, and save the model there with model.save('model.keras')"
)


class Layout(StrEnum):
    """How weights are laid out."""

    LEGACY = "legacy"
    NATIVE = "native"


@dataclass(frozen=True, slots=True)
class Saved:
    """A Keras file.

    Attributes:
        path: Where it lies.
        config: The model's configuration, or None where the file has weights alone.
        weights: The group of its weights.
        layout: How they are laid out: by Keras 2 and ``.h5`` files, or by Keras 3.
        keras_version: What wrote it, or ``unknown``.
    """

    path: Path
    config: dict[str, Any] | None
    weights: Branch
    layout: Layout
    keras_version: str


def read_saved(path: Path) -> Saved:
    """Read a ``.h5``, ``.hdf5``, ``.keras`` or ``.weights.h5`` file; the content says which it is.

    Nothing in the file is executed.

    Raises:
        ModelNotFound: No such file.
        ModelCorrupt: It is damaged, or not a Keras file.
        ModelIncompatible: It is a model in another format, such as a pickle.
        MissingExtra: h5py is not installed.
    """
    content = _read(path)
    if content.startswith(_HDF5):
        return _from_hdf5(content, path)
    if content.startswith(_ZIP):
        return _from_zip(content, path)
    if content.startswith(_PICKLE) or content.startswith(_ZLIB):
        msg = f"{path}: {_PICKLE_ADVICE}"
        raise ModelIncompatible(msg)
    what = "empty" if not content else "neither HDF5 nor a .keras file"
    msg = f"{path}: not a Keras model: it is {what}. Save it with model.save('model.keras')"
    raise ModelCorrupt(msg)


def _read(path: Path) -> bytes:
    if path.is_dir():
        msg = (
            f"{path}: it is a folder; if it is a SavedModel, load it where it was made and save "
            "it with model.save('model.keras')"
        )
        raise ModelIncompatible(msg)
    if not path.is_file():
        msg = f"{path}: no such file; name a Keras file (.h5 or .keras)"
        raise ModelNotFound(msg)
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            msg = f"{path}: it is larger than {MAX_FILE_BYTES / 2**30:.0f} GiB, as no model may be"
            raise ModelCorrupt(msg)
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: it cannot be read ({error.strerror})"
        raise ModelNotFound(msg) from error


def _from_hdf5(content: bytes, path: Path) -> Saved:
    tree = read_apart(content, path)
    text = tree.text("model_config")
    config = None if text is None else _parsed(text, path)
    weights = tree.groups.get("model_weights", tree)
    native = "layers" in tree.groups or "_layer_checkpoint_dependencies" in tree.groups
    legacy = "layer_names" in weights.texts
    if not native and not legacy:
        msg = (
            f"{path}: an HDF5 file, but not one of a Keras model: it has no layers. "
            "Save the model with model.save('model.keras')"
        )
        raise ModelCorrupt(msg)
    version = tree.text("keras_version") or weights.text("keras_version") or "unknown"
    return Saved(path, config, weights, Layout.LEGACY if legacy else Layout.NATIVE, version)


def _from_zip(content: bytes, path: Path) -> Saved:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            _check_members(archive, path)
            config = _parsed(_member(archive, _CONFIG, path, MAX_JSON_BYTES).decode(), path)
            weights = _member(archive, _WEIGHTS, path, MAX_FILE_BYTES)
            version = "unknown"
            if _METADATA in archive.namelist():
                metadata = _parsed(_member(archive, _METADATA, path, MAX_JSON_BYTES).decode(), path)
                version = str(metadata.get("keras_version", version))
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError) as error:
        msg = f"{path}: its zip cannot be read ({error}); it may be cut off: copy it again"
        raise ModelCorrupt(msg) from error
    except RuntimeError as error:  # zipfile's word for a password
        msg = f"{path}: its zip cannot be read ({error}); save it without a password"
        raise ModelCorrupt(msg) from error
    return Saved(path, config, read_apart(weights, path), Layout.NATIVE, version)


def _check_members(archive: zipfile.ZipFile, path: Path) -> None:
    names = archive.namelist()
    for name in names:
        parts = PurePosixPath(name.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            msg = f"{path}: refused, as its part {name!r} points outside; Keras writes none such"
            raise ModelCorrupt(msg)
    if any(name.endswith(".pkl") for name in names):
        msg = f"{path}: {_PICKLE_ADVICE} (a PyTorch file is exported where its network is)"
        raise ModelIncompatible(msg)
    if missing := {_CONFIG, _WEIGHTS} - set(names):
        msg = f"{path}: a zip, but not a .keras file: it has no {' and no '.join(sorted(missing))}"
        raise ModelCorrupt(msg)


def _member(archive: zipfile.ZipFile, name: str, path: Path, limit: int) -> bytes:
    info = archive.getinfo(name)
    if info.file_size > limit or info.file_size > MAX_ZIP_RATIO * max(info.compress_size, 1024):
        msg = f"{path}: refused, as its {name} would unpack to {info.file_size:,} bytes"
        raise ModelCorrupt(msg)
    with archive.open(info) as stream:
        return stream.read(limit)


def _parsed(text: str, path: Path) -> dict[str, Any]:
    if len(text) > MAX_JSON_BYTES:
        msg = f"{path}: refused, as its configuration has {len(text):,} letters"
        raise ModelCorrupt(msg)
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        msg = f"{path}: its configuration is not JSON ({error}); save the model again"
        raise ModelCorrupt(msg) from error
    if not isinstance(found, dict):
        msg = f"{path}: its configuration is not that of a Keras model; save the model again"
        raise ModelCorrupt(msg)
    return found
