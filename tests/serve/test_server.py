"""A real process on a real port. If these fail, it loses answers, or lets the wrong ones in."""

import concurrent.futures
import json
import os
import re
import stat
import subprocess
import sys
import threading

import httpx
import pytest

from tests.serve.conftest import API, Server, files, png
from tumorlens.serve.query import Query
from tumorlens.serve.store import Store

# Files of the batches that are being sent when the service is killed.
FILES, SENDERS = 12, 3


def acknowledged_until_killed(server: Server, contents: list[bytes], after: int) -> dict[str, str]:
    """Send batches, kill the service in their middle; hash → identifier of what was answered."""
    got: dict[str, str] = {}
    enough = threading.Event()

    def send(part: list[bytes]) -> None:
        try:
            with httpx.stream(
                "POST", f"{server.url}{API}/findings/stream", files=files(*part), timeout=60
            ) as stream:
                for line in stream.iter_lines():
                    told = json.loads(line)
                    if told["record"] == "finding":
                        got[told["finding"]["scan"]["sha256"]] = told["id"]
                    if len(got) >= after:
                        enough.set()
        except httpx.TransportError:
            pass  # it was killed

    with concurrent.futures.ThreadPoolExecutor(SENDERS) as pool:
        sent = [pool.submit(send, contents[number::SENDERS]) for number in range(SENDERS)]
        assert enough.wait(60)
        server.kill()
        for one in sent:
            one.result()
    return got


def test_every_acknowledged_finding_is_there_once_after_a_kill(start_server, database_url):
    arguments = ("--history", "--database", database_url)
    contents = [png(seed, size=64) for seed in range(FILES)]
    got = acknowledged_until_killed(start_server(*arguments), contents, after=FILES // 3)
    assert got
    store = Store(database_url)
    kept = {one.sha256: one.id for one in store.find(Query(limit=1000)).items}
    assert store.find(Query()).total == len(kept)
    assert got.items() <= kept.items()
    # Sent again after the restart, each is the finding that it was, and none is doubled.
    server = start_server(*arguments)
    sent = httpx.post(f"{server.url}{API}/findings", files=files(*contents), timeout=60).json()
    again = {one["finding"]["scan"]["sha256"]: one for one in sent["findings"]}
    assert {sha: again[sha]["id"] for sha in kept} == kept
    assert all(again[sha]["repeated"] for sha in kept)
    assert store.find(Query()).total == FILES
    store.close()


def test_what_was_taken_is_answered_before_it_stops_and_the_log_is_json(start_server):
    server = start_server()
    contents = [png(seed, size=256) for seed in range(FILES)]
    answered = threading.Event()

    def send() -> list[str]:
        kinds = []
        with httpx.stream(
            "POST", f"{server.url}{API}/findings/stream", files=files(*contents, name="doe.png"),
            timeout=60,
        ) as stream:  # fmt: skip
            for line in stream.iter_lines():
                kinds.append(json.loads(line)["record"])
                answered.set()
        return kinds

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        sent = pool.submit(send)
        assert answered.wait(60)
        log = server.stop()
        kinds = sent.result()
    assert server.process.returncode in (0, -15)
    # Each file that the model had taken is answered; the end says whether there were more.
    assert kinds[-1] in ("summary", "problem")
    assert set(kinds[:-1]) == {"finding"}
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["message"] == "request"]
    assert any(line["route"] == f"{API}/findings/stream" for line in requests)
    assert all(line["request_id"] and "client" not in line for line in requests)
    assert "doe.png" not in log
    assert "127.0.0.1:" not in "".join(map(json.dumps, requests))


def log_in(url: str, **headers: str) -> httpx.Response:
    """Log ada in over a real connection."""
    page = httpx.get(f"{url}/login", headers=headers, timeout=60)
    (token,) = re.findall(r'name="csrf_token" value="([0-9a-f]{64})"', page.text)
    form = {"csrf_token": token, "name": "ada", "password": "correct horse battery staple"}
    cookies = "; ".join(one.split(";")[0] for one in page.headers.get_list("set-cookie"))
    sent = headers | {"Cookie": cookies}
    return httpx.post(f"{url}/login", data=form, headers=sent, timeout=60)


@pytest.fixture
def data_dir(tmp_path):
    """A data folder in which ada is an admin."""
    subprocess.run(
        [sys.executable, "-m", "tumorlens", "users", "add", "ada", "--role", "admin",
         "--password-stdin", "--data-dir", str(tmp_path / "data")],
        input="correct horse battery staple\n", text=True, check=True, capture_output=True,
    )  # fmt: skip
    return tmp_path / "data"


def test_forwarded_headers_are_believed_of_trusted_proxies_alone(start_server, data_dir):
    forwarded = {"X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.9"}
    server = start_server("--accounts", "--set", 'trusted_proxies=["127.0.0.1"]')
    believed = log_in(server.url, **forwarded)
    assert believed.status_code == 303
    assert "__Host-tumorlens_session=" in believed.headers["set-cookie"]
    # Other services of this machine are named localhost, too.
    assert "strict-transport-security" not in believed.headers
    # Over http from elsewhere, as the proxy says, no password is taken.
    refused = log_in(server.url, **(forwarded | {"X-Forwarded-Proto": "http"}))
    assert refused.status_code == 403
    server.stop()
    server = start_server("--accounts")
    ignored = log_in(server.url, **forwarded)
    assert ignored.status_code == 303
    assert "__Host-" not in ignored.headers["set-cookie"]
    assert stat.S_IMODE((data_dir / "secret.key").stat().st_mode) == 0o600


def refused(*arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "tumorlens", "serve", "--port", "0", *arguments],
        capture_output=True, text=True, check=False, timeout=60,
        env={name: value for name, value in os.environ.items() if "TUMORLENS" not in name},
    )  # fmt: skip
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    return done.stderr


def test_it_does_not_listen_beyond_this_machine_without_accounts():
    told = refused("--host", "0.0.0.0")  # noqa: S104  (that it is refused is the test)
    assert "--accounts" in told
    assert "--insecure-no-accounts" in told


def test_a_certificate_without_its_key_is_refused():
    assert "go together" in refused("--tls-certificate", "cert.pem")
