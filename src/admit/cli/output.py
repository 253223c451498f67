"""How commands speak: one line an outcome, JSON where it is asked for, colour only on a terminal and where it means."""

import inspect
import json
import os
import re
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from io import TextIOWrapper
from typing import Any, BinaryIO, NoReturn

import click

from admit.errors import AdmitError, ConfigError, UnavailableError

_SETTINGS = "admit.settings"
_SENTENCE = re.compile(r"(?<=\.) (?=[A-Z])")
REFUSED, USAGE, MISSING, UNAVAILABLE = 1, 2, 3, 4

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


class Listed(click.Group):
    """A group whose list says the whole first sentence of each command, on as many lines as it takes."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """As click's own, which cuts them."""
        rows = []
        for name in self.list_commands(ctx):
            if (command := self.get_command(ctx, name)) is not None and not command.hidden:
                first = inspect.cleandoc(command.help or "").split("\n\n")[0].replace("\n", " ")
                rows.append((name, _SENTENCE.split(first)[0]))
        if rows:
            with formatter.section("Commands"):
                formatter.write_dl(rows)


def show_json(value: Any) -> None:
    """One JSON document, indented, in UTF-8. What a terminal could take for a command is escaped."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=False)
    click.echo("\n".join(harmless(line) for line in text.split("\n")))


def harmless(text: str) -> str:
    """One line of text; what a terminal could take for a command is escaped, as JSON does."""
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def show_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns as wide as they need to be. A cell may be somebody else's choice, such as a name, so it is harmless."""
    shown = [[harmless(cell) for cell in row] for row in (heads, *rows)]
    widths = [max(len(row[i]) for row in shown) for i in range(len(heads))]
    for number, row in enumerate(shown):
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 and colour() else line)


def done(line: str, *, then: str | None = None) -> None:
    """What was done, and the next command that helps. Names in it may be somebody else's choice, such as a `kid`."""
    click.echo(harmless(line))
    if then is not None:
        _next(then)


def warn(line: str, *, then: str | None = None) -> None:
    """What was done, and is not enough, on standard error; and the next command that helps."""
    line = harmless(line)
    click.echo(
        click.style("admit: ", fg="yellow") + line if colour(sys.stderr) else f"admit: {line}", err=True
    )
    if then is not None:
        _next(then)


def _next(then: str) -> None:
    then = harmless(then + _settings_given())
    click.echo(click.style(f"  next: {then}", dim=True) if colour() else f"  next: {then}", err=True)


def note_settings(*, config: str | None, database: str | None, dev: bool) -> None:
    """Remember which settings this command was given, so that the next one is told with the same."""
    given = ["--config", config] if config is not None else []
    if database is not None and database.startswith("sqlite:"):  # others hold a password
        given += ["--database", database]
    click.get_current_context().meta[_SETTINGS] = given + (["--dev"] if dev else [])


def _settings_given() -> str:
    context = click.get_current_context(silent=True)
    given = context.meta.get(_SETTINGS, []) if context is not None else []
    return f" {shlex.join(given)}" if given else ""


def fail(line: str, code: int) -> NoReturn:
    """What is wrong and how to mend it, on standard error; ends with `code`."""
    line = harmless(line)
    click.echo(click.style("admit: ", fg="red") + line if colour(sys.stderr) else f"admit: {line}", err=True)
    raise SystemExit(code)


def read_octets(limit: int) -> bytes:
    """Standard input as it is, at most `limit` octets."""
    return _standard_input().read(limit)


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        fail("standard input is closed", USAGE)
    return sys.stdin.buffer


def read_text(limit: int = -1, *, line: bool = False) -> str:
    """Standard input, at most `limit` octets or one line of it; UTF-8 whatever the locale says."""
    stream = _standard_input()
    try:
        return (stream.readline(limit) if line else stream.read(limit)).decode("utf-8")
    except UnicodeDecodeError:
        fail("standard input is not UTF-8 text", USAGE)


def colour(stream: Any = None) -> bool:
    """Whether to colour: a terminal, and NO_COLOR not set."""
    target = stream if stream is not None else sys.stdout
    return bool(target.isatty()) and "NO_COLOR" not in os.environ


@contextmanager
def told_errors() -> Iterator[None]:
    """Admit's own errors, and the system's, as one line and an exit code; never a traceback."""
    if sys.stdout is None:  # closed before the start: what is said goes nowhere
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115  # open until the end
    if isinstance(sys.stdout, TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(
            errors="backslashreplace"
        )  # an encoding that lacks a letter of a name is no failure
    try:
        yield
        sys.stdout.flush()  # what cannot be written is told here, not after the end
    except ConfigError as error:
        fail(str(error), USAGE)
    except UnavailableError as error:
        fail(f"{error.public} ({error.detail or error.code}) Is the database running?", UNAVAILABLE)
    except AdmitError as error:
        cause = f" ({error.detail})" if error.status >= 500 and error.detail else ""
        fail(f"{error.public}{cause}", MISSING if error.status == 404 else USAGE)
    except BrokenPipeError:
        raise  # whoever read has read enough: `| head` ends quietly
    except OSError as error:
        _give_up_output()
        where = "" if error.filename is None else f": {error.filename}"
        fail(f"the system refused: {error.strerror or type(error).__name__}{where}", UNAVAILABLE)


def _give_up_output() -> None:
    """Let what could not be written go, else the interpreter tries once more at its end and shows that it failed."""
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
