"""The change of a password as one transaction, on both databases."""

from dataclasses import replace

import pytest

from admit.errors import SessionError
from admit.issuer.accounts.passwords import dummy_hash
from admit.issuer.outbox import MailConfig, Outbox
from admit.issuer.sessions.driver import Sessions
from admit.issuer.sessions.records import NewSession
from admit.issuer.sessions.rules import hash_id
from tests.fixtures.people import INFO, NOW, Parts

pytestmark = pytest.mark.slow
CONFIG = MailConfig(url="smtp://localhost:2525", sender="Admit <no-reply@id.example>")


@pytest.fixture
def sessions(parts: Parts) -> Sessions:
    return Sessions(parts.db, parts.lists, outbox=Outbox(CONFIG, parts.db.keyring))


async def change(sessions: Sessions, new: NewSession, *, version: int = 1) -> NewSession:
    user = replace(new.session.user, credential_version=version)
    return await sessions.change_password(
        new.raw, new.session, user, dummy_hash() + "x", info=INFO, now=NOW + 1
    )


async def test_all_of_it_is_done_together_and_told_by_mail(parts: Parts, sessions: Sessions) -> None:
    here = await parts.sign_in()
    user = here.session.user
    there, grant = await parts.sign_in(user), await parts.grant(here)
    changed = await change(sessions, here)
    assert changed.raw != here.raw
    assert changed.session.id == here.session.id
    assert changed.session.user.credential_version == 2
    assert await sessions.find(hash_id(changed.raw), NOW + 1) is not None
    assert await sessions.find(hash_id(here.raw), NOW + 1) is None
    assert await sessions.find(hash_id(there.raw), NOW + 1) is None
    assert await parts.is_ended(grant.family.id)
    (account,) = await parts.rows("user_account")
    assert account["password_hash"] == dummy_hash() + "x"
    assert [(row["kind"], row["user_id"]) for row in await parts.rows("outbox")] == [
        ("password_changed", user.id)
    ]


@pytest.mark.parametrize("how", ["another password", "another id", "ended", "somebody else's"])
async def test_what_changed_meanwhile_leaves_everything_as_it_was(
    parts: Parts, sessions: Sessions, how: str
) -> None:
    here = await parts.sign_in()
    there = await parts.sign_in(here.session.user)
    if how == "another id":
        await change(sessions, here)
    elif how == "ended":
        await parts.sessions.end(
            here.session.id, user_id=here.session.user.id, reason="test", info=INFO, now=NOW
        )
    elif how == "somebody else's":
        here = replace(here, raw=(await parts.sign_in()).raw)
    before = {name: await parts.rows(name) for name in ("user_account", "outbox", "session", "node")}
    version = {"another password": 7, "another id": 2}.get(how, 1)
    with pytest.raises(SessionError):
        await change(sessions, here, version=version)
    assert {name: await parts.rows(name) for name in before} == before
    alive = await sessions.find(hash_id(there.raw), NOW + 1)
    assert (alive is None) == (how == "another id")
