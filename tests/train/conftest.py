import csv
import os

import h5py
import numpy as np
import pytest
from PIL import Image

from tumorlens.scan import draw_phantom
from tumorlens.train.recipe import load_recipe

os.environ["KERAS_BACKEND"] = "torch"  # before any test imports keras

KINDS = (None, "glioma", "meningioma", "pituitary")
IMAGES_A_KIND = 10
SMALL = (
    "input.height=64",
    "input.width=64",
    "data.sources=['drawn']",
    "fit.precision=fp32",  # bfloat16 only pays for larger pictures
)


def draw_folders(folder, kinds, images=10):
    """A set of a folder a class, as most people have it."""
    for number, (name, kind) in enumerate(kinds.items()):
        (folder / name).mkdir(parents=True)
        for i in range(images):
            pixels = draw_phantom(1000 * number + i, tumor=kind, size=96).pixels
            Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / name / f"{i:03}.png")


def write_weights(backbone, path):
    """The weights of a feature extractor as a Keras file without the top."""
    from tumorlens.train.keras.fill import take

    layers = {
        name: take(module)
        for name, module in backbone.named_children()
        if next(module.parameters(recurse=False), None) is not None
    }
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = list(layers)
        for name, arrays in layers.items():
            group = file.create_group(name)
            names = [f"{name}/{number}:0" for number in range(len(arrays))]
            group.attrs["weight_names"] = names
            for each, array in zip(names, arrays, strict=True):
                group.create_dataset(each, data=array)
    return path


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


@pytest.fixture(scope="session")
def binary_root(tmp_path_factory):
    """A set of yes and no folders."""
    root = tmp_path_factory.mktemp("binary")
    draw_folders(root / "drawn", {"yes": "glioma", "no": None})
    return root


@pytest.fixture(scope="session")
def chance_weights(tmp_path_factory):
    """A weight file for the extractor of a recipe, made by chance: `chance_weights(recipe)`."""
    folder = tmp_path_factory.mktemp("weights")

    def make(recipe):
        import torch

        from tumorlens.train.architectures.classifier import build

        torch.manual_seed(5)
        network = build(recipe.network, 2, recipe.input)
        return write_weights(network.backbone, folder / f"{recipe.name}.h5")

    return make


@pytest.fixture
def small_recipe():
    def make(*settings):
        return load_recipe("mobilenetv2-4class", [*SMALL, *settings])

    return make


TINY = (
    "input.height=48",
    "input.width=48",
    "data.sources=['drawn']",
    "network.stages=[{filters=4,batch_norm=true,dropout=0.1},{filters=8,batch_norm=true}]",
    "network.dense=[8]",
    "fit.batch=8",
    "fit.precision=fp32",  # as in SMALL
)


@pytest.fixture
def tiny_recipe():
    """A network that learns in moments; its four classes are those of the drawn set."""

    def make(*settings):
        recipe = load_recipe("cnn-4class", [*TINY, *settings])
        return recipe.for_labels(["no_tumor", "glioma", "meningioma", "pituitary"])

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
