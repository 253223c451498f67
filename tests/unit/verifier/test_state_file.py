"""The turn to write: of several processes one has it, and none keeps it."""

import os
from pathlib import Path

from admit.verifier import state_file
from tests.unit.verifier.ends.making import fork


def test_one_has_the_turn_at_a_time(tmp_path: Path) -> None:
    with state_file.turn(tmp_path / "x.lock") as first, state_file.turn(tmp_path / "x.lock") as second:
        assert (first, second) == (True, False)
    with state_file.turn(tmp_path / "x.lock") as later:
        assert later


def test_a_child_that_was_forked_meanwhile_does_not_keep_the_turn(tmp_path: Path) -> None:
    """It would for as long as it lives, and no worker would ever save anything again."""
    reading, writing = os.pipe()
    with state_file.turn(tmp_path / "x.lock") as mine:
        assert mine
        child = fork()
        if child == 0:
            os.close(writing)
            os.read(reading, 1)  # lives until the test is over
            os._exit(0)
    try:
        with state_file.turn(tmp_path / "x.lock") as again:
            assert again
    finally:
        os.close(writing)
        os.waitpid(child, 0)
        os.close(reading)
