"""The secret of an installation, and what is made with it.

Cookies and tokens are random; the database holds their keyed hashes, so that a copy of it, without
the secret, lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import stat
from typing import TYPE_CHECKING

from tumorlens.errors import SettingsError
from tumorlens.serve.settings import SECRET_LETTERS

if TYPE_CHECKING:
    from pathlib import Path

    from tumorlens.serve.settings import Settings

SECRET_FILE = "secret.key"  # noqa: S105  (the name of a file)
SECRET_BYTES = 32
OWNER_ONLY, OWNER_ONLY_FOLDER = 0o600, 0o700
OTHERS = stat.S_IRWXG | stat.S_IRWXO


class Secret:
    """Makes and checks what only this installation can make (HMAC-SHA256, RFC 2104).

    Args:
        key: The secret itself.
    """

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def sign(self, purpose: str, text: str) -> str:
        """A keyed hash, 64 hexadecimal digits; another one for each purpose."""
        message = purpose.encode() + b"\0" + text.encode("utf-8", "surrogatepass")
        return hmac.new(self._key, message, hashlib.sha256).hexdigest()

    def is_signed(self, purpose: str, text: str, signature: str) -> bool:
        """Whether `sign` gave this signature; equally fast wherever it differs."""
        expected = self.sign(purpose, text).encode()
        return hmac.compare_digest(expected, signature.encode("utf-8", "replace"))


def load_secret(settings: Settings) -> Secret:
    """The secret of the settings, else of its file, which is made on first use.

    Raises:
        SettingsError: The file cannot be made or read, is cut off, or can be read by others.
    """
    if settings.secret_key is not None:
        return Secret(settings.secret_key.get_secret_value())
    path = settings.data_dir / SECRET_FILE
    try:
        if not path.exists():
            _make(path)
        return Secret(_read(path))
    except OSError as error:
        msg = (
            f"{path} cannot be used: {error.strerror or error}. Name another data_dir, or set "
            "TUMORLENS_SECRET_KEY."
        )
        raise SettingsError(msg) from error


def _make(path: Path) -> None:
    """Write the file whole or not at all; the first of several processes wins."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=OWNER_ONLY_FOLDER)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, OWNER_ONLY)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as stream:
            stream.write(secrets.token_hex(SECRET_BYTES) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        try:
            os.link(draft, path)
        except FileExistsError:
            return
    finally:
        draft.unlink()


def _read(path: Path) -> str:
    if path.stat().st_mode & OTHERS:
        msg = f"{path} can be read by other users of this machine: chmod 600 {path}"
        raise SettingsError(msg)
    key = path.read_bytes().decode("ascii", "replace").strip()
    if len(key) < SECRET_LETTERS:
        msg = (
            f"{path} is cut off. Restore it from a backup, or delete it; without it everyone has "
            "to log in again, and all tokens are made anew."
        )
        raise SettingsError(msg)
    return key
