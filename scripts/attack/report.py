"""The table: a line as soon as it is known, the count at the end, colour only where somebody was let in."""

import json
import os
import shutil
import sys
import textwrap
from typing import Final

from scripts.attack.outcome import ATTACKS, Attack, Outcome, Verdict

_ROW: Final = max((len(attack.row) for attack in ATTACKS), default=0) or 16
_VERDICT: Final = max(len(verdict.value) for verdict in Verdict)
_COLOURS: Final = {Verdict.ACCEPTED: "\x1b[1;31m", Verdict.NOT_TRIED: "\x1b[2m"}


def harmless(text: str) -> str:
    """What a terminal could take for a command is escaped: answers are somebody else's words."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


class Report:
    """Prints to standard output."""

    def __init__(self, issuer: str, *, as_json: bool = False) -> None:
        self._issuer = issuer
        self._as_json = as_json
        self._done: list[tuple[Attack, Outcome]] = []
        self._colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
        self._width = max(60, min(shutil.get_terminal_size((120, 24)).columns, 160))

    def line(self, done: tuple[Attack, Outcome]) -> None:
        """One attack and what came of it."""
        self._done.append(done)
        if self._as_json:
            return
        attack, outcome = done
        indent = " " * (_ROW + 2 + _VERDICT + 2)
        room = max(24, self._width - len(indent))
        answered = textwrap.wrap(f"→ {harmless(outcome.answered)}", room, subsequent_indent="  ")
        words = [*textwrap.wrap(attack.tried, room), *answered]
        verdict = outcome.verdict.value.ljust(_VERDICT)
        if self._colour and (colour := _COLOURS.get(outcome.verdict)):
            verdict = f"{colour}{verdict}\x1b[0m"
        print(f"{attack.row.ljust(_ROW)}  {verdict}  {words[0]}")
        for more in words[1:]:
            print(indent + more)
        sys.stdout.flush()

    def end(self) -> int:
        """The count, and the exit code."""
        count = {verdict: sum(one.verdict is verdict for _, one in self._done) for verdict in Verdict}
        rows = len({attack.row for attack, one in self._done if one.verdict is not Verdict.NOT_TRIED})
        if self._as_json:
            lines = [
                {
                    "row": one.row,
                    "tried": one.tried,
                    "verdict": came.verdict.name.lower(),
                    "answered": came.answered,
                }
                for one, came in self._done
            ]
            print(json.dumps({"issuer": self._issuer, "attacks": lines}, indent=2, ensure_ascii=False))
        else:
            tried = len(self._done) - count[Verdict.NOT_TRIED]
            print(
                f"\n{self._issuer}: {tried} attacks on {rows} rows of the ledger. {count[Verdict.REFUSED]} refused,"
                f" {count[Verdict.ACCEPTED]} accepted, {count[Verdict.NOT_TRIED]} not tried."
            )
        if count[Verdict.ACCEPTED]:
            return 1
        return 0 if len(self._done) > count[Verdict.NOT_TRIED] else 2
