"""A model file is published: its figures go into it, its name and hash into the registry."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tumorlens.errors import ModelCorrupt
from tumorlens.model.load import load_file
from tumorlens.model.registry import REGISTRY_FILE
from tumorlens.train.export.graph import with_metadata
from tumorlens.train.export.place import made_beside

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from tumorlens.model.format import Metric
    from tumorlens.model.run import Model


def publish(model: Model, metrics: Sequence[Metric], target: Path) -> Model:
    """Write a copy of a model file with its figures inside, and register it.

    Nothing of the graph changes, so that what was measured on the one file holds for the other.

    Args:
        model: What was measured.
        metrics: What was measured of it.
        target: The file to write; it may be the model's own.

    Returns:
        The copy.

    Raises:
        ModelCorrupt: The folder has a registry that cannot be read.
    """
    import onnx

    proto = onnx.load_from_string(model.path.read_bytes())
    metadata = model.metadata.model_copy(update={"metrics": tuple(metrics)})
    with made_beside(target) as made:
        made.write_bytes(with_metadata(proto, metadata))
        load_file(made, threads=1)
    register(target, metadata.name)
    return load_file(target, threads=1)


def register(model_file: Path, name: str) -> Path:
    """Publish a model file in the registry of its folder, as the default where it is the first.

    Returns:
        The registry, ``{"default": name, "models": {name: {"file", "sha256"}}}``.

    Raises:
        ModelCorrupt: The folder has a registry that cannot be read.
    """
    path = model_file.with_name(REGISTRY_FILE)
    try:
        registry = json.loads(path.read_text("utf-8")) if path.is_file() else {"models": {}}
        digest = hashlib.sha256(model_file.read_bytes()).hexdigest()
        registry["models"][name] = {"file": model_file.name, "sha256": digest}
    except (ValueError, LookupError, TypeError) as error:
        msg = f"{path}: not a registry ({error}); mend or delete it"
        raise ModelCorrupt(msg) from error
    registry.setdefault("default", name)
    path.write_text(json.dumps(registry, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return path
