"""If these fail, a program does more than it was allowed, or goes on after it was shut out."""

import pytest

from tests.serve.conftest import API, files, png
from tumorlens.errors import AccountError
from tumorlens.serve.people import Role, Scope

# What one request of each kind is answered with where its scope is there.
REQUESTS = {
    Scope.READ: ("GET", f"{API}/findings"),
    Scope.ANALYSE: ("POST", f"{API}/findings"),
    Scope.FEEDBACK: ("PUT", f"{API}/findings/{'0' * 32}/feedback"),
    Scope.DELETE: ("DELETE", f"{API}/findings/{'0' * 32}"),
    Scope.METRICS: ("GET", "/metrics"),
    Scope.ADMIN: ("GET", f"{API}/users"),
}


def test_a_program_sends_a_scan_without_a_form_token(house):
    program, new = house.program("bob", "analyse", "read")
    sent = program.post(f"{API}/findings", files=files(png()))
    assert sent.status_code == 200
    finding = sent.json()["findings"][0]
    assert program.get(finding["links"]["overlay"]).status_code == 200
    (entry,) = house.audit("analyse")
    assert (entry.user_name, entry.via) == ("bob", f"token:{new.record.id}")
    # What it sent belongs to its owner.
    assert house.browser("bob").get(finding["links"]["self"]).status_code == 200


def test_a_token_allows_its_scope_and_nothing_else(house):
    for scope in Scope:
        program, _ = house.program("ada", scope)
        for other, (method, path) in REQUESTS.items():
            status = program.request(method, path).status_code
            assert (status == 403) == (other is not scope), (scope, other, status)


def test_no_token_makes_tokens_or_opens_pages(house):
    program, _ = house.program("ada", *Scope)
    body = {"name": "another", "scopes": ["read"]}
    assert program.post(f"{API}/account/tokens", json=body).status_code == 403
    assert program.get(f"{API}/account/tokens").status_code == 403
    for path in ("/", "/admin", "/account", "/history"):
        assert program.get(path).status_code == 403
    assert program.get(f"{API}/account").json()["name"] == "ada"


def test_a_role_limits_what_a_token_does(house):
    with pytest.raises(AccountError, match="no admin"):
        house.program("bob", "admin")
    program, _ = house.program("rex", "delete", "read")
    finding = house.browser("bob").analyse()
    assert program.get(finding["links"]["self"]).status_code == 200
    assert program.delete(finding["links"]["self"]).status_code == 403
    admins, _ = house.program("ada", "admin")
    house.accounts.set_role(house.accounts.named("rex"), Role.ADMIN)
    house.accounts.set_role(house.accounts.named("ada"), Role.READER)
    assert admins.get(f"{API}/users").status_code == 403


def test_a_revoked_token_is_refused_at_once(house):
    browser = house.browser("bob")
    body = {"name": "archive", "scopes": ["read"], "days": 1}
    made = browser.post(f"{API}/account/tokens", json=body, headers=browser.csrf)
    assert made.status_code == 201
    program = house.browser()
    headers = {"Authorization": f"Bearer {made.json()['token']}"}
    assert program.get(f"{API}/findings", headers=headers).status_code == 200
    address = f"{API}/account/tokens/{made.json()['id']}"
    assert browser.delete(address, headers=browser.csrf).status_code == 204
    assert program.get(f"{API}/findings", headers=headers).status_code == 401
    assert browser.delete(address, headers=browser.csrf).status_code == 404
    (listed,) = browser.get(f"{API}/account/tokens").json()
    assert listed["revoked"]
    assert "token" not in listed


def test_nobody_revokes_the_token_of_another_but_an_admin(house):
    _, new = house.program("bob", "read")
    eve, ada = house.browser("eve"), house.browser("ada")
    path = f"{API}/account/tokens/{new.record.id}"
    assert eve.delete(path, headers=eve.csrf).status_code == 404
    path = f"{API}/users/{house.ids['bob']}/tokens/{new.record.id}"
    assert ada.delete(path, headers=ada.csrf).status_code == 204


def test_a_token_ends_by_itself(house):
    program, _ = house.program("bob", "read", days=1e-9)
    assert program.get(f"{API}/findings").status_code == 401


def test_what_is_no_token_is_refused(house):
    for header in ("Bearer", "Bearer tumorlens_x", "Bearer ' OR 1=1 --", "Basic Ym9iOng=", "x"):
        got = house.browser().get(f"{API}/findings", headers={"Authorization": header})
        assert got.status_code == 401, header


def test_a_wrong_token_is_not_made_up_for_by_a_cookie(house):
    browser = house.browser("bob")
    got = browser.get(f"{API}/findings", headers={"Authorization": "Bearer tumorlens_x"})
    assert got.status_code == 401


def test_the_database_lets_nobody_in(house, tmp_path):
    """Cookies and tokens are not in it, only what they give with the secret key."""
    browser = house.browser("bob")
    _, new = house.program("bob", "read")
    session = next(iter(browser.cookies.jar)).value
    data = tmp_path / "data"
    kept = b"".join(path.read_bytes() for path in data.glob("tumorlens.sqlite3*"))
    assert new.record.key.encode() in kept
    for secret in (new.text, new.text[10:], session, "purple monkey dishwasher"):
        assert secret.encode() not in kept


def test_tokens_do_not_pile_up_without_end(house, monkeypatch):
    monkeypatch.setattr("tumorlens.serve.auth.accounts.MOST_TOKENS", 2)
    house.program("bob", "read")
    house.program("bob", "read")
    with pytest.raises(AccountError, match="revoke some first"):
        house.program("bob", "read")
