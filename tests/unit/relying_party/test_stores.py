"""All stores promise the same: one winner for each one-use thing, and nothing that outlives its end."""

import multiprocessing
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from admit.errors import ConfigError, UnavailableError
from admit.relying_party import (
    MemorySessionStore,
    RedisSessionStore,
    SessionStore,
    SqliteSessionStore,
    StoredEnd,
    StoredSession,
)
from admit.relying_party.store import sqlite

NOW = 1_000_000.0
SESSION = StoredSession(
    id_hash=b"i" * 32,
    sealed=b"first",
    person=b"p" * 32,
    at_provider=b"o" * 32,
    idle_at=NOW + 100,
    expires_at=NOW + 1_000,
)
OVER = StoredEnd(
    person=SESSION.person, at_provider=SESSION.at_provider, told_at=NOW, name=b"1" * 32, until=NOW + 300
)


@pytest.fixture(params=["memory", "redis", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SessionStore]:
    if request.param == "redis":
        made = RedisSessionStore(request.getfixturevalue("redis_url"))
        yield made
        made.close()
    else:
        yield (
            MemorySessionStore()
            if request.param == "memory"
            else SqliteSessionStore(tmp_path / "sessions.db")
        )


def at_once(number: int, call: Callable[[], object]) -> list[object]:
    """What so many threads got, who began together."""
    gate, found = threading.Barrier(number), []

    def one() -> None:
        gate.wait()
        found.append(call())

    threads = [threading.Thread(target=one) for _ in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_all_workers_have_one_secret(store: SessionStore, tmp_path: Path) -> None:
    found = at_once(8, store.secret)
    assert len(set(found)) == 1
    assert len(store.secret()) == 32
    if isinstance(store, SqliteSessionStore):
        assert SqliteSessionStore(store.path).secret() == store.secret()
        assert SqliteSessionStore(tmp_path / "another.db").secret() != store.secret()


def test_one_of_many_gets_the_lease_and_a_change_ends_it(store: SessionStore) -> None:
    assert store.add(SESSION, NOW, NOW)
    assert at_once(8, lambda: store.lease(SESSION.id_hash, 0, NOW, NOW + 20)).count(True) == 1
    assert not store.lease(SESSION.id_hash, 0, NOW + 19, NOW + 40)
    assert not store.replace(SESSION.id_hash, 1, b"wrong version")
    assert store.replace(SESSION.id_hash, 0, b"second")
    found = store.get(SESSION.id_hash, NOW)
    assert found is not None
    assert (found.sealed, found.version) == (b"second", 1)
    assert not store.lease(SESSION.id_hash, 0, NOW, NOW + 20)
    assert store.lease(SESSION.id_hash, 1, NOW, NOW + 20)
    store.release(SESSION.id_hash, 1)
    assert store.lease(SESSION.id_hash, 1, NOW, NOW + 20)
    if isinstance(store, RedisSessionStore):
        assert not store.lease(SESSION.id_hash, 1, NOW + 20, NOW + 40), (
            "its own clock, not a node's that is ahead"
        )
    else:
        assert store.lease(SESSION.id_hash, 1, NOW + 20, NOW + 40), "a lease is over in time"


def test_a_lease_is_given_back_by_who_has_it_and_a_version_that_is_past_ends_nothing(
    store: SessionStore,
) -> None:
    assert store.add(SESSION, NOW, NOW)
    assert store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"first")
    store.release(SESSION.id_hash, 0, b"first")
    assert store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"second")
    for stranger in (b"first", b""):
        store.release(SESSION.id_hash, 0, stranger)
        assert not store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"third"), "it came late"
    store.release(SESSION.id_hash, 0, b"second")
    assert store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"third")
    assert store.replace(SESSION.id_hash, 0, b"second")
    assert not store.end(SESSION.id_hash, 0)
    assert store.get(SESSION.id_hash, NOW) is not None
    assert store.end(SESSION.id_hash, 1)
    assert not store.end(SESSION.id_hash, 1)
    assert store.get(SESSION.id_hash, NOW) is None


def test_a_session_lives_until_it_idles_expires_or_is_ended(store: SessionStore) -> None:
    assert store.add(SESSION, NOW, NOW)
    assert store.get(SESSION.id_hash, NOW + 100) is None
    store.touch(SESSION.id_hash, NOW + 2_000)
    assert store.get(SESSION.id_hash, NOW + 999) is not None
    store.touch(SESSION.id_hash, NOW + 1)
    assert store.get(SESSION.id_hash, NOW + 999) is not None, "never shortened"
    assert store.get(SESSION.id_hash, NOW + 1_000) is None
    assert store.end(SESSION.id_hash)
    assert not store.end(SESSION.id_hash)
    assert not store.replace(SESSION.id_hash, 0, b"a refresh that was under way")
    assert store.get(SESSION.id_hash, NOW) is None


def test_an_end_from_outside_takes_what_it_names_and_lets_none_begin_that_hangs_on_it(
    store: SessionStore,
) -> None:
    other = replace(SESSION, id_hash=b"j" * 32, at_provider=b"q" * 32)
    third = replace(SESSION, id_hash=b"k" * 32, at_provider=None)
    bo = replace(SESSION, id_hash=b"m" * 32, at_provider=None, person=b"r" * 32)
    assert all(store.add(one, NOW, NOW) for one in (SESSION, other, third, bo))
    assert store.end_of(replace(OVER, person=None), NOW) == 1
    assert not store.add(replace(SESSION, id_hash=b"l" * 32), NOW + 60, NOW)
    assert store.end_of(replace(OVER, name=b"2" * 32), NOW) == 1, "the one that never said on which it hangs"
    assert not store.add(replace(third, id_hash=b"l" * 32), NOW, NOW)
    assert store.add(replace(third, id_hash=b"l" * 32), NOW + 1, NOW), "issued later"
    assert store.end_of(replace(OVER, at_provider=None, name=b"3" * 32), NOW) == 2
    assert not store.add(replace(other, id_hash=b"n" * 32), NOW, NOW)
    assert store.add(replace(other, id_hash=b"n" * 32), NOW + 1, NOW)
    assert store.get(bo.id_hash, NOW) is not None


@pytest.mark.threat("O-3")
def test_a_word_that_sessions_are_over_counts_once_however_many_bring_it(store: SessionStore) -> None:
    assert store.add(SESSION, NOW, NOW)
    assert sorted(at_once(8, lambda: store.end_of(replace(OVER, at_provider=None), NOW)), key=str) == [
        *[0] * 7,
        1,
    ]
    assert store.add(SESSION, NOW + 1, NOW), "a sign-in after that"
    assert store.end_of(replace(OVER, at_provider=None), NOW) == 0
    assert store.get(SESSION.id_hash, NOW) is not None


def test_a_file_of_the_version_before_keeps_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    with sqlite3.connect(path) as before:
        before.executescript(sqlite._SCHEMA)
        before.executescript(
            "ALTER TABLE sessions DROP COLUMN leased_by;"
            "DROP TABLE over; DROP TABLE secret; CREATE TABLE transactions (state BLOB); PRAGMA user_version = 1;"
            "CREATE TABLE over (at_provider BLOB PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;"
        )
        before.execute("INSERT INTO over VALUES (?, ?)", (SESSION.at_provider, NOW + 10))
    before.close()
    store = SqliteSessionStore(path)
    assert not store.add(SESSION, NOW + 5, NOW)
    assert store.add(SESSION, NOW + 5, NOW + 10)
    secret = store.secret()
    store.close()
    with sqlite3.connect(path) as before:
        before.executescript("ALTER TABLE sessions DROP COLUMN leased_by; PRAGMA user_version = 2;")
    before.close()
    store = SqliteSessionStore(path)
    assert store.get(SESSION.id_hash, NOW) is not None
    assert store.secret() == secret
    assert store.lease(SESSION.id_hash, 0, NOW, NOW + 20, b"a")


def test_a_name_is_spent_once(store: SessionStore) -> None:
    assert at_once(8, lambda: store.spend_once(b"n", NOW, NOW + 10)).count(True) == 1
    assert store.spend_once(b"n", NOW + 10, NOW + 20)


def test_what_is_over_is_swept_away(store: SessionStore, request: pytest.FixtureRequest) -> None:
    assert store.add(SESSION, NOW, NOW)
    if isinstance(store, RedisSessionStore):  # which forgets by its own clock, a minute later
        with Redis.from_url(request.getfixturevalue("redis_url")) as client:
            left = {key: client.pttl(key) for key in client.scan_iter()}
        of_store = {key.rsplit(b":", 2)[1]: milliseconds for key, milliseconds in left.items()}
        assert of_store.keys() == {b"session", b"of"}
        assert 100_000 < of_store[b"session"] <= 160_000
        assert 1_000_000 < of_store[b"of"] <= 1_060_000
    else:
        assert store.add(replace(SESSION, id_hash=b"j" * 32), NOW, NOW + 2_000)
        assert store.get(SESSION.id_hash, NOW) is None


def _child(path: Path, outcome: "multiprocessing.SimpleQueue[bool]", store: SqliteSessionStore) -> None:
    outcome.put(store.spend_once(b"n", NOW, NOW + 10))


def test_a_file_is_shared_with_a_forked_child_and_is_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    store = SqliteSessionStore(path)
    assert store.secret()
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    context = multiprocessing.get_context("fork")
    outcome: multiprocessing.SimpleQueue[bool] = context.SimpleQueue()
    child = context.Process(target=_child, args=(path, outcome, store))
    child.start()
    assert outcome.get()
    child.join()
    assert not store.spend_once(b"n", NOW, NOW + 10)


def test_a_file_that_is_no_store_is_503_and_a_missing_folder_is_told_at_once(tmp_path: Path) -> None:
    path = tmp_path / "sessions.db"
    path.write_bytes(b"this is no database at all, but long enough to be taken for one" * 100)
    with pytest.raises(UnavailableError) as refused:
        SqliteSessionStore(path).get(SESSION.id_hash, NOW)
    assert str(tmp_path) not in str(refused.value)
    with pytest.raises(ConfigError):
        SqliteSessionStore(tmp_path / "missing" / "sessions.db")
