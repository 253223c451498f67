"""Authlib's OAuth 2.0 client signs Ada in, refreshes, and is refused what it must not have."""

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from tests.fixtures.issuer import ADA
from tests.system.foreign.conftest import World
from tests.system.foreign.person import Landed, Person, changed
from tests.system.foreign.relying_parties import SCOPE, SECRET

if TYPE_CHECKING:
    from authlib.integrations.requests_client import OAuth2Session

NONCE = "a nonce that nobody guesses"
VERIFIER = "v" * 48


def session(world: World) -> "OAuth2Session":
    from authlib.integrations.requests_client import OAuth2Session

    return OAuth2Session(**arguments(world))


def arguments(world: World) -> dict[str, Any]:
    """What each of Authlib's clients is made with."""
    return {
        "client_id": world.parties.authlib.id,
        "client_secret": SECRET,
        "scope": SCOPE,
        "redirect_uri": world.parties.authlib.redirect_uri,
        "code_challenge_method": "S256",
        "token_endpoint": f"{world.issuer}/token",
    }


def sent_back(world: World, person: Person, client: Any, **more: str) -> Landed:
    """From the authorization endpoint to the client, with what the issuer tells it."""
    url, state = client.create_authorization_url(
        world.metadata()["authorization_endpoint"], code_verifier=VERIFIER, nonce=NONCE, **more
    )
    landed = person.go(url, until=world.parties.authlib.redirect_uri)
    assert landed.answer["state"] == state
    assert landed.answer["iss"] == world.issuer
    return landed


def claims_of(world: World, client: "OAuth2Session", token: dict[str, Any], nonce: str = NONCE) -> Any:
    """The ID token's claims, checked as Authlib's own integrations check them."""
    from authlib.oidc.core import CodeIDToken
    from joserfc import jwt
    from joserfc.jwk import KeySet

    metadata = world.metadata()
    keys = KeySet.import_key_set(client.request("GET", metadata["jwks_uri"], withhold_token=True).json())
    algorithms = metadata["id_token_signing_alg_values_supported"]
    decoded = jwt.decode(token["id_token"], keys, algorithms=algorithms)
    claims = CodeIDToken(
        decoded.claims,
        decoded.header,
        {"iss": {"values": [metadata["issuer"]]}, "at_hash": {"essential": True}},
        {"nonce": nonce, "client_id": client.client_id, "access_token": token["access_token"]},
    )
    claims.validate(leeway=0)
    return claims


def test_authlib_signs_in_asks_who_it_is_refreshes_and_revokes(world: World, person: Person) -> None:
    from authlib.integrations.base_client import OAuthError

    metadata = world.metadata()
    with session(world) as client:
        landed = sent_back(world, person, client)
        token = client.fetch_token(
            metadata["token_endpoint"], authorization_response=landed.url, code_verifier=VERIFIER
        )
        claims = claims_of(world, client, token)
        who = client.get(metadata["userinfo_endpoint"]).json()
        assert (who["sub"], who["email"], who["name"]) == (claims["sub"], ADA[0], ADA[2])
        again = client.refresh_token(metadata["token_endpoint"])
        assert again["access_token"] != token["access_token"]
        assert client.get(metadata["userinfo_endpoint"]).json() == who
        done = client.revoke_token(metadata["revocation_endpoint"], token_type_hint="refresh_token")
        assert done.status_code == 200
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(metadata["token_endpoint"], refresh_token=again["refresh_token"])
    assert (person.typed, person.asked) == (1, 1)


def test_authlib_refuses_another_sign_ins_state_and_nonce_and_the_issuer_another_verifier(
    world: World, person: Person
) -> None:
    from authlib.integrations.base_client import OAuthError
    from authlib.oauth2.rfc6749.errors import MismatchingStateException
    from joserfc.errors import JoseError

    endpoint = world.metadata()["token_endpoint"]
    with session(world) as client:
        landed = sent_back(world, person, client)
        state = landed.answer["state"]
        with pytest.raises(MismatchingStateException):
            client.fetch_token(
                endpoint,
                authorization_response=changed(landed.url, state="another"),
                state=state,
                code_verifier=VERIFIER,
            )
        token = client.fetch_token(endpoint, authorization_response=landed.url, code_verifier=VERIFIER)
        with pytest.raises((OAuthError, JoseError, ValueError), match="nonce"):
            claims_of(world, client, token, nonce="another")
        landed = sent_back(world, person, client)
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.fetch_token(endpoint, authorization_response=landed.url, code_verifier="w" * 48)


@pytest.mark.soak
def test_authlib_over_httpx_does_the_same_without_an_own_event_loop(world: World, person: Person) -> None:
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import OAuth2Client

    metadata = world.metadata()
    with OAuth2Client(**arguments(world)) as client:
        landed = sent_back(world, person, client)
        token = client.fetch_token(
            metadata["token_endpoint"], authorization_response=landed.url, code_verifier=VERIFIER
        )
        assert client.get(metadata["userinfo_endpoint"]).json()["email"] == ADA[0]
        assert client.refresh_token(metadata["token_endpoint"])["access_token"] != token["access_token"]
        client.revoke_token(metadata["revocation_endpoint"], client.token["refresh_token"])
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(metadata["token_endpoint"])


@pytest.mark.soak
def test_authlib_in_an_event_loop_signs_in_with_its_secret_in_the_form(world: World, person: Person) -> None:
    from authlib.integrations.base_client import OAuthError
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    metadata = world.metadata()

    async def life() -> None:
        async with AsyncOAuth2Client(
            **{**arguments(world), "token_endpoint_auth_method": "client_secret_post"}
        ) as client:
            landed = await asyncio.to_thread(sent_back, world, person, client)
            token = await client.fetch_token(
                metadata["token_endpoint"], authorization_response=landed.url, code_verifier=VERIFIER
            )
            assert (await client.get(metadata["userinfo_endpoint"])).json()["email"] == ADA[0]
            again = await client.refresh_token(metadata["token_endpoint"])
            assert again["access_token"] != token["access_token"]
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.fetch_token(
                    metadata["token_endpoint"], authorization_response=landed.url, code_verifier=VERIFIER
                )
            # A code used twice ends what it paid out, RFC 6749 §10.5.
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.refresh_token(metadata["token_endpoint"])

    asyncio.run(life())


@pytest.mark.soak
def test_a_wrong_secret_is_invalid_client_to_authlib(world: World, person: Person) -> None:
    from authlib.integrations.base_client import OAuthError

    with session(world) as client:
        landed = sent_back(world, person, client)
        client.client_secret = "another"
        with pytest.raises(OAuthError, match="invalid_client"):
            client.fetch_token(
                world.metadata()["token_endpoint"],
                authorization_response=landed.url,
                code_verifier=VERIFIER,
            )
