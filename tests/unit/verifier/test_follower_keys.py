"""Keys: fetched when they are needed, renewed for strangers' tokens at a bounded cost, forgotten in time."""

import json
import random
import string
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from admit.errors import (
    KeyNotFoundError,
    KeysUnavailableError,
    RevokedError,
)
from admit.jose import JWK, base64url
from tests.fixtures.following import ask, following
from tests.fixtures.status_issuer import NOW, Clock, FakeNet, StatusIssuer


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
