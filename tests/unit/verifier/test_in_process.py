"""An issuer in the same process: the same rules, without thread, HTTP or signature."""

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from admit.errors import KeyNotFoundError, KeysUnavailableError, RevokedError, StaleRevocationError
from admit.jose import JWK, JWKSet
from admit.tokens import status_list
from admit.verifier import InProcessSource, TrustedIssuer, Verifier
from tests.fixtures.status_issuer import AUDIENCE, Clock, StatusIssuer


@dataclass
class State:
    epoch: int = 1
    seq: int = 0
    lists: Mapping[int, tuple[str, bytes]] = field(default_factory=dict)
    revoked_kids: frozenset[str] = frozenset()


def lists(*positions: int) -> dict[int, tuple[str, bytes]]:
    bitmap = status_list.with_bits(status_list.EMPTY, positions)
    return {0: (status_list.version(bitmap), bitmap)}


class Inside:
    def __init__(self) -> None:
        self.clock = Clock()
        self.issuer = StatusIssuer(clock=self.clock.walltime)
        self.source = InProcessSource(clock=self.clock.boottime)
        self.verifier = Verifier(
            TrustedIssuer(self.issuer.issuer, audience=AUDIENCE, source=self.source),
            wall=self.clock.walltime,
            boottime=self.clock.boottime,
        )

    def publish(self, state: State) -> None:
        keys = JWKSet([self.issuer.key.public(), self.issuer.status_key.public()])
        as_of = self.source.now()
        self.source.publish(
            keys=keys, state=state, issuer=self.issuer.issuer, as_of=as_of, wall=self.clock.wall
        )


def test_what_the_issuer_hands_over_is_known_at_once_and_without_a_thread() -> None:
    at, threads = Inside(), threading.active_count()
    at.publish(State(lists=lists()))
    assert at.verifier.verify(at.issuer.token(7)).subject == "u_alice"
    at.publish(State(seq=1, lists=lists(7)))
    with pytest.raises(RevokedError):
        at.verifier.verify(at.issuer.token(7))
    assert threading.active_count() == threads
    assert at.verifier.ready()


def test_before_anything_was_handed_over_nothing_is_taken() -> None:
    at = Inside()
    with pytest.raises(KeysUnavailableError):
        at.verifier.verify(at.issuer.token())


def test_an_issuer_that_stopped_handing_over_is_stale() -> None:
    at = Inside()
    at.publish(State(lists=lists()))
    token = at.issuer.token()
    at.verifier.verify(token)
    at.clock.pass_time(30.1)
    with pytest.raises(StaleRevocationError):
        at.verifier.verify(token)
    at.publish(State(lists=lists()))
    at.verifier.verify(token)


def test_a_database_that_went_back_is_noticed_inside_too() -> None:
    at = Inside()
    at.publish(State(seq=5, lists=lists(7)))
    at.publish(State(seq=4, lists=lists()))
    with pytest.raises(StaleRevocationError):
        at.verifier.verify(at.issuer.token(8))
    with pytest.raises(RevokedError):
        at.verifier.verify(at.issuer.token(7))
    at.publish(State(epoch=2, lists=lists(7)))
    at.verifier.verify(at.issuer.token(8))


def test_a_revoked_key_is_refused_and_an_unknown_one_is_not_waited_for() -> None:
    at = Inside()
    at.publish(State(lists=lists()))
    with pytest.raises(KeyNotFoundError):
        at.verifier.verify(at.issuer.token(key=JWK.generate("ES256")))
    at.verifier.verify(at.issuer.token())
    at.publish(State(lists=lists(), revoked_kids=frozenset({at.issuer.key.kid or ""})))
    with pytest.raises(RevokedError):
        at.verifier.verify(at.issuer.token())


def test_unchanged_keys_keep_what_is_remembered() -> None:
    at = Inside()
    at.publish(State(lists=lists()))
    token = at.issuer.token()
    first = at.verifier.verify(token)
    at.publish(State(seq=1, lists=lists(9)))
    assert at.verifier.verify(token) is first


def test_lists_that_the_publisher_named_are_not_hashed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def hashed(bitmap: bytes) -> str:
        raise AssertionError("a list was hashed")

    monkeypatch.setattr(status_list, "version", hashed)
    at = Inside()
    at.publish(State(lists={0: ("0123456789abcdef", status_list.EMPTY)}))
    assert at.source.snapshot.held.versions == {0: "0123456789abcdef"}
    assert at.verifier.ready()
