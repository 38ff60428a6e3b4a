"""If these fail, the secret of an installation is known to others, or lost."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from tumorlens.errors import SettingsError
from tumorlens.serve.auth.secret import SECRET_FILE, Secret, load_secret


def test_it_is_made_once_for_its_owner_alone(make_settings, tmp_path):
    settings = make_settings(data_dir=tmp_path / "new")
    with ThreadPoolExecutor(8) as pool:
        secrets = list(pool.map(load_secret, [settings] * 8))
    path = tmp_path / "new" / SECRET_FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert len(path.read_text().strip()) == 64
    assert len({one.sign("a", "b") for one in secrets}) == 1
    assert list(path.parent.iterdir()) == [path]  # no draft is left
    again = load_secret(make_settings(data_dir=tmp_path / "other"))
    assert again.sign("a", "b") != secrets[0].sign("a", "b")


def test_a_mask_of_files_that_hides_nothing_does_not_open_it(make_settings, tmp_path):
    old = os.umask(0)
    try:
        load_secret(make_settings(data_dir=tmp_path / "open"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "open" / SECRET_FILE).stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("text", "mode", "words"),
    [("a" * 64, 0o644, "chmod 600"), ("a" * 64, 0o660, "chmod 600"), ("", 0o600, "cut off")],
)
def test_one_that_is_known_or_cut_off_is_not_used(make_settings, tmp_path, text, mode, words):
    path = tmp_path / SECRET_FILE
    path.write_text(text)
    path.chmod(mode)
    with pytest.raises(SettingsError, match=words):
        load_secret(make_settings(data_dir=tmp_path))


def test_several_processes_share_one_of_the_settings(make_settings, tmp_path):
    first = load_secret(make_settings(secret_key="s" * 32, data_dir=tmp_path / "a"))
    second = load_secret(make_settings(secret_key="s" * 32, data_dir=tmp_path / "b"))
    assert first.sign("a", "b") == second.sign("a", "b")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(ValueError, match="32 letters or more"):
        make_settings(secret_key="changeme")  # noqa: S106


def test_what_is_signed_for_one_purpose_is_good_for_no_other():
    secret = Secret("s" * 32)
    signature = secret.sign("csrf", "session")
    assert secret.is_signed("csrf", "session", signature)
    for purpose, text, given in (
        ("session", "session", signature),
        ("csrf", "other", signature),
        ("csr", "f\0session", signature),
        ("csrf", "session", ""),
        ("csrf", "session", "é"),
    ):
        assert not secret.is_signed(purpose, text, given)
