"""A backup is one moment of a database in use; restored, it revives nothing that was ended, revoked or spent since."""

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from admit.errors import AdmitError, ConfigError
from admit.issuer import KeysConfig, Settings
from admit.issuer.app import went_back
from admit.issuer.app.backup import back_up, restore
from admit.issuer.audit import RequestInfo
from admit.issuer.revocation import Lists
from admit.issuer.storage import Database, Keyring, Many, Statement, Steps, mark, sqlite_copy
from admit.issuer.storage import migrate as migrations
from tests.fixtures.issuer import ADA, BO, Browser, LiveIssuer, make_issuer, running, settings_for

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

NOW = 1_800_000_000.0
INFO = RequestInfo()


@pytest.fixture
def settings(furnished_sqlite: str, key_file: Path) -> Settings:
    """An issuer with Ada and Bo, and a key file."""
    return settings_for(furnished_sqlite, keys=KeysConfig(file=str(key_file)))


def path_of(settings: Settings) -> Path:
    return Path(settings.database_url.removeprefix("sqlite:///"))


def moved(browser: Browser, issuer: LiveIssuer) -> Browser:
    """The same browser, at the issuer as it is after the restore."""
    made = issuer.browser()
    made.cookies.update(browser.cookies)
    return made


async def refusal(settings: Settings, source: Path) -> str:
    """The one line; the database is as it was, and nothing was left beside it."""
    path = path_of(settings)
    before = path.read_bytes() if path.exists() else None
    names = set(os.listdir(path.parent))
    with pytest.raises(ConfigError) as caught:
        await restore(settings, source, now=NOW)
    assert "\n" not in str(caught.value)
    assert (path.read_bytes() if path.exists() else None) == before
    assert set(os.listdir(path.parent)) <= names
    return str(caught.value)


async def test_a_backup_of_a_database_that_is_written_to_all_the_time_is_one_moment(
    settings: Settings, keyring: Keyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite_copy, "PAGES_AT_ONCE", 4)
    put = Statement(text("INSERT INTO meta VALUES (:key, :value)"))
    db = Database.from_url(settings.database_url, keyring)
    await db.open()
    begun, stopped, written = asyncio.Event(), asyncio.Event(), 0

    def pair(n: int) -> Steps[None]:
        yield Many(put, [{"key": f"{side}{n}", "value": "x" * 2_000} for side in ("left", "right")])

    async def write() -> None:
        nonlocal written
        while not stopped.is_set():
            await db.run(pair, written)
            written += 1
            if written == 5:
                begun.set()

    writing = asyncio.create_task(write())
    await begun.wait()
    made = await back_up(settings, tmp_path / "copy.db", now=NOW)
    stopped.set()
    await writing
    await db.close()
    with sqlite3.connect(made.path) as copy:
        count = "SELECT count(*) FROM meta WHERE key LIKE ?"
        sides = [copy.execute(count, (f"{side}%",)).fetchone()[0] for side in ("left", "right")]
        (journal,) = copy.execute("PRAGMA journal_mode").fetchone()
    assert sides[0] == sides[1] >= 5
    assert journal == "delete", "one file is all of it"
    assert (made.users, made.at, made.path) == (2, NOW, tmp_path / "copy.db")
    assert made.path.stat().st_mode & 0o777 == 0o600
    assert sorted(os.listdir(tmp_path)) == sorted(set(os.listdir(tmp_path)) - {"copy.db-wal"})
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


async def test_a_folder_gets_a_name_with_the_time_and_nothing_is_written_over(
    settings: Settings, tmp_path: Path
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    made = await back_up(settings, folder, now=NOW)
    assert made.path == folder / "admit-20270115T080000Z.db"
    before = made.path.read_bytes()
    for target, told in ((folder, "there already"), (tmp_path / "none" / "x.db", "cannot be written")):
        with pytest.raises(ConfigError, match=told):
            await back_up(settings, target, now=NOW)
    assert made.path.read_bytes() == before
    assert os.listdir(folder) == [made.path.name]


async def test_what_fails_half_way_leaves_nothing(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()

    error = sqlite3.OperationalError("full")
    error.sqlite_errorname = "SQLITE_FULL"

    def full(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(sqlite_copy, "_write_row", full)
    with pytest.raises(ConfigError, match="the disk is full"):
        await back_up(settings, folder / "a.db", now=NOW)
    assert os.listdir(folder) == []


@pytest.mark.threat("INF-keys", off="admit.issuer.storage.sqlite_copy:check_pages")
async def test_a_damaged_database_gives_no_backup_and_a_damaged_backup_no_database(
    settings: Settings, tmp_path: Path
) -> None:
    good = (await back_up(settings, tmp_path / "good.db", now=NOW)).path
    bad = tmp_path / "bad.db"
    raw = bytearray(good.read_bytes())
    with sqlite3.connect(good) as connection:
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'ix_audit_at'"
        ).fetchone()
    # An index without entries: nothing that opens the file looks at it, and half of the queries would find nothing.
    raw[(page - 1) * 4096 : page * 4096] = bytes([0x0A, 0, 0, 0, 0, 0x10, 0, 0]) + bytes(4088)
    bad.write_bytes(raw)
    assert "damaged" in await refusal(settings, bad)
    bad.write_bytes(good.read_bytes()[:5_000])
    assert "damaged" in await refusal(settings, bad)
    bad.write_bytes(b"")
    assert "damaged" in await refusal(settings, bad)
    path_of(settings).write_bytes(raw)
    with pytest.raises(ConfigError, match="damaged"):
        await back_up(settings, tmp_path / "again.db", now=NOW)
    assert not (tmp_path / "again.db").exists()


@pytest.mark.threat("INF-keys", off=["admit.issuer.keys.service:seal", "admit.issuer.keys.service:unseal"])
async def test_neither_keys_nor_passwords_are_in_a_backup(
    settings: Settings, keyring: Keyring, key_file: Path, tmp_path: Path
) -> None:
    async with running(settings, keyring) as issuer:
        await issuer.browser().tokens()
        signers = [key.to_dict(private=True) for key in issuer.keys.snapshot.signers.values()]
        private = [key.to_private_bytes() for key in issuer.keys.snapshot.signers.values()]
    raw = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path.read_bytes()
    secrets = [str(key["d"]).encode() for key in signers] + private
    secrets += [ADA[1].encode(), BO[1].encode(), *(k for k in keyring._keys.values())]
    secrets += [line.strip(b' ",') for line in key_file.read_bytes().split(b": ")[1:]]
    assert len(secrets) > 8
    assert not [secret for secret in secrets if secret in raw]


@pytest.mark.threat("O-3", off="admit.issuer.storage.identity:check_is_no_backup")
@pytest.mark.threat("INF-keys", off="admit.issuer.storage.identity:check_is_no_backup")
async def test_a_backup_is_not_served_as_it_is(settings: Settings, keyring: Keyring, tmp_path: Path) -> None:
    made = await back_up(settings, tmp_path / "copy.db", now=NOW)
    db = Database.from_url(f"sqlite:///{made.path}", keyring)
    with pytest.raises(ConfigError, match="admit restore"):
        await db.open()
    await db.close()
    db = Database.from_url(settings.database_url, keyring)
    await db.open()
    await db.close()


@pytest.mark.threat("O-3", off="admit.issuer.revocation.store.epoch:end_older")
@pytest.mark.threat("INF-keys", off="admit.issuer.revocation.store.epoch:end_older")
async def test_yesterdays_backup_revives_no_session_grant_or_token(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(settings, keyring) as issuer:
        stays, leaves = issuer.browser(), issuer.browser()
        kept, left = await stays.tokens(), await leaves.tokens()
        source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
        session = (await leaves.get("/api/session")).json()["sid"]
        assert await issuer.end_session(session)
        assert (await leaves.get("/api/session")).status_code == 401
        rotated = (await stays.refresh(kept["refresh_token"])).json()
        epoch = (await issuer.status.refresh()).epoch
    made = await restore(settings, source, now=issuer.clock() + 5)
    assert made.epoch > epoch
    async with running(settings, keyring) as issuer:
        for browser in (stays, leaves):
            assert (await moved(browser, issuer).get("/api/session")).status_code == 401
        here = issuer.browser()
        for tokens in (kept, left, rotated):
            refused = await here.refresh(tokens["refresh_token"])
            assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
            with pytest.raises(AdmitError):
                await issuer.verifier.verify(tokens["access_token"])
        fresh = await here.tokens()
        assert (await issuer.verifier.verify(fresh["access_token"])).subject
        assert (await here.refresh(fresh["refresh_token"])).status_code == 200


@pytest.mark.threat("O-1", off="admit.issuer.app.went_back:spend_all")
async def test_a_code_that_was_used_after_the_backup_is_not_good_again(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    """Even where older sessions are kept, and the code is young."""
    async with running(settings, keyring) as issuer:
        browser = issuer.browser()
        code, verifier = await browser.code()
        before = tmp_path / "before.db"
        shutil.copyfile(path_of(settings), before)
        for end in ("-wal",):
            shutil.copyfile(f"{path_of(settings)}{end}", f"{before}{end}")
        assert (await browser.redeem(code, verifier)).status_code == 200
    for end in ("", "-wal", "-mark"):
        Path(f"{path_of(settings)}{end}").unlink(missing_ok=True)
    for end in ("", "-wal"):
        shutil.copyfile(f"{before}{end}", f"{path_of(settings)}{end}")
    made = make_issuer(settings, keyring)
    async with made.opened(accept_older=True):
        from admit.issuer.app import went_back

        await made.db.run(went_back.settle, made.lists, now=made.clock(), keep_older_families=True)
    async with running(settings, keyring) as issuer:
        again = await moved(browser, issuer).redeem(code, verifier)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        code, verifier = await moved(browser, issuer).code()
        assert (await issuer.browser().redeem(code, verifier)).status_code == 200


ONE_USE = (
    "INSERT INTO email_link VALUES (x'01', 'reset', 'u_x', 'x@example.com', 'x@example.com', 1, 1, 9e9, NULL)",
    "INSERT INTO pending_sign_in VALUES (x'02', x'02', 'u_x', 1, NULL, '', 1, 9e9, 0, NULL)",
    "INSERT INTO outbox VALUES ('m1', 'reset_password', 'u_x', x'03', 1, 1, 9e9, 0)",
    "INSERT INTO second_factor VALUES ('f1', 'u_x', 'totp', '', x'04', '', 1, 1, 7, NULL, 0)",
    "INSERT INTO recovery_code VALUES ('u_x', 0, x'05', 1, NULL)",
    "INSERT INTO recovery_code VALUES ('u_x', 1, x'06', 1, NULL)",
)


@pytest.mark.threat(
    "O-1", off=["admit.issuer.app.went_back:spend_all", "admit.issuer.app.went_back:catch_up"]
)
async def test_links_waiting_sign_ins_steps_and_recovery_codes_are_not_good_again(
    settings: Settings, tmp_path: Path
) -> None:
    path = path_of(settings)
    with sqlite3.connect(path) as connection:
        for statement in ONE_USE:
            connection.execute(statement)
    source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE recovery_code SET used_at = 5 WHERE slot = 0")
    made = await restore(settings, source, now=NOW)
    assert made.known
    with sqlite3.connect(path) as connection:
        gone = ("email_link", "pending_sign_in", "outbox")
        counts = [
            connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in gone
        ]  # constants
        used = connection.execute("SELECT used_at FROM recovery_code ORDER BY slot").fetchall()
        (step,) = connection.execute("SELECT last_step FROM second_factor").fetchone()
    assert counts == [0, 0, 0]
    assert used == [(5.0,), (None,)], "the one that was not used is good"
    assert step * 30 > NOW, "a code of this very moment was used, perhaps"


@pytest.mark.threat("INF-keys", off="admit.issuer.app.went_back:catch_up")
@pytest.mark.threat("O-3", off="admit.issuer.app.went_back:catch_up")
async def test_a_key_that_was_revoked_and_a_user_that_was_disabled_since_stay_so(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(settings, keyring) as issuer:
        source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
        stolen = issuer.keys.snapshot.signer("token", "ES256").kid
        other = issuer.keys.snapshot.signer("token", "RS256").kid
        assert stolen is not None
        assert await issuer.revoke_key(stolen)
        later = issuer.keys.snapshot.signer("token", "ES256").kid  # a key that the backup does not know
        assert later is not None
        assert await issuer.revoke_key(later)
        bo = next(user for user in await issuer.services.accounts.list() if user.email == BO[0])
        await issuer.services.accounts.disable(bo.id, info=INFO, now=issuer.clock())
    made = await restore(settings, source, now=issuer.clock() + 5)
    assert made.known
    assert made.aside is not None
    async with running(settings, keyring) as issuer:
        assert {stolen, later} <= (await issuer.status.refresh()).revoked_kids
        assert stolen.encode() not in issuer.keys.snapshot.jwks_bytes
        assert issuer.keys.snapshot.signer("token", "RS256").kid == other, "nobody revoked that one"
        assert (await issuer.browser().sign_in(BO)).status_code == 400
        assert (await issuer.browser().sign_in(ADA)).status_code == 303


@pytest.mark.threat("INF-keys", off="admit.issuer.app.went_back:distrust_keys")
async def test_where_the_lost_database_tells_nothing_every_key_is_revoked_and_new_ones_are_made(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    async with running(settings, keyring) as issuer:
        source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
        before = {key.kid for key in issuer.keys.snapshot.signers.values()}
    path_of(settings).write_bytes(b"\0" * 20_000)
    made = await restore(settings, source, now=issuer.clock() + 5)
    assert not made.known
    assert made.aside is not None
    assert made.aside.read_bytes() == b"\0" * 20_000, "kept, whatever it is"
    async with running(settings, keyring) as issuer:
        after = {key.kid for key in issuer.keys.snapshot.signers.values()}
        assert len(after) == 3
        assert not before & after
        assert before <= (await issuer.status.refresh()).revoked_kids
        fresh = await issuer.browser().tokens()
        assert (await issuer.verifier.verify(fresh["access_token"])).subject


async def test_the_replaced_database_is_kept_whole_and_the_new_one_is_the_newest_from_now_on(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    path = path_of(settings)
    source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
    async with running(settings, keyring) as issuer:
        await issuer.browser().sign_in()
    made = await restore(settings, source, now=issuer.clock() + 5)
    assert made.aside is not None
    with sqlite3.connect(made.aside) as aside, sqlite3.connect(path) as now:
        count = "SELECT count(*) FROM session"
        assert (aside.execute(count).fetchone()[0], now.execute(count).fetchone()[0]) == (1, 0)
    assert path.stat().st_mode & 0o777 == 0o600
    kept = mark.read(path)
    assert kept is not None
    assert kept.epoch == made.epoch
    shutil.copyfile(made.aside, path)
    db = Database.from_url(settings.database_url, keyring)
    with pytest.raises(ConfigError, match="older"):
        await db.open()
    assert source.exists()
    assert not [name for name in os.listdir(path.parent) if name.startswith(".")]


@pytest.mark.parametrize("lost", [False, True], ids=["replaced", "lost, but for its mark"])
async def test_a_clock_that_was_set_back_does_not_leave_verifiers_ahead_of_the_restored_database(
    settings: Settings, keyring: Keyring, tmp_path: Path, lost: bool
) -> None:
    await back_up(settings, tmp_path / "saved.db", now=NOW)
    db = Database.from_url(settings.database_url, keyring)
    await db.open()
    raised = await db.run(went_back.settle, Lists(keyring), now=NOW + 3_600)
    await db.close()
    if lost:
        path_of(settings).unlink()
    restored = await restore(settings, tmp_path / "saved.db", now=NOW + 60)
    assert restored.epoch > raised


async def test_a_backup_goes_into_an_empty_place_on_a_new_machine(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
    (tmp_path / "new").mkdir()
    there = settings_for(f"sqlite:///{tmp_path}/new/admit.db", keys=settings.keys)
    made = await restore(there, source, now=NOW)
    assert (made.aside, made.known) == (None, False)
    async with running(there, keyring) as issuer:
        assert (await issuer.browser().sign_in()).status_code == 303
    assert sorted(os.listdir(tmp_path / "new")) == ["admit.db", "admit.db-mark"]


async def test_the_log_of_a_lost_database_is_put_aside_and_not_taken_for_the_restored_ones(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    path, saved = path_of(settings), tmp_path / "saved.db"
    made = await back_up(settings, saved, now=NOW)
    live = sqlite3.connect(path, isolation_level=None)
    live.execute("PRAGMA journal_mode = WAL")
    live.execute("UPDATE user_account SET email_shown = 'since the backup'")
    shutil.copyfile(f"{path}-wal", tmp_path / "log")
    live.close()
    path.unlink()
    shutil.move(tmp_path / "log", f"{path}-wal")
    restored = await restore(settings, saved, now=NOW)
    db = Database.from_url(settings.database_url, keyring)
    await db.open()
    rows = await db.read(Statement(text("SELECT email_shown FROM user_account"))())
    await db.close()
    assert sorted(row["email_shown"] for row in rows) == sorted([ADA[0], BO[0]])
    assert len(rows) == made.users
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT epoch FROM status_head").fetchone() == (restored.epoch,)
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    [kept] = path.parent.glob(f"{path.name}.replaced-*-wal")
    assert kept.stat().st_size, "it may hold what somebody can still make out"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
async def test_restored_by_root_it_is_still_the_services_own(settings: Settings, tmp_path: Path) -> None:
    path = path_of(settings)
    os.chown(path, 65_534, 65_534)
    source = (await back_up(settings, tmp_path / "copy.db", now=NOW)).path
    await restore(settings, source, now=NOW)
    owners = {name: (name.stat().st_uid, name.stat().st_gid) for name in (path, mark.beside(path))}
    assert set(owners.values()) == {(65_534, 65_534)}, owners


async def test_another_deployments_backup_is_refused(
    settings: Settings, keyring: Keyring, tmp_path: Path
) -> None:
    db = Database.from_url(f"sqlite:///{tmp_path}/second.db", keyring)
    await db.open()
    await db.close()
    second = settings_for(f"sqlite:///{tmp_path}/second.db", keys=settings.keys)
    source = (await back_up(second, tmp_path / "second-copy.db", now=NOW)).path
    assert "another database" in await refusal(settings, source), "although the key file is the same"
    other = tmp_path / "other-keys.json"
    Keyring.create(other)
    mine = (await back_up(settings, tmp_path / "mine.db", now=NOW)).path
    wrong = settings_for(settings.database_url, keys=KeysConfig(file=str(other)))
    assert "keys.file is not the one" in await refusal(wrong, mine)
    missing = settings_for(settings.database_url, keys=KeysConfig(file=str(tmp_path / "none.json")))
    assert "does not exist" in await refusal(missing, mine)
    assert not (tmp_path / "none.json").exists(), "a new key file would open nothing"
    assert "the database itself" in await refusal(settings, path_of(settings))
    foreign = tmp_path / "foreign.db"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE x (y)")
    assert "another program" in await refusal(settings, foreign)
    assert "cannot be read" in await refusal(settings, tmp_path / "none.db")


async def test_a_backup_of_an_older_version_is_migrated_and_one_of_a_newer_refused(
    keyring: Keyring, key_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "old.db"
    path.touch(mode=0o600)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA application_id = 0x41646D74")
    monkeypatch.setattr(migrations, "HEAD", "0001")
    migrations.upgrade_sqlite(path, None)
    monkeypatch.undo()
    from base64 import b64encode

    sealed = b64encode(keyring.seal("keyring_canary", b"x" * 16, bound_to="meta")).decode()
    with sqlite3.connect(path) as connection:
        connection.execute("INSERT INTO meta VALUES ('keyring_canary', ?)", (sealed,))
    old = settings_for(f"sqlite:///{path}", keys=KeysConfig(file=str(key_file)))
    source = await back_up(old, tmp_path / "copy.db", now=NOW)
    assert source.schema == "0001"
    new = settings_for(f"sqlite:///{tmp_path}/new.db", keys=old.keys)
    await restore(new, source.path, now=NOW)
    db = Database.from_url(new.database_url, keyring)
    await db.open()
    await db.close()
    with sqlite3.connect(source.path) as connection:
        connection.execute("UPDATE admit_version SET version_num = '9999'")
    assert "newer Admit" in await refusal(new, source.path)


@pytest.mark.parametrize("work", [back_up, restore], ids=["backup", "restore"])
async def test_postgresql_is_told_its_own_way(work: Any, key_file: Path, tmp_path: Path) -> None:
    settings = settings_for("postgresql://admit@127.0.0.1:1/x", keys=KeysConfig(file=str(key_file)))
    with pytest.raises(ConfigError, match=r"pg_(dump|restore)") as caught:
        await work(settings, tmp_path / "copy.db", now=NOW)
    assert "\n" not in str(caught.value)
