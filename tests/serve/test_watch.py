"""If these fail, those who run the service do not see what it does, or see what they must not."""

import json
import logging

import pytest

from tests.serve.conftest import API, files
from tests.serve.test_analyse import send
from tumorlens.errors import StoreError
from tumorlens.serve.logs import JsonFormatter
from tumorlens.serve.store import Database


def test_health_and_readiness(client):
    assert client.get(f"{API}/health").json()["status"] == "ok"
    ready = client.get(f"{API}/ready").json()
    assert ready == {"status": "ready", "model": "tiny", "history": False, "waiting": 0}


def test_a_database_that_is_gone_is_not_ready_and_says_no_secret(keeping, monkeypatch, lesion):
    def gone(database):
        msg = "the database postgresql://user:***@secret-host/db cannot be used"
        raise StoreError(msg)

    for method in ("reading", "writing"):
        monkeypatch.setattr(Database, method, gone)
    for response in (
        keeping.get(f"{API}/ready"),
        keeping.get(f"{API}/findings"),
        send(keeping, lesion),
    ):
        assert response.status_code == 503
        assert response.headers["retry-after"]
        assert "secret-host" not in response.text


def test_the_figures_count_what_was_done(client, lesion):
    send(client, lesion)
    send(client, lesion, b"text")
    client.get(f"{API}/findings/{'0' * 32}")
    text = client.get("/metrics").text
    for line in (
        'tumorlens_findings_total{repeated="false",status="tumor"} 1.0',
        'tumorlens_findings_total{repeated="true",status="tumor"} 1.0',
        'tumorlens_scan_errors_total{error="UnreadableScan"} 1.0',
        'tumorlens_http_requests_total{method="POST",route="/api/v1/findings",status="200"} 2.0',
        (
            'tumorlens_http_requests_total{method="GET",route="/api/v1/findings/{finding_id}",'
            'status="404"} 1.0'
        ),
        "tumorlens_queue_files 0.0",
        "tumorlens_upload_bytes 0.0",
    ):
        assert line in text


def test_the_log_finds_a_request_and_names_no_file(client, lesion, caplog):
    caplog.set_level(logging.DEBUG)
    response = client.post(
        f"{API}/findings", files=files(lesion, b"bad", name="doe_jane.png"),
        headers={"X-Request-ID": "abc-1"},
    )  # fmt: skip
    assert response.headers["x-request-id"] == "abc-1"
    (line,) = [record for record in caplog.records if record.getMessage() == "request"]
    told = json.loads(JsonFormatter().format(line))
    assert (told["route"], told["status"], told["method"]) == (f"{API}/findings", 200, "POST")
    assert not [r for r in caplog.records if "doe_jane" in JsonFormatter().format(r)]


@pytest.mark.parametrize("given", ["a b", "x" * 65, "é", "a\tb"])
def test_a_request_id_that_could_forge_a_log_is_replaced(client, given):
    response = client.get(f"{API}/health", headers={"X-Request-ID": given.encode()})
    assert response.headers["x-request-id"] != given


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", f"{API}/findings/xyz", 422),
        ("GET", f"{API}/findings/{'0' * 32}", 404),
        ("PATCH", f"{API}/findings", 405),
        ("GET", f"{API}/findings?sort=size", 422),
        ("GET", f"{API}/findings?limit=0", 422),
    ],
)
def test_every_refusal_is_a_problem(client, method, path, status):
    response = client.request(method, path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["detail"]
    assert problem["request_id"] == response.headers["x-request-id"]


def test_what_nobody_foresaw_is_a_problem_without_its_inside(client, monkeypatch, caplog):
    def broken(*_: object) -> None:
        msg = "inside"
        raise RuntimeError(msg)

    monkeypatch.setattr(type(client.app.state.service.keeper), "find", broken)
    response = client.get(f"{API}/findings")
    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert "inside" not in response.text
    assert "inside" in caplog.text


def test_no_answer_may_be_framed_or_loads_anything_from_elsewhere(client, lesion):
    finding = send(client, lesion).json()["findings"][0]
    for path in ("/", *finding["links"].values(), f"{API}/openapi.json"):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "http" not in policy
        assert headers["x-content-type-options"] == "nosniff"
    assert "no-store" in client.get(finding["links"]["slice"]).headers["cache-control"]


def test_the_interface_describes_itself_with_examples(client):
    document = client.get(f"{API}/openapi.json").json()
    assert document["components"]["schemas"]["KeptFinding"]["examples"]
    for path, operations in document["paths"].items():
        assert path.startswith(API)
        for operation in operations.values():
            assert operation["summary"]
            assert operation["description"]
