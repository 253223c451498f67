"""A list outlives in a cache the database that it was made from: what it tells of is gone, and so is what it lacks."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from admit.errors import FetchError, RevokedError, StaleRevocationError
from admit.tokens import status_list
from admit.verifier import Revocation, TrustedIssuer, Verifier, state
from tests.fixtures.status_issuer import AUDIENCE, Clock, FakeNet, StatusIssuer

LOST = status_list.with_bits(status_list.EMPTY, [1, 2, 3])


@pytest.fixture
def issuer(clock: Clock) -> StatusIssuer:
    """Its database was restored to (100, 3) and ended somebody since; a cache has the list of (100, 9)."""
    made = StatusIssuer(clock=clock.walltime, seq=3)
    made.end(7)
    made.served[0], made.served_places[0] = LOST, (100, 9)
    return made


@contextmanager
def cold(issuer: StatusIssuer, clock: Clock, **more: Any) -> Iterator[Verifier]:
    """A process that starts now."""
    made = Verifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation(stream=False)),
        fetcher=FakeNet(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
        background=False,
        **more,
    )
    yield made
    made.close()


@pytest.fixture(params=["with a state_dir", "without"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "without":
        return {}
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(state, "boot_identity", lambda: "this boot")
    return {"state_dir": folder}


@pytest.mark.threat("O-3", off="admit.verifier.freshness:is_reached")
def test_a_list_of_a_lost_time_line_makes_no_cold_verifier_fresh(
    issuer: StatusIssuer, clock: Clock, kept: dict[str, Any]
) -> None:
    for _ in range(3):  # and neither do its successors
        with cold(issuer, clock, **kept) as verifier:
            for position in (7, 8):
                with pytest.raises(StaleRevocationError):
                    verifier.verify(issuer.token(position))
            with pytest.raises(RevokedError):
                verifier.verify(issuer.token(2))
            assert verifier.health().issuers[0].went_back
        clock.pass_time(5)
    issuer.epoch += 1
    with cold(issuer, clock, **kept) as verifier:
        with pytest.raises(StaleRevocationError):
            verifier.verify(issuer.token(8))
        issuer.served.clear()
        clock.pass_time(5)
        verifier.verify(issuer.token(8))
        with pytest.raises(RevokedError):
            verifier.verify(issuer.token(7))


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_later")
def test_a_lost_list_of_the_very_place_of_the_head_makes_nothing_fresh(
    issuer: StatusIssuer, clock: Clock, kept: dict[str, Any]
) -> None:
    issuer.seq = 9  # it caught up
    with cold(issuer, clock, **kept) as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(issuer.token(7))


@pytest.mark.threat("O-3", off="admit.verifier.freshness:is_reached")
def test_while_the_second_head_is_missing_nothing_is_fresh(
    issuer: StatusIssuer, clock: Clock, kept: dict[str, Any]
) -> None:
    answer, heads = issuer.answer, 0

    def once(method: str, target: str, headers: Any, body: Any = None) -> Any:
        nonlocal heads
        heads += "/status/head" in target
        if heads == 2 and "/status/head" in target:
            raise FetchError("down")
        return answer(method, target, headers, body)

    issuer.answer = once  # type: ignore[method-assign]  # the first question is answered, the second is not
    with cold(issuer, clock, **kept) as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(issuer.token(8))
    assert heads == 2


def test_what_was_seen_since_a_saved_proof_has_to_be_reached_by_the_next(
    issuer: StatusIssuer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head was had from further on, and its list was not; then the database was restored from before it."""
    monkeypatch.setattr(state, "boot_identity", lambda: "this boot")
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    issuer.served.clear()
    with cold(issuer, clock, state_dir=folder) as verifier:
        verifier.verify(issuer.token(8))
        issuer.seq += 1
        issuer.lists_down = True
        issuer.lists[0] = status_list.with_bits(issuer.lists[0], [6])
        clock.pass_time(5)
        verifier.verify(issuer.token(8))  # within the bound, by what was proved before
    issuer.lists_down = False
    issuer.seq -= 1
    with cold(issuer, clock, state_dir=folder) as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(issuer.token(8))


def test_where_ends_never_cease_a_second_head_confirms_what_was_met(
    issuer: StatusIssuer, clock: Clock
) -> None:
    issuer.served.clear()
    answer = issuer.answer

    def ending(method: str, target: str, headers: Any, body: Any = None) -> Any:
        found = answer(method, target, headers, body)
        if "/status/head" in target:
            issuer.end(1_000 + issuer.seq)
        return found

    issuer.answer = ending  # type: ignore[method-assign]  # something ends after each head
    with cold(issuer, clock) as verifier:
        verifier.verify(issuer.token(8))
        assert issuer.hits.count("/status/head") == 2
        with pytest.raises(RevokedError):
            verifier.verify(issuer.token(7))
