"""If these fail, a finding of the history is not found, is another's, or is kept too long."""

import numpy as np
import pytest

from tests.scan.conftest import drawn_bytes, nifti
from tests.serve.conftest import API, png
from tests.serve.test_analyse import send
from tumorlens.serve.engine import KEPT_AT_ONCE
from tumorlens.serve.people import Role, User, current_user


@pytest.fixture
def three(keeping):
    """A history of a tumor, its mirror without one, and another tumor; and their identifiers."""
    sent = (("a lesion_1.png", png(2)), ("B plain%.png", png(2, None)), ("c.png", png(3)))
    ids = [send(keeping, data, name=name).json()["findings"][0]["id"] for name, data in sent]
    return keeping, ids


def listed(client, **query):
    response = client.get(f"{API}/findings", params=query)
    assert response.status_code == 200, response.text
    return [one["id"] for one in response.json()["items"]]


def test_a_list_is_filtered_sorted_and_cut_into_pages(three):
    client, (first, second, third) = three
    assert listed(client) == [third, second, first]
    assert listed(client, sort="created") == [first, second, third]
    assert listed(client, status="no_tumor") == [second]
    assert sorted(listed(client, status=["no_tumor", "tumor"])) == sorted([first, second, third])
    assert listed(client, name="LESION_1") == [first]
    assert listed(client, name="%") == [second]  # a wildcard is a letter here
    assert listed(client, name="_1") == [first]
    assert listed(client, model="another") == []
    assert listed(client, sort="-tumor_probability")[-1] == second
    assert listed(client, sort="created", limit=1, offset=1) == [second]
    assert listed(client, since="2999-01-01T00:00:00Z") == []
    assert len(listed(client, until="2999-01-01T00:00:00Z")) == 3
    page = client.get(f"{API}/findings", params={"limit": 1}).json()
    assert (page["total"], page["history"]) == (3, True)


def test_feedback_is_kept_replaced_and_taken_back(three):
    client, (first, *_) = three
    address = f"{API}/findings/{first}/feedback"
    assert client.put(address, json={"verdict": "agree"}).status_code == 200
    said = {"verdict": "other_label", "label": "glioma", "comment": "see <b>the</b> rim\nagain"}
    assert client.put(address, json=said).status_code == 200
    (one,) = client.get(address).json()
    assert said.items() <= one.items()
    assert client.get(f"{API}/findings/{first}").json()["feedback"] == [one]
    assert listed(client, reviewed=True) == [first]
    assert first not in listed(client, reviewed=False)
    assert client.delete(address).status_code == 204
    assert listed(client, reviewed=True) == []


@pytest.mark.parametrize(
    "body",
    [
        {"verdict": "maybe"},
        {"verdict": "other_label"},
        {"verdict": "agree", "label": "glioma"},
        {"verdict": "agree", "comment": "x" * 5000},
        {"verdict": "agree", "comment": "a\u0000b"},
        {"verdict": "other_label", "label": "a/b"},
        {"verdict": "agree", "more": 1},
    ],
)
def test_feedback_that_means_nothing_is_refused(three, body):
    client, (first, *_) = three
    assert client.put(f"{API}/findings/{first}/feedback", json=body).status_code == 422


def test_without_a_history_feedback_says_why_it_is_not_taken(client):
    finding_id = send(client, png()).json()["findings"][0]["id"]
    response = client.put(f"{API}/findings/{finding_id}/feedback", json={"verdict": "agree"})
    assert response.status_code == 409
    assert "no history" in response.json()["detail"]


def test_a_deleted_finding_is_gone_with_all_that_was_said(three):
    client, (first, *_) = three
    client.put(f"{API}/findings/{first}/feedback", json={"verdict": "agree"})
    assert client.delete(f"{API}/findings/{first}").status_code == 204
    for path in ("", "/slice.png", "/report.pdf", "/feedback"):
        assert client.get(f"{API}/findings/{first}{path}").status_code == 404
    assert client.delete(f"{API}/findings/{first}").status_code == 404
    assert first not in listed(client)


def test_a_table_and_a_report_of_many(three):
    client, ids = three
    rows = client.get(f"{API}/reports/findings.csv", params={"status": "tumor"}).text.splitlines()
    assert len(rows) == 3
    chosen = client.get(f"{API}/reports/findings.csv", params={"id": ids[:1]}).text.splitlines()
    assert "a lesion_1.png" in chosen[1]
    pdf = client.get(f"{API}/reports/findings.pdf", params={"id": ids})
    assert pdf.content.startswith(b"%PDF-")
    assert client.get(f"{API}/reports/findings.pdf").status_code == 404


def test_another_readers_finding_is_as_if_it_did_not_exist(three):
    client, (first, *_) = three
    stranger = User(id="1" * 32, name="stranger", role=Role.READER)
    client.app.dependency_overrides[current_user] = lambda: stranger
    for path in ("", "/slice.png", "/overlay.png", "/report.json", "/report.pdf", "/feedback"):
        assert client.get(f"{API}/findings/{first}{path}").status_code == 404
    assert client.delete(f"{API}/findings/{first}").status_code == 404
    feedback = client.put(f"{API}/findings/{first}/feedback", json={"verdict": "agree"})
    assert feedback.status_code == 404
    assert listed(client) == []
    assert client.get(f"{API}/reports/findings.csv?id={first}").status_code == 404
    # The same image sent by another reader is a finding of their own.
    own = send(client, png(2)).json()["findings"][0]
    assert own["id"] != first
    assert own["repeated"] is False
    reviewer = User(id="2" * 32, name="reviewer", role=Role.REVIEWER)
    client.app.dependency_overrides[current_user] = lambda: reviewer
    assert {first, own["id"]} <= set(listed(client))


def test_every_use_of_a_finding_reaches_the_audit_log(three):
    client, (first, *_) = three
    seen = []

    class Log:
        def record(self, entry):
            seen.append((entry.user.name, entry.action.value, entry.target, bool(entry.request_id)))

    client.app.state.service.audit = Log()
    batch = send(client, png(7)).json()["batch"]
    address = f"{API}/findings/{first}"
    client.get(address)
    client.get(f"{address}/slice.png")
    client.get(f"{address}/overlay.png")
    client.get(f"{address}/report.csv")
    client.put(f"{address}/feedback", json={"verdict": "agree"})
    client.get(f"{API}/findings")
    client.delete(address)
    assert seen == [
        ("local", "analyse", batch, True),
        ("local", "see", first, True),
        ("local", "see_picture", first, True),
        ("local", "see_picture", first, True),
        ("local", "report", first, True),
        ("local", "feedback", first, True),
        ("local", "list", "", True),
        ("local", "delete", first, True),
    ]


def test_the_slices_of_a_volume_stay_together_and_are_found_by_their_series(keeping):
    """More of them than are written to the history at once."""
    head = nifti(np.stack([drawn_bytes(seed=seed) for seed in range(20)], axis=-1))
    sent = send(keeping, head, name="head.nii", plane="axial").json()["findings"]
    assert len(sent) > KEPT_AT_ONCE
    ids = [one["id"] for one in sent]
    assert listed(keeping) == ids
    assert listed(keeping, series=sent[0]["finding"]["scan"]["series"]) == ids
    assert listed(keeping, series="another\0") == []
