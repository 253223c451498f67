"""Sessions of who may see and end what belongs to others are shorter."""

from datetime import timedelta

import pytest

from admit.errors import ConfigError
from admit.issuer.accounts import store as accounts
from admit.issuer.accounts.rules import ADMIN_ROLE
from admit.issuer.sessions.config import SessionConfig
from admit.issuer.sessions.records import Session
from admit.issuer.sessions.rules import hash_id
from admit.issuer.storage import Database, Steps
from tests.fixtures.people import NOW, Parts

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0


async def find(parts: Parts, raw: bytes, now: float = NOW) -> Session | None:
    return await parts.sessions.find(hash_id(raw), now)


def give_role(user_id: str) -> Steps[None]:
    yield accounts.INSERT_ROLE(user_id=user_id, role=ADMIN_ROLE)


@pytest.mark.threat("SES-4", off="admit.issuer.sessions.rules:limits_of")
async def test_who_may_operate_is_out_after_half_an_hour_without_use_and_after_12_hours_at_all(
    parts: Parts,
) -> None:
    operator = await parts.user(roles=frozenset({ADMIN_ROLE}))
    idle = await parts.sign_in(operator)
    assert await find(parts, idle.raw, NOW + 30 * MINUTE - 1) is not None
    await parts.sessions.settle()
    assert await find(parts, idle.raw, NOW + 60 * MINUTE - 1) is None
    used = await parts.sign_in(operator)
    assert used.session.absolute_expires_at == NOW + 12 * HOUR
    for minutes in range(0, 12 * 60, 25):
        assert await find(parts, used.raw, NOW + minutes * MINUTE) is not None
        await parts.sessions.settle()
    assert await find(parts, used.raw, NOW + 12 * HOUR) is None


@pytest.mark.threat("SES-4", off="admit.issuer.sessions.rules:limits_of")
async def test_whoever_is_given_the_role_has_its_limits_in_the_session_that_is_open(parts: Parts) -> None:
    new = await parts.sign_in()
    assert new.session.absolute_expires_at == NOW + 30 * DAY
    at = NOW + 40 * MINUTE
    assert [one.id for one in await parts.sessions.list(new.session.user.id, at)] == [new.session.id]
    grant = await parts.grant(new)
    await parts.db.run(give_role, new.session.user.id)
    assert await find(parts, new.raw, at) is None
    assert await parts.sessions.list(new.session.user.id, at) == []
    assert await parts.sessions.sweep(at) == 1
    assert await parts.is_ended(grant.family.id), "what hangs from it ends with it"


async def test_the_sweep_leaves_everybody_elses_alone(parts: Parts) -> None:
    operator = await parts.sign_in(await parts.user(roles=frozenset({ADMIN_ROLE})))
    other = await parts.sign_in(await parts.user(roles=frozenset({"admin"})))
    assert await parts.sessions.sweep(NOW + 29 * MINUTE) == 0
    assert await parts.sessions.sweep(NOW + 31 * MINUTE) == 1
    assert await find(parts, operator.raw, NOW + MINUTE) is None
    assert await find(parts, other.raw, NOW + 31 * MINUTE) is not None


async def test_shorter_limits_for_everybody_hold_for_operators_too(db: Database) -> None:
    parts = await Parts.on(db, sessions=SessionConfig(idle=timedelta(minutes=5), absolute=timedelta(hours=1)))
    new = await parts.sign_in(await parts.user(roles=frozenset({ADMIN_ROLE})))
    assert (new.session.expires_at, new.session.absolute_expires_at) == (NOW + 5 * MINUTE, NOW + HOUR)


@pytest.mark.parametrize(
    "wrong",
    [
        {"operator_idle": timedelta(0)},
        {"operator_idle": timedelta(hours=13)},
        {"operator_idle": timedelta(seconds=30)},
    ],
    ids=["none", "longer than absolute", "shorter than use is noted"],
)
def test_limits_that_contradict_each_other_are_refused(wrong: dict[str, timedelta]) -> None:
    with pytest.raises(ConfigError, match=r"sessions\.operator_idle"):
        SessionConfig(**wrong)  # type: ignore[arg-type]  # durations only
