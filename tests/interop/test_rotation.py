"""Other people's libraries verify Admit's access tokens, through a rotation and the revocation of a key."""

import asyncio
from typing import Any

import pytest

from admit import jwt
from tests.fixtures.issuer import API
from tests.interop.conftest import PUBLISHED_AHEAD, Served
from tests.interop.verifiers import IN_NODE, LIBRARIES, Library, RefusedError

pytestmark = pytest.mark.anyio


async def kid_of_token(served: Served) -> tuple[str, str]:
    """A fresh access token and the kid that signed it."""
    token = (await served.browser().tokens())["access_token"]
    return token, jwt.peek_unverified_header(token)["kid"]


def turned(token: str, at: int) -> str:
    """The token with one character of its signature changed."""
    return token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]


@pytest.mark.rfc("7515", "4.1.4")
@pytest.mark.rfc("7517", "5")
@pytest.mark.parametrize("name", LIBRARIES)
async def test_a_library_follows_a_rotation_and_a_revocation_of_keys(
    served: Served, name: str, request: pytest.FixtureRequest
) -> None:
    node: Any = request.getfixturevalue("node") if name in IN_NODE else None
    issuer = served.issuer
    library: Library = await asyncio.to_thread(LIBRARIES[name], node, served.name, served.jwks)

    async def verify(token: str, *, anew: bool = False) -> dict[str, Any]:
        return await asyncio.to_thread(library.verify, token, anew=anew)

    try:
        await issuer.keys.rotate("ES256", issuer.clock())
        issuer.clock.advance(PUBLISHED_AHEAD - 10)
        await issuer.keys.advance(issuer.clock())
        old, first = await kid_of_token(served)
        assert (await verify(old))["iss"] == served.name

        issuer.clock.advance(20)
        await issuer.keys.advance(issuer.clock())
        new, second = await kid_of_token(served)
        assert first != second
        for token in (new, old):
            for anew in (False, True):
                claims = await verify(token, anew=anew)
                assert API in claims["aud"]
                assert claims["client_id"] == "spa"
        for wrong in (turned(new, -20), turned(old, -20), turned(new, new.index(".") + 12)):
            with pytest.raises(RefusedError):
                await verify(wrong)

        await issuer.keys.revoke(first, issuer.clock())
        with pytest.raises(RefusedError):
            await verify(old, anew=True)
        assert (await verify(new))["sub"] == claims["sub"]
    finally:
        await asyncio.to_thread(library.close)
