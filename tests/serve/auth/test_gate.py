"""If these fail, someone sees or does without an account, or with one, what is not theirs."""

import pytest
from fastapi.routing import APIRoute

from tests.serve.auth.conftest import PASSWORD, SECURE
from tests.serve.conftest import API, files, png
from tumorlens.serve.auth import allowed

OPEN = {"/login", "/language/{code}", f"{API}/health", f"{API}/ready"}


def routes(app):
    """Every address and method that the application answers."""
    found, waiting = [], list(app.routes)
    while waiting:
        route = waiting.pop()
        if isinstance(route, APIRoute):
            found += [(method, route.path) for method in route.methods]
        # FastAPI keeps the routes of an included router as one of its own.
        inner = getattr(getattr(route, "original_router", None), "routes", None)
        waiting += list(inner or ())
    return found


def filled(path: str) -> str:
    for name in ("finding_id", "user_id", "token_id"):
        path = path.replace("{" + name + "}", "0" * 32)
    return path.replace("{code}", "en")


def test_no_address_is_open_that_is_not_meant_to_be(house):
    """Every route there is or will be: none answers before a login but the few that must."""
    stranger, tried = house.browser(), 0
    for method, path in routes(house.app):
        if path in OPEN:
            continue
        tried += 1
        got = stranger.request(method, filled(path), follow_redirects=False)
        is_sent_away = got.status_code == 303 and "/login?next=" in got.headers["location"]
        assert got.status_code == 401 or is_sent_away, (method, path, got.status_code)
    assert tried > 40


def test_nor_is_any_other(house):
    for path in ("/metrics", f"{API}/openapi.json", f"{API}/nothing", "/nothing"):
        got = house.browser().get(path, follow_redirects=False)
        assert got.status_code in (401, 303), path


def test_no_way_of_writing_an_address_leads_around_the_login(house):
    for path in (
        "/static/../api/v1/findings", "/login/../api/v1/findings", "//api/v1/findings",
        "/api/v1/health/../findings", "/api/v1/health%2f..%2ffindings", "/API/v1/findings",
        "/static/x%0a/../../api/v1/findings", "/login%0a", "/api/v1/findings/",
    ):  # fmt: skip
        got = house.browser().request("GET", SECURE + path, follow_redirects=False)
        assert got.status_code in (401, 303, 404), path
        assert "items" not in got.text


def test_health_is_open_and_tells_nothing(house):
    assert house.browser().get(f"{API}/health").status_code == 200
    assert house.browser().get(f"{API}/ready").status_code == 200


def test_a_refusal_says_how_to_log_in(house):
    got = house.browser().get(f"{API}/findings")
    assert got.headers["www-authenticate"] == "Bearer"
    assert got.headers["content-type"] == "application/problem+json"
    assert got.json()["type"] == "urn:tumorlens:login"


def test_over_https_browsers_are_told_to_stay_there(house):
    assert "max-age" in house.browser().get("/login").headers["strict-transport-security"]


class TestForgery:
    """A page of somebody else makes a browser that is logged in send something."""

    def test_nothing_is_changed_without_a_token_of_the_session(self, house):
        browser = house.browser("ada")
        finding = browser.analyse()
        for method, path in routes(house.app):
            if method in allowed.SAFE_METHODS or path in OPEN:
                continue
            refused = browser.request(method, filled(path), follow_redirects=False)
            assert refused.status_code == 403, (method, path)
            assert refused.json()["type"] == "urn:tumorlens:csrf"
        assert browser.get(f"{API}/findings/{finding['id']}").status_code == 200

    def test_nor_with_a_form_that_needs_no_leave_to_be_sent(self, house):
        browser = house.browser("ada")
        body = f'{{"name": "mallory", "role": "admin", "password": "{PASSWORD}"}}'
        for kind in ("text/plain", "multipart/form-data; boundary=x", ""):
            refused = browser.post(f"{API}/users", content=body, headers={"Content-Type": kind})
            assert refused.status_code == 403, kind

    def test_nor_with_the_token_of_another_session(self, house):
        theirs = house.browser("eve").csrf
        browser = house.browser("ada")
        path = f"{API}/users/{house.ids['eve']}"
        refused = browser.patch(path, json={"role": "admin"}, headers=theirs)
        assert refused.status_code == 403
        assert browser.patch(path, json={"role": "admin"}, headers=browser.csrf).status_code == 200

    def test_nor_from_a_page_of_another_address_with_the_right_one(self, house):
        browser = house.browser("ada")
        headers = browser.csrf | {"Origin": "https://evil.example"}
        path = f"{API}/users/{house.ids['eve']}"
        refused = browser.patch(path, json={"role": "admin"}, headers=headers)
        assert refused.json()["type"] == "urn:tumorlens:origin"

    def test_a_form_that_is_far_too_large_is_not_read(self, house):
        browser = house.browser("ada")
        refused = browser.post(
            "/logout", content=b"x=" + b"y" * 70_000,
            headers={"Content-Type": "application/x-www-form-urlencoded"},
        )  # fmt: skip
        assert refused.status_code == 413


class TestFindings:
    def test_another_readers_finding_is_as_if_it_did_not_exist(self, house):
        bob, eve = house.browser("bob"), house.browser("eve")
        finding = bob.analyse()
        for link in finding["links"].values():
            assert eve.get(link).status_code == 404
        for page in (f"/findings/{finding['id']}", f"/findings/{finding['id']}/answer"):
            assert eve.get(page).status_code == 404
        assert eve.delete(finding["links"]["self"], headers=eve.csrf).status_code == 404
        assert eve.get(f"{API}/findings").json()["total"] == 0
        # The same image is a finding of her own, and does not tell that he has sent it.
        assert eve.analyse()["repeated"] is False

    def test_a_reviewer_sees_and_says_but_only_an_admin_deletes(self, house):
        bob, rex, ada = (house.browser(name) for name in ("bob", "rex", "ada"))
        finding = bob.analyse()
        address = finding["links"]["self"]
        assert rex.get(address).status_code == 200
        said = rex.put(f"{address}/feedback", json={"verdict": "agree"}, headers=rex.csrf)
        assert said.status_code == 200
        assert rex.delete(address, headers=rex.csrf).status_code == 403
        assert ada.delete(address, headers=ada.csrf).status_code == 204

    @pytest.mark.parametrize("name", ["bob", "rex"])
    def test_nobody_else_manages_accounts_or_reads_the_log(self, house, name):
        browser = house.browser(name)
        for path in (f"{API}/users", f"{API}/audit", "/admin", "/admin/audit"):
            assert browser.get(path).status_code == 403
        own = f"{API}/users/{house.ids[name]}"
        refused = browser.patch(own, json={"role": "admin"}, headers=browser.csrf)
        assert refused.status_code == 403

    def test_who_saw_what_is_taken_down(self, house):
        bob, rex = house.browser("bob"), house.browser("rex")
        finding = bob.analyse()
        rex.get(finding["links"]["overlay"])
        rex.get(f"/findings/{finding['id']}")
        seen = [(one.user_name, one.via, one.target) for one in house.audit("see_picture")]
        assert seen == [("rex", "session", finding["id"])]
        assert [one.user_name for one in house.audit("see")] == ["rex"]
        assert [one.target for one in house.audit("analyse")] == [finding["batch"]]

    def test_what_cannot_be_taken_down_is_not_shown(self, house, monkeypatch):
        from tumorlens.errors import StoreError

        bob = house.browser("bob")
        finding = bob.analyse()

        def full(log, entry) -> None:
            msg = "the disk is full"
            raise StoreError(msg)

        monkeypatch.setattr(type(house.accounts.audit), "record", full)
        assert bob.get(finding["links"]["overlay"]).status_code == 503
        assert bob.get(f"{API}/findings").status_code == 503


def test_an_account_that_is_disabled_is_out_at_once(house):
    bob, ada = house.browser("bob"), house.browser("ada")
    program, _ = house.program("bob", "read")
    assert ada.submit(f"/admin/users/{house.ids['bob']}/disable").status_code == 303
    assert bob.get(f"{API}/findings").status_code == 401
    assert program.get(f"{API}/findings").status_code == 401
    assert house.browser().log_in("bob").status_code == 403
    ada.submit(f"/admin/users/{house.ids['bob']}/enable")
    assert house.browser().log_in("bob").status_code == 303


def test_a_role_counts_from_the_next_request_on(house):
    rex, ada = house.browser("rex"), house.browser("ada")
    ada.submit(f"/admin/users/{house.ids['rex']}/role", role="admin")
    assert rex.get("/admin").status_code == 200
    rex.submit(f"/admin/users/{house.ids['ada']}/role", role="reader")
    assert ada.get("/admin").status_code == 403


def test_a_stream_of_a_browser_that_is_logged_in_works(house):
    browser = house.browser("bob")
    got = browser.post(f"{API}/findings/stream", files=files(png(2), png(3)), headers=browser.csrf)
    assert [line[:20] for line in got.text.splitlines()][-1].startswith('{"record":"summary"')


def test_below_a_path_of_a_proxy_cookies_and_addresses_stay_there(house_of):
    browser = house_of(root_path="/scan").browser()
    browser.root = "/scan"
    away = browser.get("/scan/history", follow_redirects=False)
    assert away.headers["location"] == "/scan/login?next=%2Fhistory"
    entered = browser.log_in("bob", next="/history")
    assert entered.headers["location"] == "/scan/history"
    (given,) = [one for one in entered.headers.get_list("set-cookie") if "_session" in one]
    assert given.startswith("__Secure-tumorlens_session=")
    assert "Path=/scan;" in given
    assert browser.get(f"/scan{API}/account").json()["name"] == "bob"
