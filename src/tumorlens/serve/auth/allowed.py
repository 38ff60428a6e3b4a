"""Which requests need a login, and what a token has to allow for each of them.

One table for all addresses. What is not in it is closed: a new address is open to nobody who has
not logged in, and changes nothing for a token, until it is written down here.
"""

from __future__ import annotations

import re

from tumorlens.serve.people import Scope

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
API = "/api/"
LOGIN_PATH, LOGOUT_PATH, ACCOUNT_PATH, ADMIN_PATH = "/login", "/logout", "/account", "/admin"
# Nothing of an image and of nobody: the login itself, what it is drawn with, and whether the
# service is alive.
_PUBLIC = re.compile(r"/login|/static/.*|/language/[a-z]+|/favicon\.ico|/api/v1/(health|ready)")
# Where someone may still go whose password has to be changed first.
_BEFORE_CHANGE = re.compile(r"/account(/password)?|/logout|/api/v1/account(/password)?")
_ADMIN = re.compile(r"/admin(/.*)?|/api/v1/(users|audit)(/.*)?")
_TOKENS = (
    (SAFE_METHODS, re.compile(r"/metrics"), Scope.METRICS),
    (SAFE_METHODS, re.compile(r"/api/v1/(users|audit)(/.*)?"), Scope.ADMIN),
    ({"POST", "PUT", "PATCH", "DELETE"}, re.compile(r"/api/v1/users(/.*)?"), Scope.ADMIN),
    ({"POST"}, re.compile(r"/api/v1/findings(/stream)?"), Scope.ANALYSE),
    ({"PUT", "DELETE"}, re.compile(r"/api/v1/findings/[^/]+/feedback"), Scope.FEEDBACK),
    ({"DELETE"}, re.compile(r"/api/v1/findings/[^/]+"), Scope.DELETE),
    (SAFE_METHODS, re.compile(r"/api/v1/account"), None),
    # Passwords and tokens are changed by people: a token that is lost makes no other tokens.
    (SAFE_METHODS, re.compile(r"/api/v1/(?!account/).*"), Scope.READ),
)


def is_public(path: str) -> bool:
    """Whether an address is for everyone."""
    return _PUBLIC.fullmatch(path) is not None


def is_for_admins(path: str) -> bool:
    """Whether an address is for those alone who manage accounts."""
    return _ADMIN.fullmatch(path) is not None


def is_before_change(path: str) -> bool:
    """Whether an address is for those who have to change their password, too."""
    return _BEFORE_CHANGE.fullmatch(path) is not None


def token_suffices(method: str, path: str, scopes: frozenset[Scope]) -> bool:
    """Whether a token that allows `scopes` may make a request."""
    for methods, pattern, scope in _TOKENS:
        if method in methods and pattern.fullmatch(path):
            return scope is None or scope in scopes
    return False
