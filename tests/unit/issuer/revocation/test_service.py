"""Heads, lists, and the state for a verifier in the same process."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

import pytest
from sqlalchemy import delete, update

from admit.errors import KeysUnavailableError, OAuthError, StorageUnavailableError
from admit.issuer.keys import SigningKeys
from admit.issuer.revocation import (
    ByNode,
    ByUser,
    Lists,
    Node,
    RevocationConfig,
    StatusService,
    Sweeper,
    events,
    store,
)
from admit.issuer.revocation.events import Place
from admit.issuer.revocation.reading import Look, Reader
from admit.issuer.revocation.service import RESUMED
from admit.issuer.revocation.store.lists import INSERT_CHANGE, add_list
from admit.issuer.storage import PUBLISH, Bound, Many, Row, Statement, Steps, bound_once
from admit.tokens import status_head, status_list
from tests.fixtures.families import ISSUER, KEYS, NONCE, NOW, Process
from tests.unit.issuer.revocation.event_reader import Event, read
from tests.unit.tokens import draft_reader

Another = Callable[[], Awaitable[Process]]
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # nothing in it is SQL's
NO_HEAD = Statement(delete(store.status_head))


async def test_a_head_names_every_list_and_its_version(process: Process) -> None:
    head = await process.head()
    empty = status_list.version(status_list.EMPTY)
    assert (head.issuer, head.nonce, head.iat) == (ISSUER, NONCE, NOW)
    assert head.lists == {0: empty, 1: empty}
    assert head.revoked_kids == frozenset()


async def test_the_version_in_the_head_is_that_of_the_published_list(process: Process) -> None:
    await process.user()
    node = await process.session()
    await process.end(ByNode(node.id))
    head = await process.head()
    assert head.lists[0] == status_list.version(await process.published(0))
    assert head.lists[0] != status_list.version(status_list.EMPTY)
    assert await process.is_published_as_ended(node)


async def test_a_list_is_signed_with_the_place_up_to_which_it_has_every_end(process: Process) -> None:
    await process.user()
    first, second = await process.session(), await process.session()
    for node in (first, second):
        before = await process.head()
        await process.end(ByNode(node.id))
        answer = await process.service.list_token(0, process.now, process.snapshot)
        assert answer is not None
        found = status_list.read(answer[0], process.trusted, issuer=ISSUER, n=0)
        assert found.place == (await process.head()).place > before.place


@pytest.mark.parametrize("nonce", ["", "a" * 15, "a" * 65, "a" * 15 + "=", "a" * 15 + "\n", "a" * 15 + "ü"])
@on_sqlite
async def test_a_nonce_of_another_form_is_a_bad_request(process: Process, nonce: str) -> None:
    with pytest.raises(OAuthError) as caught:
        await process.service.head(nonce, NOW, process.snapshot)
    assert (caught.value.code, caught.value.status) == ("invalid_request", 400)
    assert nonce == "" or nonce not in str(caught.value)


async def test_an_end_in_one_process_is_in_the_next_head_of_another(
    process: Process, another: Another
) -> None:
    other = await another()
    await process.user()
    node, kept = await process.session(), await process.session()
    before = (await other.head()).place
    await process.end(ByNode(node.id))
    head = await other.head()
    assert head.place > before
    assert await other.is_published_as_ended(node)
    assert not await other.is_published_as_ended(kept)
    assert head.lists == (await process.head()).lists


async def test_processes_that_followed_by_changes_and_at_once_agree(
    process: Process, another: Another
) -> None:
    follower = await another()
    await process.user()
    for _ in range(5):
        await process.end(ByNode((await process.session()).id))
        await follower.head()
    late = await another()
    assert (await late.head()).lists == (await follower.head()).lists == (await process.head()).lists


async def test_a_process_that_missed_the_log_reads_everything_anew(
    process: Process, another: Another
) -> None:
    other = await another()
    await other.head()
    await process.user()
    node = await process.session()
    await process.end(ByNode(node.id))
    await Sweeper(process.db, longest_token=timedelta(0)).purge(1e12)
    assert await other.is_published_as_ended(node)


@on_sqlite
async def test_nothing_is_made_anew_while_nothing_changes(process: Process) -> None:
    assert await process.state() is await process.state()
    first = await process.service.list_token(0, NOW, process.snapshot)
    assert await process.service.list_token(0, NOW + 299, process.snapshot) == first


@on_sqlite
async def test_a_list_is_signed_anew_when_it_grew_old_and_keeps_its_etag(process: Process) -> None:
    young = await process.service.list_token(0, NOW, process.snapshot)
    old = await process.service.list_token(0, NOW + 301, process.snapshot)
    assert young is not None
    assert old is not None
    assert young[0] != old[0]
    assert young[1] == old[1] == f'W/"{status_list.version(status_list.EMPTY)}"'
    back = await process.service.list_token(0, NOW, process.snapshot)
    assert back is not None
    assert back[0] != old[0]


@on_sqlite
async def test_the_etag_changes_with_the_bits(process: Process) -> None:
    before = await process.service.list_token(0, NOW, process.snapshot)
    await process.user()
    await process.end(ByNode((await process.session()).id))
    after = await process.service.list_token(0, NOW, process.snapshot)
    assert before is not None
    assert after is not None
    assert before[1] != after[1]


@on_sqlite
@pytest.mark.parametrize("n", [2, 99, -1])
async def test_a_list_that_is_not_in_use_is_not_published(process: Process, n: int) -> None:
    assert await process.service.list_token(n, NOW, process.snapshot) is None


@on_sqlite
async def test_an_independent_reader_finds_the_ended_family_at_its_position(process: Process) -> None:
    await process.user()
    node, kept = await process.session(), await process.session()
    await process.end(ByNode(node.id))
    answer = await process.service.list_token(0, NOW, process.snapshot)
    assert answer is not None
    jwk = process.snapshot.signer("status", "ES256").public().to_dict()
    bits, unpacked = draft_reader.read(answer[0].decode(), jwk, uri=status_list.uri(ISSUER, 0), now=NOW)
    assert draft_reader.status(bits, unpacked, process.lists.ref(node.idx).position) == 1
    assert draft_reader.status(bits, unpacked, process.lists.ref(kept.idx).position) == 0


async def test_a_revoked_key_is_in_the_next_head_of_a_process_that_has_not_refreshed_its_keys(
    process: Process, another: Another
) -> None:
    other = await another()
    kid = process.snapshot.signer("token", "ES256").kid
    assert kid is not None
    await SigningKeys(process.db, KEYS).revoke(kid, NOW)
    assert (await other.head()).revoked_kids == {kid}
    assert (await other.state()).revoked_kids == {kid}


@on_sqlite
async def test_a_revoked_status_key_signs_nothing_more(process: Process) -> None:
    kid = process.snapshot.signer("status", "ES256").kid
    assert kid is not None
    await SigningKeys(process.db, KEYS).revoke(kid, NOW)
    with pytest.raises(KeysUnavailableError):
        await process.head()
    with pytest.raises(KeysUnavailableError):
        await process.published(0)
    await process.keys.refresh(NOW)
    assert (await process.head()).revoked_kids == {kid}


async def test_a_head_is_never_given_from_memory_when_the_database_is_gone(process: Process) -> None:
    await process.head()
    await process.db.close()
    with pytest.raises(StorageUnavailableError):
        await process.head()
    with pytest.raises(StorageUnavailableError):
        await process.state()
    with pytest.raises(StorageUnavailableError):
        await process.published(0)


@on_sqlite
async def test_a_database_without_its_head_answers_nothing(process: Process) -> None:
    await process.db.run(bound_once, NO_HEAD())
    with pytest.raises(StorageUnavailableError):
        await process.head()


@on_sqlite
async def test_the_state_is_the_same_as_what_is_published(process: Process) -> None:
    await process.user()
    nodes = [await process.session() for _ in range(30)]
    for node in nodes[::3]:
        await process.end(ByNode(node.id))
    state = await process.state()
    assert {n: bits.version for n, bits in state.lists.items()} == (await process.head()).lists
    assert state.lists[0].bitmap == await process.published(0)
    assert [state.is_ended(process.lists.ref(node.idx)) for node in nodes] == [n % 3 == 0 for n in range(30)]


@on_sqlite
async def test_a_token_of_a_list_that_is_not_in_use_counts_as_ended(process: Process) -> None:
    state = await process.state()
    process.lists._permutations[7] = process.lists.permutation(0)
    assert state.is_ended(process.lists.ref(7 << 20))


@on_sqlite
async def test_an_index_of_an_unknown_list_has_no_position_yet(process: Process) -> None:
    from admit.errors import UnavailableError

    with pytest.raises(UnavailableError):
        process.lists.ref(5 << 20)


async def test_the_spare_list_is_made_before_it_is_needed_and_once(
    process: Process, another: Another
) -> None:
    await process.user()
    row = {"id": "x", "kind": "session", "user_id": "u_alice", "created_at": NOW, "expires_at": NOW + 9}
    await process.db.run(bound_once, Statement(store.node.insert().values(idx=(1 << 20) + 5, **row))())
    before = (await process.head()).place
    await process.lists.ensure(process.db, NOW)
    other = await another()
    assert sorted((await process.head()).lists) == sorted((await other.head()).lists) == [0, 1, 2]
    assert (await process.head()).place == (before[0], before[1] + 1)
    assert process.lists.ref((2 << 20) + 1) == other.lists.ref((2 << 20) + 1)


async def test_a_database_that_went_back_is_published_as_it_is_and_told(
    process: Process, caplog: pytest.LogCaptureFixture
) -> None:
    await process.user()
    await process.end(ByNode((await process.session()).id))
    epoch, seq = (await process.head()).place
    await process.db.run(bound_once, Statement(update(store.status_head).values(seq=seq - 1))())
    assert (await process.head()).place == (epoch, seq - 1)
    assert "admit epoch raise" in caplog.text


async def test_heads_of_a_busy_moment_all_hold_what_was_ended_before_they_were_asked(
    process: Process,
) -> None:
    await process.user()
    nodes = [await process.session() for _ in range(20)]

    async def end_and_ask(n: int) -> bool:
        await process.end(ByNode(nodes[n].id))
        return await process.is_ended(nodes[n])

    assert all(await asyncio.gather(*map(end_and_ask, range(20))))
    assert await process.end(ByUser("u_alice")) == 0


async def told(process: Process, since: Place | None = None) -> list[Event]:
    """What a stream is given that is opened now, from its greeting on."""
    subscription = await process.service.subscribe(since)
    try:
        piece = await subscription.next()
    finally:
        subscription.close()
    assert piece is not None
    assert piece.startswith(events.GREETING)
    return read(piece)


def refs_of(process: Process, *nodes: Node) -> list[list[int]]:
    return [[ref.list, ref.position] for ref in (process.lists.ref(node.idx) for node in nodes)]


async def test_an_end_of_one_process_is_in_the_stream_of_another(process: Process, another: Another) -> None:
    other = await another()
    await other.state()
    await process.user()
    ended, kept = await process.session(), await process.session()
    subscription = await other.service.subscribe(None)
    (begun,) = read(await subscription.next() or b"")
    assert begun.kind == "lists"
    await process.end(ByNode(ended.id))
    await other.state()
    (event,) = read(await subscription.next() or b"")
    assert (event.kind, json.loads(event.data)) == ("end", refs_of(other, ended))
    assert refs_of(other, kept)[0] not in json.loads(event.data)
    assert event.id == "{}.{}".format(*(await process.head()).place)


async def test_a_stream_resumes_at_another_process_from_the_log(process: Process, another: Another) -> None:
    await process.user()
    nodes = [await process.session() for _ in range(4)]
    await process.end(ByNode(nodes[0].id))
    place = Place(*(await process.head()).place)
    for node in nodes[1:3]:
        await process.end(ByNode(node.id))
    other = await another()
    await other.state()
    (event,) = await told(other, place)
    assert (event.kind, json.loads(event.data)) == ("end", refs_of(other, *nodes[1:3]))
    assert event.id == "{}.{}".format(*(await process.head()).place)
    assert await told(other, Place(*(await process.head()).place)) == []


async def test_a_resume_that_the_log_cannot_answer_is_told_lists(process: Process, another: Another) -> None:
    await process.user()
    place = Place(*(await process.head()).place)
    await process.end(ByNode((await process.session()).id))
    await Sweeper(process.db, longest_token=timedelta(0)).purge(1e12)
    other = await another()
    await other.state()
    for since in (place, Place(0, 0), Place(place.epoch, place.seq + 99), Place(place.epoch + 1, place.seq)):
        assert [event.kind for event in await told(other, since)] == ["lists"]


async def test_a_resume_from_the_log_tells_that_a_key_was_revoked(process: Process, another: Another) -> None:
    await process.user()
    place = Place(*(await process.head()).place)
    await process.end(ByNode((await process.session()).id))
    (kid,) = [key.kid for key in process.trusted if not (key.kid or "").startswith("status-")]
    assert kid is not None
    other = await another()
    await other.state()
    assert [event.kind for event in await told(other, place)] == ["end"]
    assert await process.keys.revoke(kid, NOW)
    third = await another()
    await third.state()
    assert [event.kind for event in await told(third, place)] == ["end", "lists"]


@pytest.mark.threat("INF-size", off="admit.issuer.revocation.service:is_recent")
async def test_a_resume_from_long_ago_asks_the_database_nothing(
    process: Process, another: Another, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(*(await process.head()).place)

    def publish() -> Steps[None]:
        yield PUBLISH

    async def unasked(*_: object, **__: object) -> Look:
        raise AssertionError("the log was read")

    for _ in range(RESUMED + 1):
        await process.db.run(publish)
    other = await another()
    await other.state()
    assert [event.kind for event in await told(other, Place(place.epoch, place.seq + 1))] == ["end"]
    monkeypatch.setattr(Reader, "look", unasked)
    assert [event.kind for event in await told(other, place)] == ["lists"]


async def test_a_resume_over_more_than_a_few_ends_is_told_lists(process: Process, another: Another) -> None:
    await process.user()
    place = Place(*(await process.head()).place)
    bits = [{"number": 0, "at_position": position} for position in range(RESUMED + 1)]

    def many() -> Steps[None]:
        yield Many(INSERT_CHANGE, bits[:-1])
        yield PUBLISH

    await process.db.run(many)
    other = await another()
    await other.state()
    (event,) = await told(other, place)
    assert (event.kind, len(json.loads(event.data))) == ("end", RESUMED)

    def one_more() -> Steps[None]:
        yield Many(INSERT_CHANGE, bits[-1:])
        yield PUBLISH

    await process.db.run(one_more)
    late = await another()
    await late.state()
    assert [event.kind for event in await told(late, place)] == ["lists"]


async def test_a_revoked_key_is_told_as_lists(process: Process) -> None:
    await process.state()
    subscription = await process.service.subscribe(None)
    await subscription.next()
    kid = process.snapshot.signer("token", "ES256").kid
    assert kid is not None
    await SigningKeys(process.db, KEYS).revoke(kid, NOW)
    await process.state()
    assert [event.kind for event in read(await subscription.next() or b"")] == ["lists"]


async def test_another_set_of_lists_is_told_as_lists_and_those_that_are_held_are_not_read_again(
    process: Process, another: Another
) -> None:
    other = await another()
    await process.user()
    ended, later = await process.session(), await process.session()
    await process.end(ByNode(ended.id))
    before = await other.state()
    subscription = await other.service.subscribe(None)
    await subscription.next()

    def new_list() -> Steps[None]:
        yield from add_list(process.lists, 2, now=NOW)
        yield PUBLISH

    await process.db.run(new_list)
    await process.end(ByNode(later.id))
    read_apart, seen = other.db.read_apart, []
    other.db.read_apart = lambda bound: (seen.append(bound.params["number"]), read_apart(bound))[1]  # type: ignore[method-assign,func-returns-value]  # counts
    after = await other.state()
    assert seen == [2]
    assert sorted(after.lists) == [0, 1, 2]
    assert after.lists[1] is before.lists[1]
    assert after.lists == (await (await another()).state()).lists
    assert [event.kind for event in read(await subscription.next() or b"")] == ["lists"]
    assert await other.is_published_as_ended(later)


@on_sqlite
async def test_a_stream_is_opened_while_the_database_is_away(process: Process) -> None:
    place = Place(*(await process.head()).place)
    await process.db.close()
    assert await told(process, place) == []
    assert [event.kind for event in await told(process, Place(place.epoch, 0))] == ["lists"]


@on_sqlite
async def test_verifiers_that_ask_together_share_looks_at_the_database(process: Process) -> None:
    await process.head()
    looks = 0
    read_rows = process.db.read

    async def counted(bound: Bound) -> Sequence[Row]:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.01)
        return await read_rows(bound)

    process.db.read = counted  # type: ignore[method-assign]  # counts
    nonces = [f"{n:016d}" for n in range(50)]
    heads = await asyncio.gather(*map(process.head, nonces))
    assert [head.nonce for head in heads] == nonces
    assert looks <= 2


@on_sqlite
async def test_a_list_is_packed_once_for_all_who_ask_for_it(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = 0
    compress = status_list.compress

    def counted(bitmap: bytes) -> bytes:
        nonlocal packed
        packed += 1
        return compress(bitmap)

    monkeypatch.setattr(status_list, "compress", counted)
    answers = await asyncio.gather(*(process.service.list_token(0, NOW, process.snapshot) for _ in range(20)))
    assert packed == 1
    assert len({answer[1] for answer in answers if answer is not None}) == 1
    await process.service.list_token(0, NOW + 301, process.snapshot)
    assert packed == 1


@on_sqlite
async def test_the_lists_age_comes_from_the_settings(process: Process) -> None:
    config = RevocationConfig(list_max_age=timedelta(seconds=10), list_lifetime=timedelta(seconds=20))
    lists = Lists(process.db.keyring)
    service = StatusService(process.db, lists, ISSUER, config)
    first = await service.list_token(0, NOW, process.snapshot)
    assert first == await service.list_token(0, NOW + 9, process.snapshot)
    assert first != await service.list_token(0, NOW + 10, process.snapshot)


def test_the_media_types_are_those_of_the_formats() -> None:
    assert status_list.MEDIA_TYPE == "application/statuslist+jwt"
    assert status_head.MEDIA_TYPE == "application/admit-status-head+jwt"
