"""What was proved outlives the process: on this boot only, within the bound, from a file that is ours alone."""

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from admit.errors import (
    ConfigError,
    KeysUnavailableError,
    RevokedError,
    StaleRevocationError,
    UnavailableError,
)
from admit.jose import JWK, JWKSet
from admit.tokens import status_list
from admit.verifier import Revocation, TrustedIssuer, Verifier, state, state_file
from admit.verifier.follower import Follower
from tests.fixtures.status_issuer import AUDIENCE, Clock, FakeNet, StatusIssuer

BOOT = "11111111-2222-3333-4444-555555555555"


@dataclass
class Machine:
    """One machine, one issuer, one folder; verifiers come and go."""

    folder: Path
    clock: Clock = field(default_factory=Clock)
    boot: str | None = BOOT

    def __post_init__(self) -> None:
        self.issuer = StatusIssuer(clock=self.clock.walltime)

    @contextmanager
    def verifier(self, **trust: Any) -> Iterator[Verifier]:
        """A process that starts now."""
        made = Verifier(
            TrustedIssuer(
                self.issuer.issuer, audience=AUDIENCE, **{"revocation": Revocation(stream=False), **trust}
            ),
            fetcher=FakeNet(self.issuer),  # type: ignore[arg-type]  # stands in
            wall=self.clock.walltime,
            boottime=self.clock.boottime,
            background=False,
            state_dir=self.folder,
        )
        yield made
        made.close()

    def run(self, seconds: float = 0.0) -> None:
        """A process that verifies one good token, and ends."""
        with self.verifier() as verifier:
            verifier.verify(self.issuer.token(8))
        self.clock.pass_time(seconds)

    @property
    def file(self) -> Path:
        return self.folder / f"{sha256(self.issuer.issuer.encode()).hexdigest()[:32]}.state"

    def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        """Change the content, and make the digest fit."""
        content = json.loads(self.file.read_bytes().partition(b"\n")[2])
        change(content)
        body = json.dumps(content).encode()
        self.file.write_bytes(sha256(body).hexdigest().encode() + b"\n" + body)


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    folder = tmp_path / "state"
    folder.mkdir(mode=0o700)
    machine = Machine(folder)
    monkeypatch.setattr(state, "boot_identity", lambda: machine.boot)
    return machine


def follower_of(at: Machine, verifier: Verifier) -> Follower:
    source = verifier.core.source(at.issuer.issuer)
    assert isinstance(source, Follower)
    return source


def test_a_cold_start_while_the_issuer_is_down_goes_on_within_the_bound(at: Machine) -> None:
    at.issuer.end(7)
    at.run(seconds=20)
    at.issuer.down = True
    with at.verifier() as verifier:
        assert verifier.verify(at.issuer.token(8)).subject == "u_alice"
        with pytest.raises(RevokedError):
            verifier.verify(at.issuer.token(7))
        at.clock.pass_time(10.1)
        with pytest.raises(StaleRevocationError):
            verifier.verify(at.issuer.token(8))


def test_what_was_seen_after_the_proof_takes_nothing_from_it(at: Machine) -> None:
    with at.verifier() as verifier:
        verifier.verify(at.issuer.token(8))
        at.clock.pass_time(6)
        at.issuer.end(7)
        at.issuer.lists_down = True  # the head comes, the list does not: nothing is proved anew
        verifier.verify(at.issuer.token(8))
    at.issuer.down = True
    with at.verifier() as verifier:
        verifier.verify(at.issuer.token(8))
        at.clock.pass_time(24.1)
        with pytest.raises(StaleRevocationError):
            verifier.verify(at.issuer.token(8))


def test_keys_that_were_not_fetched_since_they_were_loaded_stay_saved(at: Machine) -> None:
    at.run(seconds=3)
    at.issuer.keys_down = True
    at.run(seconds=3)
    at.issuer.down = True
    with at.verifier() as verifier:
        assert verifier.verify(at.issuer.token(8)).subject == "u_alice"


def test_what_later_lists_proved_is_good_after_a_cold_start_too(at: Machine) -> None:
    answer = at.issuer.answer

    def ending(method: str, target: str, headers: Any, body: Any = None) -> Any:
        found = answer(method, target, headers, body)
        if "/status/head" in target:
            at.issuer.end(1_000 + at.issuer.seq)
        return found

    at.issuer.answer = ending  # type: ignore[method-assign]  # something ends after each head
    at.run(seconds=20)
    at.issuer.down = True
    with at.verifier() as verifier:
        verifier.verify(at.issuer.token(8))
        with pytest.raises(RevokedError):
            verifier.verify(at.issuer.token(1_000))
    at.edit(lambda content: content.update(later=[]))
    with at.verifier() as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(at.issuer.token(8))


def test_a_cold_start_without_what_was_saved_is_503(at: Machine) -> None:
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))


def test_an_issuer_that_answers_is_asked_first(at: Machine) -> None:
    """Nobody gets in on a saved state what the issuer would refuse."""
    at.run(seconds=1)
    at.issuer.end(7)
    with at.verifier() as verifier, pytest.raises(RevokedError):
        verifier.verify(at.issuer.token(7))


@pytest.mark.threat("O-4", off="admit.verifier.state:is_same_boot")
@pytest.mark.parametrize("boot", ["99999999-2222-3333-4444-555555555555", None])
def test_after_a_restart_of_the_machine_its_clock_says_nothing(at: Machine, boot: str | None) -> None:
    at.run()
    at.issuer.down = True
    at.boot = boot
    with at.verifier() as verifier, pytest.raises(KeysUnavailableError):
        verifier.verify(at.issuer.token(8))


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_fresh")
@pytest.mark.parametrize("seconds", [30.1, 9_000.0])
def test_a_state_from_beyond_the_bound_is_not_fresh(at: Machine, seconds: float) -> None:
    at.run(seconds=seconds)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))


def test_a_state_from_the_future_is_not_fresh(at: Machine) -> None:
    at.run(seconds=-0.1)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))


def test_lists_that_were_saved_need_no_fetch(at: Machine) -> None:
    at.issuer.end(7)
    at.run(seconds=9_000)
    at.issuer.hits.clear()
    with at.verifier() as verifier, pytest.raises(RevokedError):
        verifier.verify(at.issuer.token(7))
    assert "/status/0" not in at.issuer.hits
    assert "/status/head" in at.issuer.hits


@pytest.mark.threat("O-4", off="admit.verifier.freshness:is_back")
@pytest.mark.parametrize("boot", [BOOT, "another"])
def test_a_database_that_went_back_is_noticed_across_restarts_whatever_the_age(
    at: Machine, boot: str
) -> None:
    at.issuer.seq = 50
    at.run(seconds=90_000)
    at.boot = boot
    at.issuer.head_place = (100, 49)
    with at.verifier() as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(at.issuer.token(8))
    at.issuer.head_place = (100, 51)  # it catches up, and another process starts
    at.clock.pass_time(10)
    with at.verifier() as verifier:
        with pytest.raises(StaleRevocationError):
            verifier.verify(at.issuer.token(8))
        assert verifier.health().issuers[0].went_back
    at.issuer.head_place = (101, 0)
    at.clock.pass_time(10)
    at.run()


def test_ends_and_revoked_keys_are_remembered_whatever_the_age(at: Machine) -> None:
    at.issuer.end(7)
    at.issuer.revoked_kids = frozenset({"stolen"})
    at.run(seconds=90_000)
    with at.verifier() as verifier:
        follower = follower_of(at, verifier)
        at.issuer.down = True
        with pytest.raises(UnavailableError):
            verifier.verify(at.issuer.token(8))
        held = follower.snapshot.held
        assert held.revoked_kids == {"stolen"}
        assert status_list.is_set(held.bitmaps[0], 7)
        assert held.fresh_at is None


def test_a_state_without_the_signature_of_its_head_is_not_fresh(at: Machine) -> None:
    at.run()
    at.issuer.down = True
    other = StatusIssuer(clock=at.clock.walltime)
    forged = other.head("n" * 22).decode()
    at.edit(lambda content: content.update(head=forged, nonce="n" * 22))
    with at.verifier() as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(at.issuer.token(8))


@pytest.mark.threat("O-4", off="admit.verifier.state:verify_head")
def test_a_state_whose_head_is_another_question_s_is_not_fresh(at: Machine) -> None:
    at.run()
    at.issuer.down = True
    at.edit(lambda content: content.update(nonce="x" * 22))
    with at.verifier() as verifier, pytest.raises(StaleRevocationError):
        verifier.verify(at.issuer.token(8))


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"{}"),
        lambda path: path.write_bytes(path.read_bytes()[:-40]),
        lambda path: path.write_bytes(path.read_bytes().replace(b'"seq":', b'"seq":9')),
        lambda path: path.write_bytes(os.urandom(5_000)),
    ],
    ids=["empty", "no digest", "cut", "changed", "random"],
)
def test_a_damaged_state_is_passed_over_and_replaced(
    at: Machine, damage: Callable[[Path], object], caplog: pytest.LogCaptureFixture
) -> None:
    at.run()
    damage(at.file)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))
    assert "damaged" in caplog.text
    at.issuer.down = False
    at.clock.pass_time(5)
    at.run()
    at.issuer.down = True
    at.run()


@pytest.mark.parametrize(
    "damage", [lambda c: c["lists"].append([1, "x" * 16, "AAAA"]), lambda c: c.update(issuer="https://other")]
)
def test_a_state_that_is_another_s_or_has_broken_lists_is_passed_over(
    at: Machine, damage: Callable[[dict[str, Any]], object]
) -> None:
    at.run()
    at.edit(damage)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))


@pytest.mark.threat("INF-keys", off="admit.verifier.state_file:is_ours")
@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_believed(
    at: Machine, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    at.run()
    at.file.chmod(mode)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))
    assert "writable" in caplog.text


@pytest.mark.threat("INF-keys", off="admit.verifier.state_file:is_ours")
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777])
def test_a_folder_that_others_can_write_is_refused(at: Machine, mode: int) -> None:
    at.folder.chmod(mode)
    with pytest.raises(ConfigError, match="nobody else"), at.verifier():
        pass


@pytest.mark.skipif(os.name != "posix" or os.geteuid() != 0, reason="only root can give files away")
def test_a_folder_or_file_of_somebody_else_is_refused(at: Machine) -> None:
    at.run()
    os.chown(at.file, 12_345, 12_345)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))
    os.chown(at.folder, 12_345, 12_345)
    with pytest.raises(ConfigError), at.verifier():
        pass


@pytest.mark.parametrize("kind", ["missing", "file"])
def test_a_state_dir_that_is_no_folder_is_refused(at: Machine, kind: str) -> None:
    at.folder = at.folder / kind
    if kind == "file":
        at.folder.touch()
    with pytest.raises(ConfigError), at.verifier():
        pass


def test_links_and_pipes_are_not_followed(at: Machine, tmp_path: Path) -> None:
    at.run()
    elsewhere = tmp_path / "elsewhere"
    at.file.rename(elsewhere)
    at.file.symlink_to(elsewhere)
    at.issuer.down = True
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))
    at.file.unlink()
    os.mkfifo(at.file, 0o600)
    with at.verifier() as verifier, pytest.raises(UnavailableError):
        verifier.verify(at.issuer.token(8))


def test_the_file_is_ours_alone_and_nothing_is_left_beside_it(at: Machine) -> None:
    old = os.umask(0)
    try:
        at.run()
    finally:
        os.umask(old)
    assert stat.S_IMODE(at.file.stat().st_mode) == 0o600
    assert sorted(path.suffix for path in at.folder.iterdir()) == [".lock", ".state"]
    text = at.file.read_text("ascii")
    for secret in (at.issuer.token(8), '"d":', "u_alice"):
        assert secret not in text


def test_it_is_written_each_few_seconds_at_most_and_only_when_there_is_news(at: Machine) -> None:
    quick = Revocation(stream=False)
    with at.verifier(revocation=quick) as verifier:
        follower = follower_of(at, verifier)
        verifier.verify(at.issuer.token(8))
        for _ in range(10):
            follower._agenda.poll_due = 0.0
            at.clock.pass_time(0.5)
            verifier.verify(at.issuer.token(8))
        assert follower.counters.polls_proved == 11
        assert follower.counters.state_saved == 3


def test_of_several_workers_one_writes(at: Machine) -> None:
    with at.verifier() as first, at.verifier() as second, at.verifier() as third:
        workers = (first, second, third)
        for _ in range(4):
            for worker in workers:
                worker.verify(at.issuer.token(8))
            at.clock.pass_time(6)
        saved = [follower_of(at, worker).counters.state_saved for worker in workers]
    assert sum(saved) == 4


def test_a_worker_that_knows_less_does_not_take_away_what_another_saw(at: Machine) -> None:
    with at.verifier() as behind:
        behind.verify(at.issuer.token(8))
        at.clock.pass_time(6)
        at.issuer.seq = 9
        at.run()
        at.issuer.head_place = (100, 3)  # what the one that is behind would see of an older node
        behind.verify(at.issuer.token(8))
    assert json.loads(at.file.read_bytes().partition(b"\n")[2])["seq"] == 9


def test_a_folder_that_cannot_be_written_costs_a_log_line_and_nothing_else(
    at: Machine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(state_file, "replace", full)
    with at.verifier() as verifier:
        for _ in range(3):
            verifier.verify(at.issuer.token(8))
            at.clock.pass_time(6)
    assert caplog.text.count("No space left") == 1


def test_configured_keys_are_not_replaced_by_saved_ones(at: Machine) -> None:
    at.run()
    mine = JWKSet([JWK.generate("ES256").public(), at.issuer.status_key.public()])
    at.issuer.down = True
    with at.verifier(jwks=mine) as verifier:
        follower = follower_of(at, verifier)
        follower.start()
        view = follower.snapshot.keys
        assert view is not None
        assert view.tokens is mine


def test_the_boot_is_named_on_linux() -> None:
    named = Path("/proc/sys/kernel/random/boot_id")
    if named.exists():
        found = state.boot_identity()
        assert found is not None
        assert named.read_text().strip() in found
