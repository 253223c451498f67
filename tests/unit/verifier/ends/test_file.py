"""The file store: on the disk before it is acknowledged, read by others, and robust against crashes and strangers."""

import contextlib
import os
import stat
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from admit.errors import ConfigError, EndStoreError, EndStoreFullError
from admit.verifier.ends import file, lines
from admit.verifier.ends.file import FileEndStore
from tests.fixtures.status_issuer import NOW, Clock
from tests.unit.verifier.ends.making import ISSUER, clocks, end, fork

Make = Callable[..., FileEndStore]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ends"


@pytest.fixture
def store(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Make:
    monkeypatch.setattr("admit.verifier.ends.file._GRACE", 0.0)
    return lambda **more: FileEndStore(path, **{**clocks(clock), **more})


def ended(found: FileEndStore, subject: str = "alice") -> bool:
    return found.view.is_ended(ISSUER, subject, iat=NOW)


def test_what_one_added_the_other_reads(store: Make) -> None:
    one, two = store(), store()
    assert one.add([end()])
    assert ended(one)
    assert not ended(two)
    two.read_now()
    assert ended(two)
    assert not ended(two, "bob")


def test_the_same_end_is_new_once_whoever_is_told(store: Make, path: Path) -> None:
    one, two = store(), store()
    assert one.add([end()])
    assert not two.add([end()])
    assert not one.add([end()])
    assert path.read_bytes().count(b"\n") == 2  # the header, and one end


@pytest.mark.threat("O-3", off="admit.verifier.ends.file:see_to_disk")
def test_an_acknowledged_end_is_on_the_disk(store: Make, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fsync", fsync)
    store().add([end()])
    assert synced[-1:] == [path.stat().st_size]


def test_an_end_that_could_not_be_written_is_neither_held_nor_acknowledged(
    store: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = store()
    found.add([end(subject="bob")])
    size = path.stat().st_size

    def fails(_: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fails)
        with pytest.raises(EndStoreError):
            found.add([end()])
    assert not ended(found)
    assert path.stat().st_size == size
    assert found.add([end()])
    other = store()
    other.read_now()
    assert ended(other)


def test_ends_outlive_the_process(store: Make) -> None:
    store().add([end()])
    later = store()
    assert not later.is_fresh()
    later.read_now()
    assert ended(later)
    assert later.is_fresh()


@pytest.mark.parametrize("cut", [1, 5, 30])
def test_a_line_that_a_crash_left_half_written_is_dropped_and_the_rest_is_kept(
    store: Make, path: Path, cut: int
) -> None:
    store().add([end(subject="alice")])
    store().add([end(subject="bob")])
    whole = path.read_bytes()
    path.write_bytes(whole[:-cut])
    after = store()
    after.read_now()
    assert ended(after, "alice")
    assert not ended(after, "bob")
    after.add([end(subject="carol")])
    last = store()
    last.read_now()
    assert ended(last, "alice")
    assert ended(last, "carol")


def test_a_torn_tail_of_whole_bad_lines_is_dropped_too(store: Make, path: Path) -> None:
    store().add([end()])
    with path.open("ab") as file:
        file.write(b"\0" * 20 + b"\n" + b"rest of a line\n")
    after = store()
    after.add([end(subject="bob")])
    assert ended(after, "alice")
    assert b"\0" not in path.read_bytes()


@pytest.mark.threat("O-4", off="admit.verifier.ends.lines:check_order")
def test_damage_in_the_middle_makes_the_store_unreadable(store: Make, path: Path) -> None:
    store().add([end(subject="alice")])
    store().add([end(subject="bob")])
    data = bytearray(path.read_bytes())
    data[lines.HEADER_SIZE + 20] ^= 1
    path.write_bytes(bytes(data))
    after = store()
    with pytest.raises(EndStoreError):
        after.read_now()
    assert not after.is_fresh()
    with pytest.raises(EndStoreError):
        after.add([end(subject="carol")])


def test_a_file_of_something_else_is_neither_read_nor_written(store: Make, path: Path) -> None:
    path.write_text("root:x:0:0\n")
    path.chmod(0o600)
    with pytest.raises(EndStoreError):
        store().add([end()])
    assert path.read_text() == "root:x:0:0\n"


def test_what_is_over_leaves_the_file_when_it_has_grown(
    store: Make, path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("admit.verifier.ends.file._SPARE_LINES", 5)
    one, two = store(), store()
    one.add([end(subject=f"u{number}", until=NOW + 100) for number in range(20)])
    two.read_now()
    clock.pass_time(200)
    one.read_now()
    one.add([end(subject="alice")])
    assert path.read_bytes().count(b"\n") == 2
    two.read_now()
    assert ended(two)
    two.add([end(subject="bob")])
    one.read_now()
    assert ended(one, "bob")


@pytest.mark.threat("O-3", off="admit.verifier.ends.file:FileEndStore._settle")
def test_a_file_that_vanished_is_written_again_with_what_is_known(store: Make, path: Path) -> None:
    one, two = store(), store()
    one.add([end(subject="alice")])
    two.read_now()
    path.unlink()
    two.read_now()
    two.add([end(subject="bob")])
    later = store()
    later.read_now()
    assert ended(later, "alice")
    assert ended(later, "bob")


def test_a_file_that_lost_ends_gets_them_back_from_who_knows_them(store: Make, path: Path) -> None:
    one, two = store(), store()
    one.add([end(subject="alice")])
    two.read_now()
    path.unlink()
    store().add([end(subject="bob")])  # a process that knew nothing began the file anew
    two.read_now()
    later = store()
    later.read_now()
    assert ended(later, "alice")
    assert ended(later, "bob")
    assert ended(two, "bob")


def unknown(found: FileEndStore, iat: float) -> bool:
    return found.view.is_ended(ISSUER, "somebody", iat=iat)


@pytest.mark.threat("O-3", off="admit.verifier.ends.view:is_unknown")
def test_a_file_that_vanished_while_nobody_ran_refuses_what_it_may_have_ended(
    store: Make, path: Path, clock: Clock
) -> None:
    first = store()
    first.add([end(subject="alice")])
    path.unlink()  # and the process is gone too
    clock.pass_time(100)
    later, another = store(), store()
    later.read_now()
    another.read_now()
    for one in (later, another):
        assert one.is_fresh()
        assert one.view.since == NOW + 100
        assert unknown(one, NOW + 99)
        assert one.view.is_ended(ISSUER, "alice", iat=NOW - 1)
        assert not unknown(one, NOW + 100), "whoever is signed in anew is let in"
    clock.pass_time(100)
    last = store()
    last.read_now()
    assert last.view.since == NOW + 100, "the file says so to those who come"
    last.add([end(subject="bob")])
    last._rewrite()
    later.read_now()
    assert later.view.since == NOW + 100


@pytest.mark.threat("O-3", off="admit.verifier.ends.view:is_unknown")
def test_who_was_away_for_longer_than_the_bound_cannot_vouch_for_a_file_that_vanished(
    store: Make, path: Path, clock: Clock
) -> None:
    one = store()
    one.add([end(subject="alice")])
    one.read_now()
    path.unlink()
    clock.pass_time(10.1)
    one.read_now()
    assert unknown(one, NOW + 9)
    assert ended(one), "and what it holds stays"
    later = store()
    later.read_now()
    assert ended(later)


def test_who_remembers_vouches_for_the_time_before_a_file_was_begun_anew(
    store: Make, path: Path, clock: Clock
) -> None:
    one = store()
    one.add([end(subject="alice")])
    one.read_now()
    clock.pass_time(5)
    path.unlink()
    newcomer = store()
    newcomer.read_now()
    assert unknown(newcomer, NOW + 1)
    one.read_now()
    newcomer.read_now()
    assert one.view.since == newcomer.view.since == NOW
    assert not unknown(newcomer, NOW + 1)
    assert ended(newcomer)
    assert path.read_bytes().count(b"\n") == 2


def test_a_newcomer_leaves_a_missing_file_to_those_who_remember(
    store: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, waits = store(), list[float]()
    one.add([end(subject="alice")])
    assert waits == [], "where there never was a file nobody is waited for"
    one.read_now()
    path.unlink()

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        one.read_now()

    monkeypatch.setattr("admit.verifier.ends.file.time.sleep", sleep)
    newcomer = store()
    newcomer.read_now()
    assert len(waits) == 1
    assert newcomer.view.since == one.view.since
    assert ended(newcomer)


@pytest.mark.parametrize(
    "header",
    [
        b"admit-ends 1 0123456789abcdef\n",
        b"admit-ends 2 0123456789abcdef 00000000001\n",
        b"admit-ends 2 0123456789abcdef -00000000001\n",
        b"admit-ends 2 0123456789abcde 0000000000001\n",
        b"admit-ends 2 0123456789abcdef 000000000001 ",
    ],
)
def test_a_header_that_says_not_since_when_is_none(store: Make, path: Path, header: bytes) -> None:
    path.write_bytes(header)
    path.chmod(0o600)
    with pytest.raises(EndStoreError):
        store().read_now()


def test_it_is_made_for_its_owner_alone(store: Make, path: Path) -> None:
    store().add([end()])
    for made in (path, path.with_name("ends.lock")):
        assert stat.S_IMODE(made.stat().st_mode) == 0o600


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
@pytest.mark.threat("O-4", off="admit.verifier.ends.place:check_modes")
def test_a_file_that_others_can_write_is_refused(store: Make, path: Path, mode: int) -> None:
    found = store()
    found.add([end()])
    path.chmod(mode)
    with pytest.raises(ConfigError):
        store()
    with pytest.raises(EndStoreError):
        found.add([end(subject="bob")])


def test_a_folder_where_others_can_replace_files_is_refused(store: Make, path: Path) -> None:
    path.parent.chmod(0o777)
    with pytest.raises(ConfigError):
        store()
    path.parent.chmod(0o1777)  # as /tmp: each may replace only what is their own
    store()
    path.parent.chmod(0o755)
    store()


def test_a_link_is_not_followed(store: Make, path: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(lines.header("0" * 16, 0))
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError):
        store()


def test_a_folder_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        FileEndStore(tmp_path / "nowhere" / "ends")


def test_a_full_file_takes_no_more_and_keeps_what_it_has(store: Make) -> None:
    found = store(limit=3)
    found.add([end(subject="a"), end(subject="b")])
    with pytest.raises(EndStoreFullError):
        found.add([end(subject="c")])
    assert ended(found, "a")
    assert ended(found, "b")


@pytest.mark.threat("O-4", off="admit.verifier.ends.store:PolledEndStore.is_fresh")
def test_what_was_read_too_long_ago_is_not_fresh(store: Make, clock: Clock) -> None:
    found = store()
    assert not found.is_fresh()
    assert found.age() is None
    found.read_now()
    assert found.is_fresh()
    clock.pass_time(9.9)
    assert found.is_fresh()
    clock.pass_time(0.2)
    assert not found.is_fresh()
    assert found.age() == pytest.approx(10.1)


def test_a_boot_clock_that_runs_backwards_proves_nothing(store: Make, clock: Clock) -> None:
    found = store()
    found.read_now()
    clock.boot -= 1
    assert not found.is_fresh()


def test_a_locked_file_is_an_error_and_no_wait_for_ever(
    store: Make, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    monkeypatch.setattr("admit.verifier.ends.file._LOCK_WAIT", 0.05)
    found = store()
    found.add([end()])
    with open(path.with_name("ends.lock"), "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(EndStoreError):
            found.add([end(subject="bob")])
        found.read_now()  # reading needs no lock
    assert found.add([end(subject="bob")])


def test_a_new_process_reads_all_there_is_before_the_lock_and_only_what_is_new_with_it(
    store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else those who wait for its lock give up where many ends are kept."""
    store().add([end(subject=f"user {number}") for number in range(5)])
    newcomer, read, real = store(), list[tuple[bool, int]](), file._read_from
    locked = False

    @contextlib.contextmanager
    def lock() -> Iterator[None]:
        nonlocal locked
        locked = True
        yield
        locked = False

    def reading(descriptor: int, start: int, limit: int) -> bytes:
        data = real(descriptor, start, limit)
        read.append((locked, len(data)))
        return data

    monkeypatch.setattr(newcomer, "_locked", lock)
    monkeypatch.setattr(file, "_read_from", reading)
    assert newcomer.add([end(subject="bob")])
    [(early, most), (late, least)] = read
    assert (early, late, least) == (False, True, 0)
    assert most > 0
    assert ended(newcomer, "user 4")
    assert ended(newcomer, "bob")


def test_what_another_writes_while_a_new_process_reads_is_no_damage(
    store: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, newcomer, real = store(), store(), file._read_from
    other.add([end(subject="ann")])
    path = newcomer.path
    path.write_bytes(path.read_bytes() + b"0123")  # of a process that died
    told: list[bool] = []

    def reading(descriptor: int, start: int, limit: int) -> bytes:
        data = real(descriptor, start, limit)
        if told:
            return data
        told.append(True)
        told.append(other.add([end(subject="bob"), end(subject="cleo")]))  # cuts that off
        return data + real(descriptor, start + len(data), limit)

    monkeypatch.setattr(file, "_read_from", reading)
    assert newcomer.add([end(subject="dora")])
    assert told == [True, True]
    for name in ("ann", "bob", "cleo", "dora"):
        assert ended(newcomer, name)


def test_a_child_reads_for_itself_before_anything_is_fresh_there(store: Make) -> None:
    found = store()
    found.add([end()])
    found.read_now()
    read, write = os.pipe()
    child = fork()
    if child == 0:
        said = b"no"
        try:
            before = found.is_fresh()
            waiting = found.pending()
            assert waiting is not None
            waiting.result(5)
            if not before and found.is_fresh() and ended(found) and found.add([end(subject="bob")]):
                said = b"ok"
        finally:
            os.write(write, said)
            os._exit(0)
    os.close(write)
    try:
        assert os.read(read, 2) == b"ok"
    finally:
        os.waitpid(child, 0)
        os.close(read)
    found.read_now()
    assert ended(found, "bob")


@pytest.mark.parametrize(
    "changes",
    [
        {"max_staleness": timedelta(milliseconds=10)},
        {"max_staleness": timedelta(hours=1)},
        {"poll": timedelta(seconds=5)},
        {"poll": timedelta(0)},
        {"keep": timedelta(minutes=1)},
    ],
)
def test_durations_that_cannot_work_are_refused(store: Make, changes: dict[str, timedelta]) -> None:
    with pytest.raises(ConfigError):
        store(**changes)


def test_no_message_quotes_the_path(store: Make, path: Path) -> None:
    found = store()
    path.mkdir()
    with pytest.raises(EndStoreError) as caught:
        found.add([end()])
    assert str(path) not in str(caught.value)
