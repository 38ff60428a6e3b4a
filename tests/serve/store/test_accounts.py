"""If these fail, somebody keeps a way in that was taken from them, in one of the databases."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from tumorlens.errors import AccountError
from tumorlens.serve.auth.records import Account, Session, Token
from tumorlens.serve.people import Role, Scope
from tumorlens.serve.store import AccountStore, Brake, SessionStore, Store, TokenStore, TryStore

NOW = datetime.now(UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def database(database_url):
    store = Store(database_url)
    yield store.database
    store.close()


def account(name: str, role: Role = Role.READER) -> Account:
    kept = {"password_hash": "h", "must_change": False, "disabled": None, "created": NOW}
    return Account(id=name, name=name, role=role, **kept)


def session(key: str, user_id: str, expires: datetime = NOW + HOUR) -> Session:
    return Session(key=key, user_id=user_id, created=NOW, seen=NOW, expires=expires)


def token(key: str, user_id: str, expires: datetime | None = None) -> Token:
    return Token(id=key, user_id=user_id, name="n", key=key, scopes=frozenset({Scope.READ}),
                 created=NOW, expires=expires)  # fmt: skip


def test_a_name_is_given_once_and_the_last_admin_stays(database):
    accounts = AccountStore(database)
    with ThreadPoolExecutor(4) as pool:
        made = list(
            pool.map(lambda n: accounts.add(account(f"id{n}", Role.ADMIN), "ada"), range(4))
        )
    assert sorted(made) == [False, False, False, True]
    (ada,) = accounts.accounts()
    for change in (accounts.disable, lambda one: accounts.set_role(one, Role.READER)):
        with pytest.raises(AccountError, match="last account"):
            change(ada.id)
    accounts.add(account("second", Role.ADMIN), "second")

    def give_up(user_id: str) -> bool:
        try:
            accounts.set_role(user_id, Role.READER)
        except AccountError:
            return False
        return True

    # Two admins who demote each other at the same moment leave one.
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(give_up, [ada.id, "second"])) == [False, True]


def test_sessions_and_tokens_go_with_the_account(database):
    accounts, sessions, tokens = (
        AccountStore(database),
        SessionStore(database),
        TokenStore(database),
    )
    accounts.add(account("ada", Role.ADMIN), "ada")
    accounts.add(account("bob"), "bob")
    for key in ("s1", "s2"):
        sessions.begin(session(key, "bob"))
    sessions.begin(session("ended", "bob", NOW - HOUR))
    assert tokens.add(token("t1", "bob"), most=2)
    assert tokens.add(token("t2", "bob", NOW - HOUR), most=2)
    assert not tokens.add(token("t3", "bob"), most=2)
    assert sessions.find("s1", idle=HOUR)[1].name == "bob"
    assert sessions.find("ended", idle=HOUR) is None
    assert sessions.find("s1", idle=timedelta(0)) is None
    assert tokens.find("t1")[0].scopes == {Scope.READ}
    assert tokens.find("t2") is None
    assert sessions.end_others("bob", "s1") == 2
    accounts.disable("bob")
    assert sessions.find("s1", idle=HOUR) is None
    assert tokens.find("t1") is None
    accounts.enable("bob")
    assert sessions.find("s1", idle=HOUR) is None  # logs in again
    assert tokens.find("t1") is not None
    assert not tokens.revoke("t1", "ada")
    assert tokens.revoke("t1", "bob")
    assert tokens.find("t1") is None
    assert [one.revoked is None for one in tokens.of("bob")] == [False, True]


def test_a_changed_password_ends_sessions_and_is_not_undone_by_a_newer_hash(database):
    accounts, sessions = AccountStore(database), SessionStore(database)
    accounts.add(account("bob"), "bob")
    sessions.begin(session("s", "bob"))
    accounts.set_password("bob", "new", must_change=True)
    accounts.rehash("bob", "h", "newer hash of the old one")
    changed = accounts.account("bob")
    assert (changed.password_hash, changed.must_change) == ("new", True)
    assert sessions.find("s", idle=HOUR) is None


def test_tries_are_counted_together_and_forgotten(database):
    tries, brake = TryStore(database), Brake(3, 30.0, 900.0)
    day = timedelta(days=1)
    with ThreadPoolExecutor(6) as pool:
        waits = list(
            pool.map(lambda _: tries.count({"a": brake, "b": brake}, memory=day), range(6))
        )
    assert sorted(wait > 0 for wait in waits) == [False] * 3 + [True] * 3
    assert tries.count({"b": brake, "c": brake}, memory=day) > 0
    assert tries.count({"c": brake}, memory=day) == 0
    tries.succeeded(["a"], ["b"])
    assert tries.count({"a": brake}, memory=day) == 0
    assert tries.count({"b": brake}, memory=day) == 0  # the third again
    assert tries.count({"b": brake}, memory=day) > 0
    tries.purge(memory=timedelta(0))
    assert tries.count({"b": brake}, memory=day) == 0


def test_each_try_beyond_the_free_ones_waits_twice_as_long():
    brake = Brake(5, 30.0, 900.0)
    waits = [brake.seconds(count) for count in range(4, 12)]
    assert waits == [0.0, 30.0, 60.0, 120.0, 240.0, 480.0, 900.0, 900.0]
    assert brake.seconds(10**9) == 900.0
