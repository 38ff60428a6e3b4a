"""If these fail, who runs the service cannot say who may log in, or shows a password to others."""

import json

import pytest
from typer.testing import CliRunner

from tumorlens.cli.app import app

PASSWORD = "correct horse battery staple"  # noqa: S105


@pytest.fixture
def users(tmp_path, monkeypatch):
    """Runs ``tumorlens users`` on a data folder of its own."""
    import argon2

    from tumorlens.serve.auth import passwords

    quick = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    monkeypatch.setattr(passwords, "PasswordHasher", lambda: quick)
    monkeypatch.setenv("TUMORLENS_DATA_DIR", str(tmp_path / "data"))

    def run(*arguments: str, typed: str = "", code: int = 0):
        done = CliRunner().invoke(app, ["users", *arguments], input=typed)
        assert done.exit_code == code, done.output
        return done

    return run


def listed(users, *arguments: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in users(*arguments, "-f", "json").stdout.splitlines()]


def test_accounts_are_made_changed_and_shut_out(users):
    typed = PASSWORD + "\n"
    users("add", "Ada", "--role", "admin", "--password-stdin", typed=typed)
    users("add", "bob", "--password-stdin", typed=typed)
    users("role", "bob", "reviewer")
    users("password", "BOB", "--password-stdin", typed="another long password 7\n")
    users("disable", "bob")
    rows = {row["name"]: row for row in listed(users, "list")}
    assert rows["Ada"]["role"] == "admin"
    assert (rows["bob"]["role"], rows["bob"]["disabled"] is None) == ("reviewer", False)
    users("enable", "bob")
    assert listed(users, "list")[1]["disabled"] is None
    actions = [row["action"] for row in listed(users, "audit")]
    assert actions == [
        *("user_enable", "user_disable", "user_password", "user_role", "user_add", "user_add")
    ]
    assert len(listed(users, "audit", "--user", "bob")) == 0  # the command line did all of it
    assert "user_role" in users("audit", "--action", "user_role").stdout


def test_a_token_is_told_once_on_standard_output_alone(users):
    users("add", "bob", "--password-stdin", typed=PASSWORD + "\n")
    made = users("token", "add", "bob", "archive", "--scope", "read", "--scope", "analyse")
    token = made.stdout.strip()
    assert token.startswith("tumorlens_")
    (row,) = listed(users, "token", "list", "bob")
    assert row["scopes"] == "analyse read"
    assert token not in json.dumps(row)
    users("token", "revoke", "bob", str(row["id"]))
    assert listed(users, "token", "list", "bob")[0]["revoked"]
    users("token", "revoke", "bob", str(row["id"]), code=2)


@pytest.mark.parametrize(
    ("arguments", "typed", "words"),
    [
        (["add", "ada"], "", "no password"),
        (["add", "ada", "--password-stdin"], "short\n", "12 letters or more"),
        (["add", "a/b", "--password-stdin"], PASSWORD + "\n", "cannot be a name"),
        (["password", "nobody", "--password-stdin"], PASSWORD + "\n", "no account is named"),
        (["disable", "bob"], "", "no account is named"),
        (["audit", "--action", "dance"], "", "no action is named"),
        (["token", "add", "bob", "x", "--scope", "read"], "", "no account is named"),
        (["list", "--database", "mysql://x"], "", "not supported"),
    ],
)
def test_what_cannot_be_done_says_why_in_a_line(users, arguments, typed, words):
    code = 1 if "mysql://x" in arguments else 2
    told = users(*arguments, typed=typed, code=code).output
    assert words in told
    assert "Traceback" not in told
    assert PASSWORD not in told


def test_the_last_admin_stays_and_an_empty_list_says_what_to_do(users):
    assert "tumorlens users add" in users("list").stdout
    users("add", "ada", "--role", "admin", "--password-stdin", typed=PASSWORD + "\n")
    for arguments in (["disable", "ada"], ["role", "ada", "reader"]):
        assert "last account" in users(*arguments, code=2).output
