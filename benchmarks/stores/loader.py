"""A million accounts with five million sessions and as many grants, written by the database itself.

No issuer could make as many in an afternoon, so they are put there by SQL, in the shape in which an issuer makes them:
random places in the index of the cookies' hashes, every fifth session long over. The indexes that are no key are made
afterwards.
"""

import hashlib
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from admit.issuer.accounts.passwords import no_password
from admit.issuer.clients import kept
from admit.issuer.clients.records import Client, Source

OVER = 5
"""Every so many sessions one is over."""
_DAY = 86_400.0
_CLIENT = Client(id="any", name="One of many", redirect_uris=("https://many.example.com/cb",))
_TAIL = b"of a benchmark, not random"[:24]


@dataclass(frozen=True, slots=True)
class Bulk:
    """What is put there, numbered from 1. `now` is the time at which it is all new. Grants are shared out among people
    and clients.
    """

    users: int
    sessions: int
    now: float
    grants: int
    clients: int

    def email(self, number: int) -> str:
        return f"bulk{number}@example.com"

    def raw(self, number: int) -> bytes:
        """The raw id of a session."""
        return number.to_bytes(8) + _TAIL

    def is_over(self, number: int) -> bool:
        return number % OVER == 0

    def statements(self, base: int) -> Iterator[str]:
        """`INSERT`s for both databases. `n(i)` gives numbers, `{sha}` and `{octets}` are the dialect's own. Nodes are
        numbered on from `base`.
        """
        made, ends = self.now - 3600, self.now + 29 * _DAY
        user = f"'u_bulk' || (1 + n.i % {self.users})"
        client = f"'bulkc' || (1 + n.i % {self.clients})"
        over = f"n.i % {OVER} = 0"
        born = f"CASE WHEN {over} THEN {made - 40 * _DAY} ELSE {made} END"
        dies = f"CASE WHEN {over} THEN {made - 10 * _DAY} ELSE {ends} END"
        seen = f"CASE WHEN {over} THEN {made - 39 * _DAY} ELSE {self.now} END"
        yield (
            "INSERT INTO user_account (id, email, email_shown, name, password_hash, created_at, updated_at,"
            " credential_version) SELECT 'u_bulk' || n.i, 'bulk' || n.i || '@example.com',"
            f" 'bulk' || n.i || '@example.com', 'Person ' || n.i, '{no_password()}', {made}, {made}, 1"
            f" FROM {{n:1:{self.users}}}"
        )
        yield (
            f"INSERT INTO holder (kind, id, created_at) SELECT 'user', 'u_bulk' || n.i, {made}"
            f" FROM {{n:1:{self.users}}}"
        )
        yield (
            "INSERT INTO node (idx, id, kind, user_id, created_at, expires_at)"
            f" SELECT {base} + n.i, 'bulk-s' || n.i, 'session', {user}, {born}, {dies}"
            f" FROM {{n:1:{self.sessions}}}"
        )
        yield (
            "INSERT INTO session (node_id, id_hash, user_id, auth_time, acr, amr, created_at, last_seen_at,"
            " absolute_expires_at, user_agent, ip, unfamiliar)"
            f" SELECT 'bulk-s' || n.i, {{sha}}, {user}, {int(made)}, 'urn:admit:acr:1fa', 'pwd', {born},"
            f" {seen}, {dies}, 'Firefox', '192.0.2.1', 0 FROM {{n:1:{self.sessions}}}"
        )
        yield (
            "INSERT INTO node (idx, id, kind, user_id, client_id, created_at, expires_at)"
            f" SELECT {base + self.sessions} + n.i, 'bulk-g' || n.i, 'offline', {user}, {client}, {made}, {ends}"
            f" FROM {{n:1:{self.grants}}}"
        )
        yield (
            "INSERT INTO grant_family (node_id, client_id, user_id, scope, audience, auth_time, acr, amr,"
            " created_at, expires_at, generation, rotated_at, used_at, salt)"
            f" SELECT 'bulk-g' || n.i, {client}, {user}, 'orders:own', 'api', {int(made)}, 'urn:admit:acr:1fa',"
            f" 'pwd', {made}, {ends}, 0, {made}, {made}, {{octets}} FROM {{n:1:{self.grants}}}"
        )
        document = kept.document_of(_CLIENT)
        yield (
            "INSERT INTO client (id, source, created_at, updated_at, document)"
            f" SELECT 'bulkc' || n.i, '{Source.CLI.value}', {made}, {made}, '{document}'"
            f" FROM {{n:1:{self.clients}}}"
        )
        yield (
            f"INSERT INTO holder (kind, id, created_at) SELECT 'client', 'bulkc' || n.i, {made}"
            f" FROM {{n:1:{self.clients}}}"
        )


def _numbers(statement: str, span: str) -> str:
    """`statement` with its `{n:1:COUNT}` put as `span` says."""
    before, _, rest = statement.partition("{n:1:")
    count, _, after = rest.partition("}")
    return before + span.replace("COUNT", count) + after


_COUNTED = (
    "(WITH RECURSIVE m(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM m WHERE i < COUNT) SELECT i FROM m) AS n"
)


def fill_sqlite(path: Path, bulk: Bulk) -> float:
    """Seconds that it took. Nobody else has the file open."""
    began = time.perf_counter()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.create_function(
            "sha_of", 1, lambda number: hashlib.sha256(bulk.raw(number)).digest(), deterministic=True
        )
        for setting in ("journal_mode = OFF", "synchronous = OFF", "cache_size = -1500000"):
            db.execute(f"PRAGMA {setting}")
        (base,) = db.execute("SELECT coalesce(max(idx), 0) FROM node").fetchone()
        indexes = db.execute(
            "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
        ).fetchall()
        touched = ("node", "session", "grant_family")
        indexes = [(name, sql) for name, sql in indexes if any(f" {table} (" in sql for table in touched)]
        db.execute("BEGIN EXCLUSIVE")
        for name, _ in indexes:
            db.execute(f"DROP INDEX {name}")
        for statement in bulk.statements(base):
            text = _numbers(statement, _COUNTED)
            db.execute(text.replace("{sha}", "sha_of(n.i)").replace("{octets}", "zeroblob(16)"))
        for _, sql in indexes:
            db.execute(sql)
        db.execute("COMMIT")
        db.execute("ANALYZE")
        db.execute("PRAGMA journal_mode = WAL")
    return time.perf_counter() - began


async def fill_postgresql(dsn: str, bulk: Bulk) -> float:
    """Seconds that it took, with `VACUUM (ANALYZE)` as autovacuum does it after such a load."""
    began = time.perf_counter()
    connection = await asyncpg.connect(
        dsn,
        command_timeout=900,
        server_settings={"maintenance_work_mem": "512MB", "synchronous_commit": "off"},
    )
    try:
        base = await connection.fetchval("SELECT coalesce(max(idx), 0) FROM node")
        indexes = await connection.fetch(
            "SELECT c.relname AS name, pg_get_indexdef(i.indexrelid) AS sql FROM pg_index i"
            " JOIN pg_class c ON c.oid = i.indexrelid WHERE NOT i.indisunique"
            " AND i.indrelid::regclass::text IN ('node', 'session', 'grant_family')"
        )
        unique = await connection.fetchval(
            "SELECT conname FROM pg_constraint WHERE conrelid = 'session'::regclass AND contype = 'u'"
        )
        for row in indexes:
            await connection.execute(f'DROP INDEX "{row["name"]}"')
        await connection.execute(f'ALTER TABLE session DROP CONSTRAINT "{unique}"')
        tail = _TAIL.hex()
        for statement in bulk.statements(base):
            text = _numbers(statement, "generate_series(1, COUNT) AS n(i)")
            sha = f"sha256(int8send(n.i::bigint) || '\\x{tail}'::bytea)"
            await connection.execute(
                text.replace("{sha}", sha).replace("{octets}", f"'\\x{bytes(16).hex()}'::bytea")
            )
        await connection.execute(f'ALTER TABLE session ADD CONSTRAINT "{unique}" UNIQUE (id_hash)')
        for row in indexes:
            await connection.execute(row["sql"])
        await connection.execute(
            "SELECT setval(pg_get_serial_sequence('node', 'idx'), (SELECT max(idx) FROM node))"
        )
        await connection.execute("VACUUM (ANALYZE)")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()
    return time.perf_counter() - began
