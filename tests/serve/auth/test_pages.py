"""If these fail, an admin cannot manage accounts on the page, or reads a wrong log."""

import re

from tests.serve.auth.conftest import PASSWORD, PLAIN
from tests.serve.conftest import API

FIRST = "one two three 4"


def test_an_admin_makes_an_account_whose_password_is_changed_first(house):
    ada = house.browser("ada")
    done = ada.submit("/admin/users", name="Zoë Müller", role="reviewer", password=FIRST)
    assert done.headers["location"] == "/admin?done=added"
    text = ada.get("/admin?done=added").text
    assert "Zoë Müller" in text
    assert "changed at the first login" in text
    new = house.browser()
    assert new.log_in("zoë müller", FIRST).status_code == 303
    assert new.get("/", follow_redirects=False).headers["location"] == "/account"
    assert [one.user_name for one in house.audit("user_add")] == ["ada"]


def test_what_cannot_be_done_is_said_on_the_page(house):
    ada = house.browser("ada")
    for form, words in (
        ({"name": "BOB", "role": "reader", "password": PASSWORD}, "named BOB already"),
        ({"name": "new", "role": "reader", "password": "short"}, "12 letters or more"),
        ({"name": "<b>x</b>", "role": "reader", "password": PASSWORD}, "cannot be a name"),
        ({"name": "new", "role": "king", "password": PASSWORD}, "a role is one of"),
    ):
        refused = ada.submit("/admin/users", **form)
        assert refused.status_code == 422
        assert words in refused.text
        assert "<b>x</b>" not in refused.text
    last = ada.submit(f"/admin/users/{house.ids['ada']}/role", role="reader")
    assert "the last account that manages accounts" in last.text
    last = ada.submit(f"/admin/users/{house.ids['ada']}/disable")
    assert "the last account that manages accounts" in last.text
    assert ada.get("/admin").status_code == 200


def test_an_admin_sets_a_forgotten_password(house):
    ada, bob = house.browser("ada"), house.browser("bob")
    set_ = ada.submit(f"/admin/users/{house.ids['bob']}/password", password=FIRST)
    assert set_.headers["location"] == "/admin?done=password"
    assert bob.get(f"{API}/account").status_code == 401
    assert house.browser().log_in("bob", FIRST).status_code == 303


def test_a_token_is_shown_once_and_revoked_on_the_page(house):
    bob = house.browser("bob")
    made = bob.submit("/account/tokens", name="archive", scope="read", days="7")
    (token,) = re.findall(r'value="(tumorlens_[^"]+)"', made.text)
    page = bob.get("/account").text
    assert token not in page
    headers = {"Authorization": f"Bearer {token}"}
    assert house.browser().get(f"{API}/findings", headers=headers).status_code == 200
    (path,) = re.findall(r'action="(/account/tokens/[0-9a-f]+/revoke)"', page)
    assert bob.submit(path).status_code == 303
    assert house.browser().get(f"{API}/findings", headers=headers).status_code == 401
    assert "revoked" in bob.get("/account").text
    for form in ({"name": "x"}, {"name": "x", "scope": "admin"}, {"name": "x", "days": "soon"}):
        assert bob.submit("/account/tokens", **form).status_code == 422


def test_the_other_browsers_are_logged_out(house):
    bob, elsewhere = house.browser("bob"), house.browser("bob")
    bob.submit("/account/sessions/end")
    assert elsewhere.get(f"{API}/account").status_code == 401
    assert bob.get(f"{API}/account").status_code == 200


def test_a_new_password_is_typed_twice_and_never_over_an_open_line(house):
    bob = house.browser("bob")
    new = "staple battery horse correct"
    assert "not the same" in bob.submit("/account/password", old=PASSWORD, new=new, again="").text
    wrong = bob.submit("/account/password", old="wrong", new=new, again=new)
    assert "old password is wrong" in wrong.text
    same = bob.submit("/account/password", old=PASSWORD, new=PASSWORD, again=PASSWORD)
    assert "the password that you have" in same.text
    assert house.browser(base_url=PLAIN).log_in("bob").status_code == 303


def test_the_log_is_searched_and_cut_into_parts(house):
    bob, ada = house.browser("bob"), house.browser("ada")
    finding = bob.analyse()
    for _ in range(2):
        bob.get(finding["links"]["overlay"])
    text = ada.get("/admin/audit", params={"action": "see_picture"}).text
    assert "2 entries" in text
    assert text.count(f"<code>{finding['id']}</code>") == 2
    text = ada.get("/admin/audit", params={"user_id": house.ids["bob"], "target": "x\0"}).text
    assert "0 entries" in text
    body = ada.get(f"{API}/audit", params={"target": finding["id"], "limit": 1}).json()
    assert (body["total"], len(body["items"])) == (2, 1)
    assert body["items"][0]["user_name"] == "bob"
    assert body["items"][0]["request_id"]
    # Reading the log is in the log.
    assert len(house.audit("see_audit")) == 3


def test_the_interface_manages_accounts_too(house):
    program, _ = house.program("ada", "admin")
    new = {"name": "zoe", "role": "reviewer", "password": FIRST}
    made = program.post(f"{API}/users", json=new)
    assert made.status_code == 201
    address = f"{API}/users/{made.json()['id']}"
    assert program.post(f"{API}/users", json=new).json()["type"] == "urn:tumorlens:account"
    changed = program.patch(address, json={"role": "reader", "disabled": True}).json()
    assert (changed["role"], changed["disabled"] is None) == ("reader", False)
    assert program.patch(address, json={"disabled": False}).json()["disabled"] is None
    assert program.put(f"{address}/password", json={"password": "x"}).status_code == 422
    assert program.put(f"{address}/password", json={"password": "x y z 12345"}).status_code == 422
    assert program.put(f"{address}/password", json={"password": "a b c 12345 d"}).status_code == 204
    assert program.get(f"{API}/users/{'0' * 32}").status_code == 404
    names = [one["name"] for one in program.get(f"{API}/users").json()]
    assert names == ["ada", "bob", "eve", "rex", "zoe"]


def test_without_accounts_the_addresses_say_so(client):
    assert client.get(f"{API}/account").json() == {
        "id": "", "name": "local", "role": "admin", "accounts": False, "csrf_token": "",
        "scopes": ["admin", "analyse", "delete", "feedback", "metrics", "read"],
    }  # fmt: skip
    for path in (f"{API}/users", f"{API}/audit", f"{API}/account/tokens"):
        refused = client.get(path)
        assert (refused.status_code, refused.json()["type"]) == (409, "urn:tumorlens:no-accounts")
    assert client.get("/login").status_code == 404
