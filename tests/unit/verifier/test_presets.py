"""Presets say of each well-known issuer what its fixture's own statement says, and nothing looser."""

from dataclasses import fields
from typing import Any

import pytest

from admit.errors import ConfigError, TokenError
from admit.jose import Waive
from admit.verifier import TrustedIssuer, Verifier, presets
from tests.fixtures.foreign_issuers import (
    API,
    AUTH0,
    CLIENT,
    COGNITO,
    ENTRA_API,
    ENTRA_V2,
    GOOGLE,
    KEYCLOAK,
    OKTA,
    TENANT,
)
from tests.fixtures.foreign_shape import Published, Shape
from tests.fixtures.status_issuer import Clock

CALLER = {"email": frozenset({"caller@project.iam.gserviceaccount.com"})}
CASES: dict[str, tuple[Shape, dict[str, Any]]] = {
    "auth0": (AUTH0, {"audience": API, "domain": "example.eu.auth0.com"}),
    "keycloak": (
        KEYCLOAK,
        {"audience": API, "server": "https://sso.example.com", "realm": "shop", "client": "orders"},
    ),
    "entra": (ENTRA_V2, {"audience": ENTRA_API, "tenants": [TENANT]}),
    "cognito": (
        COGNITO,
        {"audience": CLIENT, "region": "eu-central-1", "pool": "eu-central-1_AbCdEfGhI"},
    ),
    "okta": (OKTA, {"audience": "api://default", "domain": "dev-1234.okta.com", "server_id": "default"}),
    "google": (GOOGLE, {"audience": API, "require": CALLER}),
}


def test_every_preset_has_a_fixture() -> None:
    assert CASES.keys() == presets.PRESETS.keys()


def trusted(name: str) -> TrustedIssuer:
    return presets.PRESETS[name].trust(revocation=Waive.REVOCATION, **CASES[name][1])


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_preset_takes_the_access_token_of_its_shape_and_refuses_its_id_token(name: str) -> None:
    shape, clock, trust = CASES[name][0], Clock(), trusted(name)
    net = Published.of(shape)
    if trust.metadata is not None:
        net.documents[trust.metadata] = {**shape.metadata, "issuer": trust.issuer}
    verifier = Verifier(trust, fetcher=net, wall=clock.walltime, boottime=clock.boottime)  # type: ignore[arg-type]  # stands in
    try:
        who = verifier.verify(shape.access_token())
        for member, value in shape.becomes.items():
            assert getattr(who, member) == value, member
        for token in (shape.id_token(), shape.id_token(**shape.disguise)):
            with pytest.raises(TokenError):
                verifier.verify(token)
    finally:
        verifier.close()


@pytest.mark.parametrize("name", sorted(CASES.keys() - {"entra"}))
def test_a_preset_is_the_statement_that_one_would_write(name: str) -> None:
    shape = CASES[name][0]
    written = TrustedIssuer(shape.issuer, revocation=Waive.REVOCATION, **shape.trust)
    made = trusted(name)
    for one in fields(TrustedIssuer):
        if one.init and one.name != "claims":
            assert getattr(made, one.name) == getattr(written, one.name), one.name
    assert (made.claims.role_paths, made.claims.group_paths) == (
        written.claims.role_paths,
        written.claims.group_paths,
    )


@pytest.mark.parametrize(
    "require",
    [{}, {"email": ...}, {"email_verified": True}, {"azp": "112233445566778899"}, {"email": frozenset()}],
    ids=["nobody", "any", "verified", "client", "none"],
)
def test_an_issuer_that_signs_for_everybody_is_trusted_for_named_callers_only(
    require: dict[str, Any],
) -> None:
    with pytest.raises(ConfigError):
        presets.GOOGLE.trust(audience=API, revocation=Waive.REVOCATION, require=require)
    for named in (CALLER, {"sub": "112233445566778899"}, {**require, **CALLER}):
        assert presets.GOOGLE.trust(audience=API, revocation=Waive.REVOCATION, require=named)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"domain": ""},
        {"domain": "a/b"},
        {"domain": "a?b"},
        {"domain": "a", "more": "b"},
        {"domain": "{pool}"},
    ],
    ids=["none", "empty", "path", "query", "more", "braces"],
)
def test_a_value_fills_its_place_and_no_more(values: dict[str, str]) -> None:
    with pytest.raises(ConfigError):
        presets.AUTH0.trust(audience=API, revocation=Waive.REVOCATION, **values)


def test_a_server_is_a_url_without_more() -> None:
    for server in ("sso.example.com", "https://sso.example.com/", "https://a@b", "https://a?b", "ftp://a"):
        with pytest.raises(ConfigError):
            presets.KEYCLOAK.trust(
                audience=API, revocation=Waive.REVOCATION, server=server, realm="shop", client="orders"
            )


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("auth0", {"tenant": "a"}, "without domain and with tenant"),
        ("keycloak", {"server": "https://sso.example.com", "realm": "shop"}, "without client"),
        ("auth0", {"domain": "https://example.eu.auth0.com/"}, "domain is a host or an id"),
        ("auth0", {"domain": None}, "domain is a host or an id"),
        ("keycloak", {"server": "https://sso.example.com/", "realm": "a", "client": "b"}, "server is a URL"),
        ("auth0", {"domain": "example.eu.auth0.com", "require": None}, "require"),
        ("auth0", {"domain": "example.eu.auth0.com", "audience": None}, "audience"),
    ],
    ids=["other name", "missing", "url", "none", "slash", "require", "audience"],
)
def test_a_preset_tells_which_value_is_wrong(name: str, values: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        presets.PRESETS[name].trust(**{"audience": API, "revocation": Waive.REVOCATION, **values})
