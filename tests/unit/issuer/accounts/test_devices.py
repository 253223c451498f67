"""Browsers that an account knows, on both databases."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest

from admit.errors import ConfigError
from admit.issuer.accounts.config import AccountsConfig
from admit.issuer.accounts.devices import KnownDevices
from admit.issuer.accounts.records import User
from admit.issuer.storage import Database
from tests.fixtures.people import NOW, Parts
from tests.fixtures.storage import OpenAgain

pytestmark = pytest.mark.slow


@pytest.fixture
async def parts(db: Database) -> Parts:
    return await Parts.on(db)


@pytest.fixture
def devices(db: Database) -> KnownDevices:
    return KnownDevices(db, AccountsConfig(devices_per_account=3, device_life=timedelta(days=10)))


async def knows(devices: KnownDevices, raw: bytes | None, user: User | None, now: float = NOW) -> bool:
    return await devices.find(raw, user, now) is not None


async def test_a_browser_is_known_to_who_signed_in_with_it_and_to_nobody_else(
    parts: Parts, devices: KnownDevices
) -> None:
    ada, bo = await parts.user(), await parts.user()
    raw = await devices.remember(ada, None, now=NOW)
    assert len(raw) == 32
    assert await knows(devices, raw, ada)
    assert not await knows(devices, raw, bo)
    assert not await knows(devices, raw, None)
    assert not await knows(devices, None, ada)
    assert not await knows(devices, bytes(32), ada)


async def test_the_secret_is_stored_as_its_hash_alone(parts: Parts, devices: KnownDevices) -> None:
    raw = await devices.remember(await parts.user(), None, now=NOW)
    (row,) = await parts.rows("known_device")
    assert raw not in tuple(row)
    assert not await knows(devices, bytes(row["token_hash"]), await parts.user())


async def test_each_sign_in_has_a_new_secret_and_others_of_the_browser_come_along(
    parts: Parts, devices: KnownDevices
) -> None:
    ada, bo = await parts.user(), await parts.user()
    first = await devices.remember(ada, None, now=NOW)
    second = await devices.remember(bo, first, now=NOW + 1)
    assert not await knows(devices, first, ada), "what was read or planted before is worth nothing"
    assert await knows(devices, second, ada)
    assert await knows(devices, second, bo)
    third = await devices.remember(ada, second, now=NOW + 2)
    assert await knows(devices, third, bo)
    assert len(await parts.rows("known_device")) == 2


async def test_a_secret_that_the_server_did_not_make_is_not_adopted(
    parts: Parts, devices: KnownDevices
) -> None:
    ada, mallory = await parts.user(), await parts.user()
    planted = await devices.remember(mallory, None, now=NOW)
    given = await devices.remember(ada, planted, now=NOW)
    assert given != planted
    assert not await knows(devices, planted, ada)
    assert not await knows(devices, planted, mallory)


async def test_another_password_makes_strangers_of_all(parts: Parts, devices: KnownDevices) -> None:
    ada = await parts.user()
    raw = await devices.remember(ada, None, now=NOW)
    changed = replace(ada, credential_version=2)
    assert not await knows(devices, raw, changed)
    again = await devices.remember(changed, raw, now=NOW)
    assert await knows(devices, again, changed)
    assert not await knows(devices, again, ada)
    assert await devices.forget(ada.id) == 1
    assert not await knows(devices, again, changed)


async def test_the_ones_used_last_are_kept_and_those_of_an_older_password_go(
    parts: Parts, devices: KnownDevices
) -> None:
    ada = await parts.user()
    raws = [await devices.remember(ada, None, now=NOW + number) for number in range(3)]
    raws[0] = await devices.remember(ada, raws[0], now=NOW + 10)
    newest = await devices.remember(ada, None, now=NOW + 11)
    assert [await knows(devices, raw, ada) for raw in (*raws, newest)] == [True, False, True, True]
    await devices.remember(replace(ada, credential_version=2), None, now=NOW + 12)
    assert len(await parts.rows("known_device")) == 1


async def test_a_device_that_nobody_uses_is_forgotten(parts: Parts, devices: KnownDevices) -> None:
    ada = await parts.user()
    raw = await devices.remember(ada, None, now=NOW)
    ten_days = 10 * 86_400.0
    assert await knows(devices, raw, ada, NOW + ten_days - 1)
    assert not await knows(devices, raw, ada, NOW + ten_days)
    await devices.sweep(NOW + ten_days - 1)
    assert len(await parts.rows("known_device")) == 1
    await devices.sweep(NOW + ten_days)
    assert await parts.rows("known_device") == []


async def test_many_sign_ins_at_once_leave_no_more_than_so_many(
    open_again: OpenAgain, devices: KnownDevices, parts: Parts, rng: Random
) -> None:
    config = AccountsConfig(devices_per_account=3)
    nodes = [devices, KnownDevices(await open_again(), config)]
    ada = await parts.user()
    raws = await asyncio.gather(*(rng.choice(nodes).remember(ada, None, now=NOW + n) for n in range(12)))
    assert len(set(raws)) == 12
    last = await nodes[1].remember(ada, raws[0], now=NOW + 20)
    assert await knows(nodes[0], last, ada)
    await nodes[1].remember(ada, None, now=NOW + 21)
    assert len(await parts.rows("known_device")) <= 3


def test_settings_that_cannot_work_are_refused() -> None:
    with pytest.raises(ConfigError):
        AccountsConfig(devices_per_account=0)
    with pytest.raises(ConfigError):
        AccountsConfig(device_life=timedelta(0))
    with pytest.raises(ConfigError):
        AccountsConfig(hash_patience=timedelta(0))
    with pytest.raises(ConfigError):
        AccountsConfig(failures_before_slow=0)
