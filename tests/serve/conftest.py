"""A service with the tiny model, asked in this process or over a real port."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from io import BytesIO

import httpx
import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from tests.serve import postgres
from tumorlens.model.registry import load_model
from tumorlens.scan import draw_phantom
from tumorlens.serve.app import create_app
from tumorlens.serve.settings import Settings
from tumorlens.serve.store import database

API = "/api/v1"
START_SECONDS = 60


def png(seed: int = 2, tumor: str | None = "meningioma", size: int = 128) -> bytes:
    """A drawn slice as PNG; another one for each seed."""
    stream = BytesIO()
    pixels = draw_phantom(seed, tumor=tumor, size=size).pixels
    Image.fromarray(np.rint(pixels * 255).astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def files(*contents: bytes, name: str = "scan.png") -> list[tuple[str, tuple[str, bytes]]]:
    """Files of a form."""
    return [("files", (name, one)) for one in contents]


@pytest.fixture(scope="session")
def lesion() -> bytes:
    """A drawn slice with a tumor that the tiny model finds."""
    return png()


@pytest.fixture(scope="session")
def postgres_url():
    """URL of a PostgreSQL server that is running for the tests."""
    if postgres.programs() is None:
        pytest.skip("PostgreSQL is not installed (Debian: apt-get install postgresql)")
    with postgres.reachable_folder() as folder, postgres.running(folder) as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request, tmp_path):
    """URL of an empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.sqlite3'}"
    url = request.getfixturevalue("postgres_url")
    return emptied(url)


def emptied(url: str) -> str:
    """The URL of a PostgreSQL server, after everything in its database has been dropped."""
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
    return url


@pytest.fixture(scope="session")
def masked_model(tiny_model, tmp_path_factory):
    """The tiny model, giving a mask."""
    path = tmp_path_factory.mktemp("masked") / "tiny.onnx"
    return load_model(tiny_model(mask=True).save(path), threads=1)


@pytest.fixture(scope="session")
def model(tiny_model_path):
    """The tiny model, loaded."""
    return load_model(tiny_model_path, threads=1)


@pytest.fixture(autouse=True)
def hasty_disk(monkeypatch):
    """Databases of this process do not wait for the disk; those that are killed are others."""
    monkeypatch.setattr(database, "SQLITE_SYNCHRONOUS", "OFF")


@pytest.fixture
def make_settings(tmp_path, monkeypatch):
    """Builds settings that nothing of this machine changes."""
    for name in list(os.environ):
        if name.startswith("TUMORLENS_"):
            monkeypatch.delenv(name)

    def build(**changes):
        fixed = {"data_dir": tmp_path / "data", "allowed_hosts": ("testserver", "127.0.0.1")}
        return Settings(**(fixed | {"workers": 2} | changes))

    return build


@pytest.fixture
def client_of(make_settings, model):
    """Starts a service in this process, with changed settings; a context of a client."""

    @contextmanager
    def start(answering=None, **changes):
        app = create_app(make_settings(**changes), model=answering or model)
        with TestClient(app) as client:
            yield client

    return start


@pytest.fixture
def client(client_of):
    """A client of a service that keeps nothing."""
    with client_of() as one:
        yield one


@pytest.fixture
def keeping(client_of):
    """A client of a service with a history."""
    with client_of(history=True) as one:
        yield one


class Server:
    """A service in a process of its own, on a real port."""

    def __init__(self, arguments: list[str], environment: dict[str, str]) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        command = [sys.executable, "-m", "tumorlens", "serve", "--port", str(self.port)]
        self.process = subprocess.Popen(
            [*command, *arguments],
            env=os.environ | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def wait(self) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end:
            try:
                if httpx.get(f"{self.url}{API}/ready").status_code == 200:
                    return
            except httpx.TransportError:
                assert self.process.poll() is None, self.process.stdout.read().decode()
                time.sleep(0.05)
        pytest.fail("the service did not start")

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.output()

    def stop(self) -> str:
        self.process.send_signal(signal.SIGTERM)
        return self.output()

    def output(self) -> str:
        return self.process.communicate(timeout=60)[0].decode()


@pytest.fixture
def start_server(tmp_path, tiny_model_path):
    """Starts services on real ports, and ends them."""
    started = []

    def start(*arguments: str) -> Server:
        server = Server(
            ["--model", str(tiny_model_path), "--data-dir", str(tmp_path / "data"), *arguments],
            {"OMP_NUM_THREADS": "1", "TUMORLENS_WORKERS": "2"},
        )
        started.append(server)
        server.wait()
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.kill()
        server.process.stdout.close()
