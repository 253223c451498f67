"""What an issuer says of an opaque token, and what it must say before anybody is let in; the terms of asking."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import (
    AdmitError,
    AudienceError,
    BoundTokenError,
    ClaimError,
    ConfigError,
    ExpiredTokenError,
    InactiveTokenError,
    IntrospectionUnavailableError,
    IssuerError,
    NotYetValidError,
    TokenError,
    TokenTypeError,
)
from admit.jose import JWK, Waive
from admit.jose import claims as jose_claims
from admit.verifier import TrustedIssuer, Verifier
from admit.verifier import introspection as rules
from tests.fixtures.following import verifying
from tests.fixtures.introspecting import OPAQUE, terms, trusted
from tests.fixtures.opaque_issuer import API, API_ID, OpaqueIssuer, serve
from tests.fixtures.status_issuer import NOW, Clock
from tests.plugins.patience import wait_until


@pytest.fixture
def issuer() -> Iterator[OpaqueIssuer]:
    with serve(OpaqueIssuer()) as made:
        yield made


GOOD: dict[str, Any] = {
    "active": True,
    "token_type": "Bearer",
    "iss": "https://id.example.com",
    "sub": "u_alice",
    "client_id": "spa",
    "aud": [API, "other"],
    "scope": "orders:read",
    "iat": NOW - 60,
    "exp": NOW + 60,
}
SAID = TrustedIssuer(
    "https://id.example.com", audience=API, typ="JWT", revocation=Waive.REVOCATION, introspection=terms()
)


def judged(members: dict[str, Any], trust: TrustedIssuer = SAID, **changes: Any) -> Any:
    told = {name: value for name, value in {**members, **changes}.items() if value != "absent"}
    assert trust.introspection is not None
    return rules.principal(told, trust, trust.introspection, NOW)


@pytest.mark.rfc("7662", "2.2")
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"active": False}, InactiveTokenError),
        ({"iss": "https://evil.example"}, IssuerError),
        ({"iss": None}, IssuerError),
        ({"aud": "absent"}, AudienceError),
        ({"aud": "https://other.example"}, AudienceError),
        ({"aud": []}, AudienceError),
        ({"aud": {API: 1}}, AudienceError),
        ({"exp": NOW - 31}, ExpiredTokenError),
        ({"exp": "tomorrow"}, ClaimError),
        ({"exp": True}, ClaimError),
        ({"nbf": NOW + 31}, NotYetValidError),
        ({"iat": NOW + 31}, NotYetValidError),
        ({"token_type": "absent"}, TokenTypeError),
        ({"token_type": "refresh_token"}, TokenTypeError),
        ({"token_type": "N_A"}, TokenTypeError),
        ({"token_type": ["Bearer"]}, TokenTypeError),
        ({"token_type": "DPoP"}, BoundTokenError),
        ({"cnf": {"jkt": "x"}}, BoundTokenError),
        ({"cnf": {"x5t#S256": "x"}}, BoundTokenError),
        ({"sub": ""}, ClaimError),
        ({"sub": 7}, ClaimError),
        ({"sub": "absent", "username": "ada"}, ClaimError),
        ({"sub": "absent", "client_id": "absent"}, ClaimError),
        ({"scope": 7}, ClaimError),
        ({"nonce": "n"}, TokenTypeError),
        ({"at_hash": "h"}, TokenTypeError),
        ({"events": {}}, TokenTypeError),
    ],
)
def test_an_answer_that_does_not_fit_refuses(changes: dict[str, Any], error: type[TokenError]) -> None:
    judged(GOOD)
    with pytest.raises(error):
        judged(GOOD, **changes)


@pytest.mark.parametrize("active", ["absent", None, 1, "true", "True", [True], {}, 0, "false"])
def test_only_true_itself_is_true_and_only_false_is_false(active: Any) -> None:
    with pytest.raises(IntrospectionUnavailableError):
        judged(GOOD, active=active)


@pytest.mark.threat("JWT-iss-sub", off="admit.verifier.introspection:check_issuer")
def test_an_answer_about_another_issuers_token_refuses() -> None:
    with pytest.raises(IssuerError):
        judged(GOOD, iss="https://evil.example")


@pytest.mark.threat("9700-sender", off="admit.verifier.introspection:check_bearer")
@pytest.mark.parametrize("changes", [{"cnf": {"jkt": "x"}}, {"token_type": "DPoP"}, {"token_type": "dpop"}])
def test_a_bound_token_is_no_bearer_token(changes: dict[str, Any]) -> None:
    with pytest.raises(BoundTokenError):
        judged(GOOD, **changes)


@pytest.mark.threat("JWT-kinds", off="admit.verifier.introspection:check_bearer")
def test_a_refresh_token_which_has_no_token_type_is_refused() -> None:
    with pytest.raises(TokenTypeError):
        judged(GOOD, token_type="absent")


@pytest.mark.threat("6819-4.6.5", off="admit.jose.claims:check_audience")
def test_a_token_for_another_resource_server_is_refused() -> None:
    with pytest.raises(AudienceError):
        judged(GOOD, aud="https://rs2.example.com")


def test_what_may_be_missing_may_be_missing() -> None:
    who = judged(GOOD, iss="absent", exp="absent", iat="absent", scope="absent")
    assert (who.issuer, who.expires_at, who.scopes) == (SAID.issuer, None, frozenset())
    machine = judged(GOOD, sub="absent")
    assert machine.is_client
    said = TrustedIssuer(
        SAID.issuer,
        audience="spa",
        audience_claim="client_id",
        require={"token_use": "access_token"},
        revocation=Waive.REVOCATION,
        introspection=terms(token_type=Waive.TYP),
    )
    who = judged(GOOD, said, aud="absent", token_type="absent", token_use="access_token")
    assert who.audience == {"spa"}
    with pytest.raises(ClaimError):
        judged(GOOD, said, aud="absent", token_type="absent", token_use="refresh_token")
    with pytest.raises(AudienceError):
        judged(GOOD, said, aud="absent", token_use="access_token", client_id="another")


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 500},
        {"status": 401},
        {"status": 403},
        {"status": 400},
        {"status": 302},
        {"status": 204},
        {"media": "text/html"},
        {"media": "application/token-introspection+jwt"},
        {"body": b""},
        {"body": b"<html>"},
        {"body": b"[]"},
        {"body": b"true"},
        {"body": b'{"active":true,"active":false}'},
        {"body": b'{"active":"true"}'},
        {"body": b'{"active":true,' + b'"a":"' + b"x" * 70_000 + b'"}'},
        {"hangs_up": True},
    ],
)
def test_what_is_no_answer_is_503_and_heals(
    issuer: OpaqueIssuer, clock: Clock, changes: dict[str, Any]
) -> None:
    token = issuer.knows(OPAQUE)
    before = {name: getattr(issuer, name) for name in changes}
    for name, value in changes.items():
        setattr(issuer, name, value)
    with verifying(trusted(issuer), clock=clock) as verifier:
        with pytest.raises(IntrospectionUnavailableError) as refusal:
            verifier.verify(token)
        assert (refusal.value.status, refusal.value.code) == (503, "introspection_unavailable")
        for name, value in before.items():
            setattr(issuer, name, value)
        clock.pass_time(1)
        verifier.verify(token)


def test_a_wrong_secret_is_503_and_tells_nobody(issuer: OpaqueIssuer, clock: Clock) -> None:
    trust = trusted(issuer, terms(secret="wrong-secret"))
    assert "wrong-secret" not in repr(trust)
    with verifying(trust, clock=clock) as verifier, pytest.raises(IntrospectionUnavailableError) as refusal:
        verifier.verify(issuer.knows(OPAQUE))
    assert "wrong-secret" not in f"{refusal.value!r} {refusal.value.__cause__!r}"


@pytest.mark.parametrize(
    "prefixes",
    [("", ""), ("a", "a"), ("a", "ab"), ("ab", "a"), ("", "x", "x")],
    ids=lambda given: "|".join(given),
)
def test_issuers_whose_tokens_cannot_be_told_apart_are_refused(prefixes: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError):
        Verifier(
            *(
                TrustedIssuer(
                    f"https://id{n}.example.com",
                    audience=API,
                    typ="JWT",
                    revocation=Waive.REVOCATION,
                    introspection=terms(prefix=prefix),
                )
                for n, prefix in enumerate(prefixes)
            )
        )


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ""},
        {"secret": ""},
        {"cache": timedelta(seconds=31)},
        {"cache": timedelta(seconds=-1)},
        {"cache": 10},
        {"prefix": "ey"},
        {"prefix": "eyJ"},
        {"prefix": "a b"},
        {"token_type": ""},
        {"token_type": None},
        {"concurrency": 0},
        {"waiting": -1},
        {"remember": -1},
    ],
)
def test_terms_that_cannot_work_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        terms(**changes)


@pytest.mark.parametrize("endpoint", ["http://id.example.com/introspect", "ftp://x", "x", "https://a@b/"])
def test_an_endpoint_that_may_not_be_dialled_is_refused(endpoint: str) -> None:
    with pytest.raises(ConfigError):
        TrustedIssuer(
            "https://id.example.com",
            audience=API,
            revocation=Waive.REVOCATION,
            introspection=terms(endpoint=endpoint),
        )


def test_metadata_that_names_no_endpoint_is_503(issuer: OpaqueIssuer, clock: Clock) -> None:
    issuer.metadata = {"introspection_endpoint": None}
    with verifying(trusted(issuer), clock=clock) as verifier, pytest.raises(IntrospectionUnavailableError):
        verifier.verify(issuer.knows(OPAQUE))


@pytest.mark.rfc("9701", "5")
class TestSignedAnswers:
    """RFC 9701: only where they were asked for, and then nothing else."""

    def answer(
        self, issuer: OpaqueIssuer, key: JWK | None = None, typ: str | None = None, **changes: Any
    ) -> None:
        claims = {
            "iss": issuer.issuer,
            "aud": API_ID,
            "iat": int(NOW),
            "token_introspection": issuer.tokens.get(OPAQUE, {"active": False}),
            **changes,
        }
        made = {name: value for name, value in claims.items() if value is not None}
        issuer.media = "application/token-introspection+jwt"
        issuer.body = jose_claims.encode(
            made, key or issuer.key, typ=typ or "token-introspection+jwt"
        ).encode()

    def ask(self, issuer: OpaqueIssuer, clock: Clock) -> Any:
        with verifying(trusted(issuer, terms(signed=True)), clock=clock) as verifier:
            wait_until(verifier.ready, "its keys")
            return verifier.verify(OPAQUE)

    def test_a_signed_answer_is_taken_where_it_was_asked_for(
        self, issuer: OpaqueIssuer, clock: Clock
    ) -> None:
        issuer.knows(OPAQUE)
        self.answer(issuer)
        assert self.ask(issuer, clock).subject == "u_alice"
        assert issuer.accepts == ["application/token-introspection+jwt"]
        issuer.tokens.clear()
        self.answer(issuer)
        with pytest.raises(InactiveTokenError):
            self.ask(issuer, clock)

    def test_an_unsigned_answer_is_not(self, issuer: OpaqueIssuer, clock: Clock) -> None:
        issuer.knows(OPAQUE)
        with pytest.raises(IntrospectionUnavailableError):
            self.ask(issuer, clock)

    @pytest.mark.parametrize(
        "changes",
        [
            {"key": JWK.generate("ES256", kid="k1")},
            {"typ": "JWT"},
            {"typ": "at+jwt"},
            {"aud": "another-api"},
            {"aud": API},
            {"iss": "https://evil.example"},
            {"iat": int(NOW) - 200},
            {"iat": None},
            {"sub": "u_alice"},
            {"exp": int(NOW) + 60},
            {"token_introspection": None},
            {"token_introspection": "active"},
        ],
        ids=lambda changes: "-".join(f"{name}={str(value)[:12]}" for name, value in changes.items()),
    )
    def test_one_that_is_not_signed_as_it_should_be_is_503(
        self, issuer: OpaqueIssuer, clock: Clock, changes: dict[str, Any]
    ) -> None:
        issuer.knows(OPAQUE)
        self.answer(issuer, **changes)
        with pytest.raises(AdmitError) as refusal:
            self.ask(issuer, clock)
        assert refusal.value.status == 503
