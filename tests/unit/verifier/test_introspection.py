"""Opaque tokens: the issuer is asked, seldom and for few at a time, and its answer is held to rules."""

import asyncio
import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
    MalformedTokenError,
    NotYetValidError,
    SignatureError,
    TokenError,
    TokenTypeError,
)
from admit.fetch import Response
from admit.jose import JWK, JWKSet, Waive
from admit.jose import claims as jose_claims
from admit.verifier import AsyncVerifier, Introspection, TrustedIssuer, Verifier
from admit.verifier import introspection as rules
from admit.verifier.introspector import Asker
from tests.fixtures.opaque_issuer import API, API_ID, API_SECRET, OpaqueIssuer, serve
from tests.fixtures.status_issuer import NOW, Clock
from tests.plugins.patience import wait_until

OPAQUE = "2YotnFZFEjr1zCsicMWpAA"


def terms(**changes: Any) -> Introspection:
    return Introspection(**{"client_id": API_ID, "secret": API_SECRET, **changes})


def trusted(
    issuer: OpaqueIssuer, introspection: Introspection | None = None, **changes: Any
) -> TrustedIssuer:
    members: dict[str, Any] = {
        "audience": API,
        "typ": "JWT",
        "revocation": Waive.REVOCATION,
        "introspection": introspection or terms(),
        **changes,
    }
    return TrustedIssuer(issuer.issuer, **members)


@contextmanager
def verifying(*issuers: TrustedIssuer, clock: Clock, **more: Any) -> Iterator[Verifier]:
    verifier = Verifier(*issuers, wall=clock.walltime, boottime=clock.boottime, **more)
    try:
        yield verifier
    finally:
        verifier.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer() -> Iterator[OpaqueIssuer]:
    with serve(OpaqueIssuer()) as made:
        yield made


def until(met: Any) -> None:
    """Wait for a fact of another thread."""
    wait_until(met)


@pytest.mark.rfc("7662", "2.1")
def test_an_opaque_token_becomes_the_principal_that_its_issuer_tells_of(
    issuer: OpaqueIssuer, clock: Clock
) -> None:
    token = issuer.knows(OPAQUE, roles=["admin"], username="ada", extra={"a": [1]})
    with verifying(trusted(issuer), clock=clock) as verifier:
        who = verifier.verify(token)
        assert verifier.verify(token) is who
    assert who.key == (issuer.issuer, "u_alice")
    assert (who.client_id, who.scopes, who.roles) == ("spa", {"orders:read"}, {"admin"})
    assert (who.audience, who.token_id, who.expires_at) == ({API}, "t1", NOW + 3_540)
    assert "active" not in who.claims
    with pytest.raises(TypeError):
        who.claims["extra"]["b"] = 1  # type: ignore[index]  # it is what must not work
    assert issuer.asked == [token]
    assert issuer.paths.count("/introspect") == 1
    assert issuer.forms == [{"token": [token], "token_type_hint": ["access_token"]}]


@pytest.mark.rfc("7662", "2.2")
def test_an_unknown_token_is_401_and_asked_about_once_in_a_while(issuer: OpaqueIssuer, clock: Clock) -> None:
    with verifying(trusted(issuer), clock=clock) as verifier:
        for _ in range(3):
            with pytest.raises(InactiveTokenError) as refusal:
                verifier.verify(OPAQUE)
            assert (refusal.value.status, refusal.value.code) == (401, "invalid_token")
            assert OPAQUE not in repr(refusal.value)
        assert issuer.asked == [OPAQUE]
        issuer.knows(OPAQUE)
        clock.pass_time(5)
        verifier.verify(OPAQUE)


@pytest.mark.threat("SES-6", off="admit.verifier.introspector:is_current")
def test_a_token_that_was_ended_is_refused_once_the_answer_is_too_old(
    issuer: OpaqueIssuer, clock: Clock
) -> None:
    token = issuer.knows(OPAQUE)
    with verifying(trusted(issuer, terms(cache=timedelta(seconds=20))), clock=clock) as verifier:
        verifier.verify(token)
        del issuer.tokens[token]
        clock.pass_time(19.9)
        verifier.verify(token)
        clock.pass_time(0.1)
        with pytest.raises(InactiveTokenError):
            verifier.verify(token)


@pytest.mark.threat("SES-6", off="admit.verifier.introspector:is_current")
def test_an_answer_is_as_old_as_its_question(issuer: OpaqueIssuer, clock: Clock) -> None:
    """What was ended while the answer was on its way counts from when it was asked for."""
    token, issuer.hold = issuer.knows(OPAQUE), threading.Event()
    with verifying(trusted(issuer), clock=clock) as verifier, ThreadPoolExecutor(1) as pool:
        asked = pool.submit(verifier.verify, token)
        until(lambda: issuer.asked)
        clock.pass_time(9)
        issuer.hold.set()
        asked.result(10)
        clock.pass_time(0.9)
        verifier.verify(token)
        clock.pass_time(0.1)
        verifier.verify(token)
    assert len(issuer.asked) == 2


def test_an_answer_is_never_held_beyond_exp(issuer: OpaqueIssuer, clock: Clock) -> None:
    token = issuer.knows(OPAQUE, exp=int(NOW) + 5)
    with verifying(trusted(issuer, terms(cache=timedelta(seconds=30))), clock=clock) as verifier:
        verifier.verify(token)
        clock.pass_time(5)
        verifier.verify(token)  # within the leeway, and asked again
        assert len(issuer.asked) == 2
        clock.pass_time(31)
        with pytest.raises(ExpiredTokenError):
            verifier.verify(token)


def test_a_clock_that_went_back_does_not_make_an_answer_young(issuer: OpaqueIssuer, clock: Clock) -> None:
    token = issuer.knows(OPAQUE)
    with verifying(trusted(issuer), clock=clock) as verifier:
        verifier.verify(token)
        clock.boot -= 100
        verifier.verify(token)
    assert len(issuer.asked) == 2


def test_without_a_cache_each_request_asks(issuer: OpaqueIssuer, clock: Clock) -> None:
    token = issuer.knows(OPAQUE)
    with verifying(trusted(issuer, terms(cache=timedelta(0))), clock=clock) as verifier:
        for _ in range(3):
            verifier.verify(token)
    assert len(issuer.asked) == 3


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


def test_an_outage_is_told_once_and_names_no_token(
    issuer: OpaqueIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    issuer.status = 500
    with verifying(trusted(issuer), clock=clock) as verifier:
        for n in range(5):
            with pytest.raises(IntrospectionUnavailableError):
                verifier.verify(f"an-opaque-token-{n}")
    told = [one.getMessage() for one in caplog.records if one.name == "admit.verifier"]
    assert len(told) == 1
    assert "introspection_unavailable" in told[0]
    assert "an-opaque-token" not in caplog.text
    assert API_SECRET not in caplog.text


def test_an_issuer_out_of_reach_is_not_asked_for_a_second(issuer: OpaqueIssuer, clock: Clock) -> None:
    held, token = issuer.knows("held"), issuer.knows(OPAQUE)
    with verifying(trusted(issuer), clock=clock) as verifier:
        verifier.verify(held)
        issuer.hangs_up = True
        for _ in range(3):
            with pytest.raises(IntrospectionUnavailableError):
                verifier.verify(token)
        asked = len(issuer.asked)
        for _ in range(20):
            with pytest.raises(IntrospectionUnavailableError):
                verifier.verify(token)
        assert len(issuer.asked) == asked
        verifier.verify(held)


@pytest.mark.threat("O-6", off="admit.verifier.introspector:is_outage")
def test_a_strangers_string_that_is_hung_up_on_keeps_nobody_else_from_asking(
    issuer: OpaqueIssuer, clock: Clock
) -> None:
    with verifying(trusted(issuer), clock=clock) as verifier:
        for n in range(5):
            issuer.hangs_up = True
            with pytest.raises(IntrospectionUnavailableError):
                verifier.verify("../../etc/passwd" + "=" * n)
            issuer.hangs_up = False
            verifier.verify(issuer.knows(f"somebody-{n}"))


@pytest.mark.threat("JWT-header-trust", off="admit.verifier.introspection:is_opaque")
@pytest.mark.parametrize("signed", [True, False])
def test_what_looks_like_a_jwt_is_sent_nowhere(issuer: OpaqueIssuer, clock: Clock, signed: bool) -> None:
    """It may be a live token of another issuer, and this one could use it."""
    other = jose_claims.encode({"iss": "https://other.example", "sub": "u"}, JWK.generate("ES256"), typ="JWT")
    token = other if signed else "aGVhZGVy.cGF5bG9hZA.c2ln"
    with verifying(trusted(issuer), clock=clock) as verifier:
        with pytest.raises(TokenError):
            verifier.verify(token)
        verifier.verify(issuer.knows(OPAQUE))
    assert issuer.asked == [OPAQUE]


@pytest.mark.rfc("6750", "2.1")
@pytest.mark.parametrize(
    "token", ["", "=", "a b", "a\nb", "a\x00b", "ä", "a&b=c", '"', "a%20b", "a" * 4_097, "a=b"]
)
def test_what_is_no_token_is_sent_nowhere(issuer: OpaqueIssuer, clock: Clock, token: str) -> None:
    with verifying(trusted(issuer), clock=clock) as verifier, pytest.raises(MalformedTokenError):
        verifier.verify(token)
    assert issuer.asked == []


def test_one_issuer_may_have_both_kinds(issuer: OpaqueIssuer, clock: Clock) -> None:
    claims = {"iss": issuer.issuer, "sub": "u_bo", "aud": API, "iat": int(NOW), "exp": int(NOW) + 60}
    jwt = jose_claims.encode(claims, issuer.key, typ="JWT")
    forged = jose_claims.encode(claims, JWK.generate("ES256", kid="k1"), typ="JWT")
    with verifying(trusted(issuer), clock=clock) as verifier:
        assert verifier.verify(jwt).subject == "u_bo"
        assert verifier.verify(issuer.knows(OPAQUE)).subject == "u_alice"
        with pytest.raises(SignatureError):
            verifier.verify(forged)
    assert issuer.asked == [OPAQUE]


def test_an_issuer_with_opaque_tokens_alone_needs_no_keys(issuer: OpaqueIssuer, clock: Clock) -> None:
    endpoint = f"{issuer.issuer}/introspect"
    with verifying(trusted(issuer, terms(endpoint=endpoint), jwks=JWKSet([])), clock=clock) as verifier:
        verifier.verify(issuer.knows(OPAQUE))
        assert verifier.ready()
    assert issuer.paths == ["/introspect"]


def test_many_who_bring_the_same_token_ask_once(issuer: OpaqueIssuer, clock: Clock) -> None:
    token, issuer.hold = issuer.knows(OPAQUE), threading.Event()
    with verifying(trusted(issuer), clock=clock) as verifier, ThreadPoolExecutor(20) as pool:
        asked = [pool.submit(verifier.verify, token) for _ in range(20)]
        until(lambda: issuer.asked)
        issuer.hold.set()
        assert len({id(one.result(10)) for one in asked}) == 1
    assert issuer.asked == [token]


@pytest.mark.threat("JWT-jwks", off="admit.verifier.introspector:check_room")
def test_a_flood_of_made_up_tokens_fills_no_more_than_its_room(issuer: OpaqueIssuer, clock: Clock) -> None:
    held = issuer.knows("held")
    limits = terms(concurrency=2, waiting=3, cache=timedelta(seconds=30))
    with verifying(trusted(issuer, limits), clock=clock) as verifier, ThreadPoolExecutor(40) as pool:
        verifier.verify(held)
        issuer.hold = threading.Event()
        flood = [pool.submit(verifier.verify, secrets.token_urlsafe(16)) for _ in range(40)]
        until(lambda: sum(one.done() for one in flood) >= 35)
        assert sum(one.done() for one in flood) == 35
        assert all(isinstance(one.exception(), IntrospectionUnavailableError) for one in flood if one.done())
        verifier.verify(held)
        until(lambda: issuer.most_under_way >= 2)
        issuer.hold.set()
        assert sum(isinstance(one.exception(10), InactiveTokenError) for one in flood) == 5
        assert issuer.most_under_way == 2
        verifier.verify(issuer.knows(OPAQUE))


def test_what_is_held_of_bad_tokens_is_bounded_and_drives_no_good_one_out(issuer: OpaqueIssuer) -> None:
    clock = Clock()

    class Net:
        """Stands in for a Fetcher."""

        def post(self, url: str, body: bytes, headers: Any, **_: Any) -> Any:
            token = body.decode().partition("&")[0].removeprefix("token=")
            return Response(200, {"content-type": "application/json"}, issuer.answer(token))

    limits = terms(endpoint="https://id.example.com/introspect", remember=10)
    trust = TrustedIssuer(
        issuer.issuer, audience=API, typ="JWT", revocation=Waive.REVOCATION, introspection=limits
    )
    asker = Asker(trust, limits, Net(), boottime=clock.boottime, background=False)  # type: ignore[arg-type]  # stands in
    good = [issuer.knows(f"good-{n}") for n in range(20)]
    for token in good:
        asker.check(token, token.encode(), NOW)
    for n in range(3_000):
        with pytest.raises(InactiveTokenError):
            asker.answer(asker.check(f"made-up-{n}", b"%d" % n, NOW))  # type: ignore[arg-type]  # it was asked
    assert len(asker._refused) == 1_000
    assert list(asker._good) == [token.encode() for token in good[-10:]]
    assert not asker._asking


def test_threads_end_when_nobody_asks_and_are_few_when_many_do(issuer: OpaqueIssuer, clock: Clock) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    with verifying(trusted(issuer, terms(concurrency=3)), clock=clock) as verifier:
        with ThreadPoolExecutor(10) as pool:
            list(pool.map(verifier.verify, [issuer.knows(f"t-{n}") for n in range(50)]))
        fresh = [one for one in threading.enumerate() if one.ident not in before]
        assert 1 <= sum(one.name == "admit-introspection" for one in fresh) <= 3
        assert all(one.daemon for one in fresh if one.name.startswith("admit-"))


def test_without_threads_whoever_needs_an_answer_asks(issuer: OpaqueIssuer, clock: Clock) -> None:
    before = {thread.ident for thread in threading.enumerate()}
    with verifying(trusted(issuer), clock=clock, background=False) as verifier:
        assert verifier.verify(issuer.knows(OPAQUE)).subject == "u_alice"
        with pytest.raises(InactiveTokenError):
            verifier.verify("unknown")
        fresh = [one.name for one in threading.enumerate() if one.ident not in before]
        assert not any(name.startswith("admit-") for name in fresh)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_forked_child_asks_for_itself(issuer: OpaqueIssuer, clock: Clock) -> None:
    held, token = issuer.knows("held"), issuer.knows(OPAQUE)
    with verifying(trusted(issuer), clock=clock) as verifier, ThreadPoolExecutor(1) as pool:
        verifier.verify(held)
        issuer.hold = threading.Event()
        under_way = pool.submit(verifier.verify, token)
        until(lambda: token in issuer.asked)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # forking with threads is the point
            child = os.fork()
        if child == 0:
            code = 1
            try:
                good = verifier.verify(held).subject == verifier.verify(token).subject == "u_alice"
                code = 0 if good else 2
            finally:
                os._exit(code)
        issuer.hold.set()
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert under_way.result(10).subject == "u_alice"
    assert issuer.asked == [held, token, token]


async def test_an_event_loop_waits_without_blocking(issuer: OpaqueIssuer, clock: Clock) -> None:
    token, issuer.hold = issuer.knows(OPAQUE), threading.Event()
    verifier = AsyncVerifier(trusted(issuer), wall=clock.walltime, boottime=clock.boottime)
    try:
        impatient = asyncio.create_task(verifier.verify(token))
        patient = asyncio.create_task(verifier.verify(token))
        await asyncio.to_thread(until, lambda: issuer.asked)
        impatient.cancel()
        issuer.hold.set()
        assert (await patient).subject == "u_alice"
        with pytest.raises(InactiveTokenError):
            await verifier.verify("unknown")
    finally:
        verifier.close()
    assert issuer.asked == [token, "unknown"]


def test_tokens_of_two_issuers_are_told_apart_by_how_they_begin(clock: Clock) -> None:
    with ExitStack() as stack:
        one, two = (stack.enter_context(serve(OpaqueIssuer())) for _ in range(2))
        trust = (trusted(one, terms(prefix="one.a.")), trusted(two))
        verifier = stack.enter_context(verifying(*trust, clock=clock))
        assert verifier.verify(one.knows("one.a.x")).issuer == one.issuer
        assert verifier.verify(two.knows("other")).issuer == two.issuer
        one.knows("other-of-one")
        with pytest.raises(InactiveTokenError):
            verifier.verify("other-of-one")
        assert (one.asked, two.asked) == (["one.a.x"], ["other", "other-of-one"])


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
