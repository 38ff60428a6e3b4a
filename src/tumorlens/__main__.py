"""``python -m tumorlens`` is the ``tumorlens`` program."""

from __future__ import annotations

from tumorlens.cli import run

if __name__ == "__main__":
    run()
