"""Ask the service of this machine whether it takes work: ``python -m tumorlens.serve.probe``.

For containers and supervisors that run a command. It reads the same settings as the service, so it
asks the right port, with or without HTTPS, by a host name that the service answers for.
"""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from typing import TYPE_CHECKING

from tumorlens.errors import SettingsError
from tumorlens.serve.settings import load_settings

if TYPE_CHECKING:
    from tumorlens.serve.settings import Settings

PATH = "/api/v1/ready"
OK = 200
SECONDS = 4.0
# Addresses that mean all of this machine's; one of them is asked.
_ALL = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104


def problem(settings: Settings) -> str | None:
    """Why the service with these settings takes no work; None where it does."""
    connection = _connection(settings)
    host = settings.allowed_hosts[0] if settings.allowed_hosts else "localhost"
    try:
        connection.request("GET", f"{settings.root_path}{PATH}", headers={"Host": host})
        status = connection.getresponse().status
    except (OSError, HTTPException) as error:
        return f"no answer at {connection.host}:{connection.port} ({error})"
    finally:
        connection.close()
    return None if status == OK else f"it answered {status}"


def _connection(settings: Settings) -> HTTPConnection:
    host = _ALL.get(settings.host, settings.host)
    if settings.tls_certificate is None:
        return HTTPConnection(host, settings.port, timeout=SECONDS)
    # It asks this very machine, by an address for which no certificate is made out.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return HTTPSConnection(host, settings.port, timeout=SECONDS, context=context)


def main() -> None:
    """End with 0 where the service takes work, else with 1 and a line that says why not."""
    try:
        found = problem(load_settings())
    except SettingsError as error:
        found = str(error)
    sys.exit(None if found is None else f"tumorlens: {found}")


if __name__ == "__main__":
    main()
