"""If these fail, someone gets in who should not, or stays in, or nobody gets in."""

import threading

import pytest

from tests.serve.auth.conftest import COOKIE, ELSEWHERE, PASSWORD, PLAIN, SECURE, form_token
from tests.serve.conftest import API


def test_a_person_logs_in_goes_where_they_wanted_and_logs_out(house):
    browser = house.browser()
    sent_away = browser.get("/history?name=a%26b", follow_redirects=False)
    assert sent_away.status_code == 303
    assert sent_away.headers["location"] == "/login?next=%2Fhistory%3Fname%3Da%2526b"
    page = browser.get(sent_away.headers["location"]).text
    assert 'value="/history?name=a%26b"' in page
    entered = browser.log_in("Bob", next="/history?name=a%26b")
    assert entered.headers["location"] == "/history?name=a%26b"
    assert browser.get(f"{API}/account").json()["name"] == "bob"
    old = browser.cookies[COOKIE]
    assert browser.submit("/logout").headers["location"] == "/login"
    assert COOKIE not in browser.cookies
    # Whoever has kept the cookie has nothing.
    browser.cookies.set(COOKIE, old)
    assert browser.get(f"{API}/account").status_code == 401


def test_the_cookie_is_for_this_host_alone_and_never_for_scripts(house):
    given = house.browser().log_in("bob").headers.get_list("set-cookie")
    (session,) = [one for one in given if one.startswith(COOKIE)]
    for part in ("HttpOnly", "Secure", "SameSite=lax", "Path=/", "Max-Age=43200"):
        assert part in session
    assert "Domain" not in session


def test_without_https_on_this_machine_it_works_too(house):
    browser = house.browser(base_url=PLAIN)
    given = browser.log_in("bob").headers.get_list("set-cookie")
    assert any(one.startswith("tumorlens_session=") and "Secure" not in one for one in given)
    assert browser.get(f"{API}/account").status_code == 200


def test_a_session_that_was_there_before_the_login_is_not_taken_over(house):
    """Session fixation: a cookie that somebody planted is not the one that is logged in."""
    planted = "planted" * 6
    browser = house.browser()
    browser.cookies.set(COOKIE, planted)
    browser.log_in("bob")
    stranger = house.browser()
    stranger.cookies.set(COOKIE, planted)
    assert stranger.get(f"{API}/account").status_code == 401


def test_a_second_login_ends_the_first_session_of_the_browser(house):
    first = house.browser("eve")
    browser = house.browser()
    form = {"csrf_token": browser.open_login(), "name": "bob", "password": PASSWORD}
    browser.cookies.set(COOKIE, first.cookies[COOKIE])
    assert browser.post("/login", data=form, follow_redirects=False).status_code == 303
    assert first.get(f"{API}/account").status_code == 401


def test_wrong_logins_are_refused_alike(house):
    wrong = [("bob", "wrong"), ("nobody", PASSWORD), ("bob", ""), ("' OR 1=1 --", "x")]
    for name, password in [*wrong, ("eve", "x" * 999)]:
        refused = house.browser().log_in(name, password)
        assert refused.status_code == 403, name
        assert "do not go together" in refused.text
        assert COOKIE not in refused.cookies


def test_names_that_hold_html_stay_text(house):
    refused = house.browser().log_in('"><script>alert(1)</script>', "x")
    assert "<script>alert" not in refused.text
    assert "&lt;script&gt;alert" in refused.text


def test_a_login_form_of_another_browser_is_refused(house):
    """Login CSRF: nobody is logged in as somebody else without noticing."""
    theirs = house.browser().open_login()
    victim = house.browser()
    victim.open_login()
    form = {"csrf_token": theirs, "name": "eve", "password": PASSWORD}
    refused = victim.post("/login", data=form, follow_redirects=False)
    assert refused.status_code == 403
    assert COOKIE not in victim.cookies


def test_a_login_leads_nowhere_else(house):
    away = ["https://evil.example", "//evil.example", "/\\evil.example", "\\\\evil"]
    for target in [*away, "javascript:alert(1)", "/\t/evil.example", "/a\r\nSet-Cookie: x=y", ""]:
        assert house.browser().log_in("bob", next=target).headers["location"] == "/", target


def test_guessing_is_slowed_down_and_others_are_not(house):
    guesser = house.browser(client=ELSEWHERE)
    results = [guesser.log_in("bob", f"guess number {n}") for n in range(7)]
    assert [one.status_code for one in results] == [403] * 5 + [429] * 2
    assert 25 <= int(results[-1].headers["retry-after"]) <= 30
    # Not even the right password is looked at now; it would tell that it is right.
    assert guesser.log_in("bob").status_code == 429
    assert house.browser("bob").get(f"{API}/account").status_code == 200
    assert guesser.log_in("eve").status_code == 303
    refused = house.audit("login_refused")
    assert len(refused) == 8
    assert {(one.user_id, one.target, one.client) for one in refused} == {
        ("", house.ids["bob"], ELSEWHERE[0])
    }


def test_guesses_sent_at_once_count_as_many(house):
    """Without it a hundred guesses would be checked before the first is counted."""
    browsers = [house.browser(client=ELSEWHERE) for _ in range(8)]
    tokens = [one.open_login() for one in browsers]
    codes = []

    def guess(browser, token) -> None:
        form = {"csrf_token": token, "name": "bob", "password": "a wrong one"}
        codes.append(browser.post("/login", data=form, follow_redirects=False).status_code)

    threads = [
        threading.Thread(target=guess, args=pair) for pair in zip(browsers, tokens, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(codes) == {403, 429}
    assert codes.count(403) <= 5


def test_many_names_from_one_address_are_slowed_down(house_of):
    house = house_of(login_tries=1)
    browser = house.browser(client=ELSEWHERE)
    codes = [browser.log_in(f"name{n}", "x").status_code for n in range(11)]
    assert codes == [403] * 10 + [429]


def test_right_passwords_never_lock_an_office_out(house_of):
    house = house_of(login_tries=1)
    codes = {house.browser(client=ELSEWHERE).log_in("bob").status_code for _ in range(12)}
    assert codes == {303}


def test_a_password_over_an_open_line_is_not_taken(house, house_of):
    browser = house.browser(base_url=PLAIN, client=ELSEWHERE)
    assert "not encrypted" in browser.get("/login").text
    assert browser.log_in("bob").status_code == 403
    assert house.audit("login") == ()
    assert house.browser(base_url=SECURE, client=ELSEWHERE).log_in("bob").status_code == 303


def test_who_runs_the_service_can_allow_it(house_of):
    house = house_of(insecure_http_login=True)
    assert house.browser(base_url=PLAIN, client=ELSEWHERE).log_in("bob").status_code == 303


@pytest.mark.parametrize("changes", [{"session_hours": 1e-9}, {"session_idle_minutes": 1e-9}])
def test_a_session_ends_by_itself(house_of, changes):
    browser = house_of(**changes).browser("bob")
    assert browser.get(f"{API}/account").status_code == 401


def test_a_new_password_ends_all_other_sessions(house):
    browser, elsewhere = house.browser("bob"), house.browser("bob")
    cookie = browser.cookies[COOKIE]
    new = "staple battery horse correct"
    done = browser.submit("/account/password", old=PASSWORD, new=new, again=new)
    assert done.headers["location"] == "/account?done=password"
    assert browser.cookies[COOKIE] != cookie
    assert browser.get(f"{API}/account").status_code == 200
    assert elsewhere.get(f"{API}/account").status_code == 401
    assert house.browser().log_in("bob").status_code == 403
    assert house.browser().log_in("bob", new).status_code == 303


def test_whoever_finds_a_browser_open_cannot_guess_its_password(house):
    browser = house.browser("bob")
    codes = [
        browser.put(
            f"{API}/account/password",
            json={"old": f"guess number {n}", "new": "staple battery horse correct"},
            headers=browser.csrf,
        ).status_code
        for n in range(6)
    ]
    assert codes == [403] * 5 + [429]


def test_a_password_that_somebody_else_set_is_changed_first(house):
    account = house.accounts.named("bob")
    house.accounts.set_password(account, "set by the admin now", must_change=True)
    browser = house.browser()
    browser.log_in("bob", "set by the admin now")
    assert browser.get("/", follow_redirects=False).headers["location"] == "/account"
    refused = browser.get(f"{API}/findings")
    assert (refused.status_code, refused.json()["type"]) == (403, "urn:tumorlens:password-change")
    new = "staple battery horse correct"
    browser.submit("/account/password", old="set by the admin now", new=new, again=new)
    assert browser.get(f"{API}/findings").status_code == 200


def test_the_login_page_says_what_to_do_where_there_is_no_account(house_of, monkeypatch):
    house = house_of()
    monkeypatch.setattr(type(house.accounts), "all", lambda _: [])
    text = house.browser().get("/login").text
    assert "tumorlens users add NAME --role admin" in text
    assert form_token(text)
