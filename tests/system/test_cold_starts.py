"""Nodes that start at once on nothing end with one of everything; older and newer nodes get along, or say why not."""

import asyncio
import http.client
import io
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.pool import NullPool

from admit.errors import ConfigError
from admit.issuer import Issuer
from admit.issuer.storage import Database, Keyring, Statement, Steps
from admit.issuer.storage import migrate as migrations
from admit.issuer.storage.migrate import migrate
from admit.issuer.storage.schema import HEAD
from tests.fixtures.issuer import ADA, BO, Browser, add_people, settings_for
from tests.fixtures.postgres import PostgresServer
from tests.fixtures.processes import (
    ADMIT,
    Child,
    Deployment,
    Forked,
    environment,
    free_port,
    run_admit,
    settings_toml,
    start_all,
    stop_all,
    write_key_file,
)

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

ROOT = Path(__file__).resolve().parents[2]
OLDEST = "1da05ac"
"""A commit whose schema is the first one. What it does must go on while a newer node is there already."""
STATE = Statement(
    text(
        "SELECT (SELECT count(*) FROM status_head) AS heads,"
        " (SELECT count(*) FROM meta WHERE key = 'keyring_canary') AS canaries,"
        " (SELECT count(*) FROM meta WHERE key = 'issuer') AS issuers,"
        " (SELECT min(n) FROM status_list) AS first, (SELECT count(*) FROM status_list) AS lists,"
        " (SELECT count(*) FROM client) AS clients"
    )
)
ACTIVE = Statement(text("SELECT purpose, alg FROM signing_key WHERE state = 'active'"))
ALL_KEYS = Statement(text("SELECT count(*) AS n FROM signing_key"))


RESULTS = ROOT / "benchmarks" / "results" / "cold-starts.md"
COLD = 50
MIGRATIONS = 10
_READY: dict[str, float] = {}
"""Seconds until all of them were, by database; in a soak."""


async def assert_one_of_everything(url: str, keyring: Keyring) -> None:
    db = Database.from_url(url, keyring)
    await db.open()
    try:
        (state,) = await db.read(STATE())
        one = (state["heads"], state["canaries"], state["issuers"])
        assert (*one, state["first"], state["lists"], state["clients"]) == (1, 1, 1, 0, 2, 3)
        active = Counter((row["purpose"], row["alg"]) for row in await db.read(ACTIVE()))
        assert active == {("token", "ES256"): 1, ("token", "RS256"): 1, ("status", "ES256"): 1}
        assert (await db.read(ALL_KEYS()))[0]["n"] == 3
    finally:
        await db.close()


async def test_nodes_that_start_at_once_on_an_empty_database_end_with_one_of_everything(
    postgres_dsn: str, keyring: Keyring
) -> None:
    await asyncio.gather(*(migrate(postgres_dsn) for _ in range(3)))
    nodes = [Issuer(settings_for(postgres_dsn), keyring=keyring) for _ in range(3)]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        assert len({node.keys.snapshot.jwks_bytes for node in nodes}) == 1
    finally:
        for node in nodes:
            await node.stop()
    await assert_one_of_everything(postgres_dsn, keyring)


@pytest.mark.soak
@pytest.mark.parametrize("database", ["postgresql", "sqlite"])
async def test_fifty_processes_that_start_at_once_end_with_one_of_everything(
    database: str, postgres_server: PostgresServer, keyring: Keyring, tmp_path: Path
) -> None:
    name = postgres_server.create_database()
    url = postgres_server.dsn(name) if database == "postgresql" else f"sqlite:///{tmp_path}/new.db"
    issuer, keys = f"http://localhost:{free_port()}", write_key_file(tmp_path, keyring)
    children: list[Child] = []
    host = issuer.removeprefix("http://")
    for n in range(COLD):
        port, path = free_port(), tmp_path / f"node-{n}.toml"
        path.write_text(
            settings_toml(
                issuer=issuer, database=url, data=str(tmp_path), dev=True, listen=f"127.0.0.1:{port}",
                tables={"storage": {"pool_size": 1, "busy_timeout": "60s"}}, **{"keys.file": str(keys)},
            )
        )  # fmt: skip
        command = [ADMIT, "serve", "--config", str(path)]
        children.append(Forked(command, tmp_path, f"node-{n}", port=port, ready="/health/ready", host=host))
    try:
        if database == "postgresql":
            await asyncio.gather(*(migrate(url) for _ in range(MIGRATIONS)))
        began = time.monotonic()
        await asyncio.to_thread(start_all, *children)
        _READY[database] = time.monotonic() - began
        shown = {await asyncio.to_thread(key_set, child, host) for child in children}
        assert len(shown) == 1, "two nodes show different keys"
    finally:
        await asyncio.to_thread(stop_all, *children, how=signal.SIGTERM)
    await assert_one_of_everything(url, keyring)
    await asyncio.to_thread(postgres_server.drop_database, name)
    RESULTS.write_text("\n".join(summary()), "utf-8")


def key_set(child: Child, host: str) -> bytes:
    """What a node shows."""
    connection = http.client.HTTPConnection("127.0.0.1", child.port, timeout=30)
    connection.request("GET", "/jwks", headers={"Host": host})
    answer = connection.getresponse()
    assert answer.status == 200
    shown = answer.read()
    connection.close()
    return shown


def summary() -> list[str]:
    """The document."""
    names = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    return [
        "# Cold starts",
        "",
        f"Written by `make soak`, {time.strftime('%Y-%m-%d', time.gmtime())}; {os.cpu_count()} processors.",
        "",
        f"{COLD} processes of `admit serve` start at once on an empty database; on PostgreSQL {MIGRATIONS} migrations",
        "ran at once before. When all are ready, each shows the same key set, and the database holds one active key of",
        "each of three kinds, no other key, one head, one canary, and each client once.",
        "",
        "| database | processes | all ready after | active keys of a kind |",
        "|---|---|---|---|",
        *(f"| {names[name]} | {COLD} | {took:.0f} s | 1 |" for name, took in sorted(_READY.items())),
        "",
    ]


def of_the_first_schema(path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, set[str]]:
    """A SQLite file as the first version left it, and its columns."""
    path.touch(mode=0o600)
    monkeypatch.setattr(migrations, "HEAD", "0001")
    migrations.upgrade_sqlite(path, None)
    monkeypatch.undo()
    return {table: set(found) for table, found in columns(path).items()}


def columns(path: Path) -> dict[str, dict[str, Any]]:
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    try:
        found = inspect(engine)
        return {
            table: {column["name"]: column for column in found.get_columns(table)}
            for table in found.get_table_names()
        }
    finally:
        engine.dispose()


def test_each_migration_leaves_older_nodes_what_they_read_and_may_leave_out_what_they_do_not_know(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a node of before goes on beside one of after, until it is replaced too."""
    before = of_the_first_schema(tmp_path / "a.db", monkeypatch)
    migrations.upgrade_sqlite(tmp_path / "a.db", "0001")
    after = columns(tmp_path / "a.db")
    for table, names in before.items():
        assert names <= set(after[table]), f"{table} lost a column"
        for name, column in after[table].items():
            if name not in names:
                may_be_left_out = column["nullable"] or column["default"] is not None
                assert may_be_left_out, f"{table}.{name}: an older node's INSERT would be refused"


@pytest.fixture
def emptied(postgres_dsn: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """A PostgreSQL database of the first schema."""
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "HEAD", "0001")
        asyncio.run(migrate(postgres_dsn))
    return postgres_dsn


def test_an_older_schema_asks_for_admit_migrate_and_a_newer_one_for_a_newer_admit(
    emptied: str, keyring: Keyring
) -> None:
    async def refused() -> str:
        db = Database.from_url(emptied, keyring)
        with pytest.raises(ConfigError) as caught:
            await db.open()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    async def play() -> None:
        assert f"older schema (0001, wanted {HEAD}): run `admit migrate`" in await refused()
        await migrate(emptied)
        db = Database.from_url(emptied, keyring)
        await db.open()
        await db.run(grow)
        await db.close()
        assert "newer Admit" in await refused()
        with pytest.raises(ConfigError, match="does not know"):
            await migrate(emptied)

    asyncio.run(play())


GROWN = ("user_account", "session", "node", "grant_family", "authorization_code", "interaction", "audit")


def grow() -> Steps[None]:
    """What a version that is not written yet will do to the tables."""
    for table in GROWN:
        yield Statement(text(f"ALTER TABLE {table} ADD COLUMN of_tomorrow text NOT NULL DEFAULT ''"))()
    yield Statement(text("CREATE TABLE thing_of_tomorrow (id text PRIMARY KEY)"))()
    yield Statement(text("UPDATE admit_version SET version_num = '9999'"))()


async def test_a_node_goes_on_after_a_newer_one_has_migrated_and_none_of_its_version_starts_anew(
    postgresql_url: str, keyring: Keyring
) -> None:
    settings = settings_for(postgresql_url)
    async with AsyncExitStack() as stack:
        node = await stack.enter_async_context(running(Issuer(settings, keyring=keyring)))
        await add_people(node)
        async with Browser(node) as browser:
            before = await browser.tokens(BO)
            await node.db.run(grow)
            assert (await browser.refresh(before["refresh_token"])).status_code == 200
        async with Browser(node) as browser:
            tokens = await browser.tokens(ADA)
            session = (await browser.get("/api/session")).json()["sid"]
            assert await node.end_session(session)
            assert (await browser.refresh(tokens["refresh_token"])).status_code == 400
        other = Issuer(settings, keyring=keyring)
        with pytest.raises(ConfigError, match="newer Admit"):
            await other.start()
        other.hasher.close()


class running:  # reads as one
    """An issuer's life, as a context."""

    def __init__(self, issuer: Issuer) -> None:
        self._issuer = issuer

    async def __aenter__(self) -> Issuer:
        await self._issuer.start()
        return self._issuer

    async def __aexit__(self, *_: object) -> None:
        await self._issuer.stop()


@pytest.mark.soak
async def test_the_oldest_version_serves_on_beside_this_one(
    postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """A rolling upgrade: the old node runs, the schema is migrated, a new node comes."""
    old = tmp_path / "old"
    packed = subprocess.run(["git", "archive", OLDEST, "src"], cwd=ROOT, capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(old, filter="data")
    url = postgres_server.dsn(postgres_server.create_database())
    two = Deployment(tmp_path, url, {})
    seen = {**environment(), "PYTHONPATH": str(old / "src")}
    program = [sys.executable, "-c", "from admit.cli.main import main; main()"]
    config = ["--config", str(tmp_path / "front.toml")]
    for command, stdin in (
        (["migrate"], ""),
        (["user", "add", ADA[0], "--name", ADA[2], "--password-stdin"], ADA[1]),
    ):
        done = subprocess.run(
            [*program, *command, *config], input=stdin, text=True, env=seen, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr
    process = subprocess.Popen(
        [*program, "serve", *config], env=seen, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        await asyncio.to_thread(until_answers, two.front)
        done = run_admit("migrate", *config)
        assert done.returncode == 0, done.stderr
        await asyncio.to_thread(two.beside.start)
        async with two.visitor() as visitor:
            for here, there in ((two.front, two.beside), (two.beside, two.front)):
                code, verifier = await visitor.at(here).code(ADA)
                redeemed = await visitor.at(there).redeem(code, verifier)
                assert redeemed.status_code == 200, redeemed.text
                refreshed = await visitor.at(here).refresh(redeemed.json()["refresh_token"])
                assert refreshed.status_code == 200, refreshed.text
                id_token = refreshed.json().get("id_token") or redeemed.json()["id_token"]
                await visitor.at(here).log_out(id_token)
                assert (await visitor.at(there).get("/api/session")).status_code == 401
                gone = await visitor.at(there).refresh(refreshed.json()["refresh_token"])
                assert gone.status_code == 400
        assert process.poll() is None
    finally:
        process.terminate()
        process.wait(20)
        two.close()
    refused = subprocess.run(
        [*program, "serve", *config], env=seen, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "newer Admit" in refused.stderr


def until_answers(child: Child) -> None:
    for _ in range(400):
        if child.answers():
            return
        time.sleep(0.05)
    raise AssertionError(f"{child.name} did not come up")
