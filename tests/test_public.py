"""If these fail, user code that imports a public name breaks, or importing becomes slow."""

from __future__ import annotations

import subprocess
import sys

import pytest

import tumorlens
from tumorlens import errors

PUBLIC = {
    "Finding",
    "Limits",
    "Model",
    "Scan",
    "Status",
    "__version__",
    "analyze",
    "analyze_one",
    "load_model",
}
HEAVY = ("numpy", "onnxruntime", "PIL", "pydicom", "pydantic", "rich", "typer", "torch", "nibabel")


def test_exactly_these_names_are_public():
    error_names = {name for name in vars(errors) if isinstance(getattr(errors, name), type)}
    assert set(tumorlens.__all__) == PUBLIC | error_names
    assert list(tumorlens.__all__) == sorted(tumorlens.__all__)


def test_every_public_name_is_there_and_listed():
    for name in tumorlens.__all__:
        assert getattr(tumorlens, name) is not None
        assert name in dir(tumorlens)


def test_a_name_that_is_not_there_says_so():
    with pytest.raises(AttributeError, match="'tumorlens' has no attribute 'analyse'"):
        _ = tumorlens.analyse


def test_importing_loads_no_heavy_library():
    code = f"import sys, tumorlens; print([n for n in {HEAVY} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_answering_loads_no_library_of_training():
    code = (
        "import sys, tumorlens.cli.predict, tumorlens.report.table, tumorlens.report.overlays;"
        "bad = ('torch', 'onnx', 'scipy', 'sklearn', 'pydicom', 'nibabel', 'tumorlens.train');"
        "print([n for n in bad if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
