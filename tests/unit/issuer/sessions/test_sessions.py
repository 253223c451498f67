"""Sessions on both databases."""

import asyncio
import json
from dataclasses import replace

import pytest

from admit.errors import SessionError, StorageUnavailableError
from admit.issuer.accounts.records import User
from admit.issuer.accounts.transactions import Label, change_label
from admit.issuer.audit import AuditEvent, RequestInfo
from admit.issuer.grants.records import Refreshed, Refusal, Refused
from admit.issuer.sessions import driver
from admit.issuer.sessions.records import Ended, Session
from admit.issuer.sessions.rules import hash_id
from tests.fixtures.people import CLIENT, INFO, NOW, Parts

HOUR, DAY = 3600.0, 86_400.0


async def find(parts: Parts, raw: bytes, now: float = NOW) -> Session | None:
    return await parts.sessions.find(hash_id(raw), now)


async def test_a_session_is_found_with_its_user_until_it_is_ended(parts: Parts) -> None:
    user = await parts.user(roles=frozenset({"admin", "buyer"}), groups=frozenset({"red"}), locale="zh-CN")
    new = await parts.sign_in(user)
    assert await find(parts, new.raw) == new.session
    assert new.session.user == user
    assert (new.session.acr, new.session.amr, new.session.auth_time) == ("urn:admit:acr:1fa", ("pwd",), NOW)
    assert (new.session.expires_at, new.session.absolute_expires_at) == (NOW + 8 * HOUR, NOW + 30 * DAY)
    assert await find(parts, b"x" * 32) is None
    assert await parts.sessions.find(new.raw, NOW) is None, "the raw id is no hash"
    assert await parts.sessions.end(new.session.id, user_id=user.id, reason="logout", info=INFO, now=NOW)
    assert await find(parts, new.raw) is None


@pytest.mark.threat("SES-2", off="admit.issuer.sessions.rules:hash_id")
async def test_only_the_hash_of_an_id_is_stored(parts: Parts) -> None:
    new = await parts.sign_in()
    tables = ("session", "node", "audit", "holder", "user_account")
    rows = [list(row) for table in tables for row in await parts.rows(table)]
    flat = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
    assert all(new.raw not in value and new.raw.hex().encode() not in value for value in flat)
    assert new.raw.hex() not in repr(new)
    assert repr(new.raw) not in repr(new)


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.transactions:end_replaced")
async def test_signing_in_ends_the_session_that_the_browser_came_with(parts: Parts) -> None:
    planted = await parts.sign_in()
    grant = await parts.grant(planted)
    victim = await parts.sign_in(replace=planted.raw, now=NOW + 1)
    assert victim.raw != planted.raw
    assert await find(parts, planted.raw, NOW + 1) is None
    assert await find(parts, victim.raw, NOW + 1) == victim.session
    assert await parts.is_ended(grant.family.id)


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.rules:same_credentials")
async def test_a_password_that_was_changed_while_it_was_checked_begins_no_session(parts: Parts) -> None:
    user = await parts.user()
    await parts.sign_in(user)
    before = await parts.rows("session")
    checked_before_the_change = replace(user, credential_version=user.credential_version - 1)
    with pytest.raises(SessionError):
        await parts.sign_in(checked_before_the_change)
    assert await parts.rows("session") == before


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_an_id_that_the_server_did_not_make_is_never_taken(parts: Parts) -> None:
    planted = b"p" * 32
    new = await parts.sign_in(replace=planted)
    assert new.raw != planted
    assert await find(parts, planted) is None
    assert await find(parts, new.raw) is not None


@pytest.mark.threat("SES-1", off="admit.issuer.sessions.driver:new_raw_id")
async def test_proving_oneself_again_gives_a_new_id_to_the_same_session(parts: Parts) -> None:
    new = await parts.sign_in()
    grant = await parts.grant(new)

    renewed = await parts.sessions.renew(
        new.raw, user=new.session.user, acr="urn:admit:acr:2fa", amr=("pwd", "otp"), info=INFO, now=NOW + 5
    )
    assert renewed.raw != new.raw
    assert await find(parts, new.raw, NOW + 5) is None
    found = await find(parts, renewed.raw, NOW + 5)
    assert found == renewed.session
    assert found is not None
    assert (found.id, found.idx) == (new.session.id, new.session.idx)
    assert (found.acr, found.amr, found.auth_time) == ("urn:admit:acr:2fa", ("pwd", "otp"), NOW + 5)
    assert found.absolute_expires_at == new.session.absolute_expires_at
    assert isinstance(await parts.refresh(grant.refresh_token, now=NOW + 6), Refreshed)


async def test_only_a_live_session_of_the_same_user_is_renewed_and_once(parts: Parts) -> None:
    new, other = await parts.sign_in(), await parts.sign_in()

    async def renew(raw: bytes, user: User) -> object:
        return await parts.sessions.renew(raw, user=user, acr="a", amr=(), info=INFO, now=NOW)

    user = new.session.user
    for raw, by in ((new.raw, other.session.user), (b"x" * 32, user)):
        with pytest.raises(SessionError):
            await renew(raw, by)
    outcomes = await asyncio.gather(*(renew(new.raw, user) for _ in range(6)), return_exceptions=True)
    assert sum(isinstance(outcome, SessionError) for outcome in outcomes) == 5
    await parts.sessions.end(other.session.id, user_id=other.session.user.id, reason="x", info=INFO, now=NOW)
    with pytest.raises(SessionError):
        await renew(other.raw, other.session.user)


@pytest.mark.threat("SES-4", off="admit.issuer.sessions.rules:is_live")
async def test_idle_and_absolute_ends_hold_without_anybody_ending_it(parts: Parts) -> None:
    new = await parts.sign_in()
    assert await find(parts, new.raw, NOW + 8 * HOUR - 1) is not None
    await parts.sessions.settle()
    assert await find(parts, new.raw, NOW + 16 * HOUR - 1) is None
    used = await parts.sign_in()
    for hour in range(0, 30 * 24, 7):
        assert await find(parts, used.raw, NOW + hour * HOUR) is not None
        await parts.sessions.settle()
    assert await find(parts, used.raw, NOW + 30 * DAY) is None


async def test_use_is_noted_in_the_background_at_most_once_a_minute(parts: Parts) -> None:
    new = await parts.sign_in()

    async def seen() -> float:
        await parts.sessions.settle()
        return float((await parts.rows("session"))[0]["last_seen_at"])

    await find(parts, new.raw, NOW + 59)
    assert await seen() == NOW
    await asyncio.gather(*(find(parts, new.raw, NOW + 61) for _ in range(10)))
    assert await seen() == NOW + 61
    await find(parts, new.raw, NOW + 100)
    assert await seen() == NOW + 61
    await parts.sessions.touch(new.session.id, NOW + 130)
    assert await seen() == NOW + 130
    await parts.sessions.touch(new.session.id, NOW + 131)
    assert await seen() == NOW + 130


async def test_a_look_up_does_not_wait_for_what_it_notes_nor_fail_with_it(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    new = await parts.sign_in()
    gate = asyncio.Event()

    async def stuck(*args: object) -> None:
        await gate.wait()
        raise StorageUnavailableError("gone")

    monkeypatch.setattr(parts.sessions, "touch", stuck)
    for _ in range(3):
        assert await asyncio.wait_for(find(parts, new.raw, NOW + 100), 5) is not None
    gate.set()
    await parts.sessions.settle()


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.rules:is_live")
async def test_a_disabled_users_session_is_gone_at_the_next_look(parts: Parts) -> None:
    from admit.issuer.accounts import transactions

    new = await parts.sign_in()
    grant = await parts.grant(new)
    code = await parts.code(new)
    await parts.db.run(transactions.disable, parts.lists, new.session.user.id, info=INFO, now=NOW + 1)
    assert await find(parts, new.raw, NOW + 1) is None
    assert await parts.redeem(code, now=NOW + 1) == Refused(Refusal.PARENT_ENDED)
    assert await parts.refresh(grant.refresh_token, now=NOW + 1) == Refused(Refusal.ENDED)
    ref = parts.lists.ref(new.session.idx)
    assert (ref.list, ref.position) in await parts.bits()


@pytest.mark.threat("SES-6", off="admit.issuer.sessions.transactions:owned")
async def test_users_list_and_end_their_own_sessions_and_no_others(parts: Parts) -> None:
    user = await parts.user()
    laptop = await parts.sign_in(user)
    phone = await parts.sign_in(user, now=NOW + 60)
    stranger = await parts.sign_in()
    entries = await parts.sessions.list(user.id, NOW + 60)
    assert [entry.id for entry in entries] == [phone.session.id, laptop.session.id]
    assert (entries[0].ip, entries[0].user_agent, entries[0].created_at) == (
        INFO.ip,
        INFO.user_agent,
        NOW + 60,
    )
    assert entries[1].expires_at == NOW + 8 * HOUR

    async def end(session_id: str) -> bool:
        return await parts.sessions.end(
            session_id, user_id=user.id, reason="ended by user", info=INFO, now=NOW + 61
        )

    assert not await end(stranger.session.id)
    for nothing in ("", "nothing", "\0", "\ud800", "x" * 10_000):
        assert not await end(nothing)
    assert await end(laptop.session.id)
    assert not await end(laptop.session.id)
    assert [entry.id for entry in await parts.sessions.list(user.id, NOW + 61)] == [phone.session.id]
    assert await find(parts, stranger.raw, NOW + 61) is not None
    assert await parts.sessions.list(user.id, NOW + 9 * HOUR) == []


async def test_all_but_the_one_in_use_can_be_ended(parts: Parts) -> None:
    user = await parts.user()
    kept, *others = [await parts.sign_in(user) for _ in range(4)]
    grant = await parts.grant(others[0])
    ended = await parts.sessions.end_all(
        user.id, reason="signed out elsewhere", info=INFO, now=NOW, keep=kept.session.id
    )
    assert ended == Ended(sessions=3)
    assert [entry.id for entry in await parts.sessions.list(user.id, NOW)] == [kept.session.id]
    assert await parts.is_ended(grant.family.id)
    assert await parts.sessions.end_all(user.id, reason="x", info=INFO, now=NOW) == Ended(sessions=1)
    assert await parts.sessions.end_all(user.id, reason="x", info=INFO, now=NOW) == Ended()
    told = [row["session_id"] for row in await parts.rows("audit") if row["event"] == "session.ended"]
    assert sorted(told) == sorted(one.session.id for one in (kept, *others)), "each end is told once"


async def test_everything_of_a_user_can_be_ended_and_nothing_of_others(parts: Parts) -> None:
    user = await parts.user()
    here, there = await parts.sign_in(user), await parts.sign_in(user)
    online, offline = await parts.grant(here), await parts.grant(there, offline=True)
    stranger = await parts.grant(offline=True)
    assert await parts.sessions.end_all(user.id, reason="x", info=INFO, now=NOW) == Ended(sessions=2)
    assert await parts.is_ended(online.family.id)
    assert not await parts.is_ended(offline.family.id)
    again = await parts.sign_in(user)
    ended = await parts.sessions.end_everything(user.id, reason="x", info=INFO, now=NOW)
    assert ended == Ended(sessions=1, grants=1)
    assert await find(parts, again.raw) is None
    assert await parts.is_ended(offline.family.id)
    assert not await parts.is_ended(stranger.family.id)
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "grant.ended"]
    assert (told["user_id"], told["client_id"]) == (user.id, CLIENT)
    assert await parts.sign_in(user), "and the user may sign in again"


async def test_an_operator_ends_a_session_whoever_it_belongs_to(parts: Parts) -> None:
    new = await parts.sign_in()
    info = RequestInfo(actor="command line")

    async def end(session_id: str) -> bool:
        return await parts.sessions.end_whosever(session_id, reason="stolen", info=info, now=NOW)

    grant = await parts.grant(new)
    for nothing in ("", "nothing", "\0", "x" * 10_000, grant.family.id):
        assert not await end(nothing)
    assert await end(new.session.id)
    assert not await end(new.session.id)
    assert await find(parts, new.raw) is None
    assert await parts.is_ended(grant.family.id)
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "session.ended"]
    assert (told["user_id"], told["actor"]) == (new.session.user.id, "command line")


async def test_each_event_has_one_record(parts: Parts) -> None:
    new = await parts.sign_in()
    for _ in range(2):
        await parts.sessions.end(
            new.session.id,
            user_id=new.session.user.id,
            reason="logout",
            event=AuditEvent.LOGOUT,
            info=INFO,
            now=NOW + 1,
        )
    assert await parts.events() == ["signup", "login.succeeded", "logout"]
    login = next(row for row in await parts.rows("audit") if row["event"] == "login.succeeded")
    assert (login["user_id"], login["session_id"]) == (new.session.user.id, new.session.id)
    assert (login["ip"], login["request_id"]) == (INFO.ip, INFO.request_id)


async def test_a_user_disabled_while_signing_in_gets_no_session(parts: Parts) -> None:
    from admit.issuer.accounts import transactions

    user = await parts.user()
    await parts.db.run(transactions.disable, parts.lists, user.id, info=INFO, now=NOW)
    with pytest.raises(SessionError):
        await parts.sign_in(user)
    assert await parts.rows("session") == []


async def test_what_the_browser_says_of_itself_is_cut_and_may_be_missing(parts: Parts) -> None:
    user = await parts.user()
    for info in (RequestInfo(user_agent="\0" + "x" * 5000), RequestInfo()):
        await parts.sessions.start(user, auth_time=NOW, acr="a", amr=(), info=info, now=NOW)
    agents = {entry.user_agent for entry in await parts.sessions.list(user.id, NOW)}
    assert None in agents
    assert max(len(agent) for agent in agents if agent is not None) == 256


async def test_more_idle_sessions_than_one_transaction_takes_are_all_ended_by_one_sweep(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "SWEEP_AT_ONCE", 2)
    signed_in = [await parts.sign_in() for _ in range(5)]
    await parts.sessions.touch(signed_in[3].session.id, NOW + 4 * HOUR)
    assert await parts.sessions.sweep(NOW + 8 * HOUR) == 4
    found = [await find(parts, one.raw, NOW + 8 * HOUR) is not None for one in signed_in]
    assert found == [False, False, False, True, False]


async def test_idle_sessions_are_ended_with_all_under_them_and_old_rows_deleted(parts: Parts) -> None:
    idle, used = await parts.sign_in(), await parts.sign_in()
    grant = await parts.grant(idle)
    await parts.sessions.touch(used.session.id, NOW + 4 * HOUR)
    assert await parts.sessions.sweep(NOW + 8 * HOUR) == 1
    assert await parts.is_ended(grant.family.id)
    assert await find(parts, used.raw, NOW + 8 * HOUR) is not None
    await parts.sessions.settle()
    assert await parts.sessions.sweep(NOW + 8 * HOUR + 1) == 0
    assert len(await parts.rows("session")) == 2
    await parts.sessions.touch(used.session.id, NOW + DAY + 8 * HOUR)
    await parts.sessions.sweep(NOW + DAY + 8 * HOUR + 2)
    assert [row["node_id"] for row in await parts.rows("session")] == [used.session.id]


@pytest.mark.parametrize("label", Label)
@pytest.mark.threat("SES-1", off="admit.issuer.accounts.transactions:end_after_change")
async def test_a_rise_in_privilege_ends_sessions_so_that_no_id_from_before_has_it(
    parts: Parts, label: Label
) -> None:
    new = await parts.sign_in()
    user = new.session.user
    online, offline = await parts.grant(new), await parts.grant(new, offline=True)
    stranger = await parts.sign_in()

    async def give() -> int | None:
        return await parts.db.run(
            change_label, parts.lists, user.id, label, "admin", give=True, info=INFO, now=NOW
        )

    assert await give() == 2
    assert await find(parts, new.raw) is None
    assert await parts.is_ended(online.family.id)
    assert not await parts.is_ended(offline.family.id)
    again = await parts.sign_in(user)
    assert again.session.user == replace(user, **{f"{label.value}s": frozenset({"admin"})})
    assert await give() is None, "nothing was changed"
    assert await find(parts, again.raw) is not None, "so nothing was ended"
    assert await find(parts, stranger.raw) is not None


@pytest.mark.threat("6819-4.4.3.2", off="admit.issuer.accounts.transactions:end_after_change")
async def test_who_becomes_an_operator_leaves_no_grant_behind_that_somebody_else_gave(parts: Parts) -> None:
    new = await parts.sign_in()
    grants = [await parts.grant(new), await parts.grant(new, offline=True)]
    user_id = new.session.user.id
    ended = await parts.db.run(
        change_label, parts.lists, user_id, Label.ROLE, "admit:admin", give=True, info=INFO, now=NOW
    )
    assert ended == 3
    assert [await parts.is_ended(grant.family.id) for grant in grants] == [True, True]


@pytest.mark.parametrize("label", Label)
@pytest.mark.threat("SES-6", off="admit.issuer.accounts.transactions:end_after_change")
async def test_a_role_or_group_that_is_taken_ends_all_that_was_begun_with_it(
    parts: Parts, label: Label
) -> None:
    user = await parts.user(**{f"{label.value}s": frozenset({"admin"})})
    new = await parts.sign_in(user)
    grants = [await parts.grant(new), await parts.grant(new, offline=True)]
    code = await parts.code(new)
    ended = await parts.db.run(
        change_label, parts.lists, user.id, label, "admin", give=False, info=INFO, now=NOW
    )
    assert ended == 3
    assert await find(parts, new.raw) is None
    assert [await parts.is_ended(grant.family.id) for grant in grants] == [True, True]
    assert await parts.redeem(code) == Refused(Refusal.PARENT_ENDED)
    again = await parts.sign_in(user)
    assert not again.session.user.roles | again.session.user.groups
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "user.changed"]
    assert json.loads(told["detail"]) == {
        "change": f"{label.value} removed", label.value: "admin", "ended": 3,
    }  # fmt: skip
