"""Signing keys: one winner among nodes, published before use, kept after it, sealed always."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import text

from admit.errors import ConfigError, KeysUnavailableError
from admit.issuer.keys import KeyEvent, KeyEventKind, KeysConfig, KeySnapshot, KeyState, SigningKeys
from admit.issuer.keys.store import SELECT_KEYS
from admit.issuer.storage import Bound, Database, Keyring, Statement, bound_once
from tests.fixtures.storage import OpenAgain

NOW = 1_800_000_000.0
HOUR, DAY = 3_600.0, 86_400.0
ES_ONLY = KeysConfig(algorithms=(("token", "ES256"), ("status", "ES256")))


@pytest.fixture
async def keys(db: Database) -> SigningKeys:
    made = SigningKeys(db, ES_ONLY)
    await made.ensure(NOW)
    return made


def kids(snapshot: KeySnapshot, state: KeyState, purpose: str = "token") -> list[str]:
    return [key.kid for key in snapshot.keys if (key.state, key.purpose) == (state, purpose)]


def published(snapshot: KeySnapshot) -> set[str]:
    shown = {key["kid"] for key in json.loads(snapshot.jwks_bytes)["keys"]}
    assert shown == {key.kid for key in snapshot.published()}
    return shown


async def test_the_first_key_of_each_kind_is_active_and_published_at_once(db: Database) -> None:
    snapshot = await SigningKeys(db).ensure(NOW)
    assert {(key.purpose, key.alg, key.state) for key in snapshot.keys} == {
        ("token", "ES256", "active"),
        ("token", "RS256", "active"),
        ("status", "ES256", "active"),
    }
    assert published(snapshot) == snapshot.known_kids == {key.kid for key in snapshot.keys}
    assert snapshot.signer("token", "RS256").alg == "RS256"
    assert snapshot.signer("status", "ES256").kid in published(snapshot)


async def test_a_status_keys_kid_says_so_and_no_token_keys_does(db: Database) -> None:
    snapshot = await SigningKeys(db).ensure(NOW)
    assert {key.kid.startswith("status-") for key in snapshot.keys if key.purpose == "status"} == {True}
    assert {key.kid.startswith("status-") for key in snapshot.keys if key.purpose == "token"} == {False}


async def test_tokens_are_verified_with_keys_that_sign_tokens(keys: SigningKeys) -> None:
    first = keys.snapshot.signer("token", "ES256").kid
    assert (
        [key.kid for key in keys.snapshot.token_keys]
        == [key.kid for key in keys.snapshot.hint_keys]
        == [first]
    )
    assert keys.snapshot.signer("status", "ES256").kid in published(keys.snapshot) & keys.snapshot.known_kids


async def test_the_published_set_has_no_private_member(keys: SigningKeys) -> None:
    for key in json.loads(keys.snapshot.jwks_bytes)["keys"]:
        assert not {"d", "p", "q", "dp", "dq", "qi", "k"} & key.keys()
        assert key["use"] == "sig"


async def test_before_ensure_there_is_nothing_to_sign_with(db: Database) -> None:
    with pytest.raises(KeysUnavailableError):
        SigningKeys(db).snapshot.signer("token", "ES256")


async def test_another_node_and_a_restart_find_the_same_keys(
    keys: SigningKeys, open_again: OpenAgain
) -> None:
    other = SigningKeys(await open_again(), ES_ONLY)
    await other.ensure(NOW + 1)
    assert other.snapshot.jwks_bytes == keys.snapshot.jwks_bytes
    assert other.snapshot.signer("token", "ES256") == keys.snapshot.signer("token", "ES256")


async def test_twenty_nodes_starting_at_once_end_with_one_active_key_of_each_kind(
    open_again: OpenAgain,
) -> None:
    databases = [await open_again(), await open_again()]
    nodes = [SigningKeys(databases[n % 2], ES_ONLY) for n in range(20)]
    snapshots = await asyncio.gather(*(node.ensure(NOW) for node in nodes))
    rows = await databases[0].read(SELECT_KEYS())
    assert sorted((row["purpose"], row["alg"], row["state"]) for row in rows) == [
        ("status", "ES256", "active"),
        ("token", "ES256", "active"),
    ]
    assert len({snapshot.jwks_bytes for snapshot in snapshots}) == 1
    assert len({snapshot.signer("token", "ES256") for snapshot in snapshots}) == 1


async def test_a_whole_life_next_active_retiring_gone_forgotten(keys: SigningKeys) -> None:
    first = keys.snapshot.signer("token", "ES256").kid
    assert first is not None

    await keys.advance(NOW + 89 * DAY - 1)
    assert kids(keys.snapshot, KeyState.NEXT) == []

    await keys.advance(NOW + 89 * DAY)
    (second,) = kids(keys.snapshot, KeyState.NEXT)
    assert published(keys.snapshot) >= {first, second}
    assert keys.snapshot.signer("token", "ES256").kid == first

    await keys.advance(NOW + 90 * DAY - 1)
    assert keys.snapshot.signer("token", "ES256").kid == first
    await keys.advance(NOW + 90 * DAY)
    assert keys.snapshot.signer("token", "ES256").kid == second
    assert kids(keys.snapshot, KeyState.RETIRING) == [first]
    assert published(keys.snapshot) >= {first, second}

    await keys.advance(NOW + 91 * DAY - 1)
    assert first in published(keys.snapshot)
    await keys.advance(NOW + 91 * DAY)
    assert first not in published(keys.snapshot)
    assert first in keys.snapshot.known_kids
    assert keys.snapshot.known.find(first, "ES256").is_private is False
    assert first in {key.kid for key in keys.snapshot.hint_keys}
    assert first not in {key.kid for key in keys.snapshot.token_keys}

    await keys.advance(NOW + 121 * DAY - 1)
    assert first in keys.snapshot.known_kids
    await keys.advance(NOW + 121 * DAY)
    assert first not in keys.snapshot.known_kids


async def test_a_key_made_late_is_still_published_long_enough_before_use(keys: SigningKeys) -> None:
    late = NOW + 200 * DAY
    await keys.advance(late)
    (following,) = [key for key in keys.snapshot.keys if (key.state, key.purpose) == ("next", "token")]
    assert following.activates_at == late + DAY


async def test_all_nodes_advancing_at_once_turn_each_key_once(
    keys: SigningKeys, open_again: OpenAgain
) -> None:
    other = await open_again()
    nodes = [keys, *(SigningKeys(other, ES_ONLY) for _ in range(9))]
    for at in (89 * DAY, 90 * DAY, 90 * DAY + 1):
        await asyncio.gather(*(node.advance(NOW + at) for node in nodes))
    snapshot = await keys.refresh(NOW)
    assert len(kids(snapshot, KeyState.ACTIVE)) == len(kids(snapshot, KeyState.RETIRING)) == 1
    assert len(snapshot.keys) == 4


async def test_rotation_by_hand_makes_the_next_key_and_a_second_call_no_other(keys: SigningKeys) -> None:
    ready = await keys.rotate("ES256", NOW + 10)
    assert (ready.state, ready.activates_at) == (KeyState.NEXT, NOW + 10 + DAY)
    again = await keys.rotate("ES256", NOW + HOUR)
    assert (again.kid, again.activates_at) == (ready.kid, NOW + 10 + DAY)
    assert kids(keys.snapshot, KeyState.NEXT, "status") == []


async def test_rotation_by_hand_brings_a_key_that_is_long_known_forward(keys: SigningKeys) -> None:
    config = KeysConfig(
        algorithms=ES_ONLY.algorithms, publish_ahead=timedelta(hours=24), rotate_every=timedelta(days=90)
    )
    assert config.publish_ahead == timedelta(hours=24)
    await keys.advance(NOW + 89 * DAY)
    (ready,) = kids(keys.snapshot, KeyState.NEXT)
    at_once = await keys.rotate("ES256", NOW + 90 * DAY - 1)
    assert at_once.activates_at == NOW + 90 * DAY
    turned = await keys.rotate("ES256", NOW + 90 * DAY)
    assert (turned.kid, turned.state) == (ready, KeyState.ACTIVE)


async def test_rotating_what_is_not_configured_is_refused(keys: SigningKeys) -> None:
    with pytest.raises(ConfigError, match="no such kind"):
        await keys.rotate("HS256", NOW)


async def test_a_revoked_active_key_is_replaced_unpublished_and_named(keys: SigningKeys) -> None:
    stolen = keys.snapshot.signer("token", "ES256").kid
    assert stolen is not None
    assert await keys.revoke(stolen, NOW + 5)
    snapshot = keys.snapshot
    assert snapshot.signer("token", "ES256").kid != stolen
    assert stolen not in published(snapshot) | snapshot.known_kids
    assert snapshot.revoked_kids == {stolen}
    rows = [row for row in await keys._db.read(SELECT_KEYS()) if row["revoked_at"] is not None]
    assert [row["kid"] for row in rows] == [stolen]
    assert not await keys.revoke(stolen, NOW + 6)
    assert not await keys.revoke("nobody", NOW + 6)


async def test_a_key_that_stands_ready_takes_over_from_a_revoked_one(keys: SigningKeys) -> None:
    stolen = keys.snapshot.signer("token", "ES256").kid
    assert stolen is not None
    ready = await keys.rotate("ES256", NOW + 10)
    await keys.revoke(stolen, NOW + 20)
    assert keys.snapshot.signer("token", "ES256").kid == ready.kid
    assert kids(keys.snapshot, KeyState.NEXT) == []


async def test_nodes_that_revoke_at_once_end_with_one_key_that_signs(
    keys: SigningKeys, open_again: OpenAgain
) -> None:
    stolen = keys.snapshot.signer("token", "ES256").kid
    assert stolen is not None
    other = await open_again()
    nodes = [keys, *(SigningKeys(other, ES_ONLY) for _ in range(5))]
    revoked = await asyncio.gather(*(node.revoke(stolen, NOW + 5) for node in nodes))
    assert sum(revoked) == 1
    snapshot = await keys.refresh(NOW + 6)
    assert len(kids(snapshot, KeyState.ACTIVE)) == 1
    assert snapshot.revoked_kids == {stolen}


async def test_a_revoked_key_is_named_as_long_as_verifiers_may_hold_it(keys: SigningKeys) -> None:
    stolen = keys.snapshot.signer("token", "ES256").kid
    assert stolen is not None
    await keys.revoke(stolen, NOW)
    await keys.advance(NOW + 29 * DAY)
    assert keys.snapshot.revoked_kids == {stolen}
    await keys.advance(NOW + 30 * DAY)
    assert keys.snapshot.revoked_kids == frozenset()


async def test_a_refresh_without_a_change_keeps_the_snapshot(keys: SigningKeys) -> None:
    before = keys.snapshot
    assert await keys.refresh(NOW + 1) is before


async def test_every_change_is_told_in_its_transaction_and_only_by_the_winner(open_again: OpenAgain) -> None:
    told: list[KeyEvent] = []
    note = Statement(
        text(
            "INSERT INTO meta (key, value) VALUES (:kid, :kind)"
        ).bindparams()  # a stand-in for the audit table
    )

    def tell(event: KeyEvent) -> Bound:
        told.append(event)
        return note(kid=f"{event.kind}:{event.kid}", kind=event.kind.value)

    databases = [await open_again(), await open_again()]
    nodes = [SigningKeys(database, ES_ONLY, tell=tell) for database in databases]
    await asyncio.gather(*(node.ensure(NOW) for node in nodes))
    stolen = nodes[0].snapshot.signer("token", "ES256").kid
    assert stolen is not None
    await nodes[0].revoke(stolen, NOW, actor="root")
    rows = await databases[0].read(Statement(text("SELECT value FROM meta WHERE key LIKE '%:%'"))())
    assert sorted(row["value"] for row in rows) == ["made", "made", "made", "revoked"]
    assert [event.actor for event in told if event.kind is KeyEventKind.REVOKED] == ["root"]


async def test_a_retired_keys_private_half_is_destroyed(keys: SigningKeys) -> None:
    await keys.advance(NOW + 89 * DAY)
    await keys.advance(NOW + 90 * DAY)
    rows = await keys._db.read(SELECT_KEYS())
    assert {row["state"]: row["private_sealed"] is None for row in rows} == {
        "retiring": True,
        "active": False,
    }


@pytest.mark.parametrize(
    "wrong",
    [
        {"publish_ahead": timedelta(hours=23)},
        {"jwks_max_age": timedelta(hours=13)},
        {"rotate_every": timedelta(hours=24)},
        {"retire_after": timedelta(hours=1)},
        {"longest_token": timedelta(hours=24)},
        {"jwks_max_age": timedelta(0)},
        {"algorithms": ()},
        {"algorithms": (("token", "ES256"), ("token", "ES256"))},
    ],
)
def test_settings_that_would_break_verifiers_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        KeysConfig(**wrong)  # type: ignore[arg-type]  # wrong values are the point


@pytest.mark.threat("INF-keys", off=["admit.issuer.keys.service:seal", "admit.issuer.keys.service:unseal"])
async def test_no_part_of_a_private_key_stands_in_the_database(db: Database, database_url: str) -> None:
    snapshot = await SigningKeys(db).ensure(NOW)
    secrets = [
        value.encode()
        for key in snapshot.signers.values()
        for name, value in key.to_dict(private=True).items()
        if name in ("d", "p", "q", "dp", "dq", "qi")
    ]
    assert len(secrets) >= 8
    for haystack in await everything(db, database_url):
        assert not [secret for secret in secrets if secret in haystack]


async def everything(db: Database, url: str) -> list[bytes]:
    """All bytes that the database keeps: SQLite's file and log, PostgreSQL's rows."""
    if db.dialect == "sqlite":
        return sqlite_bytes(url.removeprefix("sqlite:///"))
    rows = await db.read(Statement(text("SELECT to_jsonb(t)::text AS t FROM signing_key t"))())
    sealed = await db.read(Statement(text("SELECT private_sealed AS b FROM signing_key"))())
    return [row["t"].encode() for row in rows] + [row["b"] for row in sealed]


def sqlite_bytes(path: str) -> list[bytes]:
    return [file.read_bytes() for file in (Path(path), Path(f"{path}-wal")) if file.exists()]


@pytest.mark.threat("INF-keys", off="admit.issuer.storage.identity:open_canary")
async def test_a_node_with_another_keyring_refuses_to_start(keys: SigningKeys, database_url: str) -> None:
    other = Database.from_url(database_url, Keyring.generate())
    try:
        with pytest.raises(ConfigError, match=r"keys\.file") as caught:
            await other.open()
    finally:
        await other.close()
    assert "\n" not in str(caught.value)


@pytest.mark.threat("INF-keys", off="admit.issuer.keys.service:unseal")
async def test_a_sealed_key_moved_to_another_row_is_refused(db: Database, keys: SigningKeys) -> None:
    move = Statement(
        text(
            "UPDATE signing_key SET private_sealed ="
            " (SELECT private_sealed FROM signing_key WHERE purpose = 'status') WHERE purpose = 'token'"
        )
    )
    await db.run(bound_once, move())
    with pytest.raises(ConfigError, match="signing key"):
        await SigningKeys(db, ES_ONLY).ensure(NOW)
