"""Published keys of clients: fetched once, kept, renewed, and never as often as a stranger likes."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from admit.errors import FetchError, KeysUnavailableError
from admit.fetch import Fetcher, Response
from admit.issuer.clients import asking
from admit.issuer.clients import keys as keys_module
from admit.issuer.clients.dialling import Dialling
from admit.issuer.clients.key_sets import KeySets
from admit.issuer.clients.keys import PER_NETWORK, WAITED_FOR, ClientKeys
from admit.issuer.clients.records import AuthMethod, Client
from admit.jose import JWK, JWKSet
from admit.verifier.keys import COOL_DOWN, MAX_STALE, REFRESH

pytestmark = pytest.mark.anyio

CLIENT = Client(
    id="signer",
    name="Signer",
    public=False,
    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
    jwks_uri="https://client.example/jwks",
)
OLD, NEW = JWK.generate("ES256", kid="old"), JWK.generate("ES256", kid="new")


@dataclass
class Net(Fetcher):
    """What the client's address answers; counts who asks."""

    keys: tuple[JWK, ...] = (OLD,)
    down: bool = False
    status: int = 200
    body: bytes | None = None
    asked: list[str] = field(default_factory=list)
    now: float = 1_000.0

    async def aget(
        self, url: str, headers: Mapping[str, str] | None = None, *, max_bytes: int | None = None
    ) -> Response:
        self.asked.append(url)
        await asyncio.sleep(0)
        if self.down:
            raise FetchError("down")
        members: dict[str, Any] = {"keys": [key.public().to_dict() for key in self.keys]}
        return Response(self.status, {}, json.dumps(members).encode() if self.body is None else self.body)

    def client_keys(self) -> ClientKeys:
        dialling = Dialling(self, self, is_configured=anybody)
        return ClientKeys(dialling, boottime=lambda: self.now, jitter=lambda low, high: high)


async def anybody(client_id: str) -> bool:
    return True


async def settled() -> None:
    """What was begun behind the answer is done."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_many_at_once_make_one_fetch_and_later_ones_none() -> None:
    net = Net()
    keys = net.client_keys()
    found = await asyncio.gather(*(keys.of(CLIENT) for _ in range(20)))
    await keys.of(CLIENT)
    assert {key.kid for one in found for key in one} == {"old"}
    assert net.asked == ["https://client.example/jwks"]


async def test_keys_are_renewed_behind_an_answer_and_before_it_when_they_are_old() -> None:
    net = Net()
    keys = net.client_keys()
    await keys.of(CLIENT)
    net.keys, net.now = (NEW,), net.now + REFRESH
    assert {key.kid for key in await keys.of(CLIENT)} == {"old"}
    await settled()
    assert {key.kid for key in await keys.of(CLIENT)} == {"new"}
    net.keys, net.now = (OLD,), net.now + WAITED_FOR + 1
    assert {key.kid for key in await keys.of(CLIENT)} == {"old"}
    assert len(net.asked) == 3


@pytest.mark.threat("INF-ssrf", off="admit.issuer.clients.keys:may_force")
async def test_a_new_key_is_found_at_once_and_invented_ones_make_few_fetches() -> None:
    net = Net()
    keys = net.client_keys()
    await keys.of(CLIENT)
    net.keys = (OLD, NEW)
    renewed = await keys.renewed(CLIENT, "new")
    assert renewed is not None
    assert {key.kid for key in renewed} == {"old", "new"}
    for number in range(100):
        assert await keys.renewed(CLIENT, f"invented-{number}") is None
    assert len(net.asked) == 2
    net.now += COOL_DOWN
    assert await keys.renewed(CLIENT, "invented") is not None
    assert await keys.renewed(CLIENT, "invented") is None
    assert len(net.asked) == 3


async def test_what_cannot_be_fetched_refuses_and_is_tried_again_later_and_later() -> None:
    net = Net(down=True)
    keys = net.client_keys()
    for _ in range(20):
        with pytest.raises(KeysUnavailableError):
            await keys.of(CLIENT)
    assert len(net.asked) == 1
    net.down, net.now = False, net.now + 2
    assert {key.kid for key in await keys.of(CLIENT)} == {"old"}


@pytest.mark.parametrize(
    ("status", "body"),
    [(404, None), (200, b"<html>"), (200, b'{"keys":[]}'), (200, b'{"keys":[{"kty":"oct","k":"AAAA"}]}')],
    ids=["404", "html", "empty", "symmetric"],
)
async def test_an_answer_without_a_usable_key_leaves_the_old_ones_for_a_day(
    status: int, body: bytes | None
) -> None:
    net = Net()
    keys = net.client_keys()
    await keys.of(CLIENT)
    net.status, net.body, net.now = status, body, net.now + WAITED_FOR + 1
    assert {key.kid for key in await keys.of(CLIENT)} == {"old"}
    net.now += MAX_STALE
    with pytest.raises(KeysUnavailableError):
        await keys.of(CLIENT)


async def test_what_waits_is_not_lost_with_the_request_that_began_it() -> None:
    net = Net()
    keys = net.client_keys()
    first = asyncio.create_task(keys.of(CLIENT))
    await asyncio.sleep(0)
    first.cancel()
    assert {key.kid for key in await keys.of(CLIENT)} == {"old"}
    assert len(net.asked) == 1


def strangers(number: int) -> Client:
    return replace(CLIENT, id=f"c_{number}", trusted=False, jwks_uri=f"https://{number}.example/jwks")


@pytest.mark.threat("INF-ssrf", off="admit.issuer.clients.share:has_left")
async def test_a_network_makes_few_fetches_for_clients_that_nobody_let_in() -> None:
    net = Net()
    keys = net.client_keys()
    token = asking.FROM.set("192.0.2.1")
    try:
        for number in range(PER_NETWORK):
            await keys.of(strangers(number))
        with pytest.raises(KeysUnavailableError):
            await keys.of(strangers(PER_NETWORK))
        assert await keys.renewed(strangers(0), "invented") is None
        assert len(net.asked) == PER_NETWORK
        assert await keys.of(strangers(0)), "what was fetched is used"
        assert await keys.of(CLIENT), "an operator's client is none of them"
        asking.FROM.set("198.51.100.1")
        await keys.of(strangers(PER_NETWORK))
        asking.FROM.set("192.0.2.1")
        net.now += 60
        await keys.of(strangers(PER_NETWORK + 1))
        assert len(net.asked) == PER_NETWORK + 3
    finally:
        asking.FROM.reset(token)


async def test_strangers_push_out_neither_a_trusted_clients_keys_nor_without_a_fetch_each_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(keys_module, "REMEMBERED", 5)
    net = Net()
    keys = net.client_keys()
    token = asking.FROM.set("192.0.2.1")
    try:
        await keys.of(CLIENT)
        for number in range(PER_NETWORK):
            await keys.of(strangers(number))
        for number in range(PER_NETWORK, 3 * PER_NETWORK):
            with pytest.raises(KeysUnavailableError):
                await keys.of(strangers(number))
        asked = len(net.asked)
        await keys.of(CLIENT)
        for number in range(PER_NETWORK - 5, PER_NETWORK):
            await keys.of(strangers(number))
        assert len(net.asked) == asked
        with pytest.raises(KeysUnavailableError):
            await keys.of(strangers(0))
    finally:
        asking.FROM.reset(token)


@pytest.mark.threat("INF-size", off="admit.issuer.clients.key_sets:fits")
def test_parsed_sets_are_kept_by_their_octets_and_the_one_asked_for_last_longest() -> None:
    sets = KeySets(100)
    keys = JWKSet([OLD.public()])
    for number in range(5):
        sets.put((bytes([number]) * 40, "RS256", "EdDSA"), keys)
        assert sets.octets <= 100
    assert [sets.get((bytes([number]) * 40, "RS256", "EdDSA")) is not None for number in range(5)] == [
        False, False, False, True, True,
    ]  # fmt: skip
    assert sets.get((bytes([3]) * 40, "RS256", "EdDSA")) is keys
    sets.put((b"x" * 40, "RS256", "EdDSA"), keys)
    assert sets.get((bytes([3]) * 40, "RS256", "EdDSA")) is keys
    assert sets.get((bytes([4]) * 40, "RS256", "EdDSA")) is None
    sets.put((b"y" * 101, "RS256", "EdDSA"), keys)
    assert sets.octets == 80
