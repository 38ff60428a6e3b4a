"""Size, speed and accuracy of a model in each precision, beside 32-bit float in the same run.

    python benchmarks/precision.py [--model NAME|FILE] [--data DIR] [--threads 1 2]

Prints a Markdown table. Times are of the network alone, one slice at a time; the files take turns,
so that what else the machine does hits all alike, and each time is the median. With one thread it
is the processor's time, which other programs hardly lengthen; with more it is the clock's. With
``--data``, the 8-bit model is calibrated on images that the model learnt from, and accuracy is that
on the test fold of its manifest; without, it is calibrated on drawn heads, and no accuracy is
shown. OpenVINO is measured where it is installed.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tumorlens.model.load import load_file
from tumorlens.model.prepare import prepare
from tumorlens.model.registry import load_model
from tumorlens.scan import draw_phantom, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from tumorlens.model.run import Model, RawOutputs
    from tumorlens.train.export.samples import Samples

    Images = NDArray[np.float32]
    Run = Callable[[Images], RawOutputs]
    Settings = dict[str, str | int]

ROOT = Path(__file__).parent.parent
MANIFEST = ROOT / "docs" / "reference" / "tumorlens-v1-manifest.csv"
ROUNDS, CALLS = 9, 15
"""Each file is called so often in a row, and gets so many turns."""

DRAWN = 64
"""Heads that are drawn to calibrate on where there are no images."""


@dataclass
class Variant:
    """One way to run the model.

    Attributes:
        name: In the table.
        size: Bytes of its files.
        run: Threads → a function that runs it.
        milliseconds: Threads → times of single calls.
    """

    name: str
    size: int
    run: Callable[[int], Run]
    milliseconds: dict[int, list[float]] = field(default_factory=dict)


def main() -> None:
    """Convert, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", help="name or file; the default model if left out")
    parser.add_argument("--data", type=Path, help="folder of the model's sets")
    parser.add_argument("--manifest", type=Path, default=MANIFEST)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    options = parser.parse_args()
    model = load_model(options.model, threads=1)
    samples = None
    if options.data:
        from tumorlens.train.export.samples import find_samples

        samples = find_samples(model.metadata, options.data, options.manifest)
    with tempfile.TemporaryDirectory() as name:
        variants = convert_all(model, samples, Path(name))
        image = drawn(model, 1)
        for threads in options.threads:
            time_all(variants, threads, image)
        answers = [answer_all(variant, model, samples) for variant in variants]
    print(f"{platform.machine()}, {os.cpu_count()} cores, {processor()}\n")
    print(table(variants, answers, options.threads, model, samples))


def convert_all(model: Model, samples: Samples | None, folder: Path) -> list[Variant]:
    """The model in every precision."""
    import onnx

    from tumorlens.train.export.graph import with_metadata
    from tumorlens.train.export.half import halve
    from tumorlens.train.export.int8 import quantise

    proto = onnx.load_from_string(model.path.read_bytes())
    images = samples.images(model.metadata.input) if samples else drawn(model, DRAWN)
    paths = {"32-bit float": model.path}
    for name, converted in (
        ("16-bit float", halve(proto, images[:8])),
        ("8-bit integers", quantise(proto, images)),
    ):
        paths[name] = folder / f"{name}.onnx"
        paths[name].write_bytes(with_metadata(converted, model.metadata))
    variants = [
        Variant(name, path.stat().st_size, partial(runner, path)) for name, path in paths.items()
    ]
    if find_spec("openvino"):
        variants += openvino_variants(paths, folder)
    return variants


def runner(path: Path, threads: int) -> Run:
    """A model file in ONNX Runtime."""
    return load_file(path, threads=threads).run


def openvino_variants(paths: dict[str, Path], folder: Path) -> list[Variant]:
    """The same in OpenVINO: as exact as it can be, and as fast as it likes."""
    from tumorlens.train.export.openvino import EXACT, save_openvino

    choices: list[tuple[str, Settings, str]] = [
        ("32-bit float", EXACT, "OpenVINO, 32-bit float"),
        ("32-bit float", {}, "OpenVINO, precision of its own choice"),
        ("8-bit integers", EXACT, "OpenVINO, 8-bit integers"),
    ]
    variants = []
    for number, (name, settings, label) in enumerate(choices):
        target = folder / f"{number}.xml"
        save_openvino(load_file(paths[name]), target)
        size = sum(target.with_suffix(end).stat().st_size for end in (".xml", ".bin"))
        variants.append(Variant(label, size, partial(openvino_runner, target, settings)))
    return variants


def openvino_runner(path: Path, settings: Settings, threads: int) -> Run:
    """A model in OpenVINO."""
    from tumorlens.train.export.openvino import OpenVinoModel

    return OpenVinoModel(path, threads=threads, settings=settings).run


def drawn(model: Model, count: int) -> Images:
    """Drawn heads as the model takes them."""
    kinds = (None, "glioma", "meningioma", "pituitary")
    heads = [draw_phantom(seed, tumor=kinds[seed % 4]).pixels for seed in range(count)]
    return np.stack([prepare(pixels, model.metadata.input).tensor for pixels in heads])


def time_all(variants: list[Variant], threads: int, image: Images) -> None:
    """Let all take turns with the same number of threads."""
    runs = [variant.run(threads) for variant in variants]
    now = time.process_time if threads == 1 else time.perf_counter
    for turn in range(ROUNDS + 1):
        for variant, run in zip(variants, runs, strict=True):
            for _ in range(CALLS):
                start = now()
                run(image)
                passed = 1000 * (now() - start)
                if turn:  # the first turn warms up
                    variant.milliseconds.setdefault(threads, []).append(passed)


def answer_all(variant: Variant, model: Model, samples: Samples | None) -> Images | None:
    """The probabilities (N, C) of the held-out images, where there are any."""
    if samples is None:
        return None
    run, spec = variant.run(2), model.metadata.input
    rows = []
    for entry in samples.held_out:
        pixels = next(read(samples.root / entry.name)).pixels
        rows.append(run(prepare(pixels, spec).tensor[None]).probabilities[0])
    return np.array(rows)


def table(
    variants: list[Variant],
    answers: list[Images | None],
    counts: list[int],
    model: Model,
    samples: Samples | None,
) -> str:
    """All figures as Markdown."""
    speed = [cell for threads in counts for cell in (f"ms, threads: {threads}", "times as fast")]
    head = ["model", "MB", *speed, "accuracy", "same class"]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head))]
    first = variants[0]
    for variant, given in zip(variants, answers, strict=True):
        cells = [variant.name, f"{variant.size / 1e6:.1f}"]
        for threads in counts:
            mine, theirs = (
                statistics.median(one.milliseconds[threads]) for one in (variant, first)
            )
            cells += [f"{mine:.2f}", f"{theirs / mine:.2f}"]
        cells += accuracy_cells(given, answers[0], model, samples)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def accuracy_cells(
    given: Images | None, wanted: Images | None, model: Model, samples: Samples | None
) -> list[str]:
    """Accuracy over the images of known class, and the share of all with the same class."""
    from tumorlens.evaluate.truth import truth_of

    if given is None or wanted is None or samples is None:
        return ["", ""]
    truth = truth_of(model.metadata, samples.held_out)
    known = truth.with_kind
    chosen = given.argmax(axis=1)
    right = (chosen[known] == truth.kind[known]).mean()
    same = (chosen == wanted.argmax(axis=1)).mean()
    return [f"{right:.4f}", f"{same:.1%}"]


def processor() -> str:
    """The instructions that 8-bit and 16-bit arithmetic gain from, where the system tells."""
    path = Path("/proc/cpuinfo")
    flags = path.read_text(encoding="utf-8").split() if path.is_file() else []
    known = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
    found = [flag for flag in known if flag in flags]
    return f"with {', '.join(found)}" if found else "no known vector instructions"


if __name__ == "__main__":
    main()
