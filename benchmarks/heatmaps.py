"""Seven ways to draw what a network looks at, scored against masks on images that it never saw.

python benchmarks/heatmaps.py measure RUN --data sets/ [--images 30]
python benchmarks/heatmaps.py table

`measure` scores the heatmaps of a finished run (`tumorlens train --out RUN`) and keeps the figures
in docs/reference/heatmaps.json; `table` writes docs/reference/heatmaps.md from them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from tumorlens.data import manifest
from tumorlens.evaluate.explanations import MapScore, best_level, map_figures, score_map
from tumorlens.evaluate.tables import interval, table
from tumorlens.model.format import Metric
from tumorlens.model.prepare import PlacedMap, prepare
from tumorlens.scan import read
from tumorlens.train.dense.export import ExportedLesions
from tumorlens.train.dense.images import mask_paths
from tumorlens.train.export.network import ExportedClassifier, assemble
from tumorlens.train.run import open_run

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from tumorlens.data.manifest import Entry

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "docs" / "reference" / "heatmaps.json"
PAGE = ROOT / "docs" / "reference" / "heatmaps.md"

LEVEL_IMAGES = 6
"""Images of training folds that the cut of each method's maps is chosen on."""

CHANNELS = 16
"""Of the 1,280 channels Score-CAM tries those that weigh most: each is a run of the network."""

STEPS = 8
"""Of the path that integrated gradients are summed over."""

PATCH, STRIDE = 32, 32
BATCH = 16

COLUMNS = ("pointing game", "energy in tumor", "energy over area", "IoU")
OWN = "the model file's"
SHOWN_MARKS = """The map of the model file is what the network marks, from the same pass as the
answer, and the answer is made of its highest places: no other method draws what decides. Grad-CAM
and its kin see the deepest features only, which no mark is made of alone."""
SHOWN_CAM = """The map of the model file is the exact class activation map: Grad-CAM's and
HiResCAM's, which behind a mean and one dense layer are the same, less the mean over classes. It is
shown because it comes with the answer, costs nothing, and its mean is the logit; where others lie
better on the tumor, that says that this network decides by more than the tumor."""


@dataclass(frozen=True, slots=True, eq=False)
class Network:
    """A trained network as the methods see it.

    Attributes:
        exported: What the model file computes.
        tumors: Numbers of the classes that are tumors.
    """

    exported: ExportedClassifier | ExportedLesions
    tumors: tuple[int, ...]

    def both(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """(N, C, H, W) → its deepest features (N, F, h, w) and class logits (N, K)."""
        if isinstance(self.exported, ExportedClassifier):
            features = self.exported.network.features(image)
            return features, self.exported.network.classify(features)
        network = self.exported.network
        levels = network.levels(image)
        logits: Tensor = network.classify(network.answer(levels))
        return levels[-1], logits

    def logits(self, image: Tensor) -> Tensor:
        """(N, C, H, W) → (N, K)."""
        return self.both(image)[1]

    def likeliest(self, image: Tensor) -> int:
        """The likeliest kind of tumor of one image."""
        with torch.inference_mode():
            given = self.logits(image)[0]
        return max(self.tumors, key=lambda number: float(given[number]))


def own_map(network: Network, image: Tensor, chosen: int) -> Tensor:
    """The heatmap of the model file: the exact class activation map, or the marks of lesions."""
    with torch.inference_mode():
        maps: Tensor = network.exported(image)[1][0]
    return maps[chosen] - maps.mean(dim=0)


def _weighed(network: Network, image: Tensor, chosen: int) -> tuple[Tensor, Tensor]:
    """The features (F, h, w) of one image, and the gradient of a class's logit there."""
    features, logits = network.both(image)
    (gradient,) = torch.autograd.grad(logits[0, chosen], features)
    return features[0].detach(), gradient[0]


def grad_cam(network: Network, image: Tensor, chosen: int) -> Tensor:
    """Selvaraju et al., 2017."""
    features, gradient = _weighed(network, image, chosen)
    return (features * gradient.mean(dim=(1, 2), keepdim=True)).sum(dim=0)


def grad_cam_plus_plus(network: Network, image: Tensor, chosen: int) -> Tensor:
    """Chattopadhay et al., 2018."""
    features, gradient = _weighed(network, image, chosen)
    square, cube = gradient**2, gradient**3
    below = 2 * square + features.sum(dim=(1, 2), keepdim=True) * cube
    shares = square / torch.where(below.abs() > 1e-12, below, torch.ones_like(below))  # noqa: PLR2004
    weights = (shares * gradient.clamp(min=0)).sum(dim=(1, 2), keepdim=True)
    return (features * weights).sum(dim=0)


def hires_cam(network: Network, image: Tensor, chosen: int) -> Tensor:
    """Draelos & Carin, 2020."""
    features, gradient = _weighed(network, image, chosen)
    return (features * gradient).sum(dim=0)


def score_cam(network: Network, image: Tensor, chosen: int) -> Tensor:
    """Wang et al., 2020, over the channels with the largest gradients."""
    features, gradient = _weighed(network, image, chosen)
    weight = (features * gradient).sum(dim=(1, 2)).abs()
    kept = features[weight.topk(min(CHANNELS, len(weight))).indices]
    low, high = kept.amin(dim=(1, 2), keepdim=True), kept.amax(dim=(1, 2), keepdim=True)
    masks = functional.interpolate(
        ((kept - low) / (high - low + 1e-6))[:, None], size=image.shape[-2:], mode="bilinear"
    )
    scores = torch.softmax(_asked(network, image * masks, chosen), dim=0)
    return (kept * scores[:, None, None]).sum(dim=0)


def occlusion(network: Network, image: Tensor, chosen: int) -> Tensor:
    """Zeiler & Fergus, 2014, with captum."""
    from captum.attr import Occlusion

    shape = (image.shape[1], PATCH, PATCH)
    with torch.inference_mode():
        found = Occlusion(network.logits).attribute(
            image,
            sliding_window_shapes=shape,
            strides=(image.shape[1], STRIDE, STRIDE),
            baselines=float(image.mean()),
            target=chosen,
            perturbations_per_eval=BATCH,
        )
    mean: Tensor = found[0].mean(dim=0)
    return mean


def integrated_gradients(network: Network, image: Tensor, chosen: int) -> Tensor:
    """Sundararajan et al., 2017, with captum; smoothed, since single pixels say little."""
    from captum.attr import IntegratedGradients

    found = IntegratedGradients(network.logits).attribute(
        image, target=chosen, n_steps=STEPS, internal_batch_size=BATCH
    )
    return functional.avg_pool2d(found[0].detach().mean(dim=0)[None, None], 9, 1, 4)[0, 0]


METHODS: dict[str, Callable[[Network, Tensor, int], Tensor]] = {
    OWN: own_map,
    "Grad-CAM": grad_cam,
    "Grad-CAM++": grad_cam_plus_plus,
    "HiResCAM": hires_cam,
    f"Score-CAM ({CHANNELS} channels)": score_cam,
    "occlusion": occlusion,
    "integrated gradients": integrated_gradients,
}


def main() -> None:
    """Do what is asked for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("action", choices=("measure", "table"))
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--images", type=int, default=30)
    asked = parser.parse_args()
    if asked.action == "measure":
        if not (asked.run and asked.data):
            parser.error("measure needs a run and --data")
        kept = json.dumps(measure(asked.run, asked.data, asked.images), indent=1)
        KEPT.write_text(kept + "\n", encoding="utf-8")
    PAGE.write_text(page(json.loads(KEPT.read_text(encoding="utf-8"))), encoding="utf-8")
    print(PAGE.read_text(encoding="utf-8"))


def measure(folder: Path, root: Path, images: int) -> dict[str, Any]:
    """The figures of all methods on the test fold of a run."""
    run = open_run(folder)
    exported = assemble(run)
    recipe = run.recipe
    positive = tuple(recipe.classes.index(name) for name in recipe.positive)
    network = Network(exported, positive)
    entries = manifest.load(run.manifest)
    masks = mask_paths(root, {entry.source for entry in entries})
    marked = sorted((one for one in entries if one.name in masks), key=lambda one: one.sha256)
    fold = recipe.data.test_fold
    tested = [one for one in marked if one.fold == fold][:images]
    others = [one for one in marked if one.fold != fold][:LEVEL_IMAGES]
    on = f"fold {fold}, {len(tested)} images with a mask"
    scores = [_scores(network, root, one, masks[one.name], run) for one in (*others, *tested)]
    found = {}
    for name in METHODS:
        level = best_level([each[name] for each in scores[: len(others)]])
        mine = [each[name] for each in scores[len(others) :]]
        figures = map_figures(mine, [one.group for one in tested], on, level)
        found[name] = [figure.model_dump(mode="json") for figure in figures]
    marks = isinstance(exported, ExportedLesions)
    return {"run": recipe.name, "marks": marks, "on": on, "methods": found}


def page(kept: dict[str, Any]) -> str:
    """The page of the figures."""
    found = {
        name: [Metric.model_validate(figure) for figure in figures]
        for name, figures in kept["methods"].items()
    }
    rows = [
        (name, *(f"{one.value:.3f} ({interval(one.low, one.high)})" for one in figures))
        for name, figures in found.items()
    ]
    intro = f"""Each method drew the evidence for the likeliest tumor of the same slices
(`{kept["run"]}` on {kept["on"]}), and was scored against the masks: whether its highest place lies
in the tumor, which share of its mass does, how many times the tumor's share of the area that is,
and the overlap when it is cut at a share of its maximum that was chosen on training images. In
brackets are 95 % intervals by bootstrap over groups."""
    repeat = """`python benchmarks/heatmaps.py measure RUN --data sets/` repeats all of it for any
run of a network. [How an answer comes about](../concepts/answers.md) says which map is shown."""
    shown = SHOWN_MARKS if kept["marks"] else SHOWN_CAM
    parts = (intro, f"{best_words(found)} {shown}", repeat)
    intro, best, repeat = (fill(" ".join(part.split()), 100) for part in parts)
    title = "# Ways to draw what a network looks at"
    return (
        "\n\n".join([title, intro, table(("method", *COLUMNS), rows).rstrip("\n"), best, repeat])
        + "\n"
    )


def best_words(found: dict[str, list[Metric]]) -> str:
    """Which method is the highest in each column."""
    best = [max(found, key=lambda name: found[name][i].value) for i in range(len(COLUMNS))]
    columns: dict[str, list[str]] = {}
    for name, column in zip(best, COLUMNS, strict=True):
        columns.setdefault(name, []).append(column)
    told = [f"{name} in {' and '.join(where)}" for name, where in columns.items()]
    return f"Highest here: {'; '.join(told)}."


def _scores(
    network: Network, root: Path, entry: Entry, mask: Path, run: Any
) -> dict[str, MapScore]:
    """Each method on one image."""
    pixels = next(read(root / entry.name)).pixels
    truth = next(read(mask)).pixels > 0
    prepared = prepare(pixels, run.recipe.input)
    image = torch.from_numpy(prepared.tensor[None].copy())
    chosen = network.likeliest(image)
    box = prepared.box
    seen = np.zeros(truth.shape, np.bool_)
    seen[box.top : box.bottom, box.left : box.right] = True
    found = {}
    for name, method in METHODS.items():
        values = np.asarray(method(network, image, chosen).numpy(), np.float32)
        placed = PlacedMap(np.maximum(values, 0), prepared.placement)
        found[name] = score_map(placed.on_slice(), truth, seen)
    sys.stderr.write(".")
    sys.stderr.flush()
    return found


def _asked(network: Network, images: Tensor, chosen: int) -> Tensor:
    with torch.inference_mode():
        parts = [network.logits(some)[:, chosen] for some in torch.split(images, BATCH)]
    return torch.cat(parts)


if __name__ == "__main__":
    main()
