"""If this fails, a service that keeps nothing loads a database's libraries, and starts late."""

import subprocess
import sys

HEAVY = ("sqlalchemy", "alembic", "reportlab", "nibabel", "torch", "sklearn")
CODE = f"import sys, tumorlens.serve.run; print([m for m in {HEAVY} if m in sys.modules])"


def test_what_is_not_needed_to_start_is_not_loaded():
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
