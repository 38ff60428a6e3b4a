"""Memory that a training step frees and the next one needs again."""

from __future__ import annotations

import ctypes

# Of <malloc.h>; what glibc's mallopt(3) calls its parameters.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER = -1
_LARGEST = 32 * 2**20
"""In bytes; glibc takes no higher threshold on 64-bit systems."""


def keep_freed_memory() -> bool:
    """Let the memory that a step frees wait for the next, instead of going back to the system.

    glibc returns the free end of its heap once that exceeds some megabytes, and asks for it again a
    moment later; the kernel zeroes every page of it each time. A step takes and frees hundreds of
    megabytes, so that hours of training on a CPU may spend a third of their time there.

    Returns:
        Whether this could be asked for: only glibc knows it, and elsewhere nothing is changed.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # no such library, or one without mallopt
        return False
    larger, kept = mallopt(_M_MMAP_THRESHOLD, _LARGEST), mallopt(_M_TRIM_THRESHOLD, _NEVER)
    return bool(larger == kept == 1)
