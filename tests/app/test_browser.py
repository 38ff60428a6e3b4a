"""In a real browser: if these fail, who opens the app cannot do with it what the docs promise."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import httpx
import pytest

from tests.app.conftest import png
from tests.conftest import TinyModel
from tumorlens.app.launch import free_port
from tumorlens.decide.finding import NOTICE

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")
# Containers have no user namespaces for the sandbox; every page here is of this machine.
ARGUMENTS = ("--no-sandbox", "--disable-gpu")
PATIENCE_MS = 60_000
START_TRIES = 240


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """The app in a process of its own, with the bundled model and a tiny one."""
    folder = tmp_path_factory.mktemp("models")
    TinyModel(mask=True).save(folder / "tiny.onnx")
    port = free_port("127.0.0.1", None)
    process = subprocess.Popen(
        [sys.executable, "-m", "tumorlens", "app", "--no-browser", "--port", str(port)],
        env=os.environ | {"TUMORLENS_MODELS": str(folder), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_for(url, process)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(url, process):
    for _ in range(START_TRIES):
        assert process.poll() is None, "the app ended at once"
        try:
            httpx.get(f"{url}/_stcore/health")
        except httpx.TransportError:
            time.sleep(0.25)
        else:
            return
    pytest.fail("the app did not start")


@pytest.fixture(scope="module")
def browser():
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


@pytest.fixture
def visit(browser, address):
    """Opens the app in a window of some width; asks no other machine for anything."""

    @contextmanager
    def opened(width=1280, height=900, scheme="light"):
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme=scheme, accept_downloads=True
        )
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        asked, said = [], []
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.goto(address)
        _main(page).get_by_role("heading", name="TumorLens").wait_for()
        yield page
        hosts = {urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))}
        assert hosts == {urlsplit(address).netloc}
        assert said == []
        context.close()

    return opened


def _main(page):
    return page.get_by_test_id("stMain")


def _answers(page):
    """The answers in words, whichever they are: the bundled model gives the first."""
    return _main(page).locator(".tl-card .tl-head")


def _drop(page, *files):
    page.locator("input[type=file]").set_input_files(
        [{"name": name, "mimeType": "image/png", "buffer": data} for name, data in files]
    )


@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (1280, "dark")])
def test_a_dropped_scan_is_answered(visit, width, scheme):
    with visit(width, scheme=scheme) as page:
        _drop(page, ("scan.png", png(5, size=256)))
        _answers(page).first.wait_for()
        pictures = page.get_by_test_id("stImage").locator("img")
        pictures.first.wait_for()
        assert pictures.evaluate_all("all => all.every(one => one.complete)")
        assert page.get_by_text(NOTICE).first.is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == width


def test_a_batch_is_tabled_and_downloaded(visit, tmp_path):
    with visit() as page:
        _drop(
            page,
            ("a.png", png(5, size=256)),
            ("b.png", png(6, tumor=None, size=256)),
            ("broken.png", b"\x89PNG\r\n\x1a\n nothing"),
        )
        page.get_by_text("One input could not be answered").wait_for()
        page.get_by_text("All answers").wait_for()
        with page.expect_download() as download:
            page.get_by_role("button", name="Answers as CSV").click()
        download.value.save_as(tmp_path / "answers.csv")
        with (tmp_path / "answers.csv").open(encoding="utf-8") as file:
            assert [row["input"] for row in csv.DictReader(file)] == [
                "a.png",
                "b.png",
                "broken.png",
            ]


def test_two_models_are_compared(visit):
    with visit() as page:
        _drop(page, ("a.png", png(5, size=256)))
        _main(page).get_by_text("The slice as it was read").wait_for()
        page.get_by_test_id("stMultiSelect").locator("input").fill("tiny")
        page.get_by_role("option", name="tiny").wait_for()
        page.keyboard.press("Enter")
        page.get_by_text(re.compile("no second opinion|let a person read")).wait_for()
        assert _answers(page).count() == 2


def test_every_page_can_be_reached_and_keeps_the_scans(visit):
    with visit() as page:
        _drop(page, ("scan.png", png(5, size=256)))
        _answers(page).first.wait_for()
        for name, sign in (
            ("Thresholds", "Sensitivity of at least"),
            ("Model and evidence", "The model card"),
            ("Audit", "A zip of a folder of images"),
            ("Scans", "The slice as it was read"),
        ):
            page.get_by_role("link", name=name).first.click()
            _main(page).get_by_text(sign).first.wait_for()
            assert page.get_by_text(NOTICE).first.is_visible()
