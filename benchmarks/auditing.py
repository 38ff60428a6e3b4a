"""How an audit grows with the number of images, beside comparing all pairs in the same run.

    python benchmarks/auditing.py [--sizes 2000 5000 10000 20000] [--peer 5000]

Draws images of heads that are all different, but for a fifth that are copies: mirrored or rotated,
resized and encoded again. Each audit is the whole command in a process of its own, without its
outputs of an earlier run. The peer compares every pair of the same thumbnails in all eight turns by
matrix products (NumPy), and where imagehash is installed, dHash of every pair as well. Prints a
Markdown table; memory is the peak resident memory of the finished process.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from tumorlens.data.duplicates import NEAR, THUMBNAIL, thumbnail
from tumorlens.data.search import TURNS, search, turned

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Pairs = set[tuple[int, int]]

SIDE = 224
COPY_EVERY = 5
"""Each fifth image is a copy of the one before it."""

DETAILS = (7, 24)
"""Coarse and fine patterns of a head: numbers of random values across it."""

TWIN_DISTANCE = 4
"""Bits by which the dHashes of two copies may differ, as is usual for this hash."""


def main() -> None:
    """Measure everything and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[2000, 5000, 10_000, 20_000])
    parser.add_argument("--peer", type=int, default=5000, help="images that the peers compare")
    options = parser.parse_args()
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print("| images | whole audit | a thousand images | peak memory | copies found |")
        print("| --- | --- | --- | --- | --- |")
        for size in options.sizes:
            print("| " + " | ".join(audit_row(folder, size)) + " |", flush=True)
        print(f"\n| comparing {options.peer} images | seconds | pairs | copies found |")
        print("| --- | --- | --- | --- |")
        for row in peer_rows(folder / str(options.sizes[-1]), options.peer):
            print("| " + " | ".join(row) + " |", flush=True)


def audit_row(folder: Path, size: int) -> list[str]:
    """The command on so many images."""
    images, out = folder / str(size), folder / f"audit-{size}"
    draw_set(images, size)
    command = [sys.executable, "-m", "tumorlens", "data", "audit", str(images), "--out", str(out)]
    seconds, memory = finished(command)
    report = json.loads((out / "audit.json").read_text(encoding="utf-8"))
    copies = size - report["distinct"]
    share = f"{copies} of {size // COPY_EVERY}"
    per_thousand = f"{1000 * seconds / size:.1f} s"
    return [f"{size:,}", f"{seconds:.0f} s", per_thousand, f"{memory:.0f} MB", share]


def finished(command: list[str]) -> tuple[float, float]:
    """Run a command to its end: wall seconds, and the peak of its largest process in MB."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        msg = f"{' '.join(command)} ended with {process.returncode}"
        raise RuntimeError(msg)
    return seconds, usage.ru_maxrss / 1024


def draw_set(folder: Path, size: int) -> None:
    """Write so many JPEGs, in two classes."""
    for label in ("glioma", "no_tumor"):
        (folder / label).mkdir(parents=True)
    for number in range(size):
        is_copy = number % COPY_EVERY == COPY_EVERY - 1
        pixels = draw_head(number - is_copy)
        picture = Image.fromarray((pixels * 255).astype(np.uint8))
        if is_copy:
            picture = Image.fromarray(np.rot90(np.asarray(picture)[:, ::-1], number % 4))
            picture = picture.resize((SIDE * 3 // 4, SIDE * 3 // 4))
        label = ("glioma", "no_tumor")[number // COPY_EVERY % 2]
        picture.save(folder / label / f"{number:06}.jpg", quality=75 if is_copy else 90)


def draw_head(seed: int) -> NDArray[np.float32]:
    """A head that is like no other, quickly: an oval of coarse and fine random tissue."""
    chance = np.random.default_rng(seed)
    pixels = np.full((SIDE, SIDE), 0.45, np.float32)
    for values, weight in zip(DETAILS, (0.25, 0.15), strict=True):
        field = chance.normal(size=(values, values)).astype(np.float32)
        smooth = Image.fromarray(field).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        pixels += weight * np.asarray(smooth)
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    width, height = chance.uniform(0.65, 0.8), chance.uniform(0.8, 0.92)
    is_head = (x / width) ** 2 + (y / height) ** 2 < 1
    return np.where(is_head, np.clip(pixels, 0.08, 1.0), np.float32(0))


def peer_rows(folder: Path, count: int) -> list[list[str]]:
    """The audit's search, and its peers, on thumbnails of the same images."""
    paths = sorted(folder.rglob("*.jpg"), key=lambda path: path.name)[:count]
    pictures = [np.asarray(Image.open(path), np.float32) / np.float32(255) for path in paths]
    vectors = np.stack([thumbnail(one.astype(np.float32)) for one in pictures])
    rows = [
        timed("the audit's search", lambda: fast_pairs(vectors)),
        timed("all pairs in eight turns, NumPy", lambda: brute_pairs(vectors)),
    ]
    if find_spec("imagehash"):
        rows.append(timed("imagehash dHash, all pairs, no turns", lambda: hash_pairs(paths)))
    else:
        rows.append(["imagehash", "not installed", "", ""])
    wanted = count // COPY_EVERY
    return [
        row if len(row) > 3 else [*row, f"{row.pop()} of {wanted}"]  # noqa: PLR2004
        for row in rows
    ]


def timed(name: str, find: Callable[[], Pairs]) -> list[str]:
    """Name, seconds, pairs, and how many of them are copies."""
    start = time.perf_counter()
    pairs = find()
    seconds = time.perf_counter() - start
    copies = sum(b - a == 1 and b % COPY_EVERY == COPY_EVERY - 1 for a, b in pairs)
    return [name, f"{seconds:.1f}", str(len(pairs)), str(copies)]


def fast_pairs(vectors: NDArray[np.float32]) -> Pairs:
    """As the audit does it."""
    return {
        (int(a), int(b))
        for found in search(vectors, NEAR)
        for a, b in zip(found.first, found.second, strict=True)
    }


def brute_pairs(vectors: NDArray[np.float32]) -> Pairs:
    """Every pair in every turn."""
    pairs = set()
    square = vectors.reshape(-1, THUMBNAIL, THUMBNAIL)
    for turn in range(TURNS):
        other = np.ascontiguousarray(turned(square, turn)).reshape(vectors.shape)
        for start in range(0, len(vectors), 1024):
            product = vectors[start : start + 1024] @ other.T
            for a, b in zip(*np.nonzero(product >= NEAR), strict=True):
                if start + a < b:
                    pairs.add((int(start + a), int(b)))
    return pairs


def hash_pairs(paths: list[Path]) -> Pairs:
    """Every pair of difference hashes."""
    imagehash = importlib.import_module("imagehash")
    bits = np.stack([imagehash.dhash(Image.open(path)).hash.ravel() for path in paths])
    signs = bits.astype(np.float32) * 2 - 1
    distance = (signs.shape[1] - signs @ signs.T) / 2
    return {(int(a), int(b)) for a, b in np.argwhere(distance <= TWIN_DISTANCE) if a < b}


if __name__ == "__main__":
    main()
