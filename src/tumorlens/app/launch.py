"""Starting the app: Streamlit, told to stay on this machine and to call nobody."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tumorlens.app.folders import FOLDERS_VARIABLE, is_loopback
from tumorlens.errors import MissingExtra, SettingsError

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Path(__file__).parent / "entry" / "tumorlens_app.py"
EXTRA = "app"
FIRST_PORT = 8501
# How many ports are tried where none is named.
PORTS_TRIED = 50

# The same as in .streamlit/config.toml, which serves `streamlit run app.py`.
OPTIONS = {
    "browser.gatherUsageStats": "false",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": "false",
    "client.toolbarMode": "minimal",
    "logger.hideWelcomeMessage": "true",
    "server.fileWatcherType": "none",
    "server.maxUploadSize": "256",
    "server.showEmailPrompt": "false",
    "theme.dark.codeTextColor": "#e8eaed",
    "theme.dark.primaryColor": "#4584cb",
    "theme.light.codeTextColor": "#31333f",
    "theme.light.primaryColor": "#2f6db0",
}
# Names that a browser on this machine may call it by; any other would be DNS rebinding.
OWN_NAMES = ("localhost", "127.0.0.1", "::1", "[::1]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """How the app is started.

    Attributes:
        host: The address that it listens on.
        port: Its port; the first free one from `FIRST_PORT` on if None.
        opens_browser: Whether a browser is opened.
        folders: The folders that visitors may audit, beside uploads.
    """

    host: str = "127.0.0.1"
    port: int | None = None
    opens_browser: bool = True
    folders: Sequence[Path] = ()


def free_port(host: str, port: int | None) -> int:
    """The port to listen on.

    Raises:
        SettingsError: It is taken, or the address is not one of this machine.
    """
    tried = range(FIRST_PORT, FIRST_PORT + PORTS_TRIED) if port is None else (port,)
    for one in tried:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                trial.bind((host, one))
        except OSError as error:
            reason = error
        else:
            return one
    named = f"port {port}" if port is not None else f"any of {PORTS_TRIED} ports"
    msg = f"cannot listen on {host}, {named} ({reason.strerror or reason}); name another"
    raise SettingsError(msg)


def address(host: str, port: int) -> str:
    """What a person types into the browser."""
    shown = {"0.0.0.0": "localhost", "::": "localhost"}.get(host, host)  # noqa: S104
    return f"http://[{shown}]:{port}" if ":" in shown else f"http://{shown}:{port}"


def arguments(launch: Launch, port: int) -> list[str]:
    """What Streamlit is called with."""
    options = OPTIONS | {
        "server.address": launch.host,
        "server.port": str(port),
        "server.headless": "false" if launch.opens_browser else "true",
    }
    given = [f"--{name}={value}" for name, value in options.items()]
    if is_loopback(launch.host):
        given += [f"--server.allowedHosts={name}" for name in OWN_NAMES]
    return ["run", str(SCRIPT), *given]


def check_installed() -> None:
    """Make sure that the app can be started.

    Raises:
        MissingExtra: Streamlit is not installed.
    """
    try:
        import streamlit  # noqa: F401
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "streamlit":
            raise
        raise MissingExtra(EXTRA, "The Streamlit app") from error


def start(launch: Launch, port: int) -> None:
    """Run the app until it is stopped.

    Args:
        launch: How.
        port: From `free_port`.
    """
    from streamlit.web.cli import main

    if launch.folders:
        os.environ[FOLDERS_VARIABLE] = os.pathsep.join(str(one) for one in launch.folders)
    main(arguments(launch, port), prog_name="streamlit", standalone_mode=False)
