"""Importing the reader costs nothing that is not needed yet."""

import subprocess
import sys


def test_no_decoder_is_imported_before_a_file_is_read():
    code = (
        "import sys, tumorlens.scan\n"
        "heavy = {'PIL', 'pydicom', 'nibabel', 'pydantic', 'torch'} & set(sys.modules)\n"
        "print(','.join(sorted(heavy)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_public_names_are_exactly_these():
    import tumorlens.scan

    for name in tumorlens.scan.__all__:
        assert hasattr(tumorlens.scan, name)
    assert tumorlens.scan.__all__ == sorted(tumorlens.scan.__all__)
