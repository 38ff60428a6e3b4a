"""Pictures of the web page and of the Streamlit app for the documents, of drawn heads only.

    python benchmarks/page_pictures.py [--model FILE] [--only page|app]

Looks at both with Debian's chromium, and writes docs/how-to/*.png: the app with the bundled model,
the page with a copy of it (or of another) without its picture gate, which lets no drawing pass. To
be run again when a page changes, or the bundled model does. It needs
`pip install ".[nifti,train,dev]"` and chromium.
"""

from __future__ import annotations

import argparse
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.error import URLError
from urllib.request import urlopen

import numpy as np
from PIL import Image

from tumorlens import analyze, load_model
from tumorlens.decide.finding import Finding, Status
from tumorlens.scan import draw_phantom

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tumorlens.model.run import Model

OUT = Path(__file__).parents[1] / "docs" / "how-to"
# Containers have no user namespaces for the sandbox; every page here is of this machine.
CHROMIUM_ARGUMENTS = ("--no-sandbox", "--disable-gpu")
START_SECONDS, PATIENCE_MS, SETTLE_MS = 120.0, 120_000, 1500
# A head with a tumor that the model finds and, if it can, marks; the first of so many.
SEEDS, SIDE = 40, 320
SLICES, PIXEL_MM, SLICE_MM = 12, 0.7, 5.0
COLOURS = 255


def main() -> None:
    """Draw, start, look, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--model", default=None, help="a model file; the bundled one if none")
    parser.add_argument("--only", choices=("page", "app"), default=None)
    given = parser.parse_args()
    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        ungated = Path(folder) / "ungated.onnx"
        _write_ungated(load_model(given.model), ungated)
        files = _drawn(Path(folder), load_model(ungated))
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=list(CHROMIUM_ARGUMENTS)
        )
        if given.only != "app":
            options = ("--model", str(ungated), "--history", "--data-dir", folder)
            with _running("serve", *options) as address:
                _page(browser, address, files)
        if given.only != "page":
            with _running("app", "--no-browser") as address:
                _app(browser, address, files[0])
        browser.close()


def _write_ungated(model: Model, target: Path) -> None:
    """A copy of a model file that answers drawings too."""
    import onnx

    from tumorlens.train.export.graph import with_metadata

    decision = model.metadata.decision.model_copy(update={"picture": None})
    metadata = model.metadata.model_copy(update={"decision": decision})
    target.write_bytes(with_metadata(onnx.load(model.path), metadata))


def _drawn(folder: Path, model: Model) -> list[Path]:
    """A head with a tumor, one without, a volume, and no MRI at all."""
    seed = _telling_seed(model)
    tumor = draw_phantom(seed, tumor="meningioma", size=SIDE).pixels
    noise = np.random.default_rng(1).random((SIDE, SIDE, 3))
    files = {
        "meningioma.png": _png(tumor),
        "plain.png": _png(draw_phantom(seed + 1, size=SIDE).pixels),
        "volume.nii": _volume(seed),
        "color.png": _png(noise),
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in files]


def _telling_seed(model: Model) -> int:
    """The first head whose tumor the model finds, and marks where it gives a mask."""
    for seed in range(1, SEEDS):
        pixels = draw_phantom(seed, tumor="meningioma", size=SIDE).pixels
        for finding in analyze(pixels, model=model):
            if isinstance(finding, Finding) and finding.status is Status.TUMOR:
                size = finding.measurements
                if not model.gives_mask or (size is not None and size.lesions):
                    return seed
    print("no drawn tumor is found and marked; the first stands in", file=sys.stderr)
    return 1


def _png(pixels: Any) -> bytes:
    stream = BytesIO()
    Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def _volume(seed: int) -> bytes:
    """Slices of heads, some of them with the tumor, in the orientation of NIfTI."""
    import nibabel

    with_tumor = range(SLICES // 3, 2 * SLICES // 3)
    slices = [
        draw_phantom(seed, tumor="meningioma" if place in with_tumor else None, size=SIDE).pixels
        for place in range(SLICES)
    ]
    voxels = np.stack([np.rot90(one, -1) for one in slices], axis=-1).astype(np.float32)
    affine = np.diag([-PIXEL_MM, PIXEL_MM, SLICE_MM, 1.0])
    written: bytes = nibabel.Nifti1Image(voxels, affine).to_bytes()  # type: ignore[no-untyped-call]
    return written


@contextmanager
def _running(command: str, *options: str) -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "tumorlens", command, "--port", str(port), *options],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(address, process)
        yield address
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def _wait_for(address: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with urlopen(address) as answer:  # noqa: S310  (an address of this machine)
                answer.read()
        except (URLError, ConnectionError):
            time.sleep(0.2)
        else:
            return
    message = f"{address} does not answer"
    raise SystemExit(message)


def _page(browser: Any, address: str, files: list[Path]) -> None:
    with _window(browser, address, 1280, 860) as page:
        _send(page, files)
        page.locator(".result", has_text="meningioma.png").get_by_role("button").click()
        _keep(page, "web-page.png")
    with _window(browser, address, 1280, 860, color_scheme="dark") as page:
        _send(page, files)
        page.locator(".result", has_text="volume.nii").get_by_role("button").click()
        page.locator('[data-do="sides"]').click()
        _keep(page, "web-page-dark.png")
    phone = {"device_scale_factor": 1.5, "is_mobile": True, "has_touch": True}
    with _window(browser, address, 390, 844, **phone) as page:
        _send(page, files[:1])
        page.locator("[data-words]").evaluate("one => one.scrollIntoView()")
        _keep(page, "web-page-phone.png")


def _send(page: Any, files: list[Path]) -> None:
    page.set_input_files('[data-input="files"]', files)
    page.locator("[data-progress]").wait_for(state="hidden")
    page.locator("[data-viewer][data-shown]").wait_for()


def _app(browser: Any, address: str, file: Path) -> None:
    with _window(browser, address, 1000, 1560) as page:
        page.locator("input[type=file]").set_input_files(file)
        pictures = page.get_by_test_id("stImage").locator("img")
        pictures.nth(1).wait_for()
        page.wait_for_function("[...document.images].every((one) => one.complete)")
        page.get_by_test_id("stSkeleton").first.wait_for(state="detached")
        _keep(page, "streamlit-app.png")


@contextmanager
def _window(browser: Any, address: str, width: int, height: int, **options: Any) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": width, "height": height}, **options)
    context.set_default_timeout(PATIENCE_MS)
    page = context.new_page()
    page.goto(address)
    yield page
    context.close()


def _keep(page: Any, name: str) -> None:
    """Write what a window shows, once it is still, in as many colours as an eye tells apart."""
    page.wait_for_timeout(SETTLE_MS)
    shown = Image.open(BytesIO(page.screenshot())).convert("RGB")
    path = OUT / name
    # This way of choosing them keeps those of small parts, such as a legend, too.
    palette = shown.quantize(COLOURS, method=Image.Quantize.FASTOCTREE)
    fewer = shown.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG)
    fewer.save(path, optimize=True)
    print(f"{path}: {path.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
