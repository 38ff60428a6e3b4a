"""Cheng's set, from MATLAB files to pictures, masks and a table.

A slice has 16-bit integers without a window. Its smallest value becomes 0 and its largest 255,
linearly and rounded: nothing is clipped, and each slice has its own window, as it does in the
pictures that are made of this set elsewhere. Size and orientation are those of the file.
"""

from __future__ import annotations

import csv
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from tumorlens.data.fetch.matlab import read_folds, read_slice
from tumorlens.data.fetch.unpack import copy, opened
from tumorlens.errors import DatasetError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Check = Callable[[Path, str], None]
    Progress = Callable[[int, int], None]

FOLD_FILE = "cvind.mat"
COLUMNS = ("index", "image", "mask", "label", "fold", "patient")

_LARGEST_MAT = 64 * 2**20
"""Bytes of one slice: a hundred times what they have."""

_LIGHT_COMPRESSION = 3
"""Of PNG: a tenth larger than the best, in a third of the time."""


def lay_out(
    sources: Iterable[Path],
    target: Path,
    *,
    expected: int,
    check: Check,
    progress: Progress | None = None,
) -> int:
    """Write the pictures, masks, borders and table of the set.

    Args:
        sources: Zips, folders or MATLAB files; a zip may hold zips.
        target: An empty folder.
        expected: How many slices there must be.
        check: Called with each zip found within another, and its name.
        progress: Called with (slices written, `expected`).

    Returns:
        The number of slices.

    Raises:
        DatasetError: Slices or the folds are missing, twice there, or cannot be read.
    """
    rows: dict[int, dict[str, Any]] = {}
    borders: dict[int, NDArray[np.float64]] = {}
    folds: list[int] = []
    for folder in ("images", "masks"):
        (target / folder).mkdir(parents=True)
    for name, data in _matlab_files(sources, target / ".inner", check):
        number = re.fullmatch(r"(\d+)\.mat", name)
        if name.lower() == FOLD_FILE:
            folds = read_folds(data, name)
        elif number:
            index = int(number[1])
            if index in rows:
                msg = f"{name}: stands twice in what was given; give each file once"
                raise DatasetError(msg)
            rows[index], borders[index] = _write_slice(data, index, target)
            if progress:
                progress(len(rows), expected)
    _check_whole(rows, folds, expected)
    _write_tables(target, rows, borders, folds)
    return len(rows)


def to_8bit(image: NDArray[Any]) -> NDArray[np.uint8]:
    """A slice (H, W) of any integers as uint8: its smallest value 0, its largest 255, linearly.

    A slice of one value becomes 0.
    """
    values = image.astype(np.float64)
    low, high = values.min(), values.max()
    scaled = (values - low) * (255.0 / max(high - low, 1e-12))
    shown: NDArray[np.uint8] = np.rint(scaled).astype(np.uint8)
    return shown


def _matlab_files(
    sources: Iterable[Path], inner: Path, check: Check
) -> Iterator[tuple[str, bytes]]:
    """Name and bytes of each MATLAB file, zips within a zip opened once."""
    for source in sources:
        if source.suffix.lower() == ".mat":
            yield source.name, source.read_bytes()
            continue
        with opened(source) as members:
            for member in members:
                suffix = member.path.suffix.lower()
                if suffix == ".zip" and source != inner:
                    copy(member, inner)
                    check(inner, member.path.name)
                    yield from _matlab_files([inner], inner, check)
                    inner.unlink()
                elif suffix == ".mat" and member.size <= _LARGEST_MAT:
                    with member.open() as stream:
                        yield member.path.name, stream.read()


def _write_slice(
    data: bytes, index: int, target: Path
) -> tuple[dict[str, Any], NDArray[np.float64]]:
    from PIL import Image

    found = read_slice(data, f"{index}.mat")
    image, mask = f"images/{index:04}.png", f"masks/{index:04}.png"
    for pixels, name in ((to_8bit(found.image), image), (np.uint8(255) * found.mask, mask)):
        Image.fromarray(pixels).save(target / name, compress_level=_LIGHT_COMPRESSION)
    row = {
        "index": index,
        "image": image,
        "mask": mask,
        "label": found.label,
        "patient": found.patient,
    }
    return row, found.border


def _check_whole(rows: dict[int, Any], folds: list[int], expected: int) -> None:
    if not folds:
        msg = f"{FOLD_FILE} is missing: it holds the author's folds, which keep patients apart"
        raise DatasetError(msg)
    missing = sorted(set(range(1, expected + 1)) - set(rows))
    if missing:
        msg = (
            f"{len(missing)} of {expected} slices are missing, such as {missing[0]}.mat; "
            "are all four zips there?"
        )
        raise DatasetError(msg)
    if len(rows) != expected or len(folds) != expected:
        msg = f"{len(rows)} slices and {len(folds)} folds, where {expected} were expected"
        raise DatasetError(msg)


def _write_tables(
    target: Path,
    rows: dict[int, dict[str, Any]],
    borders: dict[int, NDArray[np.float64]],
    folds: list[int],
) -> None:
    with (target / "index.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[index] | {"fold": folds[index - 1]} for index in sorted(rows))
    with (target / "borders.csv").open("w", newline="", encoding="utf-8") as file:
        plain = csv.writer(file, lineterminator="\n")
        plain.writerow(("index", "border"))
        plain.writerows(
            (index, " ".join(f"{value:g}" for value in borders[index])) for index in sorted(rows)
        )
