"""Ends: what heads and lists prove, for how long, and what is refused where they prove nothing."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from admit.errors import (
    ClaimError,
    ExpiredTokenError,
    RevokedError,
    SignatureError,
    StaleRevocationError,
)
from admit.jose import JWK, Waive
from admit.jose import claims as jose_claims
from admit.tokens import status_list
from admit.verifier import TrustedIssuer, Verifier
from admit.verifier.follower import Follower
from admit.verifier.snapshot import IssuerSnapshot
from tests.fixtures.following import ask, following
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer


@pytest.mark.threat("SES-6", off="admit.verifier.freshness:check_bit")
def test_an_ended_family_is_refused_by_remembered_and_new_tokens(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        remembered, other = issuer.token(7), issuer.token(8)
        verifier.verify(remembered)
        verifier.verify(other)
        issuer.end(7)
        ask(verifier, issuer)
        for token in (remembered, issuer.token(7, jti="t2")):
            with pytest.raises(RevokedError) as refusal:
                verifier.verify(token)
            assert refusal.value.status == 401
        verifier.verify(other)


@pytest.mark.threat("O-4", off="admit.verifier.freshness:check_current")
def test_past_the_bound_the_answer_is_503_and_before_it_is_not(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.down = True
        clock.pass_time(30)
        verifier.verify(token)
        ask(verifier, issuer)
        clock.pass_time(0.1)
        for attempt in (token, issuer.token(8)):
            with pytest.raises(StaleRevocationError) as refusal:
                verifier.verify(attempt)
            assert (refusal.value.status, refusal.value.code) == (503, "revocation_stale")
        assert not verifier.ready()
        assert verifier.health().issuers[0].last_error == "fetch_failed"
        issuer.down = False
        ask(verifier, issuer)
        verifier.verify(token)
        assert verifier.ready()


def test_a_bad_token_is_401_even_while_nothing_can_be_checked(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.down = True
        clock.pass_time(31)
        with pytest.raises(ExpiredTokenError):
            verifier.verify(issuer.token(iat=clock.wall - 900, exp=clock.wall - 600))


def test_a_process_that_slept_asks_once_and_goes_on(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.end(8)
        clock.pass_time(120)
        verifier.verify(token)
        with pytest.raises(RevokedError):
            verifier.verify(issuer.token(8))


@pytest.mark.threat("O-4", off=["admit.verifier.freshness:check_current"])
@pytest.mark.parametrize(
    "lie",
    [
        lambda issuer: setattr(issuer, "head_nonce", "another-nonce-than-asked"),
        lambda issuer: setattr(issuer, "head_issuer", "https://other.example"),
        lambda issuer: setattr(issuer, "head_key", JWK.generate("ES256", kid="status-1")),
        lambda issuer: setattr(issuer, "head_place", (1, 1)),
        lambda issuer: issuer.served.update({0: status_list.with_bits(status_list.EMPTY, [9])}),
    ],
    ids=["nonce", "issuer", "signature", "back", "version"],
)
def test_a_head_that_does_not_prove_anything_does_not_make_fresh(
    issuer: StatusIssuer, clock: Clock, lie: Callable[[StatusIssuer], object]
) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.end(8)
        lie(issuer)
        clock.pass_time(30.1)
        ask(verifier, issuer)
        with pytest.raises(StaleRevocationError):
            verifier.verify(token)


def test_a_list_served_too_late_is_asked_for_past_caches(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.end(7)
        issuer.served[0] = status_list.EMPTY
        issuer.hits.clear()
        ask(verifier, issuer)
        assert issuer.hits == ["/status/head", "/status/0"] * 3
        issuer.served.clear()
        ask(verifier, issuer)
        with pytest.raises(RevokedError):
            verifier.verify(issuer.token())


def test_a_new_list_is_learnt_of_at_once(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        clock.pass_time(2)
        issuer.lists[1] = status_list.EMPTY
        verifier.verify(issuer.token(3, n=1))


def test_a_token_of_a_new_list_is_taken_though_the_last_answer_came_just_now(
    issuer: StatusIssuer, clock: Clock
) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.lists[1] = status_list.EMPTY
        with ThreadPoolExecutor(8) as pool:
            tokens = [issuer.token(position, n=1) for position in range(8)]
            assert {who.subject for who in pool.map(verifier.verify, tokens)} == {"u_alice"}
        assert issuer.hits.count("/status/head") == 2


def test_tokens_of_a_list_that_nobody_names_cost_a_question_a_second_and_forged_ones_none(
    issuer: StatusIssuer, clock: Clock
) -> None:
    forger = JWK.generate("ES256", kid=issuer.key.kid)
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        for number in range(50):
            with pytest.raises(SignatureError):
                verifier.verify(issuer.token(number, n=9, key=forger))
        assert issuer.hits.count("/status/head") == 1
        for _ in range(3):
            for number in range(50):
                with pytest.raises(StaleRevocationError):
                    verifier.verify(issuer.token(number, n=9))
            clock.pass_time(1)
        assert issuer.hits.count("/status/head") == 4


def test_a_young_token_of_an_unknown_list_is_taken(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        verifier.verify(issuer.token(3, n=1, iat=clock.wall - 5))
        with pytest.raises(StaleRevocationError):
            verifier.verify(issuer.token(3, n=1, iat=clock.wall - 26))


def test_a_token_whose_list_was_let_go_is_401_and_one_of_a_list_to_come_is_503(
    issuer: StatusIssuer, clock: Clock
) -> None:
    issuer.lists[1] = issuer.lists[2] = status_list.EMPTY
    with following(issuer, clock=clock) as verifier:
        token = issuer.token(3, n=0, exp=clock.wall + 9_000)
        verifier.verify(token)
        del issuer.lists[0]
        issuer.seq += 1
        clock.pass_time(6)
        ask(verifier, issuer)
        for one in (token, issuer.token(4, n=0)):  # remembered and new
            with pytest.raises(RevokedError):
                verifier.verify(one)
        with pytest.raises(StaleRevocationError):
            verifier.verify(issuer.token(4, n=3))
        clock.pass_time(31)
        with pytest.raises(StaleRevocationError):
            verifier.verify(token)


@pytest.mark.threat("INF-keys", off="admit.verifier.freshness:knows_keys")
def test_a_stolen_key_signs_no_young_tokens_for_a_verifier_that_is_cut_off(
    issuer: StatusIssuer, clock: Clock
) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.down = True
        issuer.revoked_kids = frozenset({issuer.key.kid or ""})  # the verifier does not get to know
        clock.pass_time(29)
        verifier.verify(issuer.token(iat=clock.wall - 1))
        for _ in range(3):
            clock.pass_time(600)
            for n in (0, 77):
                with pytest.raises(StaleRevocationError):
                    verifier.verify(issuer.token(iat=clock.wall, exp=clock.wall + 300, n=n))


@pytest.mark.parametrize("uri", ["https://id.example.com/status/00", "https://evil.example/status/0", "x"])
def test_a_status_of_somebody_else_is_refused_and_nothing_is_fetched(
    issuer: StatusIssuer, clock: Clock, uri: str
) -> None:
    net = FakeNet(issuer)
    with following(issuer, clock=clock, net=net) as verifier:
        verifier.verify(issuer.token())
        before = list(net.dialled)
        token = jose_claims.encode(
            {
                "iss": issuer.issuer,
                "sub": "u",
                "aud": AUDIENCE,
                "client_id": "c",
                "iat": int(NOW),
                "exp": int(NOW) + 60,
                "jti": "j",
                "status": {"status_list": {"uri": uri, "idx": 0}},
            },
            issuer.key,
            typ="at+jwt",
        )
        with pytest.raises(ClaimError):
            verifier.verify(token)
        assert net.dialled == before


def test_a_position_outside_of_the_list_is_refused(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier, pytest.raises(ClaimError):
        verifier.verify(issuer.token(status_list.ENTRIES))


def test_an_admit_token_without_status_is_refused_unless_that_is_waived(
    issuer: StatusIssuer, clock: Clock
) -> None:
    with following(issuer, clock=clock) as verifier, pytest.raises(ClaimError) as refusal:
        verifier.verify(issuer.token(None))
    assert refusal.value.claim == "status"
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Waive.REVOCATION)
    waived = Verifier(trust, fetcher=FakeNet(issuer), wall=clock.walltime)  # type: ignore[arg-type]  # stands in
    assert waived.verify(issuer.token(None)).subject == "u_alice"
    waived.close()


@pytest.mark.threat("O-4", off="admit.verifier.freshness:check_current")
def test_a_cold_start_without_heads_is_503(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.head_key = JWK.generate("ES256", kid="status-9")
    with following(issuer, clock=clock) as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(issuer.token())


def test_who_finds_the_state_stale_may_wait_for_the_question_under_way(
    issuer: StatusIssuer, clock: Clock
) -> None:
    under_way, let_go = threading.Event(), threading.Event()

    class Slow(FakeNet):
        def get(self, url: str, headers: Any = None, **more: Any) -> Any:
            if "/status/head" in url and under_way.is_set():
                let_go.wait(5)
            return super().get(url, headers, **more)

    with following(issuer, clock=clock, net=Slow(issuer)) as verifier:
        token = issuer.token()
        verifier.verify(token)
        under_way.set()
        clock.pass_time(60)
        with ThreadPoolExecutor(4) as pool:
            asked = [pool.submit(verifier.verify, token) for _ in range(4)]
            let_go.set()
            assert {one.result(10).subject for one in asked} == {"u_alice"}


def test_an_answer_that_comes_between_two_looks_is_not_missed(
    issuer: StatusIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head is known a moment before its lists are; whoever looks just then does not get 503 for it."""
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        verifier.close()
        source = verifier.core.source(issuer.issuer)
        assert isinstance(source, Follower)
        proved = source.snapshot
        half = IssuerSnapshot(proved.keys, replace(proved.held, fresh_at=None))

        def came_meanwhile() -> None:
            source.put(proved)

        monkeypatch.setattr(source, "force_poll", came_meanwhile)
        source.put(half)
        assert verifier.verify(issuer.token(8)).subject == "u_alice"
        monkeypatch.setattr(source, "force_poll", lambda: None)
        source.put(half)
        with pytest.raises(StaleRevocationError):
            verifier.verify(issuer.token(9, iat=clock.wall - 120))
