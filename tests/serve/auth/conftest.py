"""A service with accounts: an admin, a reviewer and two readers, each with a browser."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import argon2
import pytest
from fastapi.testclient import TestClient

from tests.serve.conftest import API, files, png
from tumorlens.serve.app import create_app
from tumorlens.serve.auth import passwords
from tumorlens.serve.people import Role

HERE = ("127.0.0.1", 50000)
ELSEWHERE = ("192.0.2.7", 50000)
SECURE, PLAIN = "https://testserver", "http://testserver"
PASSWORD = "purple monkey dishwasher"  # noqa: S105
PEOPLE = {"ada": Role.ADMIN, "rex": Role.REVIEWER, "bob": Role.READER, "eve": Role.READER}
COOKIE = "__Host-tumorlens_session"


@pytest.fixture(autouse=True)
def quick_hashes(monkeypatch):
    """Passwords that take no time; how long real ones take is a matter of argon2-cffi."""
    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", lambda: quick)


def form_token(text: str) -> str:
    """The token in the form of a page."""
    return re.search(r'name="csrf_token" value="([0-9a-f]{64})"', text)[1]


class Browser(TestClient):
    """A browser: cookies of its own, and the token of its pages where it changes something."""

    root = ""

    def open_login(self) -> str:
        return form_token(self.get(f"{self.root}/login").text)

    def log_in(self, name: str, password: str = PASSWORD, **more: str):
        form = {"csrf_token": self.open_login(), "name": name, "password": password}
        return self.post(f"{self.root}/login", data=form | more, follow_redirects=False)

    @property
    def csrf(self) -> dict[str, str]:
        return {"X-CSRF-Token": self.get(f"{API}/account").json()["csrf_token"]}

    def submit(self, path: str, **form: str):
        """Send a form of a page of this session."""
        token = form_token(self.get("/account").text)
        return self.post(path, data={"csrf_token": token} | form, follow_redirects=False)

    def analyse(self, seed: int = 2):
        sent = self.post(f"{API}/findings", files=files(png(seed)), headers=self.csrf)
        assert sent.status_code == 200, sent.text
        return sent.json()["findings"][0]


@dataclass
class House:
    """A running service with accounts."""

    app: Any
    ids: dict[str, str] = field(default_factory=dict)

    @property
    def accounts(self):
        return self.app.state.service.accounts

    def browser(self, name: str = "", *, base_url: str = SECURE, client=HERE) -> Browser:
        """A browser that has nothing; or one in which someone has logged in."""
        browser = Browser(self.app, base_url=base_url, client=client)
        if name:
            assert browser.log_in(name).status_code == 303
        return browser

    def program(self, name: str, *scopes: str, days: float | None = None):
        """A program with a token, and the token's identifier."""
        account = self.accounts.named(name)
        new = self.accounts.add_token(account, "a program", scopes, days)
        headers = {"Authorization": f"Bearer {new.text}"}
        return TestClient(self.app, base_url=SECURE, headers=headers), new

    def audit(self, action: str):
        from tumorlens.serve.auth.records import AuditQuery

        return self.accounts.audit.find(AuditQuery(action=action)).items


@pytest.fixture
def house_of(make_settings, model):
    """Starts services with accounts, with changed settings."""
    opened = []

    def start(**changes) -> House:
        app = create_app(make_settings(accounts=True, history=True, **changes), model=model)
        client = TestClient(app)
        client.__enter__()
        opened.append(client)
        house = House(app)
        for name, role in PEOPLE.items():
            account = house.accounts.add(name, role, PASSWORD, must_change=False)
            house.ids[name] = account.id
        return house

    yield start
    for client in opened:
        client.__exit__(None, None, None)


@pytest.fixture
def house(house_of) -> House:
    """A service with accounts."""
    return house_of()
