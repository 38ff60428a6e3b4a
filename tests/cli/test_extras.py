"""If these fail, a person who lacks an optional part is told of a bug, not of what to install."""

import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tumorlens.scan import draw_phantom

WITHOUT = "import sys; sys.modules[sys.argv.pop(1)] = None; from tumorlens.cli import run; run()"


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sets") / "mine"
    for label in ("glioma", "no_tumor"):
        (folder / label).mkdir(parents=True)
        for seed in range(6):
            pixels = draw_phantom(seed, tumor="glioma" if label == "glioma" else None).pixels
            picture = Image.fromarray((pixels * 255).astype(np.uint8))
            picture.save(folder / label / f"{seed}.png")
    return folder


@pytest.mark.parametrize(
    ("library", "words", "extra"),
    [
        ("scipy", ["data", "split", "SETS", "--folds", "2", "--out", "OUT/m.csv"], "data"),
        ("scipy", ["data", "audit", "SETS"], "data"),
        ("torch", ["train", "mobilenetv2-4class", "--data", "SETS", "--out", "OUT"], "train"),
        ("torch", ["export", "OUT", "--out", "OUT/m.onnx"], "train"),
        (
            "optuna",
            ["tune", "cnn-binary", "--data", "SETS", "--out", "OUT", "--trials", "1"],
            "train",
        ),
    ],
    ids=lambda value: " ".join(value[:2]) if isinstance(value, list) else value,
)
def test_a_missing_part_is_named_with_what_to_install(sets, tmp_path, library, words, extra):
    named = [word.replace("SETS", str(sets)).replace("OUT", str(tmp_path)) for word in words]
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, library, *named],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    assert f'pip install "tumorlens[{extra}]"' in done.stderr
    assert "unexpected" not in done.stderr
