"""Names → files → hashes: which models are installed, and loading one by name or path."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tumorlens.errors import ModelCorrupt, ModelError, ModelNotFound
from tumorlens.model.load import load_file, metadata_of, read_file

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.model.format import ModelMetadata
    from tumorlens.model.run import Model

BUNDLED = Path(__file__).parent / "installed"
FOLDERS_VARIABLE = "TUMORLENS_MODELS"
REGISTRY_FILE = "registry.json"
MODEL_SUFFIX = ".onnx"


@dataclass(frozen=True, slots=True)
class InstalledModel:
    """A model that can be named.

    Attributes:
        name: What `load_model` knows it by.
        path: Its file.
        published_sha256: The SHA-256 that its registry publishes, or None without one.
        is_default: Whether it answers where no model is named.
    """

    name: str
    path: Path
    published_sha256: str | None = None
    is_default: bool = False


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the file of an installed model says, read without opening a session.

    Attributes:
        model: Which model.
        size: Bytes of the file; 0 if it cannot be read.
        sha256: SHA-256 of the file, or None if it cannot be read.
        metadata: Its metadata, or None where there is a problem.
        problem: Why it cannot be used, or None.
    """

    model: InstalledModel
    size: int = 0
    sha256: str | None = None
    metadata: ModelMetadata | None = None
    problem: str | None = None


def installed_models() -> tuple[InstalledModel, ...]:
    """The models that can be named: the bundled ones, then those of the user's own folders.

    The environment variable ``TUMORLENS_MODELS`` lists the user's folders, separated as in PATH.
    Each ``.onnx`` file in one is a model under the name in its metadata; a ``registry.json`` may
    publish their hashes.

    Raises:
        ModelCorrupt: A registry cannot be read.
    """
    folders = (BUNDLED, *_own_folders())
    models = [model for folder in folders for model in _in_folder(folder)]
    defaults = [index for index, model in enumerate(models) if model.is_default]
    # One default only: a folder of the user's own does not change which model answers.
    return tuple(
        InstalledModel(m.name, m.path, m.published_sha256, is_default=index in defaults[:1])
        for index, m in enumerate(models)
    )


def inspect_model(model: InstalledModel) -> Inspection:
    """Read the metadata of an installed model and compare its hash with the published one."""
    try:
        data = read_file(model.path)
        digest = hashlib.sha256(data).hexdigest()
        if model.published_sha256 not in (None, digest):
            problem = f"SHA-256 is not the published {model.published_sha256}; install it again"
            return Inspection(model, len(data), digest, None, problem)
        return Inspection(model, len(data), digest, metadata_of(data, model.path))
    except ModelError as error:
        return Inspection(model, problem=str(error))


def load_model(model: str | os.PathLike[str] | None = None, *, threads: int | None = None) -> Model:
    """Load an installed model by its name, or any model file by its path.

    Args:
        model: A name that `installed_models` lists, or the path of an ``.onnx`` file; the default
            model if None.
        threads: As for `tumorlens.model.load.load_file`: 1 where several slices are answered at a
            time.

    Raises:
        ModelNotFound: No model of that name is installed, and no file is at that path.
        ModelCorrupt: The file is not a TumorLens model, or not the one that was published.
        ModelIncompatible: Its schema or its graph is not understood here.
    """
    if isinstance(model, os.PathLike):
        return load_file(Path(model), threads=threads)
    installed = installed_models()
    if model is None:
        found = [one for one in installed if one.is_default]
        if not found:
            raise ModelNotFound(_no_default(installed))
    else:
        model = os.fspath(model)
        found = [one for one in installed if one.name == model]
    if len(found) > 1:
        raise ModelNotFound(_clash(found))
    if found:
        return load_file(found[0].path, sha256=found[0].published_sha256, threads=threads)
    if model is None or not _is_path(model):
        raise ModelNotFound(_unknown(str(model), installed))
    return load_file(Path(model), threads=threads)


def _own_folders() -> Iterator[Path]:
    for folder in os.environ.get(FOLDERS_VARIABLE, "").split(os.pathsep):
        if folder:
            yield Path(folder)


def _in_folder(folder: Path) -> Iterator[InstalledModel]:
    registered = list(_registered(folder))
    yield from registered
    known = {model.path for model in registered}
    try:
        files = sorted(folder.glob(f"*{MODEL_SUFFIX}"))
    except OSError:
        return  # a folder that may not be listed holds no model that could be loaded
    for path in files:
        if path not in known:
            yield InstalledModel(_name_in(path), path)


def _registered(folder: Path) -> Iterator[InstalledModel]:
    """The models of a folder's registry: a default, and name → file and SHA-256."""
    registry = folder / REGISTRY_FILE
    if not registry.is_file():
        return
    try:
        listed = json.loads(registry.read_bytes())
        default = listed.get("default")
        for name, entry in listed["models"].items():
            path = folder / entry["file"]
            yield InstalledModel(name, path, entry["sha256"], is_default=name == default)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        msg = f"{registry} is damaged ({error}). Write it again, or install TumorLens again."
        raise ModelCorrupt(msg) from error


def _name_in(path: Path) -> str:
    """The name in a file's metadata; the file's own where it cannot be read."""
    try:
        return metadata_of(read_file(path), path).name
    except ModelError:
        return path.stem


def _is_path(model: str) -> bool:
    return model.endswith(MODEL_SUFFIX) or Path(model).name != model or Path(model).is_file()


def _unknown(name: str, installed: tuple[InstalledModel, ...]) -> str:
    names = sorted({model.name for model in installed})
    close = difflib.get_close_matches(name, names, n=1)
    guess = f" Did you mean {close[0]}?" if close else ""
    known = f"Installed: {', '.join(names)}." if names else "No model is installed."
    return f"no model is called {name!r}.{guess} {known} A model file is named by its path."


def _clash(found: list[InstalledModel]) -> str:
    paths = ", ".join(str(model.path) for model in found)
    return f"{len(found)} models are called {found[0].name!r}: {paths}. Name the file by its path."


def _no_default(installed: tuple[InstalledModel, ...]) -> str:
    names = ", ".join(sorted({model.name for model in installed}))
    choice = f"Name one of: {names}." if names else "Name a model file (.onnx) by its path."
    return f"no default model is installed with this copy of TumorLens. {choice}"
