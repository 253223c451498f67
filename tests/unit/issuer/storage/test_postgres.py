"""PostgreSQL's own troubles: retries, outages, restarts, schemas that are not ours."""

import asyncio
import itertools
import signal
import socket
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from admit.errors import AdmitError, ConfigError, StorageUnavailableError
from admit.issuer.storage import LONG, PUBLISH, Database, Keyring, Statement, Steps, StorageConfig, bound_once
from admit.issuer.storage.migrate import migrate
from admit.issuer.storage.schema import VERSION_TABLE
from tests.fixtures.storage import build_postgres

postgresql_only = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)

PUT = Statement(text("INSERT INTO meta VALUES (:key, :value)"))
GET = Statement(text("SELECT value FROM meta WHERE key = :key"))
SET = Statement(text("UPDATE meta SET value = value || :value WHERE key = :key"))


async def execute(dsn: str, *statements: str) -> None:
    connection = await asyncpg.connect(dsn)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


async def refusal(dsn: str, keyring: Keyring) -> str:
    db = Database.from_url(dsn, keyring)
    try:
        with pytest.raises(ConfigError) as caught:
            await db.open()
    finally:
        await db.close()
    assert "\n" not in str(caught.value)
    return str(caught.value)


@postgresql_only
@pytest.mark.parametrize("state", ["40001", "40P01"])
@pytest.mark.parametrize(("failures", "succeeds"), [(2, True), (3, False)])
async def test_a_transaction_that_the_server_gave_up_is_started_again_at_most_three_times(
    db: Database, state: str, failures: int, succeeds: bool
) -> None:
    give_up = Statement(text(f"DO $$ BEGIN RAISE EXCEPTION 'x' USING ERRCODE = '{state}'; END $$"))
    calls = itertools.count(1)

    def job() -> Steps[int]:
        call = next(calls)
        yield PUT(key=f"call{call}", value="")
        if call <= failures:
            yield give_up()
        return call

    if succeeds:
        assert await db.run(job) == 3
        assert await db.one(GET(key="call3")) is not None
    else:
        with pytest.raises(StorageUnavailableError):
            await db.run(job)
        assert next(calls) == 4
    assert await db.one(GET(key="call1")) is None


@postgresql_only
async def test_two_transactions_that_lock_crosswise_both_end_well(db: Database) -> None:
    for key in "ab":
        await db.run(bound_once, PUT(key=key, value=""))

    def cross(first: str, second: str, mark: str) -> Steps[None]:
        yield SET(key=first, value=mark)
        yield pause()
        yield SET(key=second, value=mark)

    pause = Statement(text("SELECT pg_sleep(0.05)"))
    await asyncio.gather(db.run(cross, "a", "b", "1"), db.run(cross, "b", "a", "2"))
    for key in "ab":
        row = await db.one(GET(key=key))
        assert row is not None
        assert sorted(row["value"]) == ["1", "2"]


@postgresql_only
async def test_every_connection_is_durable_and_bounded(db: Database) -> None:
    settings = {
        name: (await db.read(Statement(text(f"SHOW {name}"))()))[0][name]
        for name in ("synchronous_commit", "idle_in_transaction_session_timeout", "statement_timeout")
    }
    assert settings == {
        "synchronous_commit": "on",
        "idle_in_transaction_session_timeout": "2s",
        "statement_timeout": "5s",
    }


@postgresql_only
async def test_a_long_transaction_has_more_time_and_the_next_on_its_connection_has_not(
    database_url: str, keyring: Keyring
) -> None:
    config = StorageConfig(statement_timeout=timedelta(milliseconds=50), pool_size=1)
    db = Database.from_url(database_url, keyring, config)
    await db.open()
    slow = Statement(text("SELECT pg_sleep(0.2)"))

    def long() -> Steps[int]:
        yield LONG
        rows = yield slow()
        return len(rows)

    assert await db.run(long) == 1
    with pytest.raises(StorageUnavailableError):
        await db.run(bound_once, slow())
    await db.close()


@postgresql_only
async def test_a_statement_that_takes_too_long_is_unavailable(database_url: str, keyring: Keyring) -> None:
    config = StorageConfig(statement_timeout=timedelta(milliseconds=50))
    db = Database.from_url(database_url, keyring, config)
    await db.open()
    slow = Statement(text("SELECT pg_sleep(5)"))
    for attempt in (db.read(slow()), db.run(bound_once, slow())):
        with pytest.raises(StorageUnavailableError):
            await attempt
    await db.run(bound_once, PUT(key="after", value=""))
    await db.close()


@postgresql_only
async def test_a_pool_without_a_free_connection_is_unavailable_not_a_hang(
    database_url: str, keyring: Keyring
) -> None:
    config = StorageConfig(pool_size=1, connect_timeout=timedelta(milliseconds=300))
    db = Database.from_url(database_url, keyring, config)
    await db.open()
    hold = Statement(text("SELECT pg_sleep(1)"))
    begun = asyncio.Event()

    def hold_it() -> Steps[None]:
        begun.set()
        yield hold()

    holding = asyncio.ensure_future(db.run(hold_it))
    await begun.wait()
    with pytest.raises(StorageUnavailableError):
        await db.run(bound_once, PUT(key="n", value=""))
    await holding
    await db.close()


@postgresql_only
async def test_those_who_listen_hear_of_a_published_transaction_only(db: Database, database_url: str) -> None:
    heard = asyncio.Event()
    connection = await asyncpg.connect(database_url)
    await connection.add_listener("admit_status", lambda *_: heard.set())

    def job(publish: bool) -> Steps[None]:
        yield PUT(key=f"{publish}", value="")
        if publish:
            yield PUBLISH

    await db.run(job, False)
    await connection.execute("SELECT 1")
    assert not heard.is_set()
    await db.run(job, True)
    await asyncio.wait_for(heard.wait(), 5)
    await connection.close()


@postgresql_only
async def test_a_missing_head_stops_a_publish_rather_than_losing_it(db: Database) -> None:
    await db.run(bound_once, Statement(text("DELETE FROM status_head"))())

    def job() -> Steps[None]:
        yield PUT(key="lost", value="")
        yield PUBLISH

    with pytest.raises(AdmitError):
        await db.run(job)
    assert await db.one(GET(key="lost")) is None


async def test_a_server_that_restarts_is_unavailable_meanwhile_and_heals_by_itself_but_not_as_a_standby(
    postgres_factory: Callable[..., Any], keyring: Keyring
) -> None:
    server = postgres_factory(fsync=True)
    build_postgres(server.dsn())
    config = StorageConfig(connect_timeout=timedelta(seconds=2))
    db = Database.from_url(server.dsn(), keyring, config)
    await db.open()
    # Several connections, so that more than one is stale afterwards.
    await asyncio.gather(*(db.run(bound_once, PUT(key=f"k{n}", value="")) for n in range(5)))
    await asyncio.to_thread(server.stop, signal.SIGQUIT)
    for attempt in (db.read(GET(key="k1")), db.run(bound_once, PUT(key="down", value=""))):
        with pytest.raises(StorageUnavailableError):
            await attempt
    await asyncio.to_thread(server.start)
    for n in range(5):
        row = await db.one(GET(key=f"k{n}"))
        assert row is not None, "acknowledged before the crash"
        await db.run(bound_once, PUT(key=f"after{n}", value=""))
    assert await db.one(GET(key="down")) is None
    standby = server.data / "standby.signal"
    for change in (standby.touch, standby.unlink):
        await asyncio.to_thread(server.stop)
        change()
        await asyncio.to_thread(server.start)
        if standby.exists():  # at the primary's address, as after a failover: what it tells may be past
            for ask in (db.read, lambda bound: db.run(bound_once, bound)):
                with pytest.raises(StorageUnavailableError, match="standby"):
                    await ask(GET(key="k1"))
    assert await db.one(GET(key="k1")) is not None
    await db.run(bound_once, PUT(key="primary again", value=""))
    await db.close()


@postgresql_only
async def test_connections_that_the_server_ended_unseen_cost_no_caller_an_error(
    db: Database, database_url: str
) -> None:
    await asyncio.gather(*(db.run(bound_once, PUT(key=f"k{n}", value="")) for n in range(5)))
    await execute(
        database_url,
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    )
    # Straight on: the event loop had no chance to notice the closed sockets.
    assert await db.one(GET(key="k1")) is not None
    await asyncio.gather(*(db.run(bound_once, PUT(key=f"after{n}", value="")) for n in range(5)))


@postgresql_only
async def test_a_connection_that_the_server_ends_in_a_transaction_is_unavailable_and_nothing_of_it_stays(
    db: Database,
) -> None:
    end_this_one = Statement(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    def job() -> Steps[None]:
        yield PUT(key="half", value="")
        yield end_this_one()
        yield PUT(key="other half", value="")

    with pytest.raises(StorageUnavailableError):
        await db.run(job)
    assert await db.one(GET(key="half")) is None
    await db.run(bound_once, PUT(key="after", value=""))


@postgresql_only
async def test_what_was_lost_before_its_commit_was_sent_is_done_again_and_once(db: Database) -> None:
    end_this_one, tries = Statement(text("SELECT pg_terminate_backend(pg_backend_pid())")), []

    def job() -> Steps[None]:
        tries.append(1)
        yield PUT(key="half", value=str(len(tries)))
        if len(tries) == 1:
            yield end_this_one()
        yield PUT(key="other half", value="")

    await db.run(job)
    assert len(tries) == 2
    half = await db.one(GET(key="half"))
    assert half is not None
    assert half["value"] == "2"
    assert await db.one(GET(key="other half")) is not None


@postgresql_only
async def test_what_was_lost_while_it_committed_is_not_done_again(db: Database, database_url: str) -> None:
    await execute(
        database_url,
        "CREATE FUNCTION gone() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NULL; END $$",
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON meta"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION gone()",
    )
    tries = []

    def job() -> Steps[None]:
        tries.append(1)
        yield PUT(key="whole", value="")

    with pytest.raises(StorageUnavailableError):
        await db.run(job)
    assert len(tries) == 1, "whether it was kept is not known"


@postgresql_only
async def test_a_value_that_the_driver_refuses_costs_no_connection_and_no_second_try(db: Database) -> None:
    tries = []

    def job() -> Steps[None]:
        tries.append(1)
        yield PUT(key=7, value="")

    before = db.load()["connections"]
    with pytest.raises(AdmitError, match="22000"):
        await db.run(job)
    assert len(tries) == 1
    assert db.load()["connections"] == before


async def test_an_unreachable_server_is_unavailable(keyring: Keyring) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        db = Database.from_url(f"postgresql://admit@127.0.0.1:{probe.getsockname()[1]}/x", keyring)
        with pytest.raises(StorageUnavailableError):
            await db.open()
        await db.close()


async def test_an_empty_database_says_what_to_run(postgres_dsn: str, keyring: Keyring) -> None:
    assert "admit migrate" in await refusal(postgres_dsn, keyring)


async def test_a_missing_database_is_one_line(postgres_dsn: str, keyring: Keyring) -> None:
    assert "check its name" in await refusal(postgres_dsn + "_none", keyring)


@postgresql_only
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("DROP TABLE session", "half-migrated"),
        (f"DROP TABLE {VERSION_TABLE}", "half-migrated"),
        (f"DELETE FROM {VERSION_TABLE}", "half-migrated"),
        (f"INSERT INTO {VERSION_TABLE} VALUES ('0002')", "half-migrated"),
        (f"UPDATE {VERSION_TABLE} SET version_num = '9999'", "newer Admit"),
        (f"UPDATE {VERSION_TABLE} SET version_num = '0000'", "admit migrate"),
    ],
)
async def test_a_schema_that_is_not_ours_is_refused(
    database_url: str, keyring: Keyring, change: str, says: str
) -> None:
    await execute(database_url, change)
    assert says in await refusal(database_url, keyring)


@postgresql_only
async def test_migrating_over_tables_without_a_version_changes_nothing(database_url: str) -> None:
    await execute(database_url, f"DROP TABLE {VERSION_TABLE}")
    with pytest.raises(ConfigError, match="nothing was changed"):
        await migrate(database_url)
    connection = await asyncpg.connect(database_url)
    assert await connection.fetchval(f"SELECT to_regclass('{VERSION_TABLE}')") is None
    await connection.close()


@postgresql_only
@pytest.mark.parametrize("version", ["9999", "0000"])
async def test_migrating_an_unknown_schema_is_refused(database_url: str, version: str) -> None:
    await execute(database_url, f"UPDATE {VERSION_TABLE} SET version_num = '{version}'")
    with pytest.raises(ConfigError, match="does not know"):
        await migrate(database_url)


async def test_nodes_that_migrate_at_once_do_it_once(postgres_dsn: str, keyring: Keyring) -> None:
    await asyncio.gather(*(migrate(postgres_dsn) for _ in range(4)))
    databases = [Database.from_url(postgres_dsn, keyring) for _ in range(4)]
    await asyncio.gather(*(db.open() for db in databases))
    for db in databases:
        await db.close()


@postgresql_only
async def test_a_migration_does_not_queue_in_front_of_everybody_behind_a_long_reader(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is waited for keeps out all who come later, and `pg_dump` holds every table while it runs."""
    monkeypatch.setattr("admit.issuer.storage.migrate.LOCK_WITHIN", timedelta(milliseconds=200))
    await execute(database_url, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    with monkeypatch.context() as older:
        older.setattr("admit.issuer.storage.migrate.HEAD", "0003")
        await migrate(database_url)
    reader = await asyncpg.connect(database_url)
    async with reader.transaction():
        await reader.execute("SELECT 1 FROM session")
        with pytest.raises(StorageUnavailableError, match="another transaction"):
            await asyncio.wait_for(migrate(database_url), 10)
        await asyncio.wait_for(execute(database_url, "SELECT 1 FROM session"), 10)
    await reader.close()
    await migrate(database_url)
    await execute(database_url, "SELECT name, unfamiliar FROM session", "SELECT 1 FROM refusal")
