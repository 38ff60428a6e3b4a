"""How often one client may ask: a bucket of tokens each, that fills at a steady rate."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

# Clients that are remembered; the one that was silent longest is forgotten first.
MAX_CLIENTS = 10_000


class RateLimit:
    """Token buckets by client. Used from the event loop alone.

    Args:
        per_second: Requests a second in the mean; 0 for any number.
        burst: Requests at once.
        clock: Seconds that only ever rise.
    """

    def __init__(
        self, per_second: float, burst: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = per_second, float(burst), clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, client: str) -> int:
        """Count a request: 0 where it is allowed, else after how many seconds one will be."""
        if not self._rate:
            return 0
        now = self._clock()
        tokens, then = self._buckets.pop(client, (self._burst, now))
        tokens = min(self._burst, tokens + (now - then) * self._rate)
        is_allowed = tokens >= 1
        self._buckets[client] = (tokens - is_allowed, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if is_allowed else math.ceil((1 - tokens) / self._rate)
