"""Raising the epoch after the database went back in time."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from admit.issuer.audit import AuditEvent, record
from admit.issuer.revocation import ByNode, ByUser, NodeKind, rules, store
from admit.issuer.storage import Database, Keyring
from admit.tokens import status_list
from tests.fixtures.families import NOW, Process
from tests.fixtures.postgres import PostgresServer

Another = Callable[[], Awaitable[Process]]


async def raised(process: Process, now: float = NOW, *, keep: bool = True) -> int:
    return await process.db.run(store.raise_epoch, process.lists, now=now, keep_older_families=keep)


@pytest.fixture
def restored(
    db: Database, database_url: str, keyring: Keyring, tmp_path: Path, request: pytest.FixtureRequest
) -> Callable[[], Awaitable[Callable[[], Awaitable[Database]]]]:
    """`restore = await restored()` saves the database as it is; `await restore()` opens it as it was then."""

    async def save() -> Callable[[], Awaitable[Database]]:
        await db.close()
        if database_url.startswith("sqlite"):
            copy = tmp_path / "backup.db"
            shutil.copyfile(database_url.removeprefix("sqlite:///"), copy)
            copy.chmod(0o600)
            url = f"sqlite:///{copy}"
        else:
            server: PostgresServer = request.getfixturevalue("postgres_server")
            name = urlsplit(database_url).path.removeprefix("/")
            url = server.dsn(await asyncio.to_thread(server.create_database, name))
        await db.open()

        async def restore() -> Database:
            made = Database.from_url(url, keyring)
            await made.open()
            return made

        return restore

    return save


async def test_by_default_nothing_lives_on(process: Process, another: Another) -> None:
    """Neither what the database knows, nor what it does not know; and everybody may sign in again."""
    other = await another()
    await process.user()
    known = await process.session()
    grant = await process.grant(known)
    lost = known.idx + 1000
    await raised(process, keep=False)
    for each in (process, other):
        state = await each.state()
        assert state.is_ended(each.lists.ref(lost))
        for node in (known, grant):
            assert await each.is_published_as_ended(node)
            assert not await each.is_live(node)
    assert await process.open(NodeKind.ONLINE, parent_id=known.id, client_id="app") is None
    fresh = await process.session()
    assert await process.is_live(fresh)
    assert not await process.is_ended(fresh)
    await other.state()
    assert not await other.is_published_as_ended(fresh)


@pytest.mark.threat("INF-keys", off="admit.issuer.revocation.store.epoch:end_older")
@pytest.mark.threat("O-3", off="admit.issuer.revocation.store.epoch:end_older")
async def test_a_session_that_was_ended_after_the_backup_is_refused_after_the_restore(
    process: Process, restored: Callable[[], Awaitable[Callable[[], Awaitable[Database]]]]
) -> None:
    await process.user()
    ended, lost_idx = await process.session(), 0
    restore = await restored()
    await process.end(ByNode(ended.id))
    lost_idx = (await process.session()).idx
    back = await Process.start(await restore())
    try:
        assert await back.is_live(ended), "the backup knows of no end"
        await raised(back, keep=False)
        assert not await back.is_live(ended)
        assert await back.is_published_as_ended(ended)
        assert (await back.state()).is_ended(back.lists.ref(lost_idx))
    finally:
        await back.db.close()


async def test_with_older_families_kept_only_newer_ones_are_refused(
    process: Process, restored: Callable[[], Awaitable[Callable[[], Awaitable[Database]]]]
) -> None:
    await process.user()
    known = await process.session()
    restore = await restored()
    newer = await process.session()
    back = await Process.start(await restore())
    try:
        await raised(back, keep=True)
        assert await back.is_live(known)
        assert not await back.is_published_as_ended(known)
        assert await back.is_published_as_ended(newer)
    finally:
        await back.db.close()


async def test_what_was_issued_after_the_backup_is_over_and_what_the_backup_knows_may_be_kept(
    process: Process,
) -> None:
    await process.user()
    known = [await process.session() for _ in range(3)]
    lost = [known[-1].idx + n for n in (1, 2, 1000, rules.LOW_MASK)]
    await raised(process)
    state = await process.state()
    assert not any(state.is_ended(process.lists.ref(node.idx)) for node in known)
    assert all(state.is_ended(process.lists.ref(idx)) for idx in lost)
    bitmap = await process.published(0)
    assert int.from_bytes(bitmap, "little").bit_count() == status_list.ENTRIES - known[-1].idx - 1


async def test_ends_from_before_stay_ends(process: Process) -> None:
    await process.user()
    ended, kept = await process.session(), await process.session()
    await process.end(ByNode(ended.id))
    await raised(process)
    assert await process.is_published_as_ended(ended)
    assert not await process.is_published_as_ended(kept)


async def test_new_families_get_lists_that_nobody_has_seen(process: Process) -> None:
    await process.user()
    await process.session()
    seen = set((await process.head()).lists)
    await raised(process)
    fresh = await process.session()
    ref = process.lists.ref(fresh.idx) if await process.head() else None
    assert ref is not None
    assert ref.list == max(seen) + rules.EPOCH_JUMP
    assert not await process.is_ended(fresh)
    assert await process.end(ByUser("u_alice")) == 2
    assert await process.is_published_as_ended(fresh)
    assert (await process.session()).idx == fresh.idx + 1


async def test_the_epoch_rises_above_any_that_an_earlier_clock_made_and_seq_never_falls(
    process: Process,
) -> None:
    epoch, seq = (await process.head()).place
    assert await raised(process, epoch + 5000.0) == epoch + 5000
    assert await raised(process, epoch + 1.0) == epoch + 5001
    assert (await process.head()).place == (epoch + 5001, seq + 2)


async def test_every_process_learns_of_it_at_its_next_look(process: Process, another: Another) -> None:
    other = await another()
    await other.head()
    await process.user()
    epoch = await raised(process, (await process.head()).epoch + 10)
    assert (await other.head()).epoch == epoch
    assert (await other.head()).lists == (await process.head()).lists
    fresh = await process.session()
    assert not await other.is_ended(fresh)


async def test_an_empty_database_can_be_raised_too(process: Process) -> None:
    await raised(process)
    assert set((await process.head()).lists.values()) == {
        status_list.version(b"\xff" * status_list.OCTETS),
        status_list.version(status_list.EMPTY),
    }
    await process.user()
    assert not await process.is_ended(await process.session())


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_it_is_told_in_the_same_transaction(process: Process) -> None:
    told = record(AuditEvent.EPOCH_RAISED, now=NOW)
    assert await process.db.run(store.raise_epoch, process.lists, now=NOW, told=told) > 0
