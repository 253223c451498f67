"""Authorization requests that wait for a person, on both databases."""

import asyncio

import pytest

from admit.issuer.grants.sweep import sweep
from admit.issuer.storage import Database
from tests.fixtures.people import INFO, NOW, Parts

BROWSER, OTHER = b"b" * 32, b"o" * 32
REQUEST = {"client_id": "app", "scope": "openid", "state": "ä\n\"'", "resource": ["https://api.example"]}


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


async def begin(parts: Parts) -> str:
    return await parts.interactions.begin(client_id="app", request=REQUEST, binding=BROWSER, now=NOW)


async def test_a_request_is_kept_as_it_came_for_its_browser(parts: Parts) -> None:
    handle = await begin(parts)
    kept = await parts.interactions.get(handle, BROWSER, NOW + 1799)
    assert kept is not None
    assert kept.request == REQUEST
    assert (kept.client_id, kept.session_id, kept.expires_at) == ("app", None, NOW + 1800)


@pytest.mark.threat("SES-9", off="admit.issuer.grants.interactions:hash_binding")
async def test_another_browser_with_the_handle_has_nothing(parts: Parts) -> None:
    handle = await begin(parts)
    assert await parts.interactions.get(handle, OTHER, NOW) is None
    assert not await parts.interactions.note_session(handle, OTHER, "s", NOW)
    assert await parts.interactions.finish(handle, OTHER, NOW) is None
    code = await parts.codes.issue(
        parts.authorization(await parts.sign_in()), info=INFO, now=NOW, interaction=(handle, OTHER)
    )
    assert code is None
    assert await parts.interactions.get(handle, BROWSER, NOW) is not None


async def test_unknown_expired_and_finished_are_all_nothing(parts: Parts) -> None:
    handle = await begin(parts)
    assert await parts.interactions.get(handle + "x", BROWSER, NOW) is None
    assert await parts.interactions.get("", BROWSER, NOW) is None
    assert await parts.interactions.get(handle, BROWSER, NOW + 1800) is None
    assert await parts.interactions.finish(handle, BROWSER, NOW + 1800) is None
    assert await parts.interactions.finish(handle, BROWSER, NOW) is not None
    assert await parts.interactions.get(handle, BROWSER, NOW) is None
    assert not await parts.interactions.note_session(handle, BROWSER, "s", NOW)


async def test_a_sign_in_is_noted_and_the_request_stays(parts: Parts) -> None:
    handle = await begin(parts)
    assert await parts.interactions.note_session(handle, BROWSER, "sid", NOW)
    kept = await parts.interactions.get(handle, BROWSER, NOW)
    assert kept is not None
    assert (kept.session_id, kept.request) == ("sid", REQUEST)


@pytest.mark.threat("INF-race", off="admit.issuer.grants.interactions:finish")
async def test_one_yes_gives_one_code(parts: Parts) -> None:
    handle = await begin(parts)
    authorization = parts.authorization(await parts.sign_in())
    codes = await asyncio.gather(
        *(
            parts.codes.issue(authorization, info=INFO, now=NOW, interaction=(handle, BROWSER))
            for _ in range(10)
        )
    )
    assert sum(code is not None for code in codes) == 1
    assert len(await parts.rows("authorization_code")) == 1
    assert (await parts.events()).count("code.issued") == 1


async def test_neither_handle_nor_secret_is_stored(parts: Parts) -> None:
    handle = await begin(parts)
    (row,) = await parts.rows("interaction")
    assert handle.encode() not in b"".join(bytes(row[name]) for name in ("id_hash", "binding_hash"))
    assert bytes(row["binding_hash"]) != BROWSER


async def test_a_secret_too_short_to_bind_is_a_programming_error(parts: Parts) -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        await parts.interactions.begin(client_id="app", request={}, binding=b"short", now=NOW)


async def test_expired_ones_are_deleted(parts: Parts) -> None:
    await begin(parts)
    await sweep(parts.db, NOW + 1799)
    assert len(await parts.rows("interaction")) == 1
    await sweep(parts.db, NOW + 1801)
    assert await parts.rows("interaction") == []
