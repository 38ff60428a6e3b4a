"""Turning a library that is not installed into the two lines that say what to install.

Each of these goes on the function of a sub-command, since a library may be imported late.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tumorlens.errors import MissingExtra

if TYPE_CHECKING:
    from collections.abc import Iterator

DATA_LIBRARIES = frozenset(
    {"scipy", "sklearn", "cleanlab", "pandas", "faiss", "h5py", "jinja2", "pooch"}
)
# The train extra brings the data extra with it.
TRAINING_LIBRARIES = DATA_LIBRARIES | frozenset(
    {
        "torch",
        "matplotlib",
        "monai",
        "onnx",
        "onnxscript",
        "safetensors",
        "optuna",
        "tomli_w",
        "mapie",
        "captum",
    }
)
SERVING_LIBRARIES = frozenset(
    {
        *("alembic", "argon2", "fastapi", "jinja2", "prometheus_client", "pydantic_settings"),
        *("python_multipart", "reportlab", "sqlalchemy", "starlette", "uharfbuzz", "uvicorn"),
    }
)


@contextmanager
def data_extra(what: str) -> Iterator[None]:
    """Raise `MissingExtra` where an import inside fails for a library of the data extra.

    Args:
        what: What needs it, to start a sentence with ("Auditing").
    """
    with _extra("data", DATA_LIBRARIES, what):
        yield


@contextmanager
def training_extra(what: str) -> Iterator[None]:
    """Raise `MissingExtra` where an import inside fails for a library of the train extra.

    Args:
        what: What needs it, to start a sentence with ("Training").
    """
    with _extra("train", TRAINING_LIBRARIES, what):
        yield


@contextmanager
def serving_extra(what: str) -> Iterator[None]:
    """Raise `MissingExtra` where an import inside fails for a library of the serve extra.

    Args:
        what: What needs it, to start a sentence with ("Serving").
    """
    with _extra("serve", SERVING_LIBRARIES, what):
        yield


@contextmanager
def _extra(extra: str, libraries: frozenset[str], what: str) -> Iterator[None]:
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] not in libraries:
            raise
        raise MissingExtra(extra, what) from error
