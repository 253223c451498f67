"""`admit doctor` on a good deployment and on bad ones: what it finds, how it says so, and its exit code."""

import asyncio
import json
import os
import re
import sqlite3
import ssl
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from admit.cli import main
from admit.cli.doctor import database, files, findings_of, running, tls
from admit.cli.doctor.findings import Finding, Severity
from admit.cli.doctor.settings import cookies, strangers
from admit.fetch import Response
from admit.issuer import Client, Issuer, Resource, Settings
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.app import probe
from admit.issuer.app.config import MetricsConfig, ProxyConfig, TlsConfig
from admit.issuer.clients.config import MetadataDocumentsConfig, RegistrationConfig
from admit.issuer.keys.records import KeyState, StoredKey
from admit.issuer.outbox import MailConfig
from admit.issuer.revocation.config import RevocationConfig
from admit.issuer.storage import Keyring, schema
from tests.fixtures.certificates import certificate
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import furnished_postgresql_url, furnished_sqlite_url, write_key_file

ISSUER = "https://id.example.com"
MAIL = MailConfig(url="smtps://admit:secret@mail.example.com", sender="Example <no-reply@example.com>")
WEB = Client(id="web", name="Web", first_party=True, redirect_uris=("https://app.example.com/cb",))


@pytest.fixture
def good(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a deployment with nothing wrong in it, on a disk: the test's own files may be kept in memory."""
    monkeypatch.setattr(files, "file_system_of", lambda path: "ext4")
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    tls = certificate(folder, "id.example.com")
    return Settings(
        issuer=ISSUER, database=furnished_sqlite_url(folder), data=str(folder), client=(WEB,), mail=MAIL,
        keys=replace(Settings(issuer=ISSUER).keys, file=str(write_key_file(folder))),
        tls=TlsConfig(cert=str(tls.cert), key=str(tls.key)), accounts=AccountsConfig(pepper=True),
    )  # fmt: skip


def found(settings: Settings, **more: Any) -> list[Finding]:
    async def collect() -> list[Finding]:
        return [one async for one in findings_of(settings, offline=True, **more)]

    return asyncio.run(collect())


def bad(some: list[Finding]) -> dict[str, Severity]:
    """What is wrong."""
    return {one.what: one.severity for one in some if one.severity in (Severity.WARNING, Severity.ERROR)}


def only(some: list[Finding]) -> Finding:
    """The one thing that is wrong; it says why and how to mend it."""
    wrong = [one for one in some if one.severity in (Severity.WARNING, Severity.ERROR)]
    assert len(wrong) == 1, wrong
    assert wrong[0].why
    assert wrong[0].mend
    return wrong[0]


def test_a_good_deployment_has_nothing_wrong(good: Settings) -> None:
    some = found(good)
    assert bad(some) == {}
    topics = {one.topic for one in some if one.severity is Severity.GOOD}
    assert {
        "mode",
        "cookies",
        "clients",
        "mail",
        "files",
        "tls",
        "database",
        "durable",
        "keys",
        "revocation",
    } <= topics


# Six bad deployments.


def test_files_that_others_may_read_are_errors(good: Settings, tmp_path: Path) -> None:
    config = tmp_path / "admit.toml"
    config.write_text("")
    config.chmod(0o644)
    settings = replace(good, database=good.database)
    good.keys_path.chmod(0o640)
    Path(good.database.removeprefix("sqlite:///")).chmod(0o644)
    Path(good.tls.key).chmod(0o644)
    good.data_folder.chmod(0o777)
    wrong = bad(found(settings, config=config))
    assert set(wrong.values()) == {Severity.ERROR}
    told = "\n".join(wrong)
    for words in (
        "the key file",
        "the database",
        "the certificate's key",
        "the settings file",
        "may write in",
    ):
        assert words in told
    assert "(mode 0640)" in told


def test_files_are_called_good_only_where_there_are_some(good: Settings) -> None:
    def said(settings: Settings) -> list[Severity]:
        return [one.severity for one in found(settings) if one.topic == "files"]

    assert said(good) == [Severity.GOOD]
    beside = replace(good, database="", keys=replace(good.keys, file=""))
    beside.keys_path.write_bytes(good.keys_path.read_bytes())
    beside.keys_path.chmod(0o600)
    assert said(beside) == [Severity.NOTE, Severity.GOOD], "one folder for both is worth knowing"
    good.keys_path.unlink()
    assert said(good) == [Severity.NOTE]


def about(topic: str, settings: Settings) -> Finding:
    """The one finding about it, which says why and how to mend it unless all is well."""
    (one,) = [one for one in found(settings) if one.topic == topic]
    assert one.severity is Severity.GOOD or (one.why and one.mend)
    return one


def test_passwords_without_the_key_files_key_are_worth_a_note_and_with_it_good(good: Settings) -> None:
    assert about("passwords", good).severity is Severity.GOOD
    without = about("passwords", replace(good, accounts=AccountsConfig()))
    assert (without.severity, "accounts.pepper = true" in without.mend) == (Severity.NOTE, True)


def test_hashes_whose_key_is_not_in_the_key_file_are_an_error_and_those_of_its_own_are_not(
    good: Settings,
) -> None:
    kid = Keyring.load(good.keys_path).current
    with closing(sqlite3.connect(good.database.removeprefix("sqlite:///"))) as db, db:
        put = "UPDATE user_account SET password_hash = '$admit-pepper$' || ? || password_hash WHERE email LIKE ?"
        db.execute(put, (kid, "ada%"))
    assert bad(found(good)) == {}
    with closing(sqlite3.connect(good.database.removeprefix("sqlite:///"))) as db, db:
        db.execute(put, (f"{kid}x", "bo%"))
    one = only(found(good))
    assert one.what == "1 password hashed with a key that the key file does not hold"
    assert "keys.file" in one.mend


def test_how_long_the_trail_remembers_is_told_and_too_long_or_too_short_is_noted(good: Settings) -> None:
    for days, severity, words in (
        (400, Severity.GOOD, "for 400 days"),
        (120, Severity.NOTE, "after 120 days"),
        (0, Severity.NOTE, "for good"),
    ):
        one = about("audit", replace(good, audit=replace(good.audit, kept=timedelta(days=days))))
        assert (one.severity, words in one.what) == (severity, True), one


def test_a_certificate_of_another_host_that_soon_ends_is_told(good: Settings, tmp_path: Path) -> None:
    for days, severity, words in ((3, Severity.WARNING, "in 2 days"), (-0.5, Severity.ERROR, "ended on")):
        tls = certificate(tmp_path / str(days), "*.example.com", days=days)
        one = only(found(replace(good, tls=TlsConfig(cert=str(tls.cert), key=str(tls.key)))))
        assert (one.severity, words in one.what) == (severity, True)
    tls = certificate(tmp_path / "other", "example.com", "other.example.com", "*.id.example.com")
    one = only(found(replace(good, tls=TlsConfig(cert=str(tls.cert), key=str(tls.key)))))
    assert one.what == "the certificate is not for id.example.com"
    other = certificate(tmp_path / "another", "id.example.com")
    one = only(found(replace(good, tls=TlsConfig(cert=str(tls.cert), key=str(other.key)))))
    assert "not the key" in one.what


def test_clients_and_hosts_that_do_not_fit_are_told(good: Settings) -> None:
    legacy = replace(WEB, id="legacy", public=False, secret_hashes=(b"x" * 32,), require_pkce=False)
    stranger = replace(WEB, id="stranger", first_party=False, token_endpoint_audience=True)
    some = found(replace(good, issuer=f"{ISSUER}/auth", client=(legacy, stranger), mail=MailConfig()))
    assert bad(some) == {
        "legacy needs no PKCE": Severity.WARNING,
        "stranger may prove itself by assertions for the token endpoint's URL": Severity.WARNING,
        "the issuer lies under a path and serves others' applications: stranger": Severity.ERROR,
        "no mail is sent": Severity.WARNING,
    }


def test_clients_of_the_database_count_and_where_there_are_none_the_command_is_named(good: Settings) -> None:
    none = replace(good, client=())
    (told,) = [one for one in found(none) if one.topic == "clients" and one.severity is not Severity.GOOD]
    assert told.what == "there are no clients yet"
    assert told.mend.startswith("admit client add ")

    async def add() -> None:
        issuer = Issuer(none)
        async with issuer.opened():
            assert await issuer.services.clients.add(replace(WEB, id="kept"), now=time.time())

    asyncio.run(add())
    assert [(one.what, one.severity) for one in found(none) if one.topic == "clients"] == [
        ("1 client of the database: admit client list", Severity.GOOD)
    ]


def test_clients_that_ask_for_passwords_are_listed(good: Settings) -> None:
    told = "phone asks people for their passwords itself, by api_login"
    assert told not in {one.what for one in found(good)}
    some = found(replace(good, client=(WEB, replace(WEB, id="phone", api_login=True))))
    (one,) = [one for one in some if one.what == told]
    assert one.severity is Severity.NOTE
    assert one.mend is not None


@pytest.mark.parametrize(
    ("domain", "resource", "severity", "words"),
    [
        (None, "https://id.example.com/api", Severity.GOOD, "stays with the issuer's own host"),
        (None, "https://api.example.com", Severity.NOTE, "do not send it to api.example.com"),
        ("example.com", "https://api.example.com", Severity.NOTE, "every host below example.com"),
        ("example.com", "https://api.example.net", Severity.WARNING, "to api.example.net"),
        ("example.net", "https://api.example.net", Severity.ERROR, "is not in it"),
        ("ample.com", "https://api.ample.com", Severity.ERROR, "is not in it"),
        ("com", "https://api.example.com", Severity.ERROR, "top-level"),
    ],
)
def test_the_cookie_s_domain_is_held_against_the_hosts(
    good: Settings, domain: str | None, resource: str, severity: Severity, words: str
) -> None:
    api = Resource(id=resource, name="API", secret_hash=b"x" * 32)

    class Given:
        issuer = ISSUER
        sessions = type("Sessions", (), {"cookie_domain": domain})
        resource = (api,)

    [first, *_] = cookies(Given())  # type: ignore[arg-type]  # settings that refuse to be made are looked at too
    assert (first.severity, words in first.what) == (severity, True), first


def test_applications_that_let_themselves_in_are_told(good: Settings) -> None:
    invited = RegistrationConfig(enabled=True)
    assert list(strangers(good)) == list(strangers(replace(good, registration=invited))) == []
    anybody = replace(invited, open=True, require_pkce=False)
    agents = MetadataDocumentsConfig(enabled=True)
    told = list(strangers(replace(good, registration=anybody, metadata_documents=agents)))
    assert [one.severity for one in told] == [Severity.NOTE, Severity.NOTE, Severity.WARNING]
    beside = replace(good, issuer=f"{ISSUER}/auth", registration=invited)
    assert [one.severity for one in strangers(beside)] == [Severity.ERROR]


def test_listeners_and_bounds_that_are_too_wide_are_told(good: Settings) -> None:
    settings = replace(
        good,
        metrics=MetricsConfig(listen="0.0.0.0:9410"),
        tls=TlsConfig(),
        listen="0.0.0.0:8410",
        revocation=RevocationConfig(max_staleness=timedelta(minutes=10)),
    )
    some = [one for one in found(settings) if "SQLite" not in one.what]
    assert sorted(one.topic for one in some if one.severity is not Severity.GOOD) == [
        "listen", "listen", "revocation", "tls",
    ]  # fmt: skip


def test_limits_on_guessing_that_are_hardly_any_are_told(good: Settings) -> None:
    loose = AccountsConfig(
        tries_per_account=1_000_000, tries_per_network=5_000_000, tries_window=timedelta(seconds=1)
    )
    told = {one.what for one in found(replace(good, accounts=loose)) if one.topic == "guessing"}
    assert told == {
        "accounts.tries_per_account is 1,000,000; it comes as 10",
        "accounts.tries_per_network is 5,000,000; it comes as 100",
        "accounts.tries_window is 1 s",
    }
    fitting = AccountsConfig(tries_per_network=1_000, tries_window=timedelta(minutes=5))
    assert bad(found(replace(good, accounts=fitting))) == {}


def test_a_schema_that_is_not_this_version_s_is_told(good: Settings) -> None:
    path = good.database.removeprefix("sqlite:///")
    for version, severity, words in (
        ("0001", Severity.NOTE, "the next start"),
        ("9999", Severity.ERROR, "does not start"),
    ):
        with closing(sqlite3.connect(path)) as db:
            db.execute("UPDATE admit_version SET version_num = ?", (version,))
            db.commit()
        [one] = [one for one in found(good) if version in one.what]
        assert (one.severity, words in one.why) == (severity, True)
        with closing(sqlite3.connect(path)) as db:
            assert db.execute("SELECT version_num FROM admit_version").fetchone() == (version,), (
                "it changes nothing"
            )
    Path(path).write_bytes(b"no database")
    assert "damaged" in only(found(good)).what
    Path(path).unlink()
    assert bad(found(good)) == {}
    assert not Path(path).exists(), "the doctor makes none"


def test_another_database_s_key_file_is_told(good: Settings) -> None:
    good.keys_path.write_bytes(Keyring.generate()._dump())
    assert "keys.file" in only(found(good)).what


def test_postgresql_that_may_forget_is_told(good: Settings, postgres_server: PostgresServer) -> None:
    """The tests' server runs without fsync, for speed."""
    some = found(replace(good, database=furnished_postgresql_url(postgres_server)))
    wrong = bad(some)
    assert wrong.pop("fsync is off") is Severity.ERROR
    assert set(wrong) <= {"full_page_writes is off"}
    assert any(one.topic == "time" and one.severity is Severity.GOOD for one in some)
    gone = only(found(replace(good, database="postgresql://nobody@127.0.0.1:1/none")))
    assert (gone.topic, gone.severity) == ("database", Severity.ERROR)


def test_clocks_and_poolers_that_are_off_are_told() -> None:
    look = database.Look(version=schema.HEAD, missing=frozenset(), settings={"synchronous_commit": "on"})
    for ahead, severity in ((0.2, Severity.GOOD), (-5.0, Severity.WARNING), (31.0, Severity.ERROR)):
        [one] = database._clock(replace(look, ahead=ahead))
        assert one.severity is severity
    wrong = replace(
        look,
        settings={"synchronous_commit": "off", "is_superuser": "on"},
        replica=True,
        standbys=2,
        readable=True,
    )
    assert [one.severity for one in database._durable(wrong)] == [
        Severity.ERROR, Severity.ERROR, Severity.WARNING, Severity.ERROR, Severity.NOTE,
    ]  # fmt: skip


def test_rotation_that_stands_still_is_told(good: Settings) -> None:
    day = 86_400.0
    stored = tuple(
        StoredKey(
            kid=f"{purpose}-{alg}", purpose=purpose, alg=alg, state=KeyState.ACTIVE, created_at=0.0,
            activates_at=0.0, retired_at=None, expires_at=None, revoked_at=None,
        )
        for purpose, alg in good.keys.algorithms
    )  # fmt: skip
    assert [one.severity for one in database.keys(stored, good, 80 * day)] == [Severity.GOOD]
    late = list(database.keys(stored, good, 120 * day))
    assert {one.severity for one in late} == {Severity.WARNING}
    assert late[0].mend == "admit key rotate --alg ES256 --for token"
    gone = list(database.keys(stored[1:], good, day))
    assert [(one.severity, "token ES256" in one.what) for one in gone] == [(Severity.ERROR, True)]
    assert next(iter(database.keys(stored, good, -day))).severity is Severity.ERROR
    assert next(iter(database.keys((), good, 0))).severity is Severity.NOTE


# What the running issuer says.

KEYRING = Keyring.generate()
NONCE = "n" * 32
NOW = 1_800_000_000.0
DATE = "Fri, 15 Jan 2027 08:00:00 GMT"


def judged(
    settings: Settings, *, status: int = 200, date: str = DATE, forge: bool = False, **seen: Any
) -> list[Finding]:
    import msgspec

    told: dict[str, Any] = {
        "host": "id.example.com", "scheme": "https", "peer": "10.0.0.9", "client": "192.0.2.77",
        "forwarded_for": ["192.0.2.77"], "forwarded": [], "forwarded_proto": [], "now": NOW,
    }  # fmt: skip
    body = msgspec.json.encode({**told, **seen})
    proof = probe.answer_mac(Keyring.generate() if forge else KEYRING, NONCE, body)
    answer = Response(status, {"date": date, probe.HEADER: proof}, body)
    return list(running.judge(settings, KEYRING, NONCE, answer, began=NOW, ended=NOW + 0.1))


def test_the_answer_of_a_running_issuer_is_judged(good: Settings) -> None:
    proxied = replace(good, proxy=ProxyConfig(trusted=("10.0.0.9",)))
    assert bad(judged(proxied)) == {}
    believed = only(judged(proxied, client=running.FORGED, forwarded_for=[running.FORGED]))
    assert (believed.severity, "stranger" in believed.what) == (Severity.ERROR, True)
    alike = only(judged(good, client="10.0.0.9"))
    assert alike.mend == 'proxy.trusted = ["10.0.0.9"]'
    silent = only(judged(proxied, client="10.0.0.9", forwarded_for=[]))
    assert "does not write" in silent.what
    assert bad(judged(good, client="10.0.0.9", forwarded_for=[running.FORGED])) == {}, "nobody in front"


@pytest.mark.parametrize(
    ("status", "words"), [(421, "another Host"), (502, "does not reach"), (404, "answers 404")]
)
def test_an_issuer_that_does_not_answer_the_question_is_told(good: Settings, status: int, words: str) -> None:
    one = only(judged(good, status=status))
    assert (one.severity, words in one.what) == (Severity.ERROR, True)


def test_somebody_else_at_the_issuer_s_url_is_told(good: Settings) -> None:
    assert "somebody else" in only(judged(good, forge=True)).what


@pytest.mark.parametrize(
    ("date", "severity"),
    [
        ("Fri, 15 Jan 2027 07:59:55 GMT", Severity.WARNING), ("Fri, 15 Jan 2027 08:00:05 GMT", Severity.WARNING),
        ("Fri, 15 Jan 2027 09:00:00 GMT", Severity.ERROR),
    ],
)  # fmt: skip
def test_a_clock_that_differs_from_the_answers_is_told(good: Settings, date: str, severity: Severity) -> None:
    proxied = replace(good, proxy=ProxyConfig(trusted=("10.0.0.9",)))
    assert only(judged(proxied, date=date)).severity is severity


@pytest.mark.parametrize(
    ("name", "days", "severity", "words"),
    [
        ("localhost", 60, Severity.GOOD, "59 more days"),
        ("localhost", 3, Severity.WARNING, "in 2 days"),
        ("localhost", -0.5, Severity.ERROR, "has ended"),
        ("other.example.com", 60, Severity.ERROR, "not for this host"),
    ],
)
async def test_a_certificate_of_a_proxy_in_front_is_judged_as_browsers_see_it(
    tmp_path: Path, name: str, days: float, severity: Severity, words: str
) -> None:
    made = certificate(tmp_path, name, days=days)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.cert, made.key)
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=context)
    async with server:
        settings = Settings(issuer=f"https://localhost:{server.sockets[0].getsockname()[1]}")
        [one] = [one async for one in tls.served(settings, ca_file=str(made.authority), clock=time.time)]
        own = replace(settings, tls=TlsConfig(cert=str(made.cert), key=str(made.key)))
        assert [one async for one in tls.served(own, ca_file=None, clock=time.time)] == [], "told of the file"
    assert (one.topic, one.severity, words in one.what) == ("tls", severity, True), one
    assert (one.severity is Severity.GOOD) == (not one.mend)
    assert [one async for one in tls.served(settings, ca_file=None, clock=time.time)] == [], "nobody is there"


# The command.


@pytest.fixture
def doctor(good: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """`doctor(...)`, with the good deployment's settings in a file."""
    path = tmp_path / "admit.toml"
    members = {
        "issuer": good.issuer, "database": good.database, "data": good.data, "keys.file": good.keys.file,
        "tls.cert": good.tls.cert, "tls.key": good.tls.key, "mail.url": MAIL.url, "mail.sender": MAIL.sender,
    }  # fmt: skip
    lines = [f"{name} = {json.dumps(value)}" for name, value in members.items()]
    lines += ["[[client]]", 'id = "web"', 'name = "Web"', "first_party = true"]
    path.write_text("\n".join([*lines, 'redirect_uris = ["https://app.example.com/cb"]', ""]))
    path.chmod(0o600)
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, ["doctor", "--offline", *arguments])


def test_the_command_says_what_is_wrong_first_and_exits_by_it(
    doctor: Callable[..., Result], good: Settings
) -> None:
    done = doctor()
    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.stdout
    good.keys_path.chmod(0o644)
    done = doctor()
    assert done.exit_code == (1 if os.name == "posix" else 0)
    first, why, mend = done.stdout.splitlines()[:3]
    assert re.match(r"error {4}files +others may read the key file ", first)
    assert why.split()[0] == "why"
    assert mend.split() == ["mend", "chmod", "600", str(good.keys_path)]
    assert re.match(r"\d errors?, ", done.stdout.splitlines()[-1])
    told = json.loads(doctor("--json").stdout)
    assert {"error", "good"} <= {one["severity"] for one in told}
    assert all(one["mend"] for one in told if one["severity"] == "error")


def test_warnings_fail_only_when_asked(doctor: Callable[..., Result], good: Settings, tmp_path: Path) -> None:
    tls = certificate(tmp_path / "soon", "id.example.com", days=5)
    Path(good.tls.cert).write_bytes(tls.cert.read_bytes())
    Path(good.tls.key).write_bytes(tls.key.read_bytes())
    assert doctor().exit_code == 0
    assert doctor("--strict").exit_code == 1


def test_no_secret_of_the_settings_is_shown(doctor: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "admit.toml").chmod(0o644)
    done = doctor()
    assert done.exit_code == 1
    assert "mail.url" in done.stdout
    assert "secret" not in done.stdout


def test_settings_that_cannot_be_read_are_told_as_everywhere(
    doctor: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "admit.toml").write_text("issuer = 1")
    assert doctor().exit_code == 2


def test_a_question_that_is_not_ours_is_answered_as_any_path_that_is_not_there() -> None:
    asked = probe.question(KEYRING, nonce=NONCE, now=NOW)
    assert probe.nonce_of(KEYRING, asked, now=NOW + 299) == NONCE
    for text, now in (
        (asked, NOW + 302),
        (asked, NOW - 302),
        (asked[:-1] + ("A" if asked[-1] != "A" else "B"), NOW),
        (asked.replace(NONCE, "m" * 32), NOW),
        (probe.question(Keyring.generate(), nonce=NONCE, now=NOW), NOW),
        ("", NOW),
        ("a.b.c.d", NOW),
    ):
        assert probe.nonce_of(KEYRING, text, now=now) is None
