"""If these fail, one client can take the service away from all others, or get in unasked."""

import asyncio
import contextlib
import socket
import threading
import time

import httpx
import pytest

from tests.serve.conftest import API, files, png
from tests.serve.test_analyse import send, zipped
from tumorlens.serve.engine import Engine
from tumorlens.serve.rate import RateLimit


@pytest.mark.parametrize("declared", [True, False])
def test_a_request_that_is_too_large_is_refused(client_of, declared):
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a"\r\n\r\n'
    body += bytes(20_000) + b"\r\n--x--\r\n"
    with client_of(max_upload_bytes=10_000) as client:
        response = client.post(
            f"{API}/findings",
            content=body if declared else iter([body]),
            headers={"Content-Type": "multipart/form-data; boundary=x"},
        )
    assert response.status_code == 413
    assert "9.8 KiB" in response.json()["detail"]


def test_too_many_files_are_refused(client_of, lesion):
    with client_of(max_files=2) as client:
        assert send(client, lesion, lesion).status_code == 200
        response = send(client, lesion, lesion, lesion)
    assert response.status_code == 413
    assert "more than 2 files" in response.json()["detail"]


def test_a_picture_beyond_the_pixels_is_refused(client_of):
    with client_of(max_pixels=1000) as client:
        assert send(client, png()).status_code == 413


def test_zip_bombs_are_named_and_the_rest_is_answered(client, lesion):
    bomb = zipped(**{"bomb.png": bytes(64 * 2**20)})
    body = send(client, bomb, lesion, name="a.zip").json()
    assert len(body["findings"]) == 1
    (error,) = body["errors"]
    assert "zip bomb" in error["message"]


def test_a_zip_with_names_that_lead_elsewhere_writes_nothing(client, lesion, tmp_path):
    evil = zipped(**{"__tmp__evil.png": lesion})
    (one,) = send(client, evil, name="../../etc/passwd.zip").json()["findings"]
    report = client.get(one["links"]["report_csv"])
    assert report.headers["content-disposition"] == 'attachment; filename="evil.csv"'
    assert list(tmp_path.rglob("*evil*")) == []


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b"{}", "application/json", 415),
        (b"", "multipart/form-data", 415),
        (b"--x--\r\n", "multipart/form-data; boundary=x", 422),
        (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
         "multipart/form-data; boundary=x", 422),
        (b'--x\r\nContent-Disposition: form-data; name="a"; filename="b"\r\n\r\n1',
         "multipart/form-data; boundary=x", 400),
        (b"garbage", "multipart/form-data; boundary=x", 400),
        (b"--x--\r\n", f"multipart/form-data; boundary={'x' * 5000}", 415),
    ],
)  # fmt: skip
def test_a_form_that_is_none_is_a_problem_of_the_client(client, content, kind, status):
    response = client.post(f"{API}/findings", content=content, headers={"Content-Type": kind})
    assert response.status_code == status, response.text
    assert response.json()["detail"]


class Blocked:
    """Holds the engine's answers back until it is let go."""

    def __init__(self, monkeypatch) -> None:
        self.go = threading.Event()
        original = Engine._answer

        def answer(engine, job) -> None:
            assert self.go.wait(30)
            original(engine, job)

        monkeypatch.setattr(Engine, "_answer", answer)


def test_beyond_the_queue_requests_are_turned_away_with_a_time_and_those_taken_are_answered(
    client_of, monkeypatch
):
    blocked = Blocked(monkeypatch)
    with client_of(workers=1, queue_size=2) as client:
        engine = client.app.state.service.engine
        results: dict[int, int] = {}

        def ask(seed: int) -> None:
            results[seed] = send(client, png(seed)).status_code

        threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(3)]
        for count, thread in enumerate(threads, 1):
            thread.start()
            wait_until(lambda n=count: engine.running + engine.waiting == n)
        refused = send(client, png(9))
        not_ready = client.get(f"{API}/ready")
        blocked.go.set()
        for thread in threads:
            thread.join()
        assert results == {0: 200, 1: 200, 2: 200}
        assert client.get(f"{API}/ready").status_code == 200
    for response in (refused, not_ready):
        assert response.status_code == 503
        assert int(response.headers["retry-after"]) >= 1
    assert refused.json()["type"] == "urn:tumorlens:busy"


def test_what_was_taken_is_finished_when_the_service_stops(client_of, monkeypatch):
    blocked = Blocked(monkeypatch)
    done: list[int] = []
    with client_of(workers=1) as client:
        thread = threading.Thread(target=lambda: done.append(send(client, png()).status_code))
        thread.start()
        engine = client.app.state.service.engine
        wait_until(lambda: engine.running == 1)
        closing = threading.Thread(target=engine.close)
        closing.start()
        wait_until(lambda: not engine.is_open)
        refused = send(client, png(5))
        blocked.go.set()
        closing.join()
        thread.join()
    assert done == [200]
    assert refused.status_code == 503


def wait_until(is_so) -> None:
    end = time.monotonic() + 30
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.005)


def test_a_bucket_fills_at_its_rate():
    now = [0.0]
    limit = RateLimit(2.0, 3, clock=lambda: now[0])
    assert [limit.wait("a") for _ in range(4)] == [0, 0, 0, 1]
    assert limit.wait("b") == 0
    now[0] = 0.5
    assert [limit.wait("a"), limit.wait("a")] == [0, 1]


def test_a_client_that_asks_too_often_is_told_when_to_come_back(client_of, lesion):
    with client_of(rate_per_second=0.001, rate_burst=1) as client:
        assert send(client, lesion).status_code == 200
        refused = send(client, lesion)
        assert client.get(f"{API}/health").status_code == 200  # watchers are not limited
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 1
    assert refused.json()["type"] == "urn:tumorlens:rate"


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", ""])
def test_a_foreign_host_name_reads_nothing(client, host):
    assert client.get(f"{API}/findings", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}],
)
def test_a_page_from_elsewhere_sends_nothing(client, lesion, headers):
    response = client.post(f"{API}/findings", files=files(lesion), headers=headers)
    assert response.status_code == 403
    own = {"Origin": "http://testserver", "Sec-Fetch-Site": "same-origin"}
    assert client.post(f"{API}/findings", files=files(lesion), headers=own).status_code == 200


def test_an_upload_that_stalls_is_given_up(start_server):
    server = start_server("--set", "upload_idle_seconds=0.5")
    with socket.create_connection(("127.0.0.1", server.port)) as stalled:
        stalled.sendall(
            b"POST /api/v1/findings HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 100\r\n"
            b"Content-Type: multipart/form-data; boundary=x\r\n\r\n--x\r\n"
        )
        stalled.settimeout(30)
        assert b"408" in stalled.recv(4096).split(b"\r\n")[0]


def test_a_connection_that_sends_no_request_is_closed(start_server):
    server = start_server("--set", "request_head_seconds=0.5")
    with socket.create_connection(("127.0.0.1", server.port)) as idle:
        idle.sendall(b"GET / HTTP/1.1\r\nX-Slow: ")
        idle.settimeout(30)
        assert idle.recv(4096) == b""
    assert httpx.get(f"{server.url}{API}/health").status_code == 200


def test_memory_for_uploads_is_given_back(client_of, lesion):
    with client_of(max_uploading_bytes=len(lesion) + 1000) as client:
        for _ in range(3):
            assert send(client, lesion).status_code == 200
        refused = send(client, lesion, lesion)
        assert client.app.state.service.room.used == 0
    assert refused.status_code == 503
    assert "uploads" in refused.json()["detail"]


def test_a_client_that_leaves_frees_its_room(client_of, lesion):
    async def leave(app) -> None:
        form = httpx.Request("POST", "http://testserver/", files=files(*[lesion] * 4))
        body, sent = form.read(), []

        async def receive():
            return {"type": "http.request", "body": body, "more_body": False}

        async def send_(message):
            sent.append(message)
            if message["type"] == "http.response.body":
                raise OSError  # the connection is gone

        headers = [
            (b"host", b"testserver"),
            (b"content-type", form.headers["content-type"].encode()),
        ]
        scope = {
            "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "method": "POST",
            "path": f"{API}/findings/stream", "raw_path": b"", "query_string": b"",
            "headers": headers, "client": ("127.0.0.1", 1), "server": ("testserver", 80),
            "scheme": "http", "root_path": "", "http_version": "1.1",
        }  # fmt: skip
        with contextlib.suppress(Exception):  # as uvicorn sees it
            await app(scope, receive, send_)
        assert sent

    with client_of() as client:
        asyncio.run(leave(client.app))
        assert client.app.state.service.room.used == 0


def test_a_request_without_files_is_small_and_does_not_stall(client_of):
    address = f"{API}/findings/{'0' * 32}/feedback"
    body = b'{"verdict": "agree", "comment": "' + b"x" * 3000 + b'"}'
    with client_of(max_body_bytes=2000, upload_idle_seconds=0.2) as client:
        for content in (body, iter([body[:1500], body[1500:]])):
            refused = client.put(address, content=content)
            assert refused.status_code == 413
            assert "2.0 KiB" in refused.json()["detail"]

        async def stall() -> list[dict[str, object]]:
            sent, asked = [], 0

            async def receive():
                nonlocal asked
                asked += 1
                if asked > 1:
                    await asyncio.sleep(60)
                return {"type": "http.request", "body": b"{", "more_body": True}

            async def send_(message):
                sent.append(message)

            scope = {
                "type": "http", "method": "PUT", "path": address, "query_string": b"",
                "headers": [(b"host", b"testserver"), (b"content-type", b"application/json")],
                "client": ("127.0.0.1", 1), "scheme": "http", "root_path": "",
                "server": ("testserver", 80), "http_version": "1.1", "asgi": {"version": "3.0"},
            }  # fmt: skip
            await client.app(scope, receive, send_)
            return sent

        assert asyncio.run(stall())[0]["status"] == 408


def test_an_upload_that_trickles_is_given_up(client_of, lesion, monkeypatch):
    """A letter every few seconds would hold a place for as long as its sender likes."""
    monkeypatch.setattr("tumorlens.serve.upload.SPEED_GRACE_SECONDS", 0.0)
    with client_of(upload_min_bytes_per_second=10**12) as client:
        refused = send(client, lesion)
    assert (refused.status_code, refused.json()["type"]) == (408, "urn:tumorlens:too-slow")
