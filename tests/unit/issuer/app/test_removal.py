"""A person who is removed: everything of theirs is over and gone, the address is free, the `sub` is nobody's again."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy import select

from admit.errors import RevokedError
from admit.issuer.accounts.errors import UserNotFoundError
from admit.issuer.app import removal
from admit.issuer.audit.records import NOBODY
from admit.issuer.audit.store import audit
from admit.issuer.revocation.store import holder
from admit.issuer.storage import Keyring, Statement
from admit.issuer.storage.schema import metadata
from tests.fixtures.issuer import ADA, BO, LiveIssuer, add_people, make_issuer, settings_for

pytestmark = pytest.mark.anyio
# What may name a removed person: by the id alone, and of the audit what happened.
NAMED_IN = {"audit", "grant_family", "node", "client_login", "authorization_code"}


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
async def either(
    request: pytest.FixtureRequest, furnished_sqlite: str, keyring: Keyring
) -> AsyncIterator[LiveIssuer]:
    url = furnished_sqlite if request.param == "sqlite" else request.getfixturevalue("postgresql_url")
    made = make_issuer(settings_for(url), keyring)
    async with made.lifespan():
        if request.param == "postgresql":
            await add_people(made)
        yield made
        for one in made.open_browsers:
            await one.aclose()


async def id_of(issuer: LiveIssuer, who: str) -> str:
    found = await issuer.services.accounts.find(who)
    assert found is not None
    return found.id


async def tables_naming(issuer: LiveIssuer, user_id: str) -> set[str]:
    """Every table with a row whose `user_id` (or, of accounts, `id`) is this one."""
    found = set()
    for name, table in metadata.tables.items():
        column = table.c.id if name == "user_account" else table.c.get("user_id")
        if column is None:
            continue
        if await issuer.db.read(Statement(select(column).where(column == user_id).limit(1))()):
            found.add(name)
    return found


async def test_everything_of_a_person_is_over_and_gone_and_nobody_elses_is(either: LiveIssuer) -> None:
    issuer = either
    browser, other = issuer.browser("192.0.2.77"), issuer.browser()
    tokens = await browser.tokens(client="native", scope="openid profile offline_access orders:own")
    bos = await other.tokens(BO)
    user_id = await id_of(issuer, ADA[0])
    await issuer.services.accounts.add_group(user_id, "people", info=NOBODY, now=issuer.clock())
    code, verifier = await browser.code(client="native", scope="openid orders:own")
    assert await issuer.verifier.verify(tokens["access_token"])
    before = await tables_naming(issuer, user_id)
    assert {"user_account", "user_role", "user_group", "session", "known_device"} <= before

    assert await issuer.remove_user(user_id, actor="test") >= 2

    assert await tables_naming(issuer, user_id) <= NAMED_IN
    rows = await issuer.db.read(Statement(select(audit).where(audit.c.user_id == user_id))())
    assert {"login.succeeded", "user.removed"} <= {row["event"] for row in rows}
    assert {row["ip"] for row in rows} == {None}
    everything = await issuer.db.read(Statement(select(audit))())
    assert not any("192.0.2.77" in repr(tuple(row[c.name] for c in audit.c)) for row in everything)
    with pytest.raises(RevokedError):
        await issuer.verifier.verify(tokens["access_token"])
    assert (await browser.get("/account")).status_code == 303
    assert (await browser.refresh(tokens["refresh_token"], "native")).json()["error"] == "invalid_grant"
    assert (await browser.redeem(code, verifier, "native")).json()["error"] == "invalid_grant"
    assert (await browser.redeem(code, "wrong" * 10, "native")).json()["error"] == "invalid_grant"
    rows = await issuer.db.read(Statement(select(audit).where(audit.c.user_id == user_id))())
    assert sum(row["event"] == "token.refused" for row in rows) >= 2
    assert {row["ip"] for row in rows} == {None}, "nor is it told afterwards where they are"
    told = await browser.get("/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert told.status_code == 401
    assert await issuer.verifier.verify(bos["access_token"])
    assert (await other.get("/account")).status_code == 200


async def test_the_address_is_free_and_the_id_is_nobodys_again(issuer: LiveIssuer) -> None:
    user_id = await id_of(issuer, BO[0])
    await issuer.remove_user(user_id)
    with pytest.raises(UserNotFoundError):
        await issuer.remove_user(user_id)
    accounts, now = issuer.services.accounts, issuer.clock()
    with pytest.raises(UserNotFoundError):
        await accounts.enable(user_id, info=NOBODY, now=now)
    new = await accounts.add(email=BO[0], name="Another", password="three other words", info=NOBODY, now=now)
    assert new.id != user_id
    assert (await issuer.browser().sign_in((BO[0], "three other words", "", ()))).status_code == 303
    assert (await issuer.browser().sign_in(BO)).status_code != 303
    [row] = await issuer.db.read(Statement(select(holder).where(holder.c.id == user_id))())
    assert row["ended_at"] is not None


def test_every_table_that_names_people_is_thought_of() -> None:
    """A new one either forgets who is removed, or may name them by id."""
    forgotten = {
        "session", "second_factor", "recovery_code", "pending_sign_in", "consent", "outbox", "known_device",
        "email_link", "user_role", "user_group", "sign_in_answer",
    }  # fmt: skip
    naming = {name for name, table in metadata.tables.items() if "user_id" in table.c}
    assert naming == forgotten | NAMED_IN
    assert len(removal.kept_of("u_x")) >= 7
