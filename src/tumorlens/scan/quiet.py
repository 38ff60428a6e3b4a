"""Decoders warn about odd files; a reader of scans answers with a Scan or an error instead."""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DECODER_MODULES = r"(PIL|pydicom|nibabel|pylibjpeg|libjpeg|openjpeg|rle|jpeg_ls)(\.|$)"

_lock = threading.Lock()
_depth = 0


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the warnings of decoding libraries, and only theirs, while a file is decoded.

    `warnings.catch_warnings` restores what it found, which loses or keeps the wrong filters when
    several threads overlap; here one filter stands as long as any thread needs it.
    """
    global _depth  # noqa: PLW0603  (the filters of a process are one list too)
    with _lock:
        warnings.filterwarnings("ignore", module=_DECODER_MODULES)
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                _remove_filter()


def _remove_filter() -> None:
    ours = [one for one in warnings.filters if _is_ours(one)]
    for one in ours:
        warnings.filters.remove(one)  # type: ignore[attr-defined]


def _is_ours(one: tuple[object, ...]) -> bool:
    module = one[3]
    return getattr(module, "pattern", module) == _DECODER_MODULES
