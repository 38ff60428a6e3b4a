"""A PostgreSQL of its own, in a folder of its own, for the tests that need a real one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEBIANS = Path("/usr/lib/postgresql")
USER = "postgres"


def programs() -> Path | None:
    """Folder of initdb and pg_ctl, the newest there is; None where there is none."""
    on_path = shutil.which("initdb")
    folders = sorted(DEBIANS.glob("*/bin"), key=lambda one: float(one.parent.name))
    folders += [Path(on_path).parent] if on_path else []
    return next((one for one in reversed(folders) if (one / "initdb").exists()), None)


@contextmanager
def running(folder: Path) -> Iterator[str]:
    """Start a server on a free port of this machine, and stop it; its URL."""
    other = USER if os.geteuid() == 0 else None  # it refuses to be run by root
    if other:
        shutil.chown(folder, other)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    data = folder / "data"

    def call(program: str, *arguments: str) -> None:
        command = [str(programs() / program), "-D", str(data), *arguments]
        subprocess.run(command, check=True, capture_output=True, cwd="/", text=True, user=other)

    call("initdb", "-U", USER, "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C")
    options = f"-p {port} -h 127.0.0.1 -k {folder} -c shared_buffers=16MB"
    call("pg_ctl", "-w", "-l", str(folder / "log"), "-o", options, "start")
    try:
        yield f"postgresql://{USER}@127.0.0.1:{port}/postgres"
    finally:
        call("pg_ctl", "-m", "immediate", "stop")


@contextmanager
def reachable_folder() -> Iterator[Path]:
    """A folder that another user of this machine can be given, as those of pytest cannot."""
    with tempfile.TemporaryDirectory(prefix="tumorlens-postgres-") as name:
        yield Path(name)
