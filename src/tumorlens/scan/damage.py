"""The border with decoding libraries: whatever they raise leaves as a ScanError."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from tumorlens.errors import ScanTooLarge, TumorLensError, UnreadableScan
from tumorlens.scan.quiet import quiet
from tumorlens.scan.source import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

_LONGEST_DETAIL = 160  # an error of a library can hold a whole header


@contextmanager
def named_damage(name: str, what: str) -> Iterator[None]:
    """Silence a decoder's warnings, and name the input in what it raises.

    Args:
        name: The input as the user named it.
        what: What is being decoded, to start a clause with ("the JPEG data").

    Raises:
        UnreadableScan: The library raised anything at all but the two below.
        ScanTooLarge: Memory ran out.
        TumorLensError: One that was raised inside is passed on.
    """
    try:
        with quiet():
            yield
    except TumorLensError:
        raise
    except MemoryError as error:
        raise ScanTooLarge(
            name, f"{what} need more memory than there is", "Lower the limits or free memory"
        ) from error
    except Exception as error:
        detail = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise UnreadableScan(
            name,
            f"{what} are damaged or cut off ({printable(detail[:_LONGEST_DETAIL])})",
            "Get the file again",
        ) from error
