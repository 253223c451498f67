"""What a verifier shows: health, counters, log lines, and all of it for Prometheus."""

import logging
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from admit.errors import RevokedError, StaleRevocationError, TokenError
from admit.jose import JWK, Waive
from admit.tokens import status_list
from admit.verifier import FileEndStore, Revocation, TrustedIssuer, Verifier, episodes
from admit.verifier.counters import MAX_CODES, Counters
from admit.verifier.ends.end import End
from admit.verifier.episodes import Episode
from admit.verifier.follower import Follower
from admit.verifier.metrics import VerifierCollector
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer


@pytest.fixture
def verifier(issuer: StatusIssuer, clock: Clock) -> Verifier:
    return Verifier(
        TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=Revocation()),
        TrustedIssuer(
            "backend", audience=AUDIENCE, secret=bytes(range(32)), typ="JWT", revocation=Waive.REVOCATION
        ),
        fetcher=FakeNet(issuer),  # type: ignore[arg-type]  # stands in
        wall=clock.walltime,
        boottime=clock.boottime,
        background=False,
    )


def samples(verifier: Verifier) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(VerifierCollector(verifier))
    lines = generate_latest(registry).decode().splitlines()
    pairs = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {name: float(value) for name, _, value in pairs}


def test_prometheus_gets_ages_states_and_counts(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    token = issuer.token()
    verifier.verify(token)
    issuer.end(7)
    clock.pass_time(6)
    with pytest.raises(RevokedError):
        verifier.verify(token)
    issuer.down = True
    clock.pass_time(12)
    with pytest.raises(RevokedError):
        verifier.verify(token)
    found = samples(verifier)
    of = f'{{issuer="{issuer.issuer}"}}'
    assert found[f"admit_revocation_age_seconds{of}"] == 12
    assert found[f'admit_revocation_list_age_seconds{{issuer="{issuer.issuer}",list="0"}}'] == 12
    assert found[f"admit_revocation_max_staleness_seconds{of}"] == 30
    assert found[f"admit_revocation_time_left_seconds{of}"] == 18
    assert found[f"admit_follower_up{of}"] == 1
    assert found[f"admit_issuer_ready{of}"] == 1
    assert found[f"admit_stream_open{of}"] == 0
    assert found[f"admit_revocation_polls_total{of}"] == 3
    assert found[f"admit_revocation_polls_proved_total{of}"] == 2
    assert found[f"admit_status_lists_fetched_total{of}"] == 2
    assert (
        found[f'admit_follower_failures_total{{code="fetch_failed",issuer="{issuer.issuer}",of="poll"}}'] == 1
    )
    assert found['admit_refusals_total{code="invalid_token"}'] == 2
    assert found['admit_issuer_ready{issuer="backend"}'] == 1
    assert 'admit_revocation_age_seconds{issuer="backend"}' not in found


def test_prometheus_gets_the_age_of_each_list(verifier: Verifier, issuer: StatusIssuer, clock: Clock) -> None:
    issuer.lists[1] = status_list.EMPTY
    verifier.verify(issuer.token())
    issuer.end(7, n=1)
    issuer.served[1] = status_list.EMPTY  # one that stays behind
    clock.pass_time(6)
    verifier.verify(issuer.token(8))
    found = samples(verifier)
    ages = [
        found[f'admit_revocation_list_age_seconds{{issuer="{issuer.issuer}",list="{n}"}}'] for n in (0, 1)
    ]
    assert ages == [0, 6]
    assert found[f'admit_revocation_age_seconds{{issuer="{issuer.issuer}"}}'] == 6


def test_prometheus_gets_what_is_held_of_ends_and_their_age(clock: Clock, tmp_path: Path) -> None:
    names = [f"https://{name}.example" for name in "abc"]
    store = FileEndStore(tmp_path / "ends", wall=clock.walltime, boottime=clock.boottime)
    many = TrustedIssuer(
        "https://{tenantid}.example",
        audience=AUDIENCE,
        tenants={"a", "b"},
        secret=bytes(range(32)),
        typ="JWT",
        revocation=Waive.REVOCATION,
        ends=store,
    )
    one = TrustedIssuer(
        names[2],
        audience=AUDIENCE,
        secret=bytes(range(32)),
        typ="JWT",
        revocation=Waive.REVOCATION,
        ends=store,
    )
    none = TrustedIssuer(
        "none", audience=AUDIENCE, secret=bytes(range(32)), typ="JWT", revocation=Waive.REVOCATION
    )
    found = Verifier(many, one, none, wall=clock.walltime, boottime=clock.boottime, background=False)
    before = samples(found)
    assert before[f'admit_ends{{issuer="{names[0]}"}}'] == 0
    assert f'admit_ends_age_seconds{{issuer="{names[0]}"}}' not in before, "it was never read"
    store.add(
        [
            End(issuer=name, subject=f"u{number}", before=NOW, until=NOW + 900)
            for name, ends in zip(names, (1, 2, 4), strict=True)
            for number in range(ends)
        ]
    )
    store.read_now()
    clock.pass_time(3)
    after = samples(found)
    assert [after[f'admit_ends{{issuer="{name}"}}'] for name in (names[0], names[2])] == [3, 4]
    assert {after[f'admit_ends_age_seconds{{issuer="{name}"}}'] for name in (names[0], names[2])} == {3}
    assert 'admit_ends{issuer="none"}' not in after


def test_nothing_that_a_stranger_sends_becomes_a_label(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    verifier.verify(issuer.token())
    before, stranger = set(samples(verifier)), JWK.generate("ES256")
    for number in range(200):
        with pytest.raises(TokenError):
            verifier.verify(issuer.token(key=stranger, jti=f"stranger-{number}"))
        with pytest.raises(TokenError):
            verifier.verify(f"stranger.{number}.x")
    new = set(samples(verifier)) - before
    assert new <= {
        'admit_refusals_total{code="invalid_token"}',
        'admit_refusals_total{code="invalid_request"}',
    }


def test_codes_are_bounded_whatever_comes() -> None:
    counters = Counters()
    for number in range(1_000):
        counters.refused(f"code-{number}")
    assert len(counters.refusals) <= MAX_CODES + 1
    assert sum(counters.refusals.values()) == 1_000


def test_prometheus_is_loaded_by_nobody_else() -> None:
    program = "import sys, admit.verifier; print('prometheus_client' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_health_tells_the_time_to_the_bound_and_the_age_of_each_list(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock
) -> None:
    told = verifier.health().issuers[0]
    assert (told.ready, told.left, told.fresh_age, told.list_ages) == (False, 0.0, None, {})
    verifier.verify(issuer.token())
    clock.pass_time(4)
    told = verifier.health().issuers[0]
    assert (told.left, told.fresh_age, told.list_ages) == (26.0, 4.0, {0: 4.0})
    assert (told.up, told.stream, told.stream_error, told.counts.polls) == (True, "off", None, 1)
    clock.pass_time(100)
    assert verifier.health().issuers[0].left == 0.0
    verifier.close()
    assert not verifier.health().issuers[0].up


def words(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Level and the word that tells the three lines apart."""
    kinds = {"at 30 s": "near", "past the bound": "past", "fresh again": "fresh"}
    return [
        (record.levelname, kind)
        for record in caplog.records
        for words, kind in kinds.items()
        if words in record.getMessage()
    ]


def test_the_log_has_one_line_when_the_bound_is_near_one_past_it_and_one_after(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "admit.verifier")
    token = issuer.token(exp=clock.wall + 9_000)
    verifier.verify(token)
    for _ in range(2):
        caplog.clear()
        issuer.down = True
        for _ in range(9):
            clock.pass_time(5)
            try:
                verifier.verify(token)
            except StaleRevocationError:
                continue
        issuer.down = False
        clock.pass_time(5)
        verifier.verify(token)
        clock.pass_time(5)
        verifier.verify(token)
        assert words(caplog) == [("WARNING", "near"), ("ERROR", "past"), ("WARNING", "fresh")]


def test_a_single_lost_answer_is_not_worth_a_line(
    verifier: Verifier, issuer: StatusIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    token = issuer.token(exp=clock.wall + 9_000)
    verifier.verify(token)
    for down in (True, False, True, False):
        issuer.down = down
        clock.pass_time(5)
        verifier.verify(token)
    assert words(caplog) == []


@pytest.mark.parametrize(("age", "level"), [(0, 0), (20, 0), (20.1, 1), (30, 1), (30.1, 2), (-1, 2)])
def test_an_age_is_well_near_or_past(age: float, level: int) -> None:
    assert episodes.level_of(age, 30.0) == level


def test_an_issuer_that_never_answered_is_told_of_too(caplog: pytest.LogCaptureFixture) -> None:
    episode = Episode("https://id.example.com")
    for age in (0.0, 10.0, 25.0, 35.0, 40.0):
        episode.tell(age, 30.0)
    assert [level for level, _ in words(caplog)] == ["WARNING", "ERROR"]


def test_a_follower_whose_thread_is_gone_is_not_up(issuer: StatusIssuer, clock: Clock) -> None:
    net: Any = FakeNet(issuer)
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE, revocation=replace(Revocation(), stream=False))
    follower = Follower(trust, net, boottime=clock.boottime)
    assert not follower.is_up
    follower.start()
    assert follower.is_up
    follower.close()
    assert not follower.is_up
