"""`Settings`: from files and environment to frozen values, or one line that says what is wrong."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer import AccountsConfig, Issuer, MailConfig, Settings
from admit.issuer.storage import Keyring

DEV = {"ADMIT_DEV": "true"}


def load(tmp_path: Path, text: str, **environ: str) -> Settings:
    path = tmp_path / "admit.toml"
    path.write_text(text)
    return Settings.load(path, environ={**DEV, **environ})


def refused(tmp_path: Path, text: str, **environ: str) -> str:
    with pytest.raises(ConfigError) as told:
        load(tmp_path, text, **environ)
    assert "\n" not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    "issuer", ["https://id.example.com", "https://id.example.com:8443/auth", "https://[2001:db8::1]"]
)
def test_an_https_issuer_is_taken_as_it_is_spelled(issuer: str) -> None:
    assert Settings(issuer=issuer).issuer == issuer


@pytest.mark.rfc("8414", "2")
@pytest.mark.parametrize(
    "issuer",
    [
        "", "id.example.com", "ftp://id.example.com", "http://id.example.com", "http://localhost:8410",
        "https://admit.invalid",
        "https://id.example.com/", "https://id.example.com?", "https://id.example.com#", "https://id.example.com?a=b",
        "https://me@id.example.com", "https://@id.example.com", "https://ID.example.com", "https://[::1",
        "https://id.example.com:99999", "https://id.example.com:port", "https://id.example.com:",
        "https://id.example.com:0", "https://id.example.com:443",
    ],
)  # fmt: skip
def test_an_issuer_that_could_not_work_is_refused_in_one_line(issuer: str) -> None:
    with pytest.raises(ConfigError, match=r"issuer: .+") as told:
        Settings(issuer=issuer)
    assert "\n" not in str(told.value)


def test_dev_is_for_plain_http_on_loopback_only() -> None:
    assert Settings(issuer="http://localhost:8410", dev=True).dev
    for issuer in ("https://id.example.com", "http://id.example.com", "http://localhost:80"):
        with pytest.raises(ConfigError):
            Settings(issuer=issuer, dev=True)


def test_later_sources_win(tmp_path: Path) -> None:
    text = '[sessions]\nidle = "1h"\n[grants]\nlive_grants = 3\n'
    from_file = load(tmp_path, text)
    assert from_file.sessions.idle.total_seconds() == 3_600
    both = load(tmp_path, text, ADMIT_SESSIONS__IDLE="2h", ADMIT_GRANTS__LIVE_GRANTS="4")
    assert (both.sessions.idle.total_seconds(), both.grants.live_grants) == (7_200, 4)
    flags: dict[str, Any] = {"issuer": "http://localhost:9999"}
    assert Settings.load(tmp_path / "admit.toml", environ=DEV, flags=flags).issuer == "http://localhost:9999"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("colour = 1", "colour"),
        ("[sessions]\ncolour = 1", "sessions.colour"),
        ("[sessions]\nidle = 8", "sessions.idle"),
        ('[sessions]\nidle = "8 hours"', "sessions.idle"),
        ('[sessions]\nidle = "31d"', "sessions.idle"),
        ("sessions = 1", "sessions"),
        ("[grants]\nlive_grants = true", "grants.live_grants"),
        ('[oauth]\naccess_token_ttl = "1h"', "oauth.access_token_ttl"),
        ('[keys]\nalgorithms = [["token", "ES256"]]', "keys.algorithms"),
        ('[keys]\nalgorithms = [["cookies", "ES256"]]', "keys.algorithms"),
        ('[keys]\nalgorithms = [["token"]]', "keys.algorithms"),
        ("[[client]]\nname = 'A'", "client.id"),
        ("[[client]]\nid = 'a'\nname = 'A'\nredirect_uris = 'https://a.example'", "client.redirect_uris"),
        ("issuer = ", "TOML"),
    ],
)
def test_what_cannot_work_is_named_in_one_line(tmp_path: Path, text: str, words: str) -> None:
    assert words in refused(tmp_path, text)


def test_kinds_of_keys_can_be_set_in_the_file(tmp_path: Path) -> None:
    text = '[keys]\nalgorithms = [["token", "RS256"], ["token", "ES256"], ["status", "ES256"]]\n'
    assert load(tmp_path, text).keys.algorithms[0] == ("token", "RS256")


@pytest.mark.parametrize(
    ("member", "word"),
    [
        ('id_token_signed_response_alg = "HS256"', "id_token_signed_response_alg"),
        ('grant_types = ["password"]', "grant_types"),
        ("grant_types = []", "grant_types"),
        ('profile = "fapi2"', "fapi2"),
        ('profile = "fapi3"', "profile"),
    ],
)
def test_a_client_setting_that_nothing_would_hold_is_refused(tmp_path: Path, member: str, word: str) -> None:
    client = '[[client]]\nid = "a"\nname = "A"\nredirect_uris = ["http://localhost:1/cb"]\n'
    assert load(tmp_path, client).registry.client("a") is not None
    with pytest.raises(ConfigError, match=word):
        _ = load(tmp_path, client + member + "\n").registry


def test_a_resource_with_an_algorithm_that_no_key_has_is_refused(tmp_path: Path) -> None:
    resource = '[[resource]]\nid = "https://api.example.com"\nname = "A"\n'
    assert load(tmp_path, resource).registry.resource("https://api.example.com") is not None
    with pytest.raises(ConfigError, match="alg"):
        _ = load(tmp_path, resource + 'alg = "none"\n').registry


def test_the_key_file_is_named_in_the_file_or_is_the_environments_json(tmp_path: Path) -> None:
    Keyring.create(tmp_path / "k.json")
    named = load(tmp_path, f'[keys]\nfile = "{tmp_path / "k.json"}"\n')
    assert named.keys_path == tmp_path / "k.json"
    given = load(
        tmp_path, "", ADMIT_KEYS=(tmp_path / "k.json").read_text(), ADMIT_DATA=str(tmp_path / "none")
    )
    assert Issuer(given).keyring.kids == Keyring.load(tmp_path / "k.json").kids
    assert (tmp_path / "k.json").read_text().strip() not in repr(given), "a secret"
    assert not (tmp_path / "none").exists()


def test_a_data_folder_that_cannot_be_made_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings = load(tmp_path, f'data = "{tmp_path / "file" / "data"}"\n')
    with pytest.raises(ConfigError, match="cannot be made"):
        Issuer(settings)


def test_mail_is_read_from_its_table_and_its_password_never_shown(tmp_path: Path) -> None:
    settings = load(
        tmp_path,
        '[mail]\nsender = "Example <no-reply@example.com>"\ntimeout = "5s"\n',
        ADMIT_MAIL__URL="smtps://postman:a-canary@mail.example.com",
    )
    assert settings.mail.server.password == "a-canary"
    assert "a-canary" not in repr(settings)
    assert "a-canary" not in refused(tmp_path, "", ADMIT_MAIL__URL="smtps://a-canary@mail.example.com")


def test_links_are_shown_at_a_terminal_in_development_only() -> None:
    mail = MailConfig(url="console:", sender="no-reply@example.com")
    assert Settings(issuer="http://localhost:8410", dev=True, mail=mail).mail.is_console
    with pytest.raises(ConfigError, match=r"mail\.url"):
        Settings(issuer="https://id.example.com", mail=mail)


def test_nobody_is_asked_for_a_proof_that_cannot_be_given() -> None:
    accounts = AccountsConfig(require_verified_email=True)
    mail = MailConfig(url="smtps://mail.example.com", sender="no-reply@example.com")
    assert Settings(
        issuer="https://id.example.com", accounts=accounts, mail=mail
    ).accounts.require_verified_email
    with pytest.raises(ConfigError, match="require_verified_email"):
        Settings(issuer="https://id.example.com", accounts=accounts)
    with pytest.raises(ConfigError, match="reset_link"):
        AccountsConfig(reset_link=timedelta(minutes=16))


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("ADMIT_ISUER", "https://id.example.com", "isuer: there is no such setting"),
        ("ADMIT_SESSIONS__IDLE", "soon", "sessions.idle: "),
        ("ADMIT_KEYS__LONGEST_TOKEN", "1s", "keys.longest_token"),
        ("ADMIT_SESSIONS", "1", "sessions: want a table"),
        ("ADMIT_DATABASE__URL", "sqlite:///x.db", "database: want text"),
        ("ADMIT_CLIENT__ID", "spa", "client: want a list"),
        ("ADMIT_TLS__CERT", "cert.pem", "tls: cert and key"),
        ("ADMIT_DATABASE", "mysql://localhost/x", "database: want a URL that begins sqlite:///"),
    ],
)
def test_what_the_environment_says_wrongly_names_its_variable(
    tmp_path: Path, name: str, value: str, told: str
) -> None:
    line = refused(tmp_path, "", **{name: value})
    assert line.startswith(told)
    assert line.endswith(f"(from {name} in the environment)")


def test_a_settings_file_that_is_not_there_names_the_variable_that_named_it(tmp_path: Path) -> None:
    away = str(tmp_path / "away.toml")
    with pytest.raises(
        ConfigError, match=r"away\.toml does not exist \(from ADMIT_CONFIG in the environment\)$"
    ):
        Settings.load(environ={"ADMIT_CONFIG": away})
    with pytest.raises(ConfigError, match=r"does not exist$"):
        Settings.load(away, environ={"ADMIT_CONFIG": "another.toml"})


def test_what_the_file_or_a_flag_says_wrongly_names_no_variable(tmp_path: Path) -> None:
    assert "environment" not in refused(tmp_path, 'database = "mysql://x"', ADMIT_DATA="x")
    assert "environment" not in refused(tmp_path, "[sessions]\nidle = 8", ADMIT_SESSIONS__ABSOLUTE="9h")
    path = tmp_path / "admit.toml"
    with pytest.raises(ConfigError) as told:
        Settings.load(path, environ={"ADMIT_ISSUER": "https://x"}, flags={"issuer": "http://x"})
    assert "environment" not in str(told.value)


def test_the_variables_of_the_demo_are_no_settings(tmp_path: Path) -> None:
    load(tmp_path, "", ADMIT_DEMO_PORTS="9410,9411,9412", ADMIT_DEMO_POLL="x")
    refused(tmp_path, "", ADMIT_DEMOS="1")
