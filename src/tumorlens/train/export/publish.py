"""A model file is published: its name and its hash go into the registry of its folder."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

from tumorlens.errors import ModelCorrupt
from tumorlens.model.registry import REGISTRY_FILE

if TYPE_CHECKING:
    from pathlib import Path


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
