"""What the doctor found, and how it is shown."""

import shutil
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

import click

from admit.cli.output import colour, harmless


class Severity(Enum):
    """How grave it is. NOTE: worth knowing. WARNING: works, and will hurt. ERROR: not safe, or broken."""

    GOOD = "good"
    NOTE = "note"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One fact about a deployment. `mend` is one command or one setting."""

    topic: str
    severity: Severity
    what: str
    why: str = ""
    mend: str = ""


def good(topic: str, what: str) -> Finding:
    """As it should be."""
    return Finding(topic, Severity.GOOD, what)


def note(topic: str, what: str, why: str = "", mend: str = "") -> Finding:
    """Right, and worth knowing."""
    return Finding(topic, Severity.NOTE, what, why, mend)


def warning(topic: str, what: str, why: str, mend: str) -> Finding:
    """Works, and will hurt."""
    return Finding(topic, Severity.WARNING, what, why, mend)


def error(topic: str, what: str, why: str, mend: str) -> Finding:
    """Not safe, or does not work."""
    return Finding(topic, Severity.ERROR, what, why, mend)


_ORDER: Final = {severity: place for place, severity in enumerate(reversed(Severity))}
_COLOURS: Final = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.GOOD: "green"}
_NARROWEST, _WIDEST = 60, 100


def as_dict(found: Finding) -> dict[str, Any]:
    """A finding for programs."""
    return {
        "topic": found.topic,
        "severity": found.severity.value,
        "what": found.what,
        "why": found.why or None,
        "mend": found.mend or None,
    }


def show(findings: Sequence[Finding]) -> None:
    """The gravest first; what is good on one line each, the rest with its reason and its remedy."""
    pad = max((len(found.topic) for found in findings), default=0)
    width = _width()
    for found in sorted(findings, key=lambda found: _ORDER[found.severity]):
        _show_one(found, pad, width)
    counts = Counter(found.severity for found in findings)
    told = [_counted(counts[severity], severity) for severity in reversed(Severity) if counts[severity]]
    click.echo()
    click.echo(", ".join(told) + ".")


def _show_one(found: Finding, pad: int, width: int | None) -> None:
    grade = f"{found.severity.value:<7}"
    styled = click.style(grade, fg=_COLOURS.get(found.severity)) if colour() else grade
    indent = len(grade) + 2 + pad + 2
    first, *more = _wrapped(found.what, indent, width)
    click.echo(f"{styled}  {found.topic:<{pad}}  {first}")
    for line in more:
        click.echo(" " * indent + line)
    for name, text in (("why", found.why), ("mend", found.mend)):
        if not text:
            continue
        first, *more = _wrapped(text, indent + 6, width)
        label = f"{name:<4}  "
        click.echo(" " * indent + (click.style(label, dim=True) if colour() else label) + first)
        for line in more:
            click.echo(" " * (indent + 6) + line)


def _wrapped(text: str, indent: int, width: int | None) -> list[str]:
    """Lines for a terminal; in a pipe one line, which programs such as grep read."""
    text = harmless(text)
    if width is None:
        return [text]
    return textwrap.wrap(text, max(width - indent, 24), break_long_words=False, break_on_hyphens=False) or [
        ""
    ]


def _width() -> int | None:
    if not sys.stdout.isatty():
        return None
    return min(max(shutil.get_terminal_size().columns, _NARROWEST), _WIDEST)


def _counted(number: int, severity: Severity) -> str:
    word = severity.value
    return f"{number} {word}" if number == 1 or severity is Severity.GOOD else f"{number} {word}s"
