"""How commands speak: one line an outcome, in which nothing is a command to the terminal, and no traceback."""

import io
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from admit.cli.output import UNAVAILABLE, USAGE, done, fail, show_table, told_errors
from admit.errors import AdmitError, SessionError, StorageUnavailableError

FULL = Path("/dev/full")
needs_full = pytest.mark.skipif(not FULL.exists(), reason="no device that is always full")


@pytest.mark.threat("INF-log", off="admit.cli.output:harmless")
def test_neither_an_outcome_nor_a_failure_can_draw_on_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    odd = "a\x1b]0;x\x07\x1b[2J\r\nadmit: good\u202e"
    done(f"key {odd} written", then=f"admit jwk convert {odd}")
    with pytest.raises(SystemExit):
        fail(f"key {odd} is not there", 2)
    told = capsys.readouterr()
    for stream in (told.out, told.err):
        assert all(char.isprintable() or char == "\n" for char in stream)
    assert told.out == "key a\\u001b]0;x\\u0007\\u001b[2J\\r\\nadmit: good\\u202e written\n"
    assert len(told.err.splitlines()) == 2


def test_text_in_any_script_is_told_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    done('Added "爱达 Łódź" <é@example.com> \\ as u_1.')
    assert capsys.readouterr().out == 'Added "爱达 Łódź" <é@example.com> \\ as u_1.\n'


@needs_full
@pytest.mark.parametrize(
    "write",
    [
        lambda: click.echo("x"),
        lambda: sys.stdout.buffer.write(b"x"),
        lambda: sys.stdout.buffer.write(b"x" * 99_999),
    ],
    ids=["a line", "octets", "many octets"],
)
def test_what_cannot_be_written_is_told_in_one_line(
    write: Callable[[], object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with FULL.open(
        "w"
    ) as full:  # which is closed at the end as the interpreter does, and must not fail again
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(SystemExit) as ended, told_errors():
            write()
    assert ended.value.code == UNAVAILABLE
    assert capsys.readouterr().err == "admit: the system refused: No space left on device\n"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (StorageUnavailableError("SQLite: SQLITE_FULL"), UNAVAILABLE, "SQLite: SQLITE_FULL"),
        (
            AdmitError("PostgreSQL: 42501 permission denied for table node"),
            USAGE,
            "permission denied for table node",
        ),
        (SessionError("a rule for the log"), USAGE, SessionError.public),
    ],
    ids=["unavailable", "trouble inside", "a refusal, by what people are told"],
)
def test_who_operates_it_is_told_the_cause(
    error: AdmitError, code: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended, told_errors():
        raise error
    assert ended.value.code == code
    [line] = capsys.readouterr().err.splitlines()
    assert told in line


def test_what_can_be_written_is_no_failure(capsys: pytest.CaptureFixture[str]) -> None:
    with told_errors():
        click.echo("x")
    assert capsys.readouterr() == ("x\n", "")


def test_a_reader_that_has_read_enough_is_no_failure_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(BrokenPipeError), told_errors():
        raise BrokenPipeError
    assert capsys.readouterr().err == ""


def test_without_standard_output_nothing_breaks(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdout", None)
    with told_errors():
        click.echo("x")
        assert not sys.stdout.isatty()
    sys.stdout.close()
    assert capsys.readouterr().err == ""


@pytest.mark.threat("INF-log", off="admit.cli.output:harmless")
def test_no_cell_of_a_table_can_draw_on_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "id"), [("Ada\x1b[2J\r\nroot", "u_1"), ("爱达", "u_2")])
    told = capsys.readouterr().out
    assert told == "name                  id\nAda\\u001b[2J\\r\\nroot  u_1\n爱达                    u_2\n"
    assert len(told.splitlines()) == 3


def test_a_letter_that_the_output_lacks_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    narrow = io.TextIOWrapper(io.BytesIO(), encoding="latin-1")
    monkeypatch.setattr(sys, "stdout", narrow)
    with told_errors():
        click.echo("爱达 ok")
    assert narrow.buffer.getvalue() == b"\\u7231\\u8fbe ok\n"
