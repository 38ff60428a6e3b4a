"""Accounts: making and changing them, their tokens, and who comes with what."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from tumorlens.errors import AccountError
from tumorlens.serve.auth.login import Logins, Visitor
from tumorlens.serve.auth.names import clean_name, name_key
from tumorlens.serve.auth.passwords import Passwords
from tumorlens.serve.auth.records import Account, Token
from tumorlens.serve.people import Role, Scope, User

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tumorlens.serve.auth.secret import Secret
    from tumorlens.serve.settings import Settings
    from tumorlens.serve.store import Database

ID_BYTES = 16
TOKEN_BYTES = 32
# So that a token that was published by mistake is known for one by whoever looks for such.
TOKEN_START = "tumorlens_"  # noqa: S105  (public)
TOKEN = "token"  # noqa: S105  (a purpose)
LOGIN_FORM = "login-form"
MOST_TOKENS = 50


@dataclass(frozen=True, slots=True)
class NewToken:
    """A token that was just made.

    Attributes:
        text: The token itself, which is told this once.
        record: What is kept of it.
    """

    text: str
    record: Token


class Accounts:
    """All of the accounts of one installation. May be used from any thread.

    Attributes:
        logins: Logs in and out.
        audit: Who did what.

    Args:
        settings: The rules.
        database: Brought up to date.
        secret: Of the installation.
        passwords: Hashes and checks them; as the settings say if None.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
        secret: Secret,
        *,
        passwords: Passwords | None = None,
    ) -> None:
        # A service without accounts starts without the libraries of the database.
        from tumorlens.serve.store import (
            AccountStore,
            AuditStore,
            SessionStore,
            TokenStore,
            TryStore,
        )

        self._secret = secret
        self._passwords = passwords or Passwords(settings.password_min_length)
        self._accounts = AccountStore(database)
        self._tokens = TokenStore(database)
        self.audit = AuditStore(database)
        self.logins = Logins(
            settings,
            secret,
            self._passwords,
            accounts=self._accounts,
            sessions=SessionStore(database),
            tries=TryStore(database),
        )

    def login_form_token(self, cookie: str) -> str:
        """What the form of a login holds for a browser with this cookie."""
        return self._secret.sign(LOGIN_FORM, cookie)

    def is_login_form(self, cookie: str, csrf_token: str) -> bool:
        """Whether a login was made on a form that was given to this browser."""
        return self._secret.is_signed(LOGIN_FORM, cookie, csrf_token)

    def add(self, name: str, role: Role, password: str, *, must_change: bool) -> Account:
        """Make an account.

        Args:
            name: What they log in with.
            role: What they may do.
            password: Their first one.
            must_change: Whether it is changed at the first login.

        Raises:
            AccountError: The name is taken or cannot be one, or the password is refused.
        """
        kept_name = clean_name(name)
        self._passwords.check(password, kept_name)
        account = Account(
            id=secrets.token_hex(ID_BYTES),
            name=kept_name,
            role=role,
            password_hash=self._passwords.hash(password),
            must_change=must_change,
            disabled=None,
            created=datetime.now(UTC),
        )
        if not self._accounts.add(account, name_key(kept_name)):
            msg = f"an account is named {kept_name} already: take another name"
            raise AccountError(msg)
        return account

    def all(self) -> list[Account]:
        """All accounts, by name."""
        return self._accounts.accounts()

    def get(self, user_id: str) -> Account | None:
        """One account, or None."""
        return self._accounts.account(user_id)

    def named(self, name: str) -> Account:
        """The account of a name.

        Raises:
            AccountError: There is none.
        """
        account = self._accounts.named(name_key(name))
        if account is None:
            msg = f"no account is named {name!r}; `tumorlens users list` lists them"
            raise AccountError(msg)
        return account

    def set_role(self, account: Account, role: Role) -> None:
        """Let an account do more, or less, from its next request on.

        Raises:
            AccountError: It is the last admin.
        """
        self._accounts.set_role(account.id, role)

    def disable(self, account: Account) -> None:
        """Shut an account out, with its sessions and tokens.

        Raises:
            AccountError: It is the last admin.
        """
        self._accounts.disable(account.id)

    def enable(self, account: Account) -> None:
        """Let an account in again."""
        self._accounts.enable(account.id)

    def set_password(self, account: Account, password: str, *, must_change: bool) -> None:
        """Replace a password; all sessions of the account end.

        Raises:
            PasswordRefused: Others would find it.
        """
        self._passwords.check(password, account.name)
        hashed = self._passwords.hash(password)
        self._accounts.set_password(account.id, hashed, must_change=must_change)

    def change_own_password(self, user: User, old: str, new: str, client: str) -> Visitor:
        """Replace one's password, and begin a new session in place of all others.

        Args:
            user: Who.
            old: The password until now.
            new: The one from now on.
            client: Address that the request came from.

        Raises:
            LoginRefused: The old one is wrong, or was tried too often.
            AccountError: Others would find the new one, or it is the old one.
        """
        account = self.logins.checked(user.name, old, client)
        if new == old:
            msg = "this is the password that you have"
            raise AccountError(msg)
        self.set_password(account, new, must_change=False)
        changed = self.get(account.id)
        return self.logins.begin(changed or account)

    def add_token(
        self, account: Account, name: str, scopes: Iterable[Scope], days: float | None
    ) -> NewToken:
        """Make a token.

        Args:
            account: Whose.
            name: What it is for.
            scopes: What it allows, at most what its owner may do.
            days: After how many days it ends; None if never.

        Raises:
            AccountError: It would allow what its owner may not do, or nothing; or there are too
                many.
        """
        wanted = frozenset(scopes)
        if not wanted:
            msg = f"a token allows something: {', '.join(Scope)}"
            raise AccountError(msg)
        if Scope.ADMIN in wanted and account.role is not Role.ADMIN:
            msg = f"{account.name} is no admin, so neither is a token of theirs"
            raise AccountError(msg)
        now = datetime.now(UTC)
        text = TOKEN_START + secrets.token_urlsafe(TOKEN_BYTES)
        record = Token(
            id=secrets.token_hex(ID_BYTES),
            user_id=account.id,
            name=clean_name(name),
            key=self._secret.sign(TOKEN, text),
            scopes=wanted,
            created=now,
            expires=None if days is None else now + timedelta(days=days),
        )
        if not self._tokens.add(record, most=MOST_TOKENS):
            msg = f"{account.name} has {MOST_TOKENS} tokens: revoke some first"
            raise AccountError(msg)
        return NewToken(text, record)

    def tokens(self, user_id: str) -> list[Token]:
        """The tokens of an account, the latest first; those that were taken back too."""
        return self._tokens.of(user_id)

    def revoke(self, user_id: str, token_id: str) -> bool:
        """Take a token back, from the next request on; False where there is none."""
        return self._tokens.revoke(token_id, user_id)

    def by_token(self, text: str) -> Visitor | None:
        """Who comes with a token; None where it is none, or no longer one."""
        found = self._tokens.find(self._secret.sign(TOKEN, text))
        if found is None:
            return None
        token, account = found
        user = User(account.id, account.name, account.role, f"{TOKEN}:{token.id}", token.scopes)
        return Visitor(user, must_change=account.must_change)
