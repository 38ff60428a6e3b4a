"""The page in a real browser, in front of a service with a history and a model that gives masks."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.serve.conftest import Server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Containers have no user namespaces for the sandbox; every page here is of this machine.
ARGUMENTS = ("--no-sandbox", "--disable-gpu")
PATIENCE_MS = 60_000


@pytest.fixture(scope="session")
def address(tiny_model, tmp_path_factory):
    """Where the service is."""
    folder = tmp_path_factory.mktemp("web")
    model = tiny_model(mask=True).save(folder / "tiny.onnx")
    server = Server(
        ["--model", str(model), "--data-dir", str(folder / "data"), "--history"],
        # Nobody reads its log, and a full pipe would stop it.
        {"OMP_NUM_THREADS": "1", "TUMORLENS_WORKERS": "1", "TUMORLENS_LOG_LEVEL": "warning"},
    )
    try:
        server.wait()
        yield server.url
    finally:
        server.kill()
        server.process.stdout.close()


# For one file of tests: others have browsers of their own, and a process may have one at a time.
@pytest.fixture(scope="module")
def browser():
    """A browser without a window."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield opened
        opened.close()


class Visit:
    """A reader's window, and what went wrong in it."""

    def __init__(self, page, address: str) -> None:
        self.page, self.address = page, address
        self.messages: list[str] = []
        self.foreign: list[str] = []
        self.is_cut = False
        page.on("console", lambda one: self.messages.append(one.text))
        page.on("pageerror", lambda one: self.messages.append(str(one)))

    def keep_home(self, route) -> None:
        """Let requests to the service through, and nothing else: the network is cut."""
        url = urlsplit(route.request.url)
        if self.is_cut:
            route.abort()
        elif url.netloc == urlsplit(self.address).netloc or url.scheme in ("blob", "data"):
            route.continue_()
        else:
            self.foreign.append(route.request.url)
            route.abort()

    def open(self, path: str = "/") -> None:
        self.page.goto(self.address + path)

    def choose(self, *files: tuple[str, bytes]) -> None:
        """Choose files, which sends them."""
        chosen = [
            {"name": name, "mimeType": "application/octet-stream", "buffer": data}
            for name, data in files
        ]
        self.page.set_input_files('[data-input="files"]', chosen)

    def send(self, *files: tuple[str, bytes]) -> None:
        """Choose files, and wait until all are answered."""
        self.choose(*files)
        self.page.locator("[data-progress]").wait_for(state="hidden")
        self.page.locator("[data-list] .result, [data-list] .failed").first.wait_for()

    @property
    def verdict(self):
        return self.page.locator("[data-words] h2")

    def shown(self) -> None:
        """Wait until the viewer shows its slice."""
        self.page.locator("[data-viewer][data-shown]").first.wait_for()


@pytest.fixture
def visit(browser, address):
    """Opens a window; nothing may be asked of another host, and the console stays silent."""

    @contextmanager
    def opened(width=1280, height=860, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        context.set_default_timeout(PATIENCE_MS)
        visited = Visit(context.new_page(), address)
        context.route("**/*", visited.keep_home)
        try:
            yield visited
            assert visited.foreign == []
            assert visited.messages == []
        finally:
            context.close()

    return opened
