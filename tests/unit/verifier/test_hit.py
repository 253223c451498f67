"""The hot path is a shortcut: it answers as the rules would, for whatever became of keys, revocations and clocks."""

import gc
import random
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from admit.credentials import BearerCredential, NoCredential, SessionCredential
from admit.errors import AdmitError, MalformedCredentialError, MalformedTokenError, MissingCredentialError
from admit.jose import JWK, JWKSet
from admit.tokens import status_list
from admit.verifier import InProcessSource, TrustedIssuer, Verifier
from admit.verifier.keys import MAX_STALE
from admit.verifier.snapshot import Held, IssuerSnapshot, KeyView
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, StatusIssuer

KEY = JWK.generate("ES256", kid="k1")
OTHER = JWK.generate("ES256", kid="k2")
SUBJECT = "u_alice"
HELD = Held(
    epoch=1,
    seq=1,
    bitmaps={0: status_list.EMPTY},
    fresh_at=1_000.0,
    head_iat=NOW,
    head_at=1_000.0,
)


class Site:
    """One issuer's state as a test sets it, and two verifiers: one that remembers, one that goes by the rules alone."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.source = InProcessSource(clock=self.clock.boottime)
        self.keys = KeyView(JWKSet([KEY.public()]), JWKSet([]), 1_000.0)
        self.held = HELD
        self.put()
        self.issuer = StatusIssuer(key=KEY, clock=self.clock.walltime)
        trust = TrustedIssuer(self.issuer.issuer, audience=AUDIENCE, source=self.source)
        self.remembering, self.forgetting = (
            Verifier(trust, remember=size, wall=self.clock.walltime, boottime=self.clock.boottime)
            for size in (10, 0)
        )
        self.forgetting.read_new = lambda *_: None  # by the rules alone, neither at one look

    def put(self) -> None:
        self.source.snapshot = IssuerSnapshot(self.keys, self.held)

    def agree(self, credential: Any) -> str:
        """What both verifiers answer: the same principal, or a refusal (of several reasons each may tell another)."""
        by_memory, by_rules = (
            answer(verifier, credential) for verifier in (self.remembering, self.forgetting)
        )
        assert (by_memory == SUBJECT) is (by_rules == SUBJECT), (by_memory, by_rules)
        return by_memory


def answer(verifier: Verifier, credential: Any) -> str:
    try:
        return verifier.verify(credential).subject
    except AdmitError as error:
        return type(error).__name__


@pytest.fixture
def site() -> Site:
    return Site()


def test_whatever_happens_a_remembered_token_is_answered_as_one_that_is_not(
    rounds: Callable[..., range], rng: random.Random
) -> None:
    seen: set[str] = set()
    for _ in rounds(quick=3, test=15, soak=500):
        seen |= walk(Site(), rng)
    assert seen >= {SUBJECT, "RevokedError", "StaleRevocationError", "ExpiredTokenError"}


def walk(site: Site, rng: random.Random) -> set[str]:
    """Random changes of everything, and what the two verifiers said of five tokens meanwhile."""
    make = site.issuer.token
    tokens = [make(7), make(8), make(7, n=1), make(9, extra={"nbf": NOW + 50}), make(9, key=OTHER)]
    events = [
        lambda: replace(site.held, bitmaps={0: bit(site, rng.choice([7, 8, 1_000]))}),
        lambda: replace(site.held, bitmaps={**site.held.bitmaps, 1: status_list.EMPTY}),
        lambda: replace(site.held, bitmaps={0: status_list.EMPTY}),
        lambda: replace(site.held, revoked_kids=frozenset(rng.choice([["k1"], ["k2"], []]))),
        lambda: replace(site.held, fresh_at=rng.choice([None, site.clock.boot, site.clock.boot - 31])),
        lambda: replace(site.held, head_iat=site.clock.wall, head_at=site.clock.boot),
    ]
    answers: set[str] = set()
    for _ in range(60):
        if rng.random() < 0.5:
            site.held = rng.choice(events)()
            if rng.random() < 0.3:
                kept = rng.choice([[KEY], [OTHER], [KEY, OTHER]])
                at = site.clock.boot - rng.choice([0.0, 10.0, MAX_STALE + 1])
                site.keys = KeyView(JWKSet([key.public() for key in kept]), JWKSet([]), at)
            site.put()
        site.clock.boot += rng.choice([0.0, 0.1, 20.0, 31.0, -5.0])
        site.clock.wall += rng.choice([0.0, 0.1, 20.0, 31.0, -40.0, 301.0, -301.0])
        for token in rng.choices(tokens, k=4):
            answers.add(site.agree(rng.choice([token, BearerCredential(token)])))
    return answers


def bit(site: Site, position: int) -> bytes:
    return status_list.with_bits(site.held.bitmaps[0], [position])


@pytest.mark.threat("SES-6", off="admit.verifier.hit:Standing.clears")
def test_a_remembered_token_whose_family_is_ended_is_refused_at_its_next_use(site: Site) -> None:
    ended, other = site.issuer.token(7), site.issuer.token(8)
    assert [site.agree(token) for token in (ended, other)] == [SUBJECT, SUBJECT]
    site.held = replace(site.held, bitmaps={0: bit(site, 7)})
    site.put()
    assert [site.agree(token) for token in (ended, other)] == ["RevokedError", SUBJECT]


@pytest.mark.threat("INF-keys", off="admit.verifier.hit:Standing.clears")
def test_a_remembered_token_whose_key_is_given_up_or_gone_is_refused_at_its_next_use(site: Site) -> None:
    token = site.issuer.token()
    assert site.agree(token) == SUBJECT
    site.held = replace(site.held, revoked_kids=frozenset({"k1"}))
    site.put()
    assert site.agree(token) == "RevokedError"
    site.clock.boot += MAX_STALE + 1
    assert [answer(one, token) for one in (site.remembering, site.forgetting)] == ["RevokedError"] * 2
    site.clock.boot = 1_000.0
    site.held, site.keys = HELD, KeyView(JWKSet([OTHER.public()]), JWKSet([]), 1_000.0)
    site.put()
    assert site.agree(token) == "KeyNotFoundError"


def test_text_and_credential_are_the_same_token_and_nothing_else_is_one(site: Site) -> None:
    class Text(str): ...

    token = site.issuer.token()
    principals = [site.remembering.verify(form) for form in (token, BearerCredential(token), Text(token))]
    assert principals[0] is principals[1] is principals[2]
    assert len(site.remembering.core.remembered) == 1
    for odd, error in (
        (NoCredential(), MissingCredentialError),
        (SessionCredential(bytes(32), bytes(32)), MalformedCredentialError),
        (token.encode(), MalformedCredentialError),
        ("\ud800." + token, MalformedTokenError),
        ("x" * 100_000, MalformedTokenError),
    ):
        with pytest.raises(error):
            site.remembering.verify(odd)


def test_a_state_that_was_replaced_is_not_kept_by_what_is_remembered(site: Site) -> None:
    class Kids(frozenset[str]): ...

    kids = Kids()
    gone = weakref.ref(kids)
    site.held = replace(site.held, revoked_kids=kids)
    site.put()
    token = site.issuer.token()
    for _ in range(2):
        site.remembering.verify(token)
    assert gone() is not None
    site.held, kids = HELD, Kids()
    site.put()
    site.remembering.verify(token)
    gc.collect()
    assert gone() is None
    assert site.agree(token) == SUBJECT


def test_refusals_are_counted_by_code_and_answers_are_not(site: Site) -> None:
    token = site.issuer.token()
    verifier = site.remembering
    for _ in range(3):
        verifier.verify(token)
    assert verifier.core.counters.refusals == {}
    for _ in range(2):
        assert answer(verifier, "x") == "MalformedTokenError"
    site.held = replace(site.held, bitmaps={0: bit(site, 7)})
    site.put()
    assert answer(verifier, token) == "RevokedError"
    site.held = replace(HELD, fresh_at=None, head_at=None)
    site.put()
    assert answer(verifier, token) == "StaleRevocationError"
    assert verifier.core.counters.refusals == {"invalid_token": 3, "revocation_stale": 1}
