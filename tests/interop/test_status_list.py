"""Readers of the Token Status List draft that share nothing with Admit agree with it on a live and an ended token."""

import asyncio
import base64
import json
import time
import urllib.request
from typing import Any

import pytest

from tests.fixtures.node import Node
from tests.interop.conftest import BEHIND, Served
from tests.unit.tokens import draft_reader

pytestmark = pytest.mark.anyio


def claims_of(token: str) -> dict[str, Any]:
    """What a token says, for a reader who need not believe it."""
    body = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


def fetched(url: str, accept: str) -> bytes:
    """The body at a URL, if it has the media type that was asked for, draft §8.1."""
    with urllib.request.urlopen(
        urllib.request.Request(url, headers={"accept": accept}), timeout=10
    ) as response:
        assert response.headers["content-type"].partition(";")[0] == accept
        body: bytes = response.read()
        return body


def status_of(token: str, jwks: str) -> int:
    """The status of a token, by the draft and the issuer's key set alone."""
    reference = claims_of(token)["status"]["status_list"]
    listed = fetched(reference["uri"], "application/statuslist+jwt").decode()
    head = listed.split(".")[0]
    kid = json.loads(base64.urlsafe_b64decode(head + "=" * (-len(head) % 4)))["kid"]
    keys = json.loads(fetched(jwks, "application/jwk-set+json"))["keys"]
    jwk = next(key for key in keys if key["kid"] == kid)
    bits, unpacked = draft_reader.read(listed, jwk, uri=reference["uri"], now=time.time())
    assert reference["idx"] < len(unpacked) * 8 // bits
    return draft_reader.status(bits, unpacked, reference["idx"])


def published(token: str, jwks: str) -> bool:
    """Whether the end of a token is told within a few seconds."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        if status_of(token, jwks) == 1:
            return True
        time.sleep(0.02)
    return False


async def test_two_readers_agree_on_a_live_and_an_ended_token(served: Served, node: Node) -> None:
    issuer = served.issuer
    issuer.clock.advance(BEHIND)
    ended, live = [(await served.browser().tokens())["access_token"] for _ in range(2)]

    async def told() -> list[list[int]]:
        asked = {"tokens": [ended, live], "jwks": served.jwks}
        by_node: list[int] = await asyncio.to_thread(node.run, "status.mjs", asked)
        return [[await asyncio.to_thread(status_of, one, served.jwks) for one in (ended, live)], by_node]

    assert await told() == [[0, 0], [0, 0]]
    assert await issuer.end_session(claims_of(ended)["sid"])
    assert await asyncio.to_thread(published, ended, served.jwks)
    assert await told() == [[1, 0], [1, 0]]
