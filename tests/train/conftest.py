import csv

import numpy as np
import pytest
from PIL import Image

from tumorlens.scan import draw_phantom
from tumorlens.train.recipe import load_recipe

KINDS = (None, "glioma", "meningioma", "pituitary")
IMAGES_A_KIND = 10
SMALL = (
    "input.height=64",
    "input.width=64",
    "data.sources=['drawn']",
    "fit.precision=fp32",  # bfloat16 only pays for larger pictures
)


def draw_set(folder):
    """A set in the layout with an author's folds: an index.csv and pictures."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number, kind in enumerate(KINDS):
        for i in range(IMAGES_A_KIND):
            seed = number * IMAGES_A_KIND + i
            name = f"images/{seed:03}.png"
            pixels = draw_phantom(seed, tumor=kind, size=96).pixels
            Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / name)
            label = kind or "no_tumor"
            rows.append({"image": name, "label": label, "fold": i % 5 + 1})
    with (folder / "index.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["image", "label", "fold"])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def drawn_root(tmp_path_factory):
    root = tmp_path_factory.mktemp("sets")
    draw_set(root / "drawn")
    return root


@pytest.fixture
def small_recipe():
    def make(*settings):
        return load_recipe("mobilenetv2-4class", [*SMALL, *settings])

    return make


@pytest.fixture(scope="session")
def drawn_run(drawn_root, tmp_path_factory):
    """A finished run on drawn heads, refit included."""
    import torch

    from tumorlens.cli.display import Display
    from tumorlens.train.run import train

    recipe = load_recipe("mobilenetv2-4class", [*SMALL, "fit.epochs=2", "fit.batch=8"])
    folder = tmp_path_factory.mktemp("run")
    return train(
        recipe, drawn_root, folder, init=None, device=torch.device("cpu"), watcher=Display()
    )
