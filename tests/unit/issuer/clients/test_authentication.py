"""What a client has to register for its way to prove itself, and which of its keys count."""

import json
from dataclasses import replace
from typing import Any

import pytest

from admit.errors import ConfigError
from admit.issuer.clients import authentication
from admit.issuer.clients.records import AuthMethod, Client, Jwks, Profile
from admit.issuer.clients.rules import check_client
from admit.jose import JWK

KEY = JWK.generate("ES256", kid="k1")
EDWARDS = JWK.generate("Ed25519", kid="ed")
RSA = JWK.generate("RS256", kid="rsa")


def jwks(*keys: dict[str, Any]) -> Jwks:
    return Jwks(json.dumps({"keys": list(keys)}))


def without_alg(key: JWK) -> dict[str, Any]:
    return {name: value for name, value in key.public().to_dict().items() if name != "alg"}


SIGNER = Client(
    id="signer",
    name="Signer",
    public=False,
    grant_types=frozenset({"client_credentials"}),
    token_endpoint_auth_method=AuthMethod.PRIVATE_KEY_JWT,
    jwks=jwks(KEY.public().to_dict()),
)
SECRET = Client(
    id="secret",
    name="Secret",
    public=False,
    grant_types=frozenset({"client_credentials"}),
    secret_hashes=(b"s" * 32,),
)


@pytest.mark.rfc("7591", "2")
@pytest.mark.parametrize(
    "client",
    [
        SIGNER,
        replace(SIGNER, jwks=None, jwks_uri="https://client.example/jwks"),
        replace(SIGNER, jwks=None, jwks_uri="https://client.internal:8443/jwks?v=1"),
        replace(SIGNER, token_endpoint_auth_signing_alg="ES256"),
        replace(SIGNER, jwks=jwks(without_alg(RSA)), token_endpoint_auth_signing_alg="PS256"),
        SECRET,
        replace(SECRET, secret_hashes=(b"s" * 32, b"t" * 32)),
        replace(SECRET, token_endpoint_auth_method=AuthMethod.CLIENT_SECRET_POST),
        replace(SECRET, jwks=jwks(KEY.public().to_dict())),
    ],
    ids=["jwks", "jwks_uri", "port", "alg", "assumed alg", "secret", "two secrets", "post", "keys beside"],
)
def test_a_client_with_what_its_method_needs_is_taken(client: Client) -> None:
    check_client(client, dev=False)


@pytest.mark.rfc("7591", "2")
@pytest.mark.parametrize(
    ("client", "said"),
    [
        (replace(SIGNER, jwks=None), "not both"),
        (replace(SIGNER, jwks_uri="https://client.example/jwks"), "not both"),
        (replace(SIGNER, secret_hashes=(b"s" * 32,)), "secret_hashes"),
        (replace(SIGNER, public=True), "public"),
        (replace(SIGNER, jwks=Jwks("{}")), "jwks"),
        (replace(SIGNER, jwks=Jwks("no JSON")), "jwks"),
        (replace(SIGNER, jwks=jwks({"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LTEyMw"})), "jwks"),
        (replace(SIGNER, jwks=jwks(KEY.public().to_dict(), KEY.to_dict(private=True))), "private"),
        (replace(SIGNER, token_endpoint_auth_signing_alg="PS256"), "no key"),
        (replace(SIGNER, token_endpoint_auth_signing_alg="none"), "signing_alg"),
        (replace(SIGNER, token_endpoint_auth_signing_alg="HS256"), "signing_alg"),
        (replace(SIGNER, jwks=None, jwks_uri="http://client.example/jwks"), "jwks_uri"),
        (replace(SIGNER, jwks=None, jwks_uri="https://u@client.example/jwks"), "jwks_uri"),
        (replace(SIGNER, jwks=None, jwks_uri="https://client.example/jwks#k"), "jwks_uri"),
        (replace(SIGNER, jwks=None, jwks_uri="file:///etc/passwd"), "jwks_uri"),
        (replace(SIGNER, jwks=None, jwks_uri="https://*.client.example/jwks"), "jwks_uri"),
        (replace(SECRET, jwks_uri="file:///etc/passwd"), "jwks_uri"),
        (replace(SIGNER, jwks=None, jwks_uri="https://client.example:port/"), "jwks_uri"),
        (replace(SIGNER, jwks=None, jwks_uri="http://127.0.0.1:9/jwks"), "jwks_uri"),
        (replace(SECRET, token_endpoint_auth_signing_alg="none"), "signing_alg"),
        (replace(SECRET, secret_hashes=()), "one secret"),
        (replace(SECRET, secret_hashes=(b"a" * 32, b"b" * 32, b"c" * 32)), "one secret"),
        (replace(SECRET, secret_hashes=(b"short",)), "SHA-256"),
        (replace(SECRET, token_endpoint_auth_method=AuthMethod.NONE), "public"),
        (Client(id="spa", name="SPA", grant_types=frozenset({"client_credentials"})), "authenticate"),
    ],
    ids=[
        "no keys", "both", "and a secret", "and public", "no set", "no JSON", "symmetric", "private", "other alg",
        "alg none", "hs256", "http", "user", "fragment", "file", "starred", "unused", "bad port", "loopback",
        "alg of none", "no secret", "three", "short", "said none", "public machine",
    ],
)  # fmt: skip
def test_a_client_without_it_or_with_another_ones_is_refused(client: Client, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        check_client(client, dev=False)


def test_http_on_loopback_is_for_development() -> None:
    client = replace(SIGNER, jwks=None, jwks_uri="http://127.0.0.1:9/jwks")
    check_client(client, dev=True)
    with pytest.raises(ConfigError, match="jwks_uri"):
        check_client(replace(client, jwks_uri="http://192.0.2.1:9/jwks"), dev=True)


def test_a_secret_may_be_sent_in_either_way_but_not_by_who_has_none() -> None:
    basic, post, key = (
        AuthMethod.CLIENT_SECRET_BASIC,
        AuthMethod.CLIENT_SECRET_POST,
        AuthMethod.PRIVATE_KEY_JWT,
    )
    assert authentication.may_use(SECRET, basic)
    assert authentication.may_use(SECRET, post)
    assert authentication.may_use(SIGNER, key)
    for client, method in ((SECRET, key), (SECRET, AuthMethod.NONE), (SIGNER, basic), (SIGNER, post)):
        assert not authentication.may_use(client, method)
    fapi = replace(SECRET, profile=Profile.FAPI2)
    assert authentication.may_use(fapi, basic)
    assert not authentication.may_use(fapi, post)


@pytest.mark.rfc("8725", "3.1")
def test_the_algorithms_are_the_keys_own_and_never_symmetric() -> None:
    assert "none" not in authentication.SIGNING_ALGS
    assert not any(alg.startswith("HS") for alg in authentication.SIGNING_ALGS)
    assert authentication.algorithms(replace(SIGNER, token_endpoint_auth_signing_alg="ES256")) == {"ES256"}
    assert "RS256" in authentication.algorithms(SIGNER)
    assert "RS256" not in authentication.algorithms(replace(SIGNER, profile=Profile.FAPI2))


def test_keys_without_an_algorithm_get_the_registered_one() -> None:
    text = jwks(without_alg(RSA), without_alg(EDWARDS))
    client = replace(SIGNER, jwks=text)
    found = {key.alg for key in authentication.read_keys(text, *authentication.assumed(client))}
    assert found == {"RS256", "EdDSA"}
    client = replace(client, token_endpoint_auth_signing_alg="PS256")
    assert {key.alg for key in authentication.read_keys(text, *authentication.assumed(client))} >= {"PS256"}
    client = replace(client, token_endpoint_auth_signing_alg="Ed25519")
    assert {key.alg for key in authentication.read_keys(text, *authentication.assumed(client))} >= {"Ed25519"}
