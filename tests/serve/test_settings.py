"""If these fail, the service runs with other settings than those that somebody wrote down."""

import pytest

from tumorlens.errors import SettingsError
from tumorlens.serve.settings import listed, load_settings, parsed


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Writes a TOML file, and sets the environment."""

    def write(text: str = "", **environment: str):
        for name, value in environment.items():
            monkeypatch.setenv(f"TUMORLENS_{name.upper()}", value)
        path = tmp_path / "settings.toml"
        path.write_text(text)
        return path

    return write


def test_options_win_over_variables_and_these_over_the_file(written):
    path = written("port = 1\nqueue_size = 2\nhistory = true", port="3", queue_size="4")
    settings = load_settings(path, {"port": 5})
    assert (settings.port, settings.queue_size, settings.history) == (5, 4, True)


@pytest.mark.parametrize(
    ("text", "environment", "words"),
    [
        ("queue_sise = 1", {}, "queue_sise: no such setting, did you mean queue_size"),
        ("port = 'x'", {}, "port: "),
        ("port =", {}, "is not TOML"),
        ("", {"allowed_hosts": "a,b"}, "lists are written as JSON"),
        ("secret_key = 'hunter2'", {}, "32 letters or more"),
        ("host = ''", {}, "0.0.0.0 listens on all"),
    ],
)
def test_what_is_wrong_is_named_and_secrets_are_not_repeated(written, text, environment, words):
    with pytest.raises(SettingsError) as told:
        load_settings(written(text, **environment))
    assert words in str(told.value)
    assert "hunter2" not in str(told.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SettingsError, match=r"gone\.toml cannot be read"):
        load_settings(tmp_path / "gone.toml")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.org"])  # noqa: S104
def test_others_are_let_in_with_accounts_or_where_somebody_insists(make_settings, host):
    with pytest.raises(SettingsError, match="nobody would have to"):
        make_settings(host=host).check_safe()
    make_settings(host=host, accounts=True).check_safe()
    make_settings(host=host, insecure_no_accounts=True).check_safe()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "127.8.8.8"])
def test_this_machine_needs_no_accounts(make_settings, host):
    make_settings(host=host).check_safe()


def test_what_is_shown_hides_passwords_and_can_be_read_again(make_settings, tmp_path):
    settings = make_settings(
        secret_key="s" * 32,
        database_url="postgresql://user:hunter2@host/x",
        trusted_proxies=("10.0.0.0/8",),
    )
    text = "\n".join(listed(settings))
    assert "hunter2" not in text
    assert "s" * 32 not in text
    path = tmp_path / "shown.toml"
    path.write_text("\n".join(line for line in text.splitlines() if "****" not in line))
    again = load_settings(path)
    assert again.trusted_proxies == ("10.0.0.0/8",)
    assert again.data_dir == settings.data_dir


def test_options_are_toml_and_words_are_text():
    assert parsed(['a=["x"]', "b=2", "c=plain word", "d=true"]) == {
        "a": ["x"], "b": 2, "c": "plain word", "d": True
    }  # fmt: skip
    with pytest.raises(SettingsError, match="name=value"):
        parsed(["nothing"])
