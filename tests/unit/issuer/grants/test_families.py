"""Refresh tokens on both databases."""

import hashlib
import json
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from datetime import timedelta

import pytest

from admit.errors import ConfigError, StorageUnavailableError
from admit.issuer.audit import RequestInfo
from admit.issuer.grants import refresh_token
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.families import Families
from admit.issuer.grants.records import Redeemed, Refreshed, Refusal, Refused
from admit.issuer.grants.sweep import sweep
from admit.issuer.storage import Bound, Database, Keyring, Row
from tests.fixtures.people import CLIENT, INFO, NOW, Parts
from tests.fixtures.storage import OpenAgain

DAY = 86_400.0


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


@pytest.mark.rfc("9700", "4.14.2")
async def test_a_public_clients_token_is_replaced_at_each_use(parts: Parts) -> None:
    grant = await parts.grant()
    one = await parts.refresh(grant.refresh_token, now=NOW + 300)
    assert isinstance(one, Refreshed)
    two = await parts.refresh(one.refresh_token, now=NOW + 600)
    assert len({grant.refresh_token, one.refresh_token, two.refresh_token}) == 3
    assert two.family.generation == 2
    assert (two.family.rotated_at, two.family.used_at) == (NOW + 600, NOW + 600)
    assert two.family.scope == grant.family.scope
    assert (await parts.events()).count("token.refreshed") == 2


async def test_a_confidential_clients_token_stays_and_its_use_is_noted_once_a_minute(parts: Parts) -> None:
    grant = await parts.grant()
    for seconds, noted in ((30, 0), (100, 100), (130, 100), (161, 161)):
        again = await parts.refresh(grant.refresh_token, rotates=False, now=NOW + seconds)
        assert again.refresh_token == grant.refresh_token
        stored = await parts.families.get(grant.family.id)
        assert stored is not None
        assert (stored.generation, stored.used_at) == (0, NOW + noted)


async def test_a_family_is_found_by_its_index_and_shown_by_a_token_that_would_be_taken(parts: Parts) -> None:
    grant, other = await parts.grant(), await parts.grant()
    families, id = parts.families, grant.family.id
    for one in (grant, other):
        assert await families.at(one.family.idx) == await families.get(one.family.id)
    assert await families.at(grant.family.idx + 1_000) is None
    assert await families.at(1 << 62) is None

    async def is_shown(token: str | None, *, client_id: str = CLIENT, now: float = NOW + 60) -> bool:
        found = await families.shown(token or "", client_id=client_id, rotates=True, now=now)
        return found is not None and found.id == id

    assert await is_shown(grant.refresh_token)
    assert await is_shown(grant.refresh_token), "nothing is used up"
    assert not await is_shown(grant.refresh_token, client_id="other")
    assert not await is_shown((grant.refresh_token or "")[:-4] + "AAAA")
    assert not await is_shown("garbage")
    stored = await families.get(id)
    assert stored is not None
    assert not await is_shown(grant.refresh_token, now=families.good_until(stored))
    rotated = await parts.refresh(grant.refresh_token, now=NOW + 70)
    assert await is_shown(rotated.refresh_token, now=NOW + 200)
    assert not await is_shown(grant.refresh_token, now=NOW + 200), (
        "a reuse: told, and ended by nobody's asking"
    )
    assert not await parts.is_ended(id)
    assert not await families.revoke_family(id, client_id="other", info=INFO, now=NOW + 201)
    assert await families.revoke_family(id, client_id=CLIENT, info=INFO, now=NOW + 201)
    assert not await is_shown(rotated.refresh_token, now=NOW + 202)
    assert await parts.is_ended(id)
    assert not await parts.is_ended(other.family.id)


@pytest.mark.threat("9700-refresh", off="admit.issuer.grants.rules:is_reuse")
async def test_a_lost_reply_gets_the_same_successor_for_thirty_seconds_and_then_ends_the_family(
    parts: Parts,
) -> None:
    grant = await parts.grant()
    one = await parts.refresh(grant.refresh_token, now=NOW + 100)
    again = await parts.refresh(grant.refresh_token, now=NOW + 129)
    assert again.refresh_token == one.refresh_token
    assert await parts.refresh(grant.refresh_token, now=NOW + 131) == Refused(Refusal.REUSED)
    assert await parts.refresh(one.refresh_token, now=NOW + 132) == Refused(Refusal.ENDED)
    assert await parts.is_ended(grant.family.id)
    assert "refresh.reused" in await parts.events()


@pytest.mark.threat("6819-4.1.2", off="admit.issuer.grants.rules:is_reuse")
@pytest.mark.threat("9700-refresh", off="admit.issuer.grants.rules:is_reuse")
async def test_a_token_behind_a_used_successor_ends_the_family_inside_the_grace_too(parts: Parts) -> None:
    grant = await parts.grant()
    one = await parts.refresh(grant.refresh_token, now=NOW + 1)
    two = await parts.refresh(one.refresh_token, now=NOW + 2)
    assert await parts.refresh(grant.refresh_token, now=NOW + 3) == Refused(Refusal.REUSED)
    assert await parts.is_ended(grant.family.id)
    assert await parts.refresh(two.refresh_token, now=NOW + 4) == Refused(Refusal.ENDED)


@pytest.mark.threat("6819-4.1.2", off="admit.issuer.grants.rules:bound_to")
async def test_a_token_of_one_client_is_worth_nothing_to_another_and_ends_nothing(parts: Parts) -> None:
    grant = await parts.grant()
    assert await parts.refresh(grant.refresh_token, client_id="other") == Refused(Refusal.CLIENT)
    assert isinstance(await parts.refresh(grant.refresh_token), Refreshed)


async def test_a_user_lists_and_ends_grants_one_by_one(parts: Parts) -> None:
    new = await parts.sign_in()
    user_id = new.session.user.id
    one, two = await parts.grant(new), await parts.grant(new, now=NOW + 1, offline=True)
    stranger = await parts.sign_in()
    assert [family.id for family in await parts.families.list(user_id, NOW)] == [two.family.id, one.family.id]

    async def end(family_id: str, by: str) -> bool:
        return await parts.families.end(family_id, user_id=by, reason="ended by user", info=INFO, now=NOW + 2)

    assert not await end(one.family.id, stranger.session.user.id)
    for nothing in ("", "\0", "\ud800", "x" * 10_000):
        assert not await end(nothing, user_id)
        assert await parts.families.get(nothing) is None
    assert await end(one.family.id, user_id)
    assert not await end(one.family.id, user_id)
    assert await parts.is_ended(one.family.id)
    assert [family.id for family in await parts.families.list(user_id, NOW + 2)] == [two.family.id]
    assert await parts.refresh(one.refresh_token, now=NOW + 3) == Refused(Refusal.ENDED)
    assert isinstance(await parts.refresh(two.refresh_token, now=NOW + 3), Refreshed)


async def test_all_that_a_user_gave_a_client_ends_and_no_code_on_its_way_is_worth_anything(
    parts: Parts,
) -> None:
    new = await parts.sign_in()
    user_id = new.session.user.id
    grants = [await parts.grant(new), await parts.grant(new, offline=True)]
    elsewhere = await parts.grant(new, client_id="other")
    stranger = await parts.grant()
    code, others_code = await parts.code(new), await parts.code(new, client_id="other")
    ended = await parts.families.end_of_user_and_client(user_id, CLIENT, reason="x", info=INFO, now=NOW + 1)
    assert ended == 2
    assert [await parts.is_ended(grant.family.id) for grant in grants] == [True, True]
    assert not await parts.is_ended(elsewhere.family.id)
    assert not await parts.is_ended(stranger.family.id)
    assert await parts.redeem(code, now=NOW + 1) == Refused(Refusal.EXPIRED)
    assert isinstance(await parts.redeem(others_code, now=NOW + 1, client_id="other"), Redeemed)
    assert (await parts.events()).count("grant.ended") == 2
    again = await parts.families.end_of_user_and_client(user_id, CLIENT, reason="x", info=INFO, now=NOW + 1)
    assert again == 0
    assert isinstance(await parts.redeem(await parts.code(new, now=NOW + 2), now=NOW + 2), Redeemed)


async def test_all_of_a_client_ends_whoever_gave_it_and_it_may_be_granted_more(parts: Parts) -> None:
    ada, bo = await parts.sign_in(), await parts.sign_in()
    grants = [await parts.grant(ada), await parts.grant(bo), await parts.grant(bo, offline=True)]
    other = await parts.grant(ada, client_id="other")
    code = await parts.code(ada)
    listed = await parts.families.of_client(CLIENT, NOW)
    assert {family.id for family in listed} == {grant.family.id for grant in grants}
    assert len(await parts.families.of_client(CLIENT, NOW, limit=2)) == 2
    info = RequestInfo(actor="command line")
    assert await parts.families.end_of_client(CLIENT, reason="x", info=info, now=NOW + 1) == 3
    assert [await parts.is_ended(grant.family.id) for grant in grants] == [True] * 3
    assert not await parts.is_ended(other.family.id)
    assert await parts.redeem(code, now=NOW + 1) == Refused(Refusal.EXPIRED)
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "client.grants_ended"]
    assert (told["client_id"], told["user_id"], told["actor"]) == (CLIENT, None, "command line")
    assert await parts.families.of_client(CLIENT, NOW + 1) == []
    assert isinstance(await parts.redeem(await parts.code(ada, now=NOW + 2), now=NOW + 2), Redeemed)


async def test_an_operator_ends_a_grant_whoever_gave_it(parts: Parts) -> None:
    new = await parts.sign_in()
    grant = await parts.grant(new)
    info = RequestInfo(actor="command line")

    async def end(family_id: str) -> bool:
        return await parts.families.end_whosever(family_id, reason="x", info=info, now=NOW)

    for nothing in ("", "nothing", "\0", "x" * 10_000, new.session.id):
        assert not await end(nothing)
    assert await end(grant.family.id)
    assert not await end(grant.family.id)
    assert await parts.is_ended(grant.family.id)
    assert await parts.sessions.list(new.session.user.id, NOW)
    (told,) = [row for row in await parts.rows("audit") if row["event"] == "grant.ended"]
    assert (told["user_id"], told["client_id"], told["actor"]) == (
        new.session.user.id,
        CLIENT,
        "command line",
    )


@pytest.mark.threat("6819-4.5.2", off="admit.issuer.grants.refresh_token:compute_mac")
async def test_who_read_the_database_cannot_write_a_token(parts: Parts) -> None:
    grant = await parts.grant()
    assert grant.refresh_token is not None
    mac = grant.refresh_token.split(".")[3]
    tables = ("grant_family", "node", "audit", "meta", "authorization_code")
    rows = [list(row) for table in tables for row in await parts.rows(table)]
    flat = [value if isinstance(value, bytes) else str(value).encode() for row in rows for value in row]
    assert all(mac.encode() not in value for value in flat)
    (row,) = await parts.rows("grant_family")
    kid = parts.db.keyring.current
    salt = bytes(row["salt"])
    head = f"{row['node_id']}.{row['generation']}"
    made = hashlib.sha256(salt + head.encode()).digest()
    for guess in (made, salt + salt, hashlib.sha256(salt).digest()):
        forged = f"{kid}.{head}.{urlsafe_b64encode(guess).rstrip(b'=').decode()}"
        assert await parts.refresh(forged) == Refused(Refusal.FORGED)
    for text in (row["node_id"], salt.hex(), f"{kid}.{head}.{salt.hex()}"):
        assert isinstance(await parts.refresh(text), Refused)


@pytest.mark.threat("6819-4.5.3", off="admit.issuer.grants.refresh_token:is_genuine")
async def test_an_altered_token_is_refused_and_its_family_lives(parts: Parts) -> None:
    grant = await parts.grant()
    token = grant.refresh_token
    assert token is not None
    for at in range(0, len(token), 3):
        altered = token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
        assert isinstance(await parts.refresh(altered), Refused), at
    kid, family, _, mac = token.split(".")
    for generation in ("1", "2", "99999"):
        assert await parts.refresh(f"{kid}.{family}.{generation}.{mac}") == Refused(Refusal.FORGED)
    assert await parts.refresh("garbage") == Refused(Refusal.FORGED)
    assert not await parts.is_ended(grant.family.id)
    assert isinstance(await parts.refresh(token), Refreshed)


async def test_a_generation_that_the_database_has_not_reached_ends_nothing_and_is_told(parts: Parts) -> None:
    grant = await parts.grant()
    kid, key = parts.db.keyring.derive(refresh_token.PURPOSE)
    ahead = refresh_token.write(kid, key, grant.family.id, 3, grant.family.salt)
    assert await parts.refresh(ahead) == Refused(Refusal.AHEAD)
    assert not await parts.is_ended(grant.family.id)
    assert "refresh.ahead" in await parts.events()


@pytest.mark.threat("9700-refresh", off="admit.issuer.grants.rules:over")
async def test_an_offline_grant_ends_idle_after_fourteen_days_and_for_good_after_ninety(parts: Parts) -> None:
    new = await parts.sign_in()
    idle = await parts.grant(new, offline=True)
    assert await parts.refresh(idle.refresh_token, now=NOW + 14 * DAY) == Refused(Refusal.IDLE)
    used = await parts.grant(new, offline=True)
    token: str | None = used.refresh_token
    for day in range(13, 90, 13):
        refreshed = await parts.refresh(token, now=NOW + day * DAY)
        assert isinstance(refreshed, Refreshed)
        token = refreshed.refresh_token
    assert await parts.refresh(token, now=NOW + 90 * DAY) == Refused(Refusal.EXPIRED)


async def test_an_online_grant_ends_with_its_session_and_idle_after_eight_hours(parts: Parts) -> None:
    new = await parts.sign_in()
    grant, idle = await parts.grant(new), await parts.grant(new)
    assert await parts.refresh(idle.refresh_token, now=NOW + 8 * 3600) == Refused(Refusal.IDLE)
    await parts.sessions.end(
        new.session.id, user_id=new.session.user.id, reason="logout", info=INFO, now=NOW + 1
    )
    assert await parts.refresh(grant.refresh_token, now=NOW + 2) == Refused(Refusal.ENDED)
    assert await parts.is_ended(grant.family.id)


async def test_a_restart_forgets_nothing(parts: Parts, open_again: OpenAgain) -> None:
    grant = await parts.grant()
    one = await parts.refresh(grant.refresh_token, now=NOW + 1)
    later = await Parts.on(await open_again())
    assert await later.refresh(grant.refresh_token, now=NOW + 60) == Refused(Refusal.REUSED)
    assert await later.refresh(one.refresh_token, now=NOW + 61) == Refused(Refusal.ENDED)


async def test_a_token_of_an_older_key_of_the_keyring_is_good_and_its_successor_has_the_new_key(
    parts: Parts,
) -> None:
    grant = await parts.grant()
    assert grant.refresh_token is not None
    old = parts.db.keyring
    pair = Keyring.generate()
    merged = Keyring({**_keys(pair), **_keys(old)})
    families = Families(parts.db, parts.lists)
    families._keys = type(families._keys)(merged)
    refreshed = await families.refresh(
        grant.refresh_token, client_id=CLIENT, rotates=True, info=INFO, now=NOW
    )
    assert isinstance(refreshed, Refreshed)
    assert refreshed.refresh_token.split(".")[0] == pair.current != old.current
    assert await parts.refresh(refreshed.refresh_token) == Refused(Refusal.FORGED), (
        "a node without the new key"
    )


def _keys(keyring: Keyring) -> dict[str, bytes]:
    return dict(keyring._keys)


@pytest.mark.rfc("7009", "2.1")
async def test_a_client_revokes_its_own_grant_with_any_token_of_it(parts: Parts) -> None:
    grant = await parts.grant()
    one = await parts.refresh(grant.refresh_token, now=NOW + 1)

    async def revoke(token: str | None, client_id: str = CLIENT) -> bool:
        return await parts.families.revoke(token or "", client_id=client_id, info=INFO, now=NOW + 2)

    assert not await revoke(one.refresh_token, "other")
    assert not await revoke("garbage")
    assert not await revoke(one.refresh_token[:-4] + "AAAA")
    assert await revoke(grant.refresh_token)
    assert not await revoke(one.refresh_token)
    assert await parts.is_ended(grant.family.id)
    assert (await parts.events()).count("token.revoked") == 1


async def test_what_ended_long_ago_is_deleted_and_the_living_stay(parts: Parts) -> None:
    new = await parts.sign_in()
    ended, living = await parts.grant(new), await parts.grant(new)
    await parts.families.end(ended.family.id, user_id=new.session.user.id, reason="x", info=INFO, now=NOW + 1)
    await sweep(parts.db, NOW + 2)
    assert len(await parts.rows("grant_family")) == 2
    await sweep(parts.db, NOW + DAY + 2)
    assert [row["node_id"] for row in await parts.rows("grant_family")] == [living.family.id]
    assert await parts.refresh(ended.refresh_token, now=NOW + DAY + 3) == Refused(Refusal.UNKNOWN)


def test_settings_that_cannot_work_are_refused() -> None:
    for values in (
        {"code_lifetime": timedelta(0)},
        {"code_lifetime": timedelta(minutes=11)},
        {"refresh_grace": timedelta(seconds=301)},
        {"refresh_grace": timedelta(seconds=-1)},
        {"refresh_idle": timedelta(days=91)},
        {"kept": timedelta(seconds=1)},
    ):
        with pytest.raises(ConfigError):
            GrantsConfig(**values)
    with pytest.raises(ConfigError):
        GrantsConfig(live_grants=0)


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


class Lost:
    """A server that does what it is told, and whose answer does not arrive."""

    def __init__(self, db: Database) -> None:
        self._write, self.asked = db.write, 0
        db.write = self.write  # type: ignore[method-assign]  # loses answers

    async def write(self, bound: Bound) -> Sequence[Row]:
        self.asked += 1
        await self._write(bound)
        raise StorageUnavailableError("lost")


@on_postgresql
async def test_a_rotation_whose_outcome_is_not_known_gives_the_successor_that_it_made(parts: Parts) -> None:
    grant = await parts.grant()
    lost = Lost(parts.db)
    one = await parts.refresh(grant.refresh_token, now=NOW + 300)
    assert lost.asked == 1
    assert isinstance(one, Refreshed)
    assert one.family.generation == 1
    two = await parts.refresh(one.refresh_token, now=NOW + 600)
    assert two.family.generation == 2


@on_postgresql
async def test_without_grace_an_unknown_outcome_is_told_and_ends_nothing(db: Database) -> None:
    parts = await Parts.on(db, grants=GrantsConfig(refresh_grace=timedelta(0)))
    grant = await parts.grant()
    Lost(db)
    with pytest.raises(StorageUnavailableError):
        await parts.refresh(grant.refresh_token, now=NOW + 300)
    assert not await parts.is_ended(grant.family.id)


async def test_the_use_of_an_online_grant_is_a_use_of_its_session_and_of_an_offline_one_is_not(
    parts: Parts,
) -> None:
    async def last_seen() -> float:
        [row] = await parts.rows("session")
        return float(row["last_seen_at"])

    new = await parts.sign_in()
    online, offline = await parts.grant(new), await parts.grant(new, offline=True)
    await parts.refresh(offline.refresh_token, now=NOW + 300)
    assert await last_seen() == NOW
    one = await parts.refresh(online.refresh_token, now=NOW + 300)
    assert await last_seen() == NOW + 300
    await parts.refresh(one.refresh_token, now=NOW + 330)
    assert await last_seen() == NOW + 300, "at most once a minute"


async def test_the_record_of_a_rotation_says_whose_and_which(parts: Parts) -> None:
    """What the audit cannot be told is not done."""
    grant = await parts.grant()
    one = await parts.refresh(grant.refresh_token, now=NOW + 60)
    [told] = [row for row in await parts.rows("audit") if row["event"] == "token.refreshed"]
    assert json.loads(told["detail"]) == {"grant": grant.family.id, "generation": 1}
    assert (told["user_id"], told["client_id"], told["session_id"]) == (
        grant.family.user_id,
        CLIENT,
        grant.family.session_id,
    )
    assert one.family.generation == 1
