"""Well-known issuers, each trusted by one statement: their access tokens are taken, nothing else of theirs is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from admit.errors import (
    AlgorithmError,
    AudienceError,
    BoundTokenError,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    GroupsUnavailableError,
    IssuerError,
    KeyNotFoundError,
    KeysUnavailableError,
    SignatureError,
    TokenError,
    TokenTypeError,
)
from admit.jose import JWK, JWKSet
from admit.jose import claims as jose_claims
from admit.principal import ByReference
from admit.tokens import access
from admit.verifier import ClaimPaths, TrustedIssuer, Verifier, foreign, policy
from tests.fixtures.foreign_issuers import (
    API,
    AUTH0,
    CLIENT,
    COGNITO,
    CONSUMERS,
    ENTRA,
    ENTRA_V1,
    ENTRA_V2,
    GOOGLE,
    KEYCLOAK,
    OKTA,
    OTHER_TENANT,
    SHAPES,
    TENANT,
    WAIVED,
    entra_keys,
)
from tests.fixtures.foreign_shape import Published, Shape, rsa_key
from tests.fixtures.status_issuer import NOW, Clock

CHECK_KIND = "admit.verifier.foreign:check_kind"
CHECK_REQUIRED = "admit.verifier.foreign:check_required"
CHECK_AUDIENCE_CLAIM = "admit.verifier.foreign:check_audience_claim"
ENTRA_ALL = f"{ENTRA}/{{tenantid}}/v2.0"
ENTRA_ALL_PLACE = f"{ENTRA}/common/v2.0/.well-known/openid-configuration"


def trusted(shape: Shape, **changes: Any) -> TrustedIssuer:
    """The one statement, but for the changes."""
    return TrustedIssuer(shape.issuer, **{**WAIVED, **shape.trust, **changes})


@contextmanager
def verifying(*issuers: TrustedIssuer, net: Published) -> Iterator[Verifier]:
    clock = Clock()
    verifier = Verifier(*issuers, fetcher=net, wall=clock.walltime, boottime=clock.boottime)  # type: ignore[arg-type]  # stands in
    try:
        yield verifier
    finally:
        verifier.close()


@pytest.mark.parametrize("name", SHAPES)
def test_one_statement_trusts_an_issuer_of_each_shape(name: str) -> None:
    shape = SHAPES[name]
    with verifying(trusted(shape), net=Published.of(shape)) as verifier:
        who = verifier.verify(shape.access_token())
    for member, value in shape.becomes.items():
        assert getattr(who, member) == value, member
    assert who.issuer == shape.issuer


@pytest.mark.parametrize("name", SHAPES)
def test_another_key_or_a_later_day_or_another_api_is_refused(name: str) -> None:
    shape = SHAPES[name]
    aud = shape.trust.get("audience_claim", "aud")
    with verifying(trusted(shape), net=Published.of(shape)) as verifier:
        with pytest.raises(SignatureError):
            verifier.verify(shape.access_token(rsa_key(2)))
        with pytest.raises(ExpiredTokenError):
            verifier.verify(shape.access_token(exp=int(NOW) - 61))
        with pytest.raises(AudienceError):
            verifier.verify(shape.access_token(**{aud: "another-api"}))
        with pytest.raises(IssuerError):
            verifier.verify(shape.access_token(iss=shape.issuer + "x"))


@pytest.mark.rfc("8725", "3.11")
@pytest.mark.threat(
    "JWT-kinds",
    off=[
        "admit.jose.claims:check_audience",
        CHECK_KIND,
        CHECK_REQUIRED,
        "admit.verifier.foreign:check_audience_claim",
    ],
)
@pytest.mark.parametrize("name", SHAPES)
def test_an_id_token_of_each_shape_is_no_access_token(name: str) -> None:
    shape = SHAPES[name]
    with verifying(trusted(shape), net=Published.of(shape)) as verifier, pytest.raises(TokenError):
        verifier.verify(shape.id_token())


@pytest.mark.rfc("8725", "3.12")
@pytest.mark.threat("JWT-kinds", off=[CHECK_KIND, CHECK_REQUIRED])
@pytest.mark.parametrize("name", SHAPES)
def test_an_id_token_whose_client_is_the_api_itself_is_known_by_its_claims(name: str) -> None:
    shape = SHAPES[name]
    with verifying(trusted(shape), net=Published.of(shape)) as verifier, pytest.raises(TokenError) as refusal:
        verifier.verify(shape.id_token(**shape.disguise))
    assert not isinstance(refusal.value, AudienceError)


@pytest.mark.threat("JWT-kinds", off=CHECK_KIND)
@pytest.mark.parametrize(
    "claims",
    [
        {"nonce": "n"},
        {"at_hash": "h"},
        {"c_hash": "h"},
        {"s_hash": "h"},
        {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
        {"htm": "GET", "htu": API},
        {"token_introspection": {"active": True}},
    ],
)
def test_a_claim_of_another_kind_of_token_refuses(claims: dict[str, Any]) -> None:
    with verifying(trusted(AUTH0), net=Published.of(AUTH0)) as verifier:
        with pytest.raises(TokenTypeError):
            verifier.verify(AUTH0.access_token(**claims))
        verifier.verify(AUTH0.access_token())


def test_what_counts_as_another_kind_can_be_said() -> None:
    """Older Keycloaks write `nonce` into access tokens; `typ: Bearer` tells the kinds apart there."""
    token = KEYCLOAK.access_token(nonce="n")
    with verifying(trusted(KEYCLOAK, refuse=frozenset({"at_hash"})), net=Published.of(KEYCLOAK)) as verifier:
        verifier.verify(token)
        with pytest.raises(ClaimError):
            verifier.verify(KEYCLOAK.id_token(aud=API, at_hash=None))
    with verifying(trusted(KEYCLOAK), net=Published.of(KEYCLOAK)) as verifier, pytest.raises(TokenTypeError):
        verifier.verify(token)


@pytest.mark.threat("JWT-kinds", off=CHECK_REQUIRED)
@pytest.mark.parametrize("value", ["id", "Access", None, True, ["access"]])
def test_cognito_says_in_a_claim_which_kind_a_token_is(value: Any) -> None:
    with verifying(trusted(COGNITO), net=Published.of(COGNITO)) as verifier, pytest.raises(ClaimError):
        verifier.verify(COGNITO.access_token(token_use=value))


@pytest.mark.threat("JWT-aud", off=CHECK_AUDIENCE_CLAIM)
@pytest.mark.parametrize("client", [None, "", "another-client", "spa", [CLIENT], {CLIENT: 1}, 1])
def test_where_another_claim_is_the_audience_it_is_as_strict(client: Any) -> None:
    with verifying(trusted(COGNITO), net=Published.of(COGNITO)) as verifier, pytest.raises(AudienceError):
        verifier.verify(COGNITO.access_token(client_id=client))


@pytest.mark.threat("JWT-aud", off=CHECK_AUDIENCE_CLAIM)
def test_an_aud_that_is_there_all_the_same_has_to_name_us() -> None:
    with verifying(trusted(COGNITO), net=Published.of(COGNITO)) as verifier:
        with pytest.raises(AudienceError):
            verifier.verify(COGNITO.access_token(aud="https://another-api.example.com"))
        verifier.verify(COGNITO.access_token(aud=[CLIENT, "https://another-api.example.com"]))


@pytest.mark.parametrize("name", ["entra v1", "entra v2"])
def test_keys_without_alg_are_taken_for_the_algorithm_that_is_named_and_else_not_at_all(name: str) -> None:
    shape = SHAPES[name]
    for rsa_alg, error in ((None, KeysUnavailableError), ("PS256", AlgorithmError)):
        trust = trusted(shape, rsa_alg=rsa_alg)
        with verifying(trust, net=Published.of(shape)) as verifier, pytest.raises(error):
            verifier.verify(shape.access_token())


def test_keys_that_say_their_alg_keep_it() -> None:
    with verifying(trusted(OKTA, rsa_alg="PS256"), net=Published.of(OKTA)) as verifier:
        verifier.verify(OKTA.access_token())


@pytest.mark.rfc("9864", "2.2")
def test_an_ed25519_key_without_alg_verifies_under_the_name_that_is_told() -> None:
    edwards, net = JWK.generate("Ed25519", kid="okta-1"), Published.of(OKTA)
    published = {name: value for name, value in edwards.public().to_dict().items() if name != "alg"}
    net.documents[OKTA.metadata["jwks_uri"]] = {"keys": [published]}
    claims = {**OKTA.access, "iat": int(NOW), "exp": int(NOW) + 60}
    token = jose_claims.encode(claims, edwards, typ="JWT")
    older = jose_claims.encode(claims, JWK.load(edwards.to_dict(private=True) | {"alg": "EdDSA"}), typ="JWT")
    for terms, good, odd in (({}, older, token), ({"okp_alg": "Ed25519"}, token, older)):
        with verifying(trusted(OKTA, **terms), net=net) as verifier:
            verifier.verify(good)
            with pytest.raises(AlgorithmError):
                verifier.verify(odd)


@pytest.mark.threat("JWT-alg-weak", off="admit.jose.jwks:JWKSet.only")
def test_algorithms_narrow_what_an_issuer_publishes() -> None:
    net = Published.of(OKTA)
    edwards = JWK.generate("EdDSA", kid="okta-1")
    net.documents[OKTA.metadata["jwks_uri"]]["keys"].append(edwards.public().to_dict())
    by_edwards = jose_claims.encode(
        {**OKTA.access, "iat": int(NOW), "exp": int(NOW) + 60}, edwards, typ="JWT"
    )
    with verifying(trusted(OKTA), net=net) as verifier:
        verifier.verify(by_edwards)
    with verifying(trusted(OKTA, algorithms={"RS256"}), net=net) as verifier:
        verifier.verify(OKTA.access_token())
        with pytest.raises(AlgorithmError):
            verifier.verify(by_edwards)


def test_an_issuer_without_a_key_of_a_named_algorithm_has_none() -> None:
    trust = trusted(OKTA, algorithms={"ES256"})
    with verifying(trust, net=Published.of(OKTA)) as verifier, pytest.raises(KeysUnavailableError):
        verifier.verify(OKTA.access_token())


def test_a_key_for_encryption_verifies_nothing() -> None:
    header = {**KEYCLOAK.header, "kid": "enc-1"}
    token = rsa_key(1).signs(header, {**KEYCLOAK.access, "iat": int(NOW), "exp": int(NOW) + 60})
    with (
        verifying(trusted(KEYCLOAK), net=Published.of(KEYCLOAK)) as verifier,
        pytest.raises(KeyNotFoundError),
    ):
        verifier.verify(token)


@pytest.mark.threat("JWT-header-trust")
def test_a_certificate_of_another_key_makes_a_key_unusable() -> None:
    net = Published.of(AUTH0)
    net.documents[AUTH0.metadata["jwks_uri"]]["keys"][0]["x5c"] = rsa_key(1).x5c
    with verifying(trusted(AUTH0), net=net) as verifier, pytest.raises(KeyNotFoundError):
        verifier.verify(AUTH0.access_token())


@pytest.mark.parametrize("name", SHAPES)
def test_a_bound_token_of_any_issuer_is_refused_as_bearer(name: str) -> None:
    shape = SHAPES[name]
    with verifying(trusted(shape), net=Published.of(shape)) as verifier, pytest.raises(BoundTokenError):
        verifier.verify(shape.access_token(cnf={"jkt": "x"}))


def test_many_groups_are_a_reference_and_never_an_empty_set() -> None:
    with verifying(trusted(ENTRA_V1), net=Published.of(ENTRA_V1)) as verifier:
        who = verifier.verify(ENTRA_V1.access_token())
        few = verifier.verify(
            ENTRA_V1.access_token(_claim_names=None, _claim_sources=None, groups=["g1", "g2"])
        )
    assert isinstance(who.groups, ByReference)
    with pytest.raises(GroupsUnavailableError):
        policy.check_group(who, policy.requirement((), group="managers"))
    assert few.groups == {"g1", "g2"}


@pytest.mark.rfc("8414", "3.3")
@pytest.mark.threat("JWT-iss-sub", off="admit.verifier.metadata:check_issuer")
def test_metadata_at_another_place_still_has_to_name_the_issuer() -> None:
    net = Published.of(ENTRA_V1)
    net.documents[ENTRA_V1.metadata_url] = {**ENTRA_V1.metadata, "issuer": ENTRA_V2.issuer}
    with verifying(trusted(ENTRA_V1), net=net) as verifier, pytest.raises(KeysUnavailableError):
        verifier.verify(ENTRA_V1.access_token())


def many_tenants(*tenants: str, **changes: Any) -> TrustedIssuer:
    more = {**WAIVED, **ENTRA_V2.trust, "metadata": ENTRA_ALL_PLACE, "tenants": frozenset(tenants), **changes}
    return TrustedIssuer(ENTRA_ALL, **more)


def entra_for_all() -> Published:
    net = Published()
    keys = f"{ENTRA}/common/discovery/v2.0/keys"
    net.documents[ENTRA_ALL_PLACE] = {**ENTRA_V2.metadata, "issuer": ENTRA_ALL, "jwks_uri": keys}
    net.documents[keys] = {"keys": entra_keys()}
    return net


def test_listed_tenants_are_issuers_of_their_own_and_share_one_set_of_keys() -> None:
    net = entra_for_all()
    other = f"{ENTRA}/{OTHER_TENANT}/v2.0"
    with verifying(many_tenants(TENANT, OTHER_TENANT), net=net) as verifier:
        assert verifier.issuers == {ENTRA_V2.issuer, other}
        one = verifier.verify(ENTRA_V2.access_token())
        two = verifier.verify(ENTRA_V2.access_token(iss=other, tid=OTHER_TENANT))
        assert len(verifier.health().issuers) == 1
    assert (one.issuer, two.issuer) == (ENTRA_V2.issuer, other)
    assert one.key != two.key
    assert len(net.dialled) == 2


@pytest.mark.threat(
    "JWT-iss-sub", off=["admit.verifier.choosing:choose_issuer", "admit.jose.claims:check_issuer"]
)
@pytest.mark.parametrize("tenant", [OTHER_TENANT, "{tenantid}", "common", TENANT.upper(), f"{TENANT}/x", ""])
def test_a_tenant_that_is_not_listed_is_refused(tenant: str) -> None:
    with verifying(many_tenants(TENANT), net=entra_for_all()) as verifier, pytest.raises(IssuerError):
        verifier.verify(ENTRA_V2.access_token(iss=f"{ENTRA}/{tenant}/v2.0", tid=tenant or None))


@pytest.mark.threat("JWT-iss-sub", off="admit.verifier.keys:is_bound_elsewhere")
def test_a_key_of_consumers_signs_for_no_other_tenant() -> None:
    consumers = f"{ENTRA}/{CONSUMERS}/v2.0"
    header = {**ENTRA_V2.header, "kid": "live-1"}
    claims = {**ENTRA_V2.access, "iat": int(NOW), "exp": int(NOW) + 60}
    net = entra_for_all()
    with verifying(many_tenants(TENANT, CONSUMERS), net=net) as verifier, pytest.raises(KeyNotFoundError):
        verifier.verify(rsa_key(2).signs(header, claims))
    net.documents[f"{consumers}/.well-known/openid-configuration"] = {
        **ENTRA_V2.metadata,
        "issuer": consumers,
        "jwks_uri": f"{ENTRA}/common/discovery/v2.0/keys",
    }
    alone = TrustedIssuer(consumers, **{**WAIVED, **ENTRA_V2.trust})
    with verifying(alone, many_tenants(TENANT), net=net) as verifier:
        verifier.verify(rsa_key(2).signs(header, {**claims, "iss": consumers, "tid": CONSUMERS}))
        with pytest.raises(KeyNotFoundError):
            verifier.verify(rsa_key(2).signs(header, claims))


@pytest.mark.parametrize(
    "changes",
    [
        {"tenants": None},
        {"tenants": frozenset()},
        {"tenants": TENANT},
        {"tenants": {"a/b"}},
        {"tenants": {"*"}},
        {"tenants": {"{tenantid}"}},
        {"tenants": {""}},
        {"metadata": None},
        {"revocation": None},
        {"metadata": "http://login.example/x"},
    ],
)
def test_an_issuer_of_many_tenants_is_told_which(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        many_tenants(TENANT, **changes)


def test_tenants_need_a_place_in_the_name() -> None:
    with pytest.raises(ConfigError):
        TrustedIssuer(ENTRA_V2.issuer, **{**WAIVED, **ENTRA_V2.trust, "tenants": {TENANT}})


@pytest.mark.parametrize(
    ("found", "wanted", "met"),
    [
        ("a", "a", True),
        ("a", "b", False),
        (["a"], "a", False),
        (True, True, True),
        (1, True, False),
        (True, 1, False),
        (2, 2, True),
        (2.0, 2, False),
        ("a", frozenset({"a", "b"}), True),
        ("c", frozenset({"a", "b"}), False),
        (["a"], frozenset({"a"}), False),
        ("", ..., True),
        (False, ..., True),
        (None, ..., False),
    ],
)
def test_a_required_claim_says_exactly_what_is_asked(found: Any, wanted: Any, met: bool) -> None:
    for claims, name in (({"x": found}, "x"), ({"a": {"x": found}}, "/a/x")):
        if met:
            foreign.check_required(claims, {name: wanted})
        else:
            with pytest.raises(ClaimError):
                foreign.check_required(claims, {name: wanted})
    with pytest.raises(ClaimError):
        foreign.check_required({}, {"x": wanted})


def test_required_claims_hold_for_tokens_of_rfc_9068_too() -> None:
    key = JWK.generate("ES256")
    token = access.sign(
        access.AccessToken(
            issuer="https://id.example",
            subject="u",
            audience=API,
            client_id="spa",
            iat=NOW,
            exp=NOW + 60,
            jti="j",
        ),
        key,
    )
    terms: dict[str, Any] = {**WAIVED, "audience": API, "jwks": JWKSet([key.public()])}
    good = TrustedIssuer("https://id.example", require={"client_id": "spa"}, **terms)
    with verifying(good, net=Published()) as verifier:
        verifier.verify(token)
    other = TrustedIssuer("https://id.example", require={"client_id": "web"}, **terms)
    with verifying(other, net=Published()) as verifier, pytest.raises(ClaimError):
        verifier.verify(token)


@pytest.mark.rfc("6901", "4")
def test_a_path_is_a_name_or_a_pointer() -> None:
    claims = {"https://example.com/roles": ["a"], "x": {"a/b": {"~": ["b"]}}, "/odd": ["c"]}
    assert foreign.find(claims, foreign.path("https://example.com/roles")) == ["a"]
    assert foreign.find(claims, foreign.path("/x/a~1b/~0")) == ["b"]
    assert foreign.find(claims, foreign.path("/~1odd")) == ["c"]
    assert foreign.find(claims, foreign.path("/x/none/~0")) is None
    for wrong in ("", "/", "/a~2b", "/a~", 7):
        with pytest.raises(ConfigError):
            foreign.path(wrong)  # type: ignore[arg-type]  # what it has to refuse


def test_roles_of_several_places_are_joined_and_of_scopes_the_first_place_counts() -> None:
    paths = ClaimPaths(scopes=("scp", "scope"), roles=("roles", "/realm_access/roles"))
    base = {"iss": "i", "sub": "s", "aud": "a", "exp": NOW}
    who = foreign.principal(
        {**base, "scope": "x y", "scp": ["z"], "roles": ["a"], "realm_access": {"roles": ["b"]}}, paths
    )
    assert (who.scopes, who.roles) == ({"z"}, {"a", "b"})
    assert foreign.principal({**base, "scope": " x  y "}, paths).scopes == {"x", "y"}
    assert foreign.principal(base, paths).roles == frozenset()
    for wrong in (
        {"scp": 1},
        {"scp": [1]},
        {"roles": "a"},
        {"roles": {"a": 1}},
        {"groups": [""]},
        {"client_id": 1},
    ):
        with pytest.raises(ClaimError):
            foreign.principal({**base, **wrong}, paths)


@pytest.mark.parametrize(
    "members",
    [
        {"algorithms": set()},
        {"algorithms": "RS256"},
        {"algorithms": {"none"}},
        {"algorithms": {"ES256"}, "rsa_alg": "RS256"},
        {"algorithms": {"EdDSA"}, "okp_alg": "Ed25519"},
        {"rsa_alg": "rs256"},
        {"rsa_alg": "ES256"},
        {"rsa_alg": "RSA-OAEP"},
        {"rsa_alg": []},
        {"okp_alg": "ES256"},
        {"okp_alg": None},
        {"algorithms": {"ES256"}, "jwks": JWKSet([JWK.generate("EdDSA").public()])},
        {"algorithms": {"ES256"}, "secret": bytes(range(32))},
        {"audience_claim": ""},
        {"audience_claim": "iss"},
        {"require": {"": "x"}},
        {"require": {"x": None}},
        {"require": {"x": frozenset()}},
        {"require": {"x": ["a"]}},
        {"refuse": {"nonce"}},
        {"claims": {"roles": "x"}},
        {"metadata": "https://x.example/m", "jwks": "https://x.example/jwks"},
        {"metadata": "ftp://x.example/m"},
        {"audience": ["a", ""]},
    ],
)
def test_terms_that_cannot_work_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrustedIssuer("https://id.example", **{"audience": API, **WAIVED, **members})


@pytest.mark.parametrize(
    "members",
    [{"audience_claim": "client_id"}, {"claims": ClaimPaths(roles="r")}, {"refuse": frozenset[str]()}],
)
def test_an_issuer_whose_revocations_are_followed_writes_tokens_of_rfc_9068(members: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrustedIssuer("https://id.example", audience=API, **members)


def test_an_issuer_that_is_never_dialled_may_have_any_name() -> None:
    TrustedIssuer("backend", audience=API, secret=bytes(range(32)), **WAIVED)
    TrustedIssuer("accounts.google.com", audience=API, metadata=GOOGLE.metadata_url, typ="JWT", **WAIVED)
    TrustedIssuer("accounts.google.com", audience=API, jwks=GOOGLE.metadata["jwks_uri"], typ="JWT", **WAIVED)
    with pytest.raises(ConfigError):
        TrustedIssuer("accounts.google.com", audience=API, typ="JWT", **WAIVED)


def test_google_has_its_keys_on_another_host() -> None:
    net = Published.of(GOOGLE)
    with verifying(trusted(GOOGLE), net=net) as verifier:
        verifier.verify(GOOGLE.access_token())
        with pytest.raises(ClaimError):
            verifier.verify(GOOGLE.access_token(email="stranger@project.iam.gserviceaccount.com"))
    assert net.dialled == [GOOGLE.metadata_url, GOOGLE.metadata["jwks_uri"]]


def test_all_shapes_are_trusted_side_by_side() -> None:
    shapes = list(SHAPES.values())
    with verifying(*(trusted(shape) for shape in shapes), net=Published.of(*shapes)) as verifier:
        for shape in shapes:
            assert verifier.verify(shape.access_token()).issuer == shape.issuer
