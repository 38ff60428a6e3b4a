"""Every error that TumorLens raises on purpose.

    TumorLensError
    ├── ScanError                an input cannot be answered
    │   ├── UnreadableScan       it is damaged, empty, gone, or not an image at all
    │   ├── UnsupportedScan      it is a whole file of a kind that is not read here
    │   └── ScanTooLarge         it is beyond a limit that protects this process
    ├── ModelError
    │   ├── ModelNotFound        no model of that name or path
    │   ├── ModelCorrupt         the file is not the model that it says it is
    │   └── ModelIncompatible    a model, but of a version that is not understood here
    ├── DatasetError             a folder or table of training data cannot be used
    ├── DownloadError            a public file cannot be had from where it is published
    ├── RecipeError              a training recipe, or a value set on it, is wrong
    ├── SettingsError            a setting of the service is unknown or wrong
    ├── StoreError               the database of the service cannot be used
    ├── AccountError             an account, password or token is not what it has to be
    └── MissingExtra             an optional part is not installed

A message says what was wrong, with which input, and what to do.
"""

from __future__ import annotations


class TumorLensError(Exception):
    """The root: catching it catches everything that TumorLens raises on purpose."""


class ScanError(TumorLensError):
    """An input could not be turned into a Scan.

    Args:
        source: The input as the user named it (``scan.jpg``, ``study.zip::a/b.dcm``).
        reason: What was wrong, as a clause that can follow a colon.
        advice: What to do about it, as a sentence; may be empty.
    """

    def __init__(self, source: str, reason: str, advice: str = "") -> None:
        self.source = source
        self.reason = reason
        self.advice = advice
        super().__init__(source, reason, advice)

    def __str__(self) -> str:
        tail = f". {self.advice}" if self.advice else ""
        return f"{self.source}: {self.reason}{tail}"


class UnreadableScan(ScanError):
    """The input is damaged, empty, gone, not permitted, or not an image at all."""


class UnsupportedScan(ScanError):
    """The input is whole, but of a kind that TumorLens does not read, such as a CT."""


class ScanTooLarge(ScanError):
    """The input is beyond a limit on bytes, pixels, frames or zip ratio."""


class ModelError(TumorLensError):
    """A model could not be found, opened or run."""


class ModelNotFound(ModelError):
    """No model of that name is installed, and no file is at that path."""


class ModelCorrupt(ModelError):
    """The file is not a TumorLens model, or is not the one its published hash names."""


class ModelIncompatible(ModelError):
    """A TumorLens model, but of a schema version or shape that this version cannot run."""


class DatasetError(TumorLensError):
    """A folder or table of training data is missing, empty or inconsistent."""


class DownloadError(TumorLensError):
    """A public file cannot be had, or is not the one that was published.

    Args:
        message: What was wrong, with which address, and what to do.
        status: The HTTP status where a server refused, or None.
    """

    def __init__(self, message: str, *, status: int | None = None) -> None:
        self.status = status
        super().__init__(message)


class RecipeError(TumorLensError):
    """A recipe does not exist, or a value in it (or set on it) is wrong."""


class SettingsError(TumorLensError):
    """A setting of the service does not exist, is wrong, or would not be safe."""


class StoreError(TumorLensError):
    """The database of the service cannot be reached, opened or brought up to date."""


class AccountError(TumorLensError):
    """An account, password or token does not exist, or would not be safe."""


class MissingExtra(TumorLensError):
    """An optional part of TumorLens is needed and not installed.

    Args:
        extra: The name of the extra in ``pip install "tumorlens[extra]"``.
        what: What needs it, to start a sentence with ("Reading NIfTI", "Training").
    """

    def __init__(self, extra: str, what: str) -> None:
        self.extra = extra
        self.what = what
        super().__init__(extra, what)

    def __str__(self) -> str:
        return (
            f"{self.what} needs an optional part that is not installed.\n"
            f'Install it with: pip install "tumorlens[{self.extra}]"'
        )
