"""Which tokens an end refuses, and which it leaves alone."""

import random
from collections.abc import Callable

import pytest

from admit.errors import EndStoreError
from admit.verifier.ends import end as codec
from admit.verifier.ends import view
from admit.verifier.ends.end import End
from admit.verifier.ends.view import EndView
from tests.fixtures.status_issuer import NOW
from tests.unit.verifier.ends.making import ISSUER, end


def seen(*ends: End, since: float = 0.0) -> EndView:
    return EndView(view.layered(view.collect(ends), {}), since, len(ends))


def test_the_end_of_a_subject_refuses_what_was_issued_until_then_and_nothing_newer() -> None:
    found = seen(end(subject="alice"))
    assert found.is_ended(ISSUER, "alice", iat=NOW - 1)
    assert found.is_ended(ISSUER, "alice", iat=NOW)
    assert found.is_ended(ISSUER, "alice", "a-session", "a-token", NOW - 1)
    assert not found.is_ended(ISSUER, "alice", iat=NOW + 1)
    assert not found.is_ended(ISSUER, "bob", iat=NOW - 1)
    assert not found.is_ended("https://other.example", "alice", iat=NOW - 1)


def test_a_token_that_does_not_say_when_it_was_issued_is_not_newer_than_an_end() -> None:
    assert seen(end(subject="alice")).is_ended(ISSUER, "alice", iat=None)
    assert not seen(end(subject="alice")).is_ended(ISSUER, "bob", iat=None)


def test_the_end_of_a_session_refuses_its_tokens_of_any_time_and_no_other_session() -> None:
    found = seen(end(session_id="s1"))
    assert found.is_ended(ISSUER, "alice", "s1", iat=NOW - 1)
    assert found.is_ended(ISSUER, "alice", "s1", iat=NOW + 100)
    assert not found.is_ended(ISSUER, "alice", "s2", iat=NOW - 1)
    assert not found.is_ended(ISSUER, "alice", None, iat=NOW - 1)


def test_the_end_of_a_users_session_refuses_older_tokens_of_that_user_that_name_no_session() -> None:
    found = seen(end(subject="alice", session_id="s1"))
    assert found.is_ended(ISSUER, "alice", "s1", iat=NOW - 1)
    assert found.is_ended(ISSUER, "alice", None, iat=NOW - 1)
    assert not found.is_ended(ISSUER, "alice", None, iat=NOW + 1)
    assert not found.is_ended(ISSUER, "alice", "s2", iat=NOW - 1)
    assert not found.is_ended(ISSUER, "bob", None, iat=NOW - 1)


def test_the_end_of_a_token_refuses_that_token_alone() -> None:
    found = seen(end(token_id="t1"))
    assert found.is_ended(ISSUER, "alice", "s1", "t1", NOW + 5)
    assert not found.is_ended(ISSUER, "alice", "s1", "t2", NOW - 5)
    assert not found.is_ended(ISSUER, "t1", "t1", None, NOW - 5)


def test_of_two_ends_the_later_counts_in_whatever_order_they_came() -> None:
    early, late = end(subject="alice", before=NOW - 10), end(subject="alice", before=NOW + 10)
    for first, second in ((early, late), (late, early)):
        assert seen(first, second).is_ended(ISSUER, "alice", iat=NOW)
        merged = view.merge(view.collect([first]), view.collect([second]))
        assert EndView(view.layered(merged, {})).is_ended(ISSUER, "alice", iat=NOW)
        layers = view.layered(view.collect([first]), view.collect([second]))
        assert EndView(layers).is_ended(ISSUER, "alice", iat=NOW)


def test_what_a_lost_store_cannot_tell_of_is_refused() -> None:
    found = seen(since=NOW)
    assert found.is_ended(ISSUER, "anybody", iat=NOW - 1)
    assert found.is_ended(ISSUER, "anybody", iat=None)
    assert not found.is_ended(ISSUER, "anybody", iat=NOW)
    assert not seen().is_ended(ISSUER, "anybody", iat=None)


def test_layers_say_the_same_as_one(rng: random.Random, rounds: Callable[..., range]) -> None:
    for _ in rounds(quick=5, test=20, soak=500):
        names = [None, "a", "b", "c"]
        ends = []
        while len(ends) < 12:
            subject, session, token = (rng.choice(names) for _ in range(3))
            if subject or session or token:
                before = NOW + rng.randrange(-5, 5)
                ends.append(end(subject=subject, session_id=session, token_id=token, before=before))
        cut = rng.randrange(len(ends))
        one = seen(*ends)
        two = EndView(view.layered(view.collect(ends[:cut]), view.collect(ends[cut:])))
        merged = view.merge(view.collect(ends[:cut]), view.collect(ends[cut:]))
        three = EndView(view.layered(merged, {}))
        for subject in "abc":
            for session in (None, "a", "d"):
                for iat in (None, NOW - 6, NOW, NOW + 6):
                    asked = (ISSUER, subject, session, rng.choice(names), iat)
                    assert one.is_ended(*asked) == two.is_ended(*asked) == three.is_ended(*asked)


@pytest.mark.parametrize("changes", [{}, {"session_id": "s"}, {"token_id": "t", "said_by": None}])
def test_an_end_is_the_same_after_writing_and_reading(changes: dict[str, str]) -> None:
    assert codec.decode(codec.encode(end(**changes))) == end(**changes)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"{}",
        b'{"iss":"i","sub":null,"sid":null,"jti":null,"before":1.0,"until":2.0,"by":null}',
        b'{"iss":"","sub":"a","sid":null,"jti":null,"before":1.0,"until":2.0,"by":null}',
        b'{"iss":"i","sub":"a","sid":null,"jti":null,"before":"1","until":2.0,"by":null}',
        b'{"iss":"i","sub":"a","sid":null,"jti":null,"before":true,"until":2.0,"by":null}',
        b'{"iss":"i","sub":7,"sid":null,"jti":null,"before":1.0,"until":2.0,"by":null}',
    ],
)
def test_what_is_no_end_is_not_read_as_one(line: bytes) -> None:
    with pytest.raises(EndStoreError):
        codec.decode(line)
