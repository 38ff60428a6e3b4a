"""If this fails, people with accounts do not get in, or out, in a real browser."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.serve.conftest import png

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
# Containers have no user namespaces for the sandbox; every page here is of this machine.
ARGUMENTS = ["--no-sandbox", "--disable-gpu"]
PATIENCE_MS = 60_000
PASSWORD = "correct horse battery staple"  # noqa: S105


@pytest.fixture
def page():
    """A window of a browser that nobody has used."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        window = browser.new_page()
        window.set_default_timeout(PATIENCE_MS)
        yield window
        browser.close()


def test_an_admin_logs_in_makes_an_account_and_logs_out(page, start_server, tmp_path):
    subprocess.run(
        [sys.executable, "-m", "tumorlens", "users", "add", "ada", "--role", "admin",
         "--password-stdin", "--data-dir", str(tmp_path / "data")],
        input=PASSWORD + "\n", text=True, check=True, capture_output=True,
    )  # fmt: skip
    server = start_server("--accounts")
    page.goto(f"{server.url}/admin")
    page.fill("#name", "ada")
    page.fill("#password", "a wrong one")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=do not go together")
    page.fill("#password", PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(f"{server.url}/admin")
    page.fill("#new-name", "bob <b>")
    page.fill("#new-password", "one two three 4")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=cannot be a name")
    page.fill("#new-name", "bob")
    page.fill("#new-password", "one two three 4")
    page.keyboard.press("Enter")
    page.wait_for_selector("th[scope=row] >> text=bob")
    # No script can read the session, and the page asks nobody else for anything.
    assert page.evaluate("document.cookie") == ""
    # Whoever comes back to a page after their session is over is told so, and loses no file.
    page.goto(server.url)
    cookies = page.context.cookies()
    page.context.clear_cookies()
    scan = {"name": "scan.png", "mimeType": "image/png", "buffer": png()}
    page.set_input_files('[data-input="files"]', [scan])
    page.wait_for_selector(".failed >> text=Your session is over")
    page.context.add_cookies(cookies)
    page.click("text=Send again")
    page.wait_for_selector(".verdict >> text=Tumor found")
    # Nor does anybody find a page to log in where their table should be.
    cookies = page.context.cookies()
    page.context.clear_cookies()
    told = []
    page.once("dialog", lambda dialog: (told.append(dialog.message), dialog.accept()))
    page.click("[data-view=table]")
    with page.expect_event("dialog"):
        page.click("[data-do=csv]")
    assert told[0].startswith("Your session is over")
    page.context.add_cookies(cookies)
    page.click("text=Log out")
    page.wait_for_url(re.compile("/login"))
    page.goto(f"{server.url}/admin")
    assert "/login" in page.url
