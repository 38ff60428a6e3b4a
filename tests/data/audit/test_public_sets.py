"""If these fail, the audit no longer sees the leaks that made it necessary."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from tumorlens.data.audit.run import audit

PAIRS = 500


@pytest.fixture(scope="module")
def data():
    folder = Path(os.environ.get("TUMORLENS_DATA", ""))
    if not all((folder / name).is_dir() for name in ("nickparvar", "sartaj")):
        pytest.skip("TUMORLENS_DATA names no folder with nickparvar and sartaj")
    return folder


@pytest.mark.parametrize(
    ("name", "tests", "least", "copying", "frame"),
    [("nickparvar", 1311, 930, 0.973, 0.938), ("sartaj", 394, 250, 0.794, None)],
)
def test_leaks_and_controls_of_a_public_set(data, tmp_path, name, tests, least, copying, frame):
    report = audit([data / name], out=tmp_path, workers=2)
    (leak,) = report.leaks
    assert (leak.split, leak.against, leak.images) == ("test", "train", tests)
    assert least <= leak.same <= leak.near <= tests
    scores = {control.name: control.accuracy for control in report.controls}
    assert scores["copy-detector"] == pytest.approx(copying, abs=0.02)
    if frame:
        assert scores["frame only"] == pytest.approx(frame, abs=0.02)
    assert joined_at_random(tmp_path / "files.csv") <= PAIRS // 100


def joined_at_random(table):
    """How many of 500 random pairs of images under different labels are called copies."""
    with table.open(newline="") as file:
        rows = list(csv.DictReader(file))
    chance = np.random.default_rng(0)
    joined = drawn = 0
    while drawn < PAIRS:
        first, second = (rows[i] for i in chance.integers(len(rows), size=2))
        if first["label"] != second["label"]:
            drawn += 1
            joined += first["group"] == second["group"]
    return joined
