"""Memory that a training step frees and the next one needs again."""

from __future__ import annotations

import ctypes

# Of <malloc.h>: what glibc's mallopt(3) calls its parameters.
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_NEVER = -1


def keep_freed_memory() -> bool:
    """Let the memory that a step frees wait for the next, instead of going back to the system.

    glibc returns large blocks at once, and the free end of its heap once that exceeds some
    megabytes, and asks for them again a moment later; the kernel zeroes every page each time. A
    step takes and frees hundreds of megabytes.

    Returns:
        Whether this could be asked for: only glibc knows it, and elsewhere nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no such library, or one without mallopt
        return False
    on_heap, kept = mallopt(_M_MMAP_MAX, 0), mallopt(_M_TRIM_THRESHOLD, _NEVER)
    return bool(on_heap == kept == 1)
