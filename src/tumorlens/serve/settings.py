"""Every setting of the service, from defaults, a TOML file, the environment and the command line.

Later ones win, in this order: the defaults below, the TOML file, environment variables
(``TUMORLENS_`` and the name in capitals), options of ``tumorlens serve``.
"""

from __future__ import annotations

import json
import os
import tomllib
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from tumorlens.errors import SettingsError
from tumorlens.scan import Limits
from tumorlens.scan.limits import GIB, MIB

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

ENV_PREFIX = "TUMORLENS_"
CONFIG_VARIABLE = "TUMORLENS_CONFIG"
DATABASE_FILE = "tumorlens.sqlite3"
# The names under which a browser on the same machine reaches the service.
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")

# As many as 256 random bits have in base 64, more or less; shorter ones are words.
SECRET_LETTERS = 32

Count = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(gt=0)]


class LogFormat(StrEnum):
    """How the log is written: JSON, one object a line, or plain lines for a person."""

    JSON = "json"
    TEXT = "text"


def default_data_dir() -> Path:
    """Where the service keeps its files if nothing is said (XDG Base Directory)."""
    home = os.environ.get("XDG_DATA_HOME")
    return (Path(home) if home else Path.home() / ".local" / "share") / "tumorlens"


class Settings(BaseSettings):
    """The settings of the service; see `load_settings`.

    The description of each field is its documentation: docs/reference/configuration.md is made of
    them.
    """

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="forbid", protected_namespaces=()
    )

    host: str = Field("127.0.0.1", description="Address that is listened on.")
    port: int = Field(8000, ge=0, le=65535, description="Port; 0 takes a free one.")
    root_path: str = Field(
        "", pattern=r"^(/[\w.~/-]*)?$", description="Path under which a proxy offers the service."
    )
    allowed_hosts: tuple[str, ...] = Field(
        (),
        description="Host names that requests may be for. Empty: on loopback its usual names, "
        "elsewhere any.",
    )
    tls_certificate: Path | None = Field(
        None, description="PEM file of the certificate chain; with it the service speaks HTTPS."
    )
    tls_key: Path | None = Field(None, description="PEM file of the certificate's private key.")
    trusted_proxies: tuple[str, ...] = Field(
        (), description="Addresses of proxies whose X-Forwarded headers are believed."
    )
    accounts: bool = Field(False, description="Ask for a login, and keep an audit log.")
    secret_key: SecretStr | None = Field(
        None,
        description=f"Secret of the accounts, {SECRET_LETTERS} letters or more; the same for all "
        "processes on one database. Unset: made on first start and kept in data_dir.",
    )
    session_hours: float = Field(
        12, gt=0, le=8760, description="Hours after which a browser has to log in again."
    )
    session_idle_minutes: float = Field(
        60, gt=0, le=525_600, description="Minutes unused after which it has to, too."
    )
    login_tries: Count = Field(
        5,
        description="Wrong passwords for one name from one address before the next one waits; ten "
        "times as many for one name or from one address alone.",
    )
    password_min_length: int = Field(12, ge=8, le=128, description="Shortest password, in letters.")
    insecure_http_login: bool = Field(
        False, description="Take passwords from other machines over unencrypted HTTP."
    )
    insecure_no_accounts: bool = Field(
        False, description="Listen beyond this machine although nobody has to log in."
    )
    data_dir: Path = Field(
        default_factory=default_data_dir,
        description="Folder of the database file and the secret key; made when first needed.",
    )
    database_url: SecretStr | None = Field(
        None,
        description="Database, such as postgresql://user:password@host/name or sqlite:///file; "
        f"{DATABASE_FILE} in data_dir if unset.",
    )

    model: str | None = Field(
        None, description="Name of an installed model, or a model file; unset: the default model."
    )
    workers: Count | None = Field(
        None, description="Slices that are answered at a time; unset: the processor's cores."
    )
    model_threads: Count = Field(
        1, description="Threads of one run of the network; with one, more requests share the cores."
    )
    queue_size: Count = Field(
        64, description="Files that may wait for the model; beyond it requests get 503."
    )
    batch_share: Count = Field(
        8, description="Files of one batch that may wait at a time, so that others get their turn."
    )

    history: bool = Field(
        False, description="Keep findings and thumbnails; without it nothing of an image is kept."
    )
    history_days: float = Field(
        30, gt=0, le=36500, description="Days after which a finding is purged from the history."
    )
    thumbnail_side: int = Field(
        384, ge=64, le=4096, description="Longer side in pixels of the thumbnails of the history."
    )
    cache_bytes: int = Field(
        64 * MIB, ge=0, description="Memory for slices that were just answered, for their pictures."
    )
    cache_seconds: Seconds = Field(
        900, description="Seconds after which such a slice is forgotten."
    )

    max_upload_bytes: Count = Field(256 * MIB, description="Largest request.")
    max_body_bytes: Count = Field(MIB, description="Largest request that sends no files.")
    max_files: Count = Field(1000, description="Most files of one request.")
    max_uploading_bytes: Count = Field(
        512 * MIB, description="Memory for all requests that are being received or answered."
    )
    max_file_bytes: Count = Field(256 * MIB, description="Largest file, unpacked.")
    max_pixels: Count = Field(2**24, description="Most pixels of one slice.")
    max_frames: Count = Field(4096, description="Most slices of one file.")
    max_zip_ratio: float = Field(
        200.0, ge=1, description="How many times smaller a zip may have made a file."
    )
    max_zip_members: Count = Field(5000, description="Most files of one zip.")
    max_zip_bytes: Count = Field(4 * GIB, description="Most bytes of one zip, unpacked.")
    upload_idle_seconds: Seconds = Field(
        20, description="Seconds without a byte after which an upload is given up."
    )
    upload_min_bytes_per_second: Count = Field(
        2048, description="Slowest mean speed of an upload, after its first ten seconds."
    )
    request_head_seconds: Seconds = Field(
        20, description="Seconds that a client has to send the head of a request."
    )
    max_connections: Count = Field(512, description="Connections at a time; others get 503.")
    rate_per_second: float = Field(
        100, ge=0, description="Requests a second of one client, in the mean; 0: any number."
    )
    rate_burst: Count = Field(400, description="Requests that one client may send at once.")
    shutdown_seconds: Seconds = Field(
        60, description="Seconds in which what was taken is finished when the service is stopped."
    )

    log_format: LogFormat = Field(LogFormat.JSON, description="json, or text for a person.")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="What is logged."
    )

    @field_validator("host")
    @classmethod
    def _some_host(cls, host: str) -> str:
        if not host:
            msg = "name an address; 0.0.0.0 listens on all"
            raise ValueError(msg)
        return host

    @field_validator("secret_key")
    @classmethod
    def _no_short_secret(cls, secret: SecretStr | None) -> SecretStr | None:
        if secret is not None and len(secret.get_secret_value()) < SECRET_LETTERS:
            msg = f"takes {SECRET_LETTERS} letters or more; `openssl rand -hex 32` makes one"
            raise ValueError(msg)
        return secret

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can reach the service."""
        try:
            return self.host == "localhost" or ip_address(self.host).is_loopback
        except ValueError:
            return False

    @property
    def hosts(self) -> tuple[str, ...]:
        """Host names that requests may be for; empty: any.

        On loopback only its usual names: a page from elsewhere could else give its own name this
        machine's address, and read the answers (DNS rebinding).
        """
        if self.allowed_hosts or not self.is_loopback:
            return self.allowed_hosts
        return (*LOOPBACK_NAMES, self.host)

    @property
    def needs_store(self) -> bool:
        """Whether a database is opened at all."""
        return self.history or self.accounts

    @property
    def store_url(self) -> str:
        """The database's URL; its password is in it."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir / DATABASE_FILE}"

    @property
    def limits(self) -> Limits:
        """What one file may ask of this process."""
        return Limits(
            max_file_bytes=self.max_file_bytes,
            max_pixels=self.max_pixels,
            max_frames=self.max_frames,
            max_zip_ratio=self.max_zip_ratio,
            max_zip_members=self.max_zip_members,
            max_total_bytes=self.max_zip_bytes,
        )

    def check_safe(self) -> None:
        """Refuse to be reached by others without asking who they are.

        Raises:
            SettingsError: The address is not loopback, and neither accounts nor the override is on,
                or a certificate comes without its key.
        """
        if (self.tls_certificate is None) != (self.tls_key is None):
            msg = "tls_certificate and tls_key go together: name both files, or neither."
            raise SettingsError(msg)
        if not (self.is_loopback or self.accounts or self.insecure_no_accounts):
            msg = (
                f"host {self.host} can be reached from other machines, and nobody would have to "
                "log in. Turn accounts on (--accounts), listen on 127.0.0.1, or, where a proxy "
                "asks who it is, say --insecure-no-accounts."
            )
            raise SettingsError(msg)


def load_settings(
    config: str | os.PathLike[str] | None = None, overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Gather the settings of this process.

    Args:
        config: TOML file; the one that ``TUMORLENS_CONFIG`` names if None.
        overrides: Setting → value that wins over all else, as the command line gives it.

    Raises:
        SettingsError: The file cannot be read, or a setting is unknown or wrong.
    """
    config = config or os.environ.get(CONFIG_VARIABLE) or None
    try:
        from_environment = EnvSettingsSource(Settings)()
        from_file = {} if config is None else _read(Path(config))
        kept = {name: value for name, value in from_file.items() if name not in from_environment}
        return Settings(**(kept | dict(overrides or {})))
    except ValidationError as error:
        raise SettingsError(_complaints(error)) from None
    except ValueError as error:  # an environment variable that should hold a list
        msg = f'{ENV_PREFIX}…: {error}; lists are written as JSON, such as ["a", "b"].'
        raise SettingsError(msg) from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"{path} cannot be read: {error.strerror or error}. Name a TOML file."
        raise SettingsError(msg) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        msg = f"{path} is not TOML: {error}."
        raise SettingsError(msg) from error


def _complaints(error: ValidationError) -> str:
    """Each wrong setting with what is wrong; values are left out, since one may be a password."""
    import difflib

    told = []
    for item in error.errors(include_url=False, include_input=False):
        name = ".".join(str(part) for part in item["loc"])
        if item["type"] == "extra_forbidden":
            close = difflib.get_close_matches(name, Settings.model_fields, n=1)
            guess = f", did you mean {close[0]}?" if close else ""
            told.append(f"{name}: no such setting{guess}")
        else:
            told.append(f"{name}: {item['msg']}")
    return "wrong settings: " + "; ".join(told)


def parsed(pairs: Sequence[str]) -> dict[str, Any]:
    """Settings as ``name=value``, the value as in TOML; a bare word is text.

    Raises:
        SettingsError: One is not of this form.
    """
    values: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not (name and sign):
            msg = f"{pair!r} sets nothing: write name=value."
            raise SettingsError(msg)
        try:
            values[name.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[name.strip()] = text
    return values


def listed(settings: Settings) -> Iterator[str]:
    """Every setting with its value and its meaning, as TOML; passwords are hidden."""
    for name, field in Settings.model_fields.items():
        value = settings.model_dump(mode="json")[name]
        shown = "# unset" if value is None else json.dumps(value, ensure_ascii=False)
        yield f"# {field.description}"
        yield f"# {name} = {shown}" if value is None else f"{name} = {shown}"
