"""Ends of a client that has very many families: in portions, each of which bites at once and lets others in between."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable
from datetime import timedelta

import pytest
from sqlalchemy import bindparam, func, select

from admit.issuer.audit.store import audit
from admit.issuer.clients.config import RegistrationConfig
from admit.issuer.clients.registration import Registered, Registration
from admit.issuer.clients.registry import Registry
from admit.issuer.consents.driver import Consents
from admit.issuer.revocation import NodeKind, many, store
from admit.issuer.revocation.store.tables import node
from admit.issuer.storage import Statement
from tests.fixtures.families import NOW, Process
from tests.fixtures.people import INFO
from tests.unit.issuer.revocation.test_bulk import fill

FAMILIES, AT_ONCE = 95, 10
LEFT = Statement(
    select(func.count().label("n")).where(node.c.client_id == bindparam("of"), node.c.ended_at.is_(None))
)
TOLD = Statement(
    select(audit.c.detail).where(audit.c.event == "client.grants_ended").order_by(audit.c.detail)
)


@pytest.fixture
async def full(process: Process, monkeypatch: pytest.MonkeyPatch) -> Process:
    """A client with many families, and another with some, which stay."""
    monkeypatch.setattr(many, "AT_ONCE", AT_ONCE)
    await process.db.run(fill, "other", 15)
    await process.db.run(fill, "app", FAMILIES)
    await process.lists.ensure(process.db, NOW)
    return process


async def alive(process: Process) -> int:
    return await left_of(process, "app")


def end(process: Process) -> Awaitable[int]:
    consents = Consents(process.db, process.lists)
    return consents.end_of_client("app", reason="stolen", info=INFO, now=NOW)


async def test_others_write_between_the_portions_and_see_what_is_ended_already(full: Process) -> None:
    ending = asyncio.ensure_future(end(full))
    seen: list[tuple[int, int]] = []
    while not ending.done():
        await full.db.run(store.add_holder, "user", f"u_{len(seen)}", now=NOW)  # somebody else's write
        seen.append((len(seen), await alive(full)))
    assert await ending == FAMILIES
    between = {left for _, left in seen if 0 < left < FAMILIES}
    assert len(between) >= 3, "their turn came in the middle of it, again and again"
    assert await alive(full) == 0


async def test_each_portion_bites_and_is_told_as_soon_as_it_is_committed(
    full: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[tuple[int, int, int]] = []

    async def look() -> None:
        left, state = await alive(full), await full.state()
        bits = sum(int.from_bytes(bits.bitmap, "little").bit_count() for bits in state.lists.values())
        looked.append((FAMILIES - left, bits, len(await full.db.read(TOLD()))))

    monkeypatch.setattr(many, "_let_others_in", look)
    assert await end(full) == FAMILIES
    assert looked == [(AT_ONCE * n, AT_ONCE * n, n) for n in range(1, 10)]
    told = [json.loads(row["detail"]) for row in await full.db.read(TOLD())]
    assert sum(one["ended"] for one in told) == FAMILIES
    assert [one["in_all"] for one in told if "in_all" in one] == [FAMILIES]


async def test_one_that_breaks_off_has_ended_what_it_told_and_the_next_ends_the_rest(
    full: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken() -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr(many, "_let_others_in", broken)
        with pytest.raises(asyncio.CancelledError):
            await end(full)
    assert (await alive(full), len(await full.db.read(TOLD()))) == (FAMILIES - AT_ONCE, 1)
    assert await end(full) == FAMILIES - AT_ONCE
    assert await alive(full) == 0


async def registered(process: Process) -> Registered:
    """A client that registered itself, with many families."""
    config = RegistrationConfig(enabled=True, per_network=1_000)
    registration = Registration(process.db, Registry(issuer="https://id.example"), config)
    token, _ = await registration.invite(uses=1, lifetime=timedelta(hours=1), now=NOW)
    members = {"redirect_uris": ["https://app.example/cb"], "client_name": "An application"}
    made = await registration.register(members, token, info=INFO, now=NOW)
    await process.db.run(fill, made.client.id, FAMILIES)
    return made


async def left_of(process: Process, client_id: str) -> int:
    row = await process.db.one(LEFT(of=client_id))
    assert row is not None
    return int(row["n"])


@pytest.mark.rfc("7592", "2.3")
async def test_a_client_that_removes_itself_ends_in_portions_too(
    full: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, looked = await registered(full), list[int]()
    presented = hashlib.sha256(made.registration_access_token.encode()).digest()

    async def look() -> None:
        looked.append(await left_of(full, made.client.id))

    monkeypatch.setattr(many, "_let_others_in", look)
    consents = Consents(full.db, full.lists)
    ended = await consents.remove_registered(
        made.client.id, presented=presented, reason="gone", info=INFO, now=NOW
    )
    assert (ended, await left_of(full, made.client.id)) == (FAMILIES, 0)
    assert looked == [FAMILIES - AT_ONCE * n for n in range(1, 10)]
    assert await alive(full) == FAMILIES, "another client's go on"


@pytest.mark.rfc("7592", "2.3")
@pytest.mark.threat("EXT-dcr", off="admit.issuer.consents.transactions:is_registered")
async def test_no_portion_ends_by_a_registration_access_token_that_was_replaced(
    full: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await registered(full)
    presented = hashlib.sha256(made.registration_access_token.encode()).digest()
    config = RegistrationConfig(enabled=True, per_network=1_000)
    registration = Registration(full.db, Registry(issuer="https://id.example"), config)

    async def replaced() -> None:
        monkeypatch.undo()
        monkeypatch.setattr(many, "AT_ONCE", AT_ONCE)
        members = {"redirect_uris": ["https://app.example/cb"], "client_id": made.client.id}
        token = made.registration_access_token
        await registration.replace(made.client.id, token, members, info=INFO, now=NOW)

    monkeypatch.setattr(many, "_let_others_in", replaced)
    consents = Consents(full.db, full.lists)
    ended = await consents.remove_registered(
        made.client.id, presented=presented, reason="gone", info=INFO, now=NOW
    )
    assert (ended, await left_of(full, made.client.id)) == (None, FAMILIES - AT_ONCE)


async def test_few_families_and_what_hangs_from_them_end_in_one_step(process: Process) -> None:
    await process.user()
    session = await process.session()
    grant = await process.grant(session)
    derived = await process.grant(grant, "api", NodeKind.DERIVED)
    before = await process.state()
    assert await end(process) == 2
    after = await process.state()
    assert after.place == (before.epoch, before.seq + 1)
    assert [await process.is_ended(one) for one in (session, grant, derived)] == [False, True, True]


async def test_what_hangs_from_one_of_many_ends_with_its_portion(full: Process) -> None:
    await full.user()
    first = await full.db.one(Statement(select(node.c.id).where(node.c.client_id == "app").limit(1))())
    assert first is not None
    derived = await full.open(NodeKind.DERIVED, parent_id=first["id"], user_id=None, client_id="api")
    assert derived is not None
    assert await end(full) == FAMILIES + 1
    assert await full.is_ended(derived)
    assert not await full.is_live(derived)
