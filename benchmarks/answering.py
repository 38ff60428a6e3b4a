"""How fast and how small answering is, beside a plain classifier in Keras in the same run.

    python benchmarks/answering.py [--images 1000] [--json FILE]

Prints a Markdown table. Every time is a median over repeats, or over a whole folder; memory is
the peak of resident memory that the operating system reports of the finished process. The slices
are drawn, 512 x 512, and written as JPEG. Keras is measured where it is installed, with
PyTorch as its backend: MobileNetV2 with global average pooling and a dense layer, at 224 x 224.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

REPEATS = 7
SIDE = 512
THREADS = 2
DISTINCT = 40
"""So many different slices are drawn; a folder repeats them under other names."""

Row = tuple[str, str, str]


def main() -> None:
    """Measure everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=1000, help="size of the large folder")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        draw_folder(folder / "large", options.images)
        draw_folder(folder / "small", options.images // 4)
        one = folder / "small" / "00000.jpg"
        rows = [
            *import_rows(),
            *cold_rows(one),
            *warm_rows(one),
            *folder_rows(folder, options.images),
            *keras_rows(one),
        ]
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}\n")
    print("| what | figure | aim |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


def draw_folder(folder: Path, count: int) -> None:
    """Write so many JPEGs of drawn heads."""
    from tumorlens.scan import draw_phantom

    folder.mkdir()
    kinds = (None, "glioma", "meningioma", "pituitary")
    first: list[bytes] = []
    for number in range(count):
        path = folder / f"{number:05}.jpg"
        if number < DISTINCT:
            pixels = draw_phantom(number, tumor=kinds[number % 4], size=SIDE).pixels
            Image.fromarray((pixels * 255).astype(np.uint8)).save(path, quality=90)
            first.append(path.read_bytes())
        else:
            path.write_bytes(first[number % DISTINCT])


def finished(command: list[str], *, may_fail: bool = False) -> tuple[float, float]:
    """Run a command to its end: wall seconds, and peak resident memory in MB."""
    start = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in ((0, 1) if may_fail else (0,)):
        msg = f"{' '.join(command)} ended with {process.returncode}"
        raise RuntimeError(msg)
    return seconds, usage.ru_maxrss / 1024


def import_rows() -> list[Row]:
    """The cost of ``import tumorlens`` over that of an empty program."""
    with_import = median_seconds([sys.executable, "-c", "import tumorlens"])
    without = median_seconds([sys.executable, "-c", ""])
    return [("`import tumorlens`", f"{1000 * (with_import - without):.0f} ms", "< 150 ms")]


def median_seconds(command: list[str]) -> float:
    """Median wall time of a command, after one run that is not counted."""
    finished(command)
    return statistics.median(finished(command)[0] for _ in range(REPEATS))


def cold_rows(one: Path) -> list[Row]:
    """A whole process that answers one file."""
    command = [sys.executable, "-m", "tumorlens", "predict", str(one)]
    finished(command, may_fail=True)
    runs = [finished(command, may_fail=True) for _ in range(REPEATS)]
    seconds, memory = statistics.median(r[0] for r in runs), max(r[1] for r in runs)
    return [
        ("`tumorlens predict one.jpg`, cold process, wall time", f"{seconds:.2f} s", "< 0.8 s"),
        ("… its peak memory", f"{memory:.0f} MB", "< 250 MB"),
    ]


def warm_rows(one: Path) -> list[Row]:
    """One slice in a running process: through the network, and from a JPEG file to its Finding."""
    from tumorlens import analyze_one, load_model

    model = load_model(threads=THREADS)
    spec = model.metadata.input
    batch = np.random.default_rng(0).random((1, spec.channels, spec.height, spec.width), np.float32)

    def answer() -> object:
        return analyze_one(one, model=model).heatmap

    return [
        (
            f"the model file alone: probabilities, heatmap and mask of a slice, {THREADS} threads",
            f"{1000 * median_call(lambda: model.run(batch), 60):.1f} ms",
            "< 15 ms",
        ),
        (
            f"one {SIDE} x {SIDE} JPEG to Finding with heatmap and mask, {THREADS} threads",
            f"{1000 * median_call(answer, 60):.1f} ms",
            "< 15 ms",
        ),
    ]


def median_call(call: object, repeats: int) -> float:
    """Median seconds of a function call, after a few that are not counted."""
    times = []
    for number in range(repeats + 5):
        start = time.perf_counter()
        call()  # type: ignore[operator]
        if number >= 5:  # noqa: PLR2004
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def folder_rows(folder: Path, images: int) -> list[Row]:
    """Folders of JPEGs through the command line: rate, and memory at two sizes."""
    command = [sys.executable, "-m", "tumorlens", "predict", "--format", "json"]
    small_seconds, small_memory = finished([*command, str(folder / "small")], may_fail=True)
    seconds, memory = finished([*command, str(folder / "large")], may_fail=True)
    rate = (images - images // 4) / (seconds - small_seconds)
    return [
        (f"a folder of {images} JPEGs, whole process", f"{seconds:.1f} s", ""),
        ("… rate once started", f"{rate:.0f} images/s", "> 120 images/s"),
        (
            f"… peak memory at {images // 4} and at {images} images",
            f"{small_memory:.0f} and {memory:.0f} MB",
            "equal",
        ),
    ]


def keras_rows(one: Path) -> list[Row]:
    """A plain MobileNetV2 classifier in Keras: one image at a time, and in batches of 32."""
    if find_spec("keras") is None:
        return [("Keras", "not installed", "")]
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    base = keras.applications.MobileNetV2(include_top=False, weights=None, pooling="avg")
    network = keras.Sequential([base, keras.layers.Dense(4, activation="softmax")])

    def answer() -> object:
        image = np.asarray(Image.open(one).convert("RGB").resize((224, 224)), np.float32)
        return network.predict(image[None] / 127.5 - 1, verbose=0)

    batch = np.zeros((32, 224, 224, 3), np.float32)
    alone = median_call(answer, 20)
    together = median_call(lambda: network.predict(batch, verbose=0), 5) / 32
    name = (
        f"Keras {keras.__version__} ({keras.backend.backend()}) `model.predict`, plain MobileNetV2"
    )
    return [
        (f"{name}, one JPEG, no heatmap", f"{1000 * alone:.1f} ms", ""),
        ("… in batches of 32, decoding not counted", f"{1 / together:.0f} images/s", ""),
    ]


if __name__ == "__main__":
    main()
