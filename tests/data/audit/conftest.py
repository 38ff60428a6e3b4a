"""Sets of drawn heads, with the faults of real ones put in by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from tests.data.test_duplicates import head

if TYPE_CHECKING:
    from pathlib import Path


def save(path: Path, pixels: np.ndarray, **options: object) -> Path:
    """Write a picture in [0, 1]; the suffix decides the format unless `format` says it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.rint(np.ascontiguousarray(pixels) * 255).astype(np.uint8)).save(
        path, **options
    )
    return path


def draw_head(path: Path, seed: int, change=lambda pixels: pixels, **options: object) -> Path:
    """Write a drawn head of a number, changed as told."""
    return save(path, change(head(seed)), **options)


def make_leaky(folder: Path) -> Path:
    """Training and Testing of two classes, of whose 6 test images 2 stand in training as well.

    One byte for byte, one mirrored and encoded again; and one picture stands in both classes.
    """
    root = folder / "leaky"
    training, testing = root / "Training", root / "Testing"
    for i in range(8):
        draw_head(training / "glioma" / f"g{i}.jpg", i, quality=90)
        draw_head(training / "notumor" / f"n{i}.jpg", 20 + i, quality=90)
    draw_head(training / "notumor" / "wrong.png", 3)
    for i in range(2):
        draw_head(testing / "glioma" / f"new{i}.jpg", 40 + i)
        draw_head(testing / "notumor" / f"new{i}.jpg", 50 + i)
    copy = (training / "glioma" / "g0.jpg").read_bytes()
    (testing / "glioma" / "copy.jpg").write_bytes(copy)
    draw_head(testing / "notumor" / "mirrored.jpg", 21, lambda p: p[:, ::-1], quality=70)
    return root


@pytest.fixture
def draw():
    """See `draw_head`."""
    return draw_head


@pytest.fixture
def leaky(tmp_path):
    """See `make_leaky`."""
    return make_leaky(tmp_path)
