"""Raising the epoch after the database went back in time."""

from collections.abc import Awaitable, Callable

import pytest

from admit.issuer.audit import AuditEvent, record
from admit.issuer.revocation import ByNode, ByUser, rules, store
from admit.tokens import status_list
from tests.fixtures.families import NOW, Process

Another = Callable[[], Awaitable[Process]]


async def raised(process: Process, now: float = NOW) -> int:
    return await process.db.run(store.raise_epoch, process.lists, now=now)


async def test_what_was_issued_after_the_backup_is_over_and_what_the_backup_knows_lives(
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
