"""Logging in: a password is looked at only where it may be, and what comes of it is a session."""

from __future__ import annotations

import math
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from typing import TYPE_CHECKING

from tumorlens.serve.auth.names import name_key
from tumorlens.serve.auth.records import Session
from tumorlens.serve.people import User

if TYPE_CHECKING:
    from tumorlens.serve.auth.passwords import Passwords
    from tumorlens.serve.auth.records import Account
    from tumorlens.serve.auth.secret import Secret
    from tumorlens.serve.settings import Settings
    from tumorlens.serve.store import AccountStore, Brake, SessionStore, TryStore

COOKIE_BYTES = 32
SESSION = "session"
# After so many wrong passwords the next one waits; each later one twice as long, up to a quarter
# of an hour. A person who mistypes loses a minute; a program tries a hundred a day.
FIRST_WAIT_SECONDS = 30.0
MOST_WAIT_SECONDS = 900.0
# One name from many addresses, or many names from one address (an office behind one router).
WIDER = 10
TRIES_REMEMBERED = timedelta(days=1)
# A provider gives a household or a machine this much of an IPv6 address for its own.
IPV6_PREFIX = 64


class LoginRefused(Exception):
    """A login that is not let in.

    Args:
        user_id: Of the account of this name, for the audit log; empty if there is none.
        wait: After how many seconds one may try again, where none was let to try; else 0.
    """

    def __init__(self, user_id: str = "", wait: int = 0) -> None:
        self.user_id = user_id
        self.wait = wait
        super().__init__(user_id, wait)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Someone whose request shows who they are.

    Attributes:
        user: Who.
        session: What their cookie holds; empty where they came with a token.
        csrf_token: What their forms hold; empty where they came with a token.
        must_change: Whether they have to change their password before anything else.
    """

    user: User
    session: str = ""
    csrf_token: str = ""
    must_change: bool = False


class Logins:
    """Logs in and out. May be used from any thread.

    Args:
        settings: How long a session lives, and how many tries are free.
        secret: Of the installation.
        passwords: Checks them.
        accounts: Who may log in.
        sessions: Who is.
        tries: How often it was tried.
    """

    def __init__(
        self,
        settings: Settings,
        secret: Secret,
        passwords: Passwords,
        *,
        accounts: AccountStore,
        sessions: SessionStore,
        tries: TryStore,
    ) -> None:
        from tumorlens.serve.store import Brake  # as in accounts.py: only where there are accounts

        self._secret, self._passwords = secret, passwords
        self._accounts, self._sessions, self._tries = accounts, sessions, tries
        self._life = timedelta(hours=settings.session_hours)
        self._idle = timedelta(minutes=settings.session_idle_minutes)
        self._brake = Brake(settings.login_tries, FIRST_WAIT_SECONDS, MOST_WAIT_SECONDS)
        self._wide_brake = Brake(
            WIDER * settings.login_tries, FIRST_WAIT_SECONDS, MOST_WAIT_SECONDS
        )

    def log_in(self, name: str, password: str, client: str) -> Visitor:
        """Begin a session.

        Args:
            name: As it was typed.
            password: As it was typed.
            client: Address that the request came from.

        Raises:
            LoginRefused: The name, the password or the moment is not right.
            Refused: Too many are being checked.
        """
        account = self.checked(name, password, client)
        if self._passwords.is_outdated(account.password_hash):
            newer = self._passwords.hash(password)
            self._accounts.rehash(account.id, account.password_hash, newer)
        return self.begin(account)

    def checked(self, name: str, password: str, client: str) -> Account:
        """The account of a name and a password; for a name that there is not, it takes as long.

        Raises:
            LoginRefused: The name, the password or the moment is not right.
            Refused: Too many are being checked.
        """
        key = name_key(name)
        brakes = self._brakes(key, client)
        wait = self._tries.count(brakes, memory=TRIES_REMEMBERED)
        account = self._accounts.named(key)
        user_id = "" if account is None else account.id
        if wait:
            raise LoginRefused(user_id, math.ceil(wait))
        known = None if account is None else account.password_hash
        is_right = self._passwords.is_right(password, known)
        if account is None or not is_right or account.disabled is not None:
            raise LoginRefused(user_id)
        # Others may be trying this name, or other names from this address, at the same time.
        own = [key for key, brake in brakes.items() if brake is self._brake]
        self._tries.succeeded(own, [key for key in brakes if key not in own])
        return account

    def begin(self, account: Account) -> Visitor:
        """Begin a session of its own, whatever cookie the browser had before."""
        cookie = secrets.token_urlsafe(COOKIE_BYTES)
        now = datetime.now(UTC)
        self._sessions.begin(
            Session(
                key=self._key(cookie),
                user_id=account.id,
                created=now,
                seen=now,
                expires=now + self._life,
            )
        )
        return self._visitor(account, cookie)

    def visitor(self, cookie: str) -> Visitor | None:
        """Whose cookie it is; None where its session has ended, or never was."""
        found = self._sessions.find(self._key(cookie), idle=self._idle)
        return None if found is None else self._visitor(found[1], cookie)

    def log_out(self, cookie: str) -> None:
        """End a session."""
        self._sessions.end(self._key(cookie))

    def log_out_elsewhere(self, visitor: Visitor) -> int:
        """End all other sessions of a visitor; how many there were."""
        return self._sessions.end_others(visitor.user.id, self._key(visitor.session))

    def is_own_form(self, visitor: Visitor, csrf_token: str) -> bool:
        """Whether a request was made by a page that was given to this session."""
        return self._secret.is_signed("csrf", visitor.session, csrf_token)

    def purge(self) -> None:
        """Delete sessions that have ended, and tries that are forgotten."""
        self._sessions.purge(idle=self._idle)
        self._tries.purge(memory=TRIES_REMEMBERED)

    def _visitor(self, account: Account, cookie: str) -> Visitor:
        user = User(account.id, account.name, account.role, SESSION)
        return Visitor(user, cookie, self._secret.sign("csrf", cookie), account.must_change)

    def _key(self, cookie: str) -> str:
        return self._secret.sign(SESSION, cookie)

    def _brakes(self, name: str, client: str) -> dict[str, Brake]:
        """Names and addresses are counted under keyed hashes: the table tells neither."""
        address = _network(client)
        return {
            self._secret.sign("try-both", f"{name}\0{address}"): self._brake,
            self._secret.sign("try-name", name): self._wide_brake,
            self._secret.sign("try-address", address): self._wide_brake,
        }


def _network(client: str) -> str:
    """An address, as far as it tells one client from another."""
    try:
        address = ip_address(client)
    except ValueError:
        return client
    if isinstance(address, IPv6Address) and address.ipv4_mapped is None:
        return str(ip_network((address, IPV6_PREFIX), strict=False))
    return str(address)
