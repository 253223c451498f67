"""What is asked all day is found by an index, on both databases, however much there is of it."""

import json
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import asyncpg
import pytest
from sqlalchemy import Double, bindparam, exists, or_

from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.devices import store as devices
from admit.issuer.factors import store as factors
from admit.issuer.grants.store import codes, families, interactions
from admit.issuer.revocation.store import holders, node, nodes
from admit.issuer.revocation.store.sweep import NODES
from admit.issuer.sessions import store as sessions
from admit.issuer.storage import Bound
from admit.issuer.storage.portions import Portions, Walk
from admit.issuer.throttle.budgets import store as budgets
from tests.fixtures.families import LATER, NOW
from tests.fixtures.storage import build_postgres

pytestmark = pytest.mark.anyio
ROWS = 4_000
EMPTY = re.compile(r"\b(interaction|authorization_code)\b")
HASH = bytes(32)
GROWS = frozenset(
    (
        "user_account", "holder", "node", "session", "grant_family", "known_device", "budget", "interaction",
        "authorization_code",
    )
)  # fmt: skip
FILL = (
    "INSERT INTO user_account SELECT 'u_' || i, 'p' || i, 'p' || i, 'P', '-', NULL, {now}, {now}, 1, NULL",
    "INSERT INTO holder SELECT 'user', 'u_' || i, {now}, NULL",
    "INSERT INTO node (id, kind, user_id, created_at, expires_at)"
    " SELECT 'n' || i, 'session', 'u_' || i, {now}, {later}",
    "INSERT INTO session SELECT 'n' || i, {octets}, 'u_' || i, {now}, 'acr', 'pwd', {now}, {now}, {later}, '', '',"
    " NULL, 0",
    "INSERT INTO grant_family SELECT 'n' || i, 'spa', 'u_' || i, 'n' || i, '', 'api', {now}, 'acr', 'pwd', {now},"
    " {later}, 0, {now}, {now}, {octets}, NULL",
    "INSERT INTO known_device SELECT 'd_' || i, {octets}, 'u_' || i, 1, {now}, {now}",
    "INSERT INTO budget SELECT 'b' || i, {now}, 1",
)

COUNTED = "WITH RECURSIVE m(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM m WHERE i < :rows)"


def find(of: Walk, **parameters: object) -> Bound:
    """The statement by which a sweep finds what is over among some rows."""
    return of.find(after="n100", last="n101", **parameters)


def delete(of: Portions, **parameters: object) -> Bound:
    """The one by which it deletes some of what it found."""
    return of.delete_between(first="n100", last="n101", **parameters)


HOT: dict[str, Bound] = {
    "sessions.FIND": sessions.FIND(id_hash=HASH),
    "sessions.TOUCH": sessions.TOUCH(session_id="n7", before=NOW, now=NOW),
    "sessions.RENEW": sessions.RENEW(
        old_hash=HASH, new_hash=HASH, of_user="u_7", new_acr="", new_amr="", now=NOW
    ),
    "sessions.BY_HASH": sessions.BY_HASH(id_hash=HASH),
    "sessions.OF_USER": sessions.OF_USER(user_id="u_7", now=NOW, idle_before=NOW, count=9),
    "sessions.SURPLUS": sessions.SURPLUS(user_id="u_7", now=NOW, idle_before=NOW, keep=9),
    "sessions.PLACES": sessions.PLACES(user_id="u_7", but="n7", since=NOW),
    "sessions.OWNER": sessions.OWNER(session_id="n7"),
    "sessions.ROOTS": sessions.ROOTS(user_id="u_7", now=NOW),
    "a sweep of idle sessions": find(
        sessions.IDLE_WALK,
        now=NOW,
        idle_before=NOW,
        operator_idle_before=NOW,
        operator_begun_before=NOW,
    ),
    "accounts.LOGIN_BY_EMAIL": accounts.LOGIN_BY_EMAIL(email="p7"),
    "accounts.USER_BY_ID": accounts.USER_BY_ID(user_id="u_7"),
    "devices.FIND": devices.FIND(token_hash=HASH, user_id="u_7", version=1, since=NOW),
    "devices.MOVE": devices.MOVE(old_hash=HASH, new_hash=HASH),
    "devices.TRIM": devices.TRIM(of_user="u_7", version=1, count=9),
    "budgets.READ": budgets.READ(buckets=["b7", "b8", "b9"]),
    "factors.ANY_OF_USER": factors.ANY_OF_USER(of_user="u_7"),
    "interactions.FIND": interactions.FIND(of_id=HASH, of_browser=HASH, now=NOW),
    "codes.FIND": codes.FIND(code_hash=HASH),
    "codes.SENT_BEFORE": codes.SENT_BEFORE(of_client="spa", challenge="c7", nonce="x7"),
    "codes.SPEND": codes.SPEND(of_code=HASH, now=NOW),
    "families.FIND": families.FIND(family="n7"),
    "families.FIND_OF_USER": families.FIND_OF_USER(family="n7"),
    "families.AT_OF_USER": families.AT_OF_USER(idx=7),
    "families.ROTATE": families.ROTATE(family="n7", after=0, of_client="spa", now=NOW),
    "families.SURPLUS": families.SURPLUS(session_id="n7", client_id="spa", keep=9, now=NOW),
    "holders.SHARE_HOLDER": holders.SHARE_HOLDER(holder_kind="user", holder_id="u_7"),
    "nodes.SHARE_NODE": nodes.SHARE_NODE(node_id="n7", now=NOW),
    "a sweep's place": sessions.FORGET.walk.find_last(after="n1", count=99),
    "a sweep of sessions": find(sessions.FORGET.walk, before=NOW),
    "sessions swept": delete(sessions.FORGET, before=NOW),
    "a sweep of grants": find(families.FORGET.walk, before=NOW),
    "grants swept": delete(families.FORGET, before=NOW),
    "a sweep of nodes": NODES.walk.find(after=1, last=2, before=NOW),
    "nodes swept": NODES.delete_between(first=1, last=2, before=NOW),
    "devices swept": delete(devices.PORTIONS, before=NOW),
    "budgets swept": delete(budgets.PORTIONS, before=NOW),
}
# As it was once: beside an OR, all of `node` is read for EXISTS, for each portion anew.
AS_IT_WAS = Portions(
    sessions.session,
    or_(
        sessions.session.c.absolute_expires_at < bindparam("before", type_=Double),
        exists().where(
            node.c.id == sessions.session.c.node_id,
            node.c.ended_at < bindparam("before", type_=Double),
        ),
    ),
)
# For metrics and not for a request: it does go through everything, and is to be seen doing so.
WHOLE = sessions.COUNT_LIVE(now=NOW, idle_before=NOW)


def scanned(path: str, bound: Bound) -> set[str]:
    """The tables that SQLite goes through from end to end."""
    compiled = bound.statement.compiled("sqlite")
    with closing(sqlite3.connect(path)) as db:
        plan = db.execute(f"EXPLAIN QUERY PLAN {compiled.sql}", compiled.named(bound.params)).fetchall()
    return {words[1] for *_, detail in plan if (words := detail.split())[0] == "SCAN"} & GROWS


async def test_sqlite_finds_what_is_hot_by_an_index(sqlite_url: str) -> None:
    path = sqlite_url.removeprefix("sqlite:///")
    found = {name: tables for name, bound in HOT.items() if (tables := scanned(path, bound))}
    assert found == {}
    assert scanned(path, WHOLE) != set()


async def test_a_look_of_a_sweep_ends_where_it_is_to_end(sqlite_url: str) -> None:
    """A plan does not tell which of two bounds of one index is looked at first; the work that is done does."""
    bound = NODES.walk.find(after=1, last=9, before=NOW)
    compiled = bound.statement.compiled("sqlite")
    fill = FILL[2].format(now=NOW, later=LATER).replace("SELECT", f"{COUNTED} SELECT")
    work = [0, 0]
    with closing(sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))) as db:
        for which, rows in enumerate((20, ROWS)):
            db.execute(f"DELETE FROM {node.name}")
            db.execute(f"{fill} FROM m", {"rows": rows})

            def step(which: int = which) -> int:
                work[which] += 1
                return 0

            db.set_progress_handler(step, 1)
            db.execute(compiled.sql, compiled.named(bound.params)).fetchall()
            db.set_progress_handler(None, 1)
    assert work[1] < 2 * work[0]


def read_through(plan: dict[str, object]) -> Iterator[str]:
    """The tables that a plan of PostgreSQL's reads from end to end, or by an index without a condition."""
    kind, table = str(plan["Node Type"]), str(plan.get("Relation Name", ""))
    if kind == "Seq Scan" or (kind in ("Index Scan", "Index Only Scan") and "Index Cond" not in plan):
        yield table
    parts = plan.get("Plans", [])
    assert isinstance(parts, list)
    for part in parts:
        yield from read_through(part)


async def planned(connection: asyncpg.Connection, bound: Bound) -> set[str]:
    compiled = bound.statement.compiled("postgresql")
    # What is empty here is as quick to read as its index; so much is all that this changes.
    empty = "off" if EMPTY.search(compiled.sql) else "on"
    await connection.execute(f"SET enable_seqscan = {empty}")
    text = await connection.fetchval(
        f"EXPLAIN (FORMAT JSON) {compiled.sql}", *compiled.positional(bound.params)
    )
    return set(read_through(json.loads(text)[0]["Plan"])) & GROWS


async def test_postgresql_finds_what_is_hot_by_an_index(
    postgres_template: Callable[[str, Callable[[str], object]], str],
) -> None:
    connection = await asyncpg.connect(
        postgres_template("storage", build_postgres), server_settings={"jit": "off"}
    )
    try:
        for statement in FILL:
            text = statement.format(now=NOW, later=LATER, octets="int8send(i::bigint)")
            await connection.execute(f"{text} FROM generate_series(1, {ROWS}) AS i")
        await connection.execute("ANALYZE")
        found = {name: tables for name, bound in HOT.items() if (tables := await planned(connection, bound))}
        assert found == {}
        assert await planned(connection, WHOLE) != set()
        assert await planned(connection, delete(AS_IT_WAS, before=NOW)) == {"node"}
    finally:
        await connection.close()
