"""The one pass over all files: what is known already is taken, the rest is read on all cores."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import nullcontext
from multiprocessing import get_context, parent_process
from typing import TYPE_CHECKING

from tumorlens.data.audit.cache import Cache
from tumorlens.data.audit.inspect import Inspection, inspect_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tumorlens.data.audit.inspect import Refusal

    Progress = Callable[[int, int], None]

FILES_WORTH_A_PROCESS = 500
"""A process takes about a second to start, in which a small set is read."""

_FILES_AT_ONCE = 16


def inspect_all(
    paths: Sequence[Path],
    cache_folder: Path | None,
    workers: int,
    progress: Progress | None = None,
) -> list[Inspection | Refusal]:
    """What each file is, in order.

    Reading a slice takes two milliseconds, of which a good part holds the interpreter's lock: so
    processes share the work and not threads.

    Args:
        paths: The files.
        cache_folder: Where what was found is kept, so that a stopped run goes on; None for none.
        workers: The most processes.
        progress: Called with (files done, files in all).
    """
    opened = nullcontext() if cache_folder is None else Cache(cache_folder)
    with opened as cache:
        found = {path: known for path in paths if cache and (known := cache.get(path))}
        unknown = [path for path in paths if path not in found]
        results: dict[Path, Inspection | Refusal] = dict(found)
        for path, one in zip(unknown, _fresh(unknown, workers), strict=True):
            results[path] = one
            if cache and isinstance(one, Inspection):
                cache.put(path, one)
            if progress:
                progress(len(results), len(paths))
    return [results[path] for path in paths]


def _fresh(paths: Sequence[Path], workers: int) -> Iterator[Inspection | Refusal]:
    workers = min(workers, len(paths) // FILES_WORTH_A_PROCESS)
    if workers <= 1:
        yield from map(inspect_file, paths)
        return
    done = 0
    crew = ProcessPoolExecutor(workers, get_context("spawn"), _end_with_parent)
    try:
        for one in crew.map(inspect_file, paths, chunksize=_FILES_AT_ONCE):
            yield one
            done += 1
    except BrokenProcessPool:  # one was killed, as for want of memory: go on without them
        yield from map(inspect_file, paths[done:])
    finally:
        crew.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Leave Ctrl-C to the parent, and end where it is gone: else a killed audit leaves idlers."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_wait_for_end_of_parent, daemon=True).start()


def _wait_for_end_of_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
