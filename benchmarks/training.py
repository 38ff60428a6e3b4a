"""How long training takes, beside the same recipe in plain Keras in the same run.

    python benchmarks/training.py [--epochs 10] [--json FILE] [--write]

Prints a Markdown table; ``--write`` puts it into docs/reference/benchmarks.md. The recipe is
``mobilenetv2-binary``: a frozen MobileNetV2 and one sigmoid unit, augmented images, 10 epochs. Both
sides learn from the same images of one manifest, made beforehand, and validate on the same; every
time is that of a whole process on two threads, imports and reading included, and memory is its peak
of resident memory. The ratio is that of processor times. The images are those of
``$TUMORLENS_DATA/navoneel`` and the weights those in ``$TUMORLENS_WEIGHTS``; without them, drawn
heads and weights made by chance, which take as long and learn less.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

RECIPE = "mobilenetv2-binary"
WEIGHTS = "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_224_no_top.h5"
DRAWN = {"no": 98, "yes": 155}
"""Heads of each folder that are drawn where the set is not there: as many as it has."""

THREADS = "2"
PEER = Path(__file__).with_name("keras_peer.py")
PAGE = Path(__file__).parent.parent / "docs" / "reference" / "benchmarks.md"
BEGIN, END = "<!-- training -->\n", "<!-- end of training -->"


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        what: Who trained.
        seconds: Wall time of the whole process.
        busy: Processor time of it, over all threads, which other programs hardly lengthen.
        megabytes: Peak resident memory.
        loss: Validation loss of the best epoch.
        accuracy: Its validation accuracy.
    """

    what: str
    seconds: float
    busy: float
    megabytes: float
    loss: float
    accuracy: float


def main() -> None:
    """Measure both sides and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=10, help="passes over the images")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--write", action="store_true", help="put the table into the docs")
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root, weights = data_root(folder), weight_file(folder)
        manifest = folder / "manifest.csv"
        finished(["-m", "tumorlens", "data", "split", str(root / "navoneel"),
                  "--out", str(manifest)])  # fmt: skip
        rows = [
            ours(folder, root, manifest, weights, options.epochs, "fit.refit=false"),
            ours(folder, root, manifest, weights, options.epochs, "fit.refit=true"),
            ours(folder, root, manifest, weights, options.epochs, "fit.refit=false", "fit.views=0"),
            keras(folder, root, manifest, weights, options.epochs),
        ]
        images = sum(1 for _ in manifest.open(encoding="utf-8")) - 1
    origin = "drawn heads, weights by chance" if root == folder else "navoneel, ImageNet weights"
    text = table(rows, f"{images} images ({origin}), {options.epochs} epochs", load)
    print(text)
    if options.write:
        write(text)
    if options.json:
        options.json.write_text(
            json.dumps([asdict(row) for row in rows], indent=1) + "\n", encoding="utf-8"
        )


def data_root(folder: Path) -> Path:
    """Where the set is, or the folder itself, with drawn heads in it."""
    root = Path(os.environ.get("TUMORLENS_DATA", ""))
    if (root / "navoneel").is_dir() and os.environ.get("TUMORLENS_DATA"):
        return root
    from tumorlens.scan import draw_phantom

    for number, (label, count) in enumerate(DRAWN.items()):
        (folder / "navoneel" / label).mkdir(parents=True)
        for seed in range(count):
            kind = "glioma" if label == "yes" else None
            pixels = draw_phantom(1000 * number + seed, tumor=kind, size=256).pixels
            picture = Image.fromarray((pixels * 255).astype(np.uint8))
            picture.save(folder / "navoneel" / label / f"{seed:03}.png")
    return folder


def weight_file(folder: Path) -> Path:
    """ImageNet's weights where they are, or some that chance made."""
    known = Path(os.environ.get("TUMORLENS_WEIGHTS", "")) / WEIGHTS
    if known.is_file():
        return known
    made = folder / "chance.weights.h5"
    code = (
        "import keras; keras.applications.MobileNetV2(include_top=False, weights=None, "
        f"input_shape=(224, 224, 3)).save_weights({str(made)!r})"
    )
    finished(["-c", code])
    return made


def finished(arguments: list[str]) -> tuple[float, float, float]:
    """Run Python with some arguments to its end.

    Returns:
        Wall seconds, seconds of processors, and peak resident memory in MB.

    Raises:
        RuntimeError: It failed; with what it said.
    """
    environment = {"KERAS_BACKEND": "torch", **os.environ, "OMP_NUM_THREADS": THREADS}
    with tempfile.TemporaryFile() as said:
        start = time.perf_counter()
        with subprocess.Popen(
            [sys.executable, *arguments], env=environment, stdout=subprocess.DEVNULL, stderr=said
        ) as process:
            _, status, usage = os.wait4(process.pid, 0)
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            msg = f"{' '.join(arguments)} ended with {process.returncode}: {said.read().decode()}"
            raise RuntimeError(msg)
    return seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def ours(
    folder: Path, root: Path, manifest: Path, weights: Path, epochs: int, *settings: str
) -> Row:
    """``tumorlens train`` with some settings."""
    out = folder / "-".join(("run", *settings))
    arguments = [
        "-m", "tumorlens", "train", RECIPE, "--data", str(root), "--out", str(out),
        "--manifest", str(manifest), "--init", str(weights), "--device", "cpu",
    ]  # fmt: skip
    for setting in (f"fit.epochs={epochs}", f"fit.views={epochs}", *settings):
        arguments += ["--set", setting]
    seconds, busy, megabytes = finished(arguments)
    with (out / "select" / "curves.csv").open(newline="", encoding="utf-8") as file:
        best = min(csv.DictReader(file), key=lambda line: float(line["validation_loss"]))
    loss, accuracy = float(best["validation_loss"]), float(best["validation_accuracy"])
    what = f"`tumorlens train {RECIPE}`, {', '.join(f'`{setting}`' for setting in settings)}"
    return Row(what, seconds, busy, megabytes, loss, accuracy)


def keras(folder: Path, root: Path, manifest: Path, weights: Path, epochs: int) -> Row:
    """The same recipe in Keras."""
    if find_spec("keras") is None:
        msg = 'Keras is not installed: pip install "tumorlens[keras]"'
        raise SystemExit(msg)
    out = folder / "keras.json"
    seconds, busy, megabytes = finished(
        [str(PEER), str(root), str(manifest), str(weights), str(epochs), str(out)]
    )
    curves = json.loads(out.read_text(encoding="utf-8"))
    loss, accuracy = min(zip(curves["loss"], curves["accuracy"], strict=True))
    return Row("the same recipe in Keras (torch)", seconds, busy, megabytes, loss, accuracy)


def table(rows: list[Row], what: str, load: float) -> str:
    """All figures as Markdown, with processor time as a share of Keras'."""
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    lines = [
        f"{machine}; {THREADS} threads; {what}; load of the machine at the start: {load:.1f}",
        "",
        "| what | wall time | processors | of Keras' | peak memory | validation loss | accuracy |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        cells = (
            row.what,
            f"{row.seconds:.0f} s",
            f"{row.busy:.0f} s",
            f"{row.busy / rows[-1].busy:.2f}",
            f"{row.megabytes:.0f} MB",
            f"{row.loss:.3f}",
            f"{row.accuracy:.3f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def write(text: str) -> None:
    """Put the table into its page."""
    page = PAGE.read_text(encoding="utf-8")
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(f"{before}{BEGIN}{text}{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
