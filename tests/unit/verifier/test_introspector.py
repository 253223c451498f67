"""Opaque tokens: the issuer is asked, seldom and for few at a time, whatever strangers bring."""

import asyncio
import os
import secrets
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import (
    ExpiredTokenError,
    InactiveTokenError,
    IntrospectionUnavailableError,
    MalformedTokenError,
    SignatureError,
    TokenError,
)
from admit.fetch import Response
from admit.jose import JWK, JWKSet, Waive
from admit.jose import claims as jose_claims
from admit.verifier import AsyncVerifier, TrustedIssuer
from admit.verifier.introspector import Asker
from tests.fixtures.following import verifying
from tests.fixtures.introspecting import OPAQUE, terms, trusted
from tests.fixtures.opaque_issuer import API, API_SECRET, OpaqueIssuer, serve
from tests.fixtures.status_issuer import NOW, Clock
from tests.plugins.patience import wait_until


@pytest.fixture
def issuer() -> Iterator[OpaqueIssuer]:
    with serve(OpaqueIssuer()) as made:
        yield made


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
        wait_until(lambda: issuer.asked)
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
        wait_until(lambda: issuer.asked)
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
        wait_until(lambda: sum(one.done() for one in flood) >= 35)
        assert sum(one.done() for one in flood) == 35
        assert all(isinstance(one.exception(), IntrospectionUnavailableError) for one in flood if one.done())
        verifier.verify(held)
        wait_until(lambda: issuer.most_under_way >= 2)
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
        wait_until(lambda: token in issuer.asked)
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
        await asyncio.to_thread(wait_until, lambda: issuer.asked)
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
