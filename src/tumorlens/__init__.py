"""TumorLens finds tumors in brain MRI, says how sure, shows why, and says when it does not know.

For research and education only. Not a medical device; not for diagnosis or treatment.

    import tumorlens

    for outcome in tumorlens.analyze(["scan.jpg", "study/"]):
        if isinstance(outcome, tumorlens.Finding):
            print(outcome.scan.source, outcome.status, outcome.tumor_probability)
        else:
            print(outcome)  # a ScanError: what was wrong, with which input, and what to do

The names below are imported when they are first used, so that importing the package is quick.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tumorlens._version import __version__
from tumorlens.errors import (
    AccountError,
    DatasetError,
    DownloadError,
    MissingExtra,
    ModelCorrupt,
    ModelError,
    ModelIncompatible,
    ModelNotFound,
    RecipeError,
    ScanError,
    ScanTooLarge,
    SettingsError,
    StoreError,
    TumorLensError,
    UnreadableScan,
    UnsupportedScan,
)

if TYPE_CHECKING:
    from tumorlens.analysis import analyze, analyze_one
    from tumorlens.decide.finding import Finding, Status
    from tumorlens.model.registry import load_model
    from tumorlens.model.run import Model
    from tumorlens.scan import Limits, Scan

__all__ = [
    "AccountError",
    "DatasetError",
    "DownloadError",
    "Finding",
    "Limits",
    "MissingExtra",
    "Model",
    "ModelCorrupt",
    "ModelError",
    "ModelIncompatible",
    "ModelNotFound",
    "RecipeError",
    "Scan",
    "ScanError",
    "ScanTooLarge",
    "SettingsError",
    "Status",
    "StoreError",
    "TumorLensError",
    "UnreadableScan",
    "UnsupportedScan",
    "__version__",
    "analyze",
    "analyze_one",
    "load_model",
]

_HOMES = {
    "Finding": "tumorlens.decide.finding",
    "Limits": "tumorlens.scan",
    "Model": "tumorlens.model.run",
    "Scan": "tumorlens.scan",
    "Status": "tumorlens.decide.finding",
    "analyze": "tumorlens.analysis",
    "analyze_one": "tumorlens.analysis",
    "load_model": "tumorlens.model.registry",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used (PEP 562)."""
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
