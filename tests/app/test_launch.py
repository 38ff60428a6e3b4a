"""If these fail, the app is open to others, calls elsewhere, or cannot be started or deployed."""

from __future__ import annotations

import socket
import tomllib

import pytest

from tests.app.conftest import ROOT
from tumorlens.app import launch
from tumorlens.cli.app_command import app
from tumorlens.errors import SettingsError


def test_the_first_free_port_is_taken_and_a_taken_one_is_said():
    with socket.create_server(("127.0.0.1", 0)) as busy:
        port = busy.getsockname()[1]
        with pytest.raises(SettingsError, match=f"port {port}"):
            launch.free_port("127.0.0.1", port)
    assert launch.free_port("127.0.0.1", None) >= launch.FIRST_PORT


def test_no_usage_is_reported_and_other_host_names_are_refused():
    given = launch.arguments(launch.Launch(), 8501)
    assert "--browser.gatherUsageStats=false" in given
    assert "--server.address=127.0.0.1" in given
    assert "--server.allowedHosts=localhost" in given


def test_a_deployed_checkout_has_the_settings_of_the_command():
    tables = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())
    flat = {}
    for name, table in tables.items():
        for key, value in table.items():
            inner = value if isinstance(value, dict) else {"": value}
            for last, one in inner.items():
                text = str(one).lower() if isinstance(one, bool) else str(one)
                flat[".".join(filter(None, (name, key, last)))] = text
    assert flat == launch.OPTIONS


def test_streamlit_cloud_installs_the_app_and_no_training_library():
    lines = [
        line
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if line and not line.startswith("#")
    ]
    assert lines == ["-e .[app]"]
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = extras["optional-dependencies"]
    assert not [one for one in (*extras["app"], *extras["nifti"]) if "torch" in one]


def test_others_are_let_in_only_where_that_is_said():
    everyone = "0.0.0.0"  # noqa: S104  (it is what must be refused)
    with pytest.raises(SettingsError, match="--insecure-no-accounts"):
        app(host=everyone, browser=False)
