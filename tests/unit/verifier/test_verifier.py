"""A token becomes a principal, or is refused: everything but real time and real sockets."""

import asyncio
import json
import random
import string
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from admit.credentials import BearerCredential, NoCredential, SessionCredential
from admit.errors import (
    AdmitError,
    AudienceError,
    BoundTokenError,
    ClaimError,
    ExpiredTokenError,
    IssuerError,
    KeyNotFoundError,
    KeysUnavailableError,
    MalformedCredentialError,
    MalformedTokenError,
    MissingCredentialError,
    NotYetValidError,
    RevokedError,
    SignatureError,
    StaleRevocationError,
    TokenError,
    TokenTypeError,
)
from admit.fetch import Fetcher
from admit.jose import JWK, JWKSet, Waive, base64url
from admit.jose import claims as jose_claims
from admit.principal import CredentialKind
from admit.tokens import status_list
from admit.verifier import AsyncVerifier, Revocation, TrustedIssuer, Verifier
from admit.verifier.core import Pending
from admit.verifier.follower import Follower
from admit.verifier.snapshot import IssuerSnapshot
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer

SECRET = bytes(range(32))
BACKEND = TrustedIssuer("backend", audience=AUDIENCE, secret=SECRET, typ="JWT", revocation=Waive.REVOCATION)


@contextmanager
def following(
    *issuers: StatusIssuer, clock: Clock, revocation: Revocation | None = None, net: Any = None, **more: Any
) -> Iterator[Verifier]:
    """A verifier of these issuers on a faked net, its thread real, its clocks the test's."""
    for issuer in issuers:
        issuer.clock = clock.walltime
    verifier = Verifier(
        *(
            TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=revocation or Revocation(), **more)
            for issuer in issuers
        ),
        fetcher=net or FakeNet(*issuers),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
    )
    try:
        yield verifier
    finally:
        verifier.close()


def ask(verifier: Verifier, issuer: StatusIssuer) -> None:
    """Have the follower ask now, in this thread, whatever it thinks is due."""
    source = verifier.core.source(issuer.issuer)
    assert isinstance(source, Follower)
    verifier.close()  # one thread at a time
    source._agenda.poll_due = 0.0
    source.step()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> StatusIssuer:
    return StatusIssuer(clock=clock.walltime)


def test_making_a_verifier_asks_nobody_and_starts_no_thread(issuer: StatusIssuer, clock: Clock) -> None:
    before = threading.active_count()
    with following(issuer, clock=clock):
        assert threading.active_count() == before
    assert issuer.hits == []


def test_a_good_token_becomes_its_principal(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        who = verifier.verify(issuer.token(roles=frozenset({"admin"}), session_id="s1"))
    assert who.key == (issuer.issuer, "u_alice")
    assert (who.client_id, who.session_id, who.credential) == ("spa", "s1", CredentialKind.TOKEN)
    assert who.scopes == {"orders:read"}
    assert who.roles == {"admin"}
    assert who.audience == {AUDIENCE}


def test_a_second_use_asks_nobody(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        first, hits = verifier.verify(token), list(issuer.hits)
        assert verifier.verify(BearerCredential(token)) is first
        assert issuer.hits == hits
        verifier.verify(issuer.token(8))
        assert issuer.hits == hits


def test_a_remembered_principal_cannot_be_changed_by_who_got_it(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token(extra={"nested": {"list": [1]}})
        claims: Any = verifier.verify(token).claims
        with pytest.raises(TypeError):
            claims["nested"]["more"] = 1
        assert verifier.verify(token).claims["nested"]["list"] == (1,)


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


@pytest.mark.threat("INF-keys", off="admit.verifier.freshness:check_kid")
def test_a_stolen_signing_key_is_refused_within_the_same_bound(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.revoked_kids = frozenset({issuer.key.kid or ""})
        issuer.keys_down = True  # and stale keys never stand in for it
        ask(verifier, issuer)
        for attempt in (token, issuer.token(8)):
            with pytest.raises(RevokedError):
                verifier.verify(attempt)


def test_a_token_that_expires_is_forgotten(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock, leeway=timedelta(0)) as verifier:
        token = issuer.token(exp=NOW + 10)
        verifier.verify(token)
        with pytest.raises(ExpiredTokenError):
            verifier.verify(token, now=NOW + 10)
        with pytest.raises(NotYetValidError):
            verifier.verify(token, now=NOW - 61)
        assert len(verifier.core.remembered) == 0
        verifier.verify(token, now=NOW + 9.9)


def test_the_memory_of_tokens_is_bounded(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.clock = clock.walltime
    verifier = Verifier(BACKEND, remember=5, wall=clock.walltime)
    key = JWK.secret(SECRET, "HS256")
    tokens = [backend_token(key, sub=str(number)) for number in range(9)]
    for token in tokens:
        verifier.verify(token)
    assert len(verifier.core.remembered) == 5


def test_remembered_tokens_are_dropped_with_their_keys(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token()
        verifier.verify(token)
        issuer.key = JWK.generate("ES256")
        clock.pass_time(301)
        ask(verifier, issuer)
        with pytest.raises(KeyNotFoundError):
            verifier.verify(token, now=NOW)
        verifier.verify(issuer.token())


def test_unchanged_keys_keep_what_is_remembered(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        token = issuer.token(exp=NOW + 900)
        first = verifier.verify(token)
        clock.pass_time(301)
        ask(verifier, issuer)
        assert verifier.verify(token) is first


@pytest.mark.parametrize("body", [b'{"keys":[]}', b"<html>", b'{"keys":[{"kty":"RSA","n":"AQ","e":"AQ"}]}'])
def test_an_empty_or_broken_key_set_keeps_the_old_one_for_a_day(
    issuer: StatusIssuer, clock: Clock, body: bytes
) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.jwks_body = body
        clock.pass_time(86_000)
        ask(verifier, issuer)
        verifier.verify(issuer.token())
        assert verifier.health().issuers[0].last_error == "invalid_key"
        clock.pass_time(500)
        ask(verifier, issuer)
        with pytest.raises(KeysUnavailableError):
            verifier.verify(issuer.token())
        issuer.jwks_body = None
        clock.pass_time(100)
        ask(verifier, issuer)
        verifier.verify(issuer.token())


@pytest.mark.threat("O-4", off="admit.verifier.keys:check_age")
def test_keys_older_than_a_day_are_not_used(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.keys_down = True
        clock.pass_time(86_401)
        ask(verifier, issuer)
        with pytest.raises(KeysUnavailableError) as refusal:
            verifier.verify(issuer.token())
        assert refusal.value.status == 503


def test_a_new_key_is_fetched_when_its_first_token_comes(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.key = JWK.generate("ES256")
        verifier.verify(issuer.token())
        assert issuer.hits.count("/jwks") == 2


def test_a_new_key_that_the_node_asked_had_not_heard_of_is_good_in_seconds(
    issuer: StatusIssuer, clock: Clock
) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.jwks_body = issuer.jwks()
        issuer.key = JWK.generate("ES256")
        token = issuer.token(exp=clock.wall + 600)
        for _ in range(2):
            with pytest.raises(KeyNotFoundError):
                verifier.verify(token)
        assert issuer.hits.count("/jwks") == 2
        issuer.jwks_body = None
        clock.pass_time(9)
        ask(verifier, issuer)
        assert verifier.verify(token).subject == "u_alice"
        assert issuer.hits.count("/jwks") == 3


def test_after_a_key_was_stolen_tokens_of_the_next_are_not_401_at_any_node(
    issuer: StatusIssuer, clock: Clock
) -> None:
    """The node that is asked for keys lags behind the one that signs: what is not known yet is 503."""
    with following(issuer, clock=clock) as verifier:
        old = issuer.token()
        verifier.verify(old)
        spare = JWK.generate("ES256")  # another algorithm's, say: else nothing would be left to publish
        issuer.jwks_body = json.dumps(
            {"keys": [k.public().to_dict() for k in (issuer.key, spare, issuer.status_key)]}
        ).encode()
        verifier.close()
        issuer.revoked_kids, issuer.key = frozenset({str(issuer.key.kid)}), JWK.generate("ES256")
        clock.pass_time(5)
        ask(verifier, issuer)
        token = issuer.token(exp=clock.wall + 600)
        with pytest.raises(KeysUnavailableError):
            verifier.verify(token)
        with pytest.raises(RevokedError):
            verifier.verify(old)
        ask(verifier, issuer)
        issuer.jwks_body = None
        clock.pass_time(9)
        ask(verifier, issuer)
        assert verifier.verify(token).subject == "u_alice"
        with pytest.raises(KeyNotFoundError):
            verifier.verify(issuer.token(key=JWK.generate("ES256")))


@pytest.mark.threat("JWT-jwks", off="admit.verifier.keys:is_cool")
def test_ten_thousand_unknown_kids_cost_two_fetches_and_no_good_token_is_refused(
    issuer: StatusIssuer, clock: Clock
) -> None:
    attacker = JWK.generate("ES256", kid="x")
    _, payload, signature = issuer.token(key=attacker).split(".")
    good = issuer.token()
    with following(issuer, clock=clock) as verifier:
        verifier.verify(good)
        for number in range(10_000):
            kid = "".join(random.choices(string.ascii_letters, k=12))
            head = base64url.encode(json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": kid}).encode())
            with pytest.raises(KeyNotFoundError):
                verifier.verify(f"{head.decode()}.{payload}.{signature}")
            if number % 100 == 0:
                verifier.verify(good)
                verifier.verify(issuer.token(jti=str(number)))
                assert issuer.hits.count("/jwks") <= 2
        assert issuer.hits.count("/jwks") == 2


def test_a_stranger_who_spends_the_cool_down_does_not_hide_a_new_status_key(
    issuer: StatusIssuer, clock: Clock
) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        with pytest.raises(KeyNotFoundError):
            verifier.verify(issuer.token(key=JWK.generate("ES256", kid="x")))
        issuer.status_key = issuer.head_key = JWK.generate("ES256", kid="status-2")
        for _ in range(5):
            clock.pass_time(1)
            ask(verifier, issuer)
        clock.pass_time(27)  # by now only a head of the new key can have kept it fresh
        verifier.verify(issuer.token())


def test_heads_by_keys_that_are_never_published_cost_one_fetch_each_two_seconds(
    issuer: StatusIssuer, clock: Clock
) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        before = issuer.hits.count("/jwks")
        issuer.head_key = JWK.generate("ES256", kid="status-9")
        for _ in range(20):
            clock.pass_time(0.5)
            ask(verifier, issuer)
        assert 1 <= issuer.hits.count("/jwks") - before <= 5


def test_many_at_once_at_a_cold_start_cause_one_fetch(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier, ThreadPoolExecutor(16) as pool:
        tokens = [issuer.token(position) for position in range(32)]
        assert len(list(pool.map(verifier.verify, tokens))) == 32
    assert issuer.hits.count("/jwks") == 1
    assert issuer.hits.count("/status/head") == 1


@pytest.mark.threat("O-4", off="admit.verifier.freshness:check_current")
def test_a_cold_start_without_heads_is_503(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.head_key = JWK.generate("ES256", kid="status-9")
    with following(issuer, clock=clock) as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(issuer.token())


def test_a_cold_start_without_the_issuer_is_503_and_heals(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.down = True
    with following(issuer, clock=clock) as verifier:
        with pytest.raises(KeysUnavailableError):
            verifier.verify(issuer.token())
        with pytest.raises(KeysUnavailableError):
            verifier.verify(issuer.token())
        issuer.down = False
        clock.pass_time(5)
        ask(verifier, issuer)
        verifier.verify(issuer.token())


def test_an_unknown_kid_while_keys_cannot_be_renewed_is_503(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        issuer.keys_down = True
        with pytest.raises(KeysUnavailableError):
            verifier.verify(issuer.token(key=JWK.generate("ES256")))


@pytest.mark.rfc("8725", "3.8")
@pytest.mark.threat("JWT-iss-sub", off="admit.verifier.choosing:trusted_keys")
def test_a_key_of_one_issuer_signs_nothing_for_another(clock: Clock) -> None:
    one, two = StatusIssuer("https://a.example"), StatusIssuer("https://b.example")
    with following(one, two, clock=clock) as verifier:
        assert verifier.verify(one.token()).issuer == one.issuer
        assert verifier.verify(two.token()).issuer == two.issuer
        with pytest.raises(KeyNotFoundError):
            verifier.verify(two.token(key=one.key))


@pytest.mark.parametrize(
    "iss", ["https://id.example.com/", "https://ID.example.com", "https://other.example", ""]
)
def test_an_issuer_is_compared_letter_by_letter(issuer: StatusIssuer, clock: Clock, iss: str) -> None:
    with following(issuer, clock=clock) as verifier:
        verifier.verify(issuer.token())
        hits = list(issuer.hits)
        claims = {"iss": iss, "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60}
        with pytest.raises(IssuerError):
            verifier.verify(issuer.claims_token(claims, issuer.key, "at+jwt"))
        assert issuer.hits == hits


@pytest.mark.rfc("9068", "4")
def test_what_an_access_token_must_be_is_held(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        with pytest.raises(AudienceError):
            verifier.verify(issuer.token(audience="https://other.example"))
        with pytest.raises(SignatureError):
            verifier.verify(issuer.token()[:-8] + "AAAAAAAA")
        with pytest.raises(TokenTypeError):
            verifier.verify(issuer.claims_token({"iss": issuer.issuer, "sub": "u"}, issuer.key))
        status_signed = issuer.claims_token(
            {"iss": issuer.issuer, "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60, "iat": int(NOW),
             "jti": "j", "client_id": "c", "status": {"status_list": {"uri": issuer.issuer + "/status/0", "idx": 0}}},
            issuer.status_key, "at+jwt",
        )  # fmt: skip
        with pytest.raises(TokenError):
            verifier.verify(status_signed)


@pytest.mark.rfc("9449", "7.1")
@pytest.mark.threat("9700-sender", off="admit.verifier.reading:check_unbound")
def test_a_token_bound_to_a_key_is_refused_as_bearer(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier, pytest.raises(BoundTokenError):
        verifier.verify(issuer.token(confirmation={"jkt": "x"}))


def with_header(issuer: StatusIssuer, own: JWK, **more: Any) -> str:
    """A token of a stranger whose header brings what should convince."""
    payload = issuer.token(key=own).split(".")[1]
    header = {"alg": "ES256", "typ": "at+jwt", "kid": own.kid, **more}
    encoded = base64url.encode(json.dumps(header).encode()) + b"." + payload.encode()
    assert own.signer is not None
    return (encoded + b"." + base64url.encode(own.signer(encoded))).decode()


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust", off="admit.jose.jws:choose_key")
def test_no_key_is_taken_from_a_header(issuer: StatusIssuer, clock: Clock) -> None:
    own = JWK.generate("ES256", kid="mine")
    with following(issuer, clock=clock) as verifier, pytest.raises(KeyNotFoundError):
        verifier.verify(with_header(issuer, own, jwk=own.public().to_dict()))


@pytest.mark.rfc("8725", "3.10")
@pytest.mark.threat("JWT-header-trust")
@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_no_url_is_taken_from_a_header(issuer: StatusIssuer, clock: Clock, name: str) -> None:
    elsewhere = StatusIssuer("https://evil.example", clock=clock.walltime)
    net = FakeNet(issuer, elsewhere)
    own = JWK.generate("ES256", kid="mine")
    elsewhere.key = own
    with following(issuer, clock=clock, net=net) as verifier, pytest.raises(KeyNotFoundError):
        verifier.verify(with_header(issuer, own, **{name: "https://evil.example/jwks"}))
    assert elsewhere.hits == []


def backend_token(key: JWK, **changes: Any) -> str:
    claims = {"iss": "backend", "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60, **changes}
    return jose_claims.encode(claims, key, typ="JWT")


def test_a_shared_secret_needs_no_network_and_no_thread(clock: Clock) -> None:
    verifier = Verifier(BACKEND, wall=clock.walltime)
    before = threading.active_count()
    who = verifier.verify(
        backend_token(JWK.secret(SECRET, "HS256"), scp=["a", "b"], azp="job", roles=["admin"])
    )
    assert who.scopes == {"a", "b"}
    assert who.client_id == "job"
    assert who.roles == {"admin"}
    assert verifier.ready()
    assert threading.active_count() == before
    with pytest.raises(SignatureError):
        verifier.verify(backend_token(JWK.secret(SECRET[::-1], "HS256")))
    with pytest.raises(BoundTokenError):
        verifier.verify(backend_token(JWK.secret(SECRET, "HS256"), cnf={"jkt": "x"}))
    with pytest.raises(ClaimError):
        verifier.verify(backend_token(JWK.secret(SECRET, "HS256"), scope=7))


def test_configured_keys_are_never_fetched(clock: Clock) -> None:
    key = JWK.generate("ES256")
    trust = TrustedIssuer(
        "https://f.example",
        audience=AUDIENCE,
        jwks=JWKSet([key.public()]),
        typ="JWT",
        revocation=Waive.REVOCATION,
    )
    verifier = Verifier(trust, wall=clock.walltime)
    assert verifier.verify(backend_token(key, iss="https://f.example")).is_client
    with pytest.raises(KeyNotFoundError):
        verifier.verify(backend_token(JWK.generate("ES256"), iss="https://f.example"))


def test_keys_from_a_url_of_ones_own_need_no_metadata(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock, jwks=issuer.issuer + "/jwks") as verifier:
        verifier.verify(issuer.token())
    assert "/.well-known/openid-configuration" not in issuer.hits


@pytest.mark.threat("9700-metadata", off="admit.verifier.metadata:check_issuer")
def test_metadata_of_another_issuer_is_not_used(issuer: StatusIssuer, clock: Clock) -> None:
    class Impostor(FakeNet):
        def get(self, url: str, headers: Any = None, **more: Any) -> Any:
            response = super().get(url, headers, **more)
            if "well-known" in url:
                body = json.loads(response.body) | {"issuer": issuer.issuer + "/"}
                return type(response)(200, {}, json.dumps(body).encode())
            return response

    with (
        following(issuer, clock=clock, net=Impostor(issuer)) as verifier,
        pytest.raises(KeysUnavailableError),
    ):
        verifier.verify(issuer.token())


@pytest.mark.parametrize(
    ("credential", "error"),
    [
        (NoCredential(), MissingCredentialError),
        (SessionCredential(b"a" * 32, b"b" * 32), MalformedCredentialError),
        (None, MalformedCredentialError),
        (b"token", MalformedCredentialError),
        ("", MalformedTokenError),
        ("a.b", MalformedTokenError),
        ("\ud800", MalformedTokenError),
        ("é" * 10, MalformedTokenError),
        ("a" * 1_000_000, MalformedTokenError),
    ],
)
def test_what_is_no_bearer_token_is_refused(credential: Any, error: type[AdmitError]) -> None:
    with pytest.raises(error):
        Verifier(BACKEND).verify(credential)


@given(
    st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}\.[A-Za-z0-9_-]{0,40}")
)
def test_whatever_the_token_the_refusal_is_ours(token: str) -> None:
    with pytest.raises(TokenError):
        Verifier(BACKEND).verify(token)


async def test_the_async_verifier_says_the_same(issuer: StatusIssuer, clock: Clock) -> None:
    issuer.clock = clock.walltime
    verifier = AsyncVerifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE),
        fetcher=FakeNet(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
    )
    found = await asyncio.gather(*(verifier.verify(issuer.token(position)) for position in range(20)))
    assert {who.subject for who in found} == {"u_alice"}
    assert issuer.hits.count("/jwks") == 1
    issuer.end(3)
    clock.pass_time(31)
    with pytest.raises(RevokedError):
        await verifier.verify(issuer.token(3))
    verifier.close()


async def test_a_caller_that_goes_away_leaves_the_fetch_to_the_others(
    issuer: StatusIssuer, clock: Clock
) -> None:
    let_go = threading.Event()

    class Slow(FakeNet):
        def get(self, url: str, headers: Any = None, **more: Any) -> Any:
            let_go.wait(5)
            return super().get(url, headers, **more)

    issuer.clock = clock.walltime
    verifier = AsyncVerifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE),
        fetcher=Slow(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
    )
    impatient = asyncio.create_task(verifier.verify(issuer.token(1)))
    patient = asyncio.create_task(verifier.verify(issuer.token(2)))
    await asyncio.sleep(0)
    impatient.cancel()
    let_go.set()
    assert (await patient).subject == "u_alice"
    assert impatient.cancelled() or (await asyncio.wait({impatient})) is not None
    verifier.close()


def test_health_tells_what_is_held(issuer: StatusIssuer, clock: Clock) -> None:
    with following(issuer, clock=clock) as verifier:
        assert not verifier.health().ready
        verifier.verify(issuer.token())
        clock.pass_time(3)
        told = verifier.health().issuers[0]
        assert (told.ready, told.fresh_age, told.max_staleness, told.keys_age) == (True, 3.0, 30.0, 3.0)
        assert (told.epoch, told.seq, told.keys) == (100, 0, (issuer.key.kid,))
        assert told.lists == {0: status_list.version(status_list.EMPTY)}
        assert (told.last_error, told.went_back, told.follows) == (None, False, True)


def test_a_verifier_dials_by_the_guard_unless_told_otherwise() -> None:
    trust = TrustedIssuer("https://id.example.com/tenant", audience=AUDIENCE)
    assert trust.origins == {"https://id.example.com"}
    source = Verifier(trust).core.source(trust.issuer)
    assert isinstance(source, Follower)
    assert isinstance(source._fetcher, Fetcher)


def test_an_issuer_that_hangs_costs_a_request_one_wait_and_no_more(
    issuer: StatusIssuer, clock: Clock
) -> None:
    let_go = threading.Event()

    class Hanging(FakeNet):
        def get(self, url: str, headers: Any = None, **more: Any) -> Any:
            let_go.wait(10)
            return super().get(url, headers, **more)

    with following(issuer, clock=clock, net=Hanging(issuer)) as verifier:
        waits = []
        outcome = verifier.core.try_verify(issuer.token())
        while isinstance(outcome, Pending):
            waits.append(outcome.timeout)
            try:
                outcome = verifier.core.settle(issuer.token(), final=True)
            except KeysUnavailableError:
                break
        assert len(waits) == 1
        assert waits[0] < 10
        let_go.set()
        assert verifier.verify(issuer.token()).subject == "u_alice"


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
