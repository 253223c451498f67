"""How a token is shown to people: the ticket, members with their meaning, sizes, the judgement."""

import json
import shutil
import sys
import textwrap
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeGuard

import click

from admit.cli import output
from admit.cli.output import colour
from admit.cli.token_reading import Reading
from admit.cli.token_words import ALGS, CLAIMS, HEADER, KINDS, TIMES
from admit.credentials.token_cookie import BUDGET as COOKIE_BUDGET
from admit.jose import JWS_ALGS
from admit.jose.claims import fold_typ
from admit.tokens.size import BUDGET

HEADER_BUDGET = 8_192
"""Octets of one header line, or of all of them, that common servers and proxies read."""
ATTRIBUTES = "; Path=/; Secure; HttpOnly; SameSite=Lax"
_NARROW, _STUB, _WIDEST, _MOST_BESIDE = 56, 12, 110, 46
_UNITS = (("day", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def width() -> int | None:
    """Columns of the terminal; None in a pipe, where lines are as long as they are."""
    return min(shutil.get_terminal_size().columns, _WIDEST) if sys.stdout.isatty() else None


def report(
    reading: Reading, verdict: bool | None, now: float, *, cookie: str, unasked: Sequence[str]
) -> None:
    """The whole of what `inspect` tells. `verdict`: verified, refused, or None without a key to verify with.

    `unasked` names what nobody asked for, so that it was not checked.
    """
    columns = width()
    if columns is not None and columns >= _NARROW and _draws():
        ticket(reading, verdict, now, columns)
    members("Header", reading.header, HEADER, now, columns)
    for title, header in reading.more_headers.items():
        members(title, header, HEADER, now, columns)
    if isinstance(reading.claims, dict):
        members("Claims", reading.claims, CLAIMS, now, columns)
    elif reading.claims is not None:
        heading("Payload")
        wrapped(shown(reading.claims), columns)
    heading("Size")
    for told, over in sizes(reading.octets, cookie):
        wrapped(told, columns, tint="yellow" if over else None)
    heading("Judgement")
    for told in who_can_read(reading):
        wrapped(told, columns)
    for told in reading.notes:
        wrapped(f"Note: {told}.", columns)
    judgement(reading, verdict, unasked, columns)


def who_can_read(reading: Reading) -> list[str]:
    """Who can read what stands in it."""
    if not reading.signed and not reading.encrypted:
        return ["Not signed, not encrypted: anyone can have written it, and anyone who has it can read it."]
    if not reading.encrypted:
        return ["Signed, not encrypted: anyone who has it can read it."]
    told = "Encrypted: only who has the key can read its content. Its header anyone can read."
    return (
        [told]
        if reading.claims is not None or reading.inside is not None
        else [told, "Its content is shown when --key has the key for it."]
    )


def judgement(reading: Reading, verdict: bool | None, unasked: Sequence[str], columns: int | None) -> None:
    """Whether it would be refused, and by which clause; one line a reason."""
    for reason in reading.reasons:
        wrapped(f"Refused: {reason}", columns, word="Refused", tint="red")
    if verdict:
        proof = "the shared key" if reading.encrypted and reading.inside is None else "signature"
        told = f"Good: {proof}, times, and what you asked for."
        wrapped(told, columns, word="Good", tint="green")
        if unasked:
            told = f"Not asked for: {' and '.join(unasked)}. An API asks for both."
            wrapped(told, columns, word="Not asked for", tint="yellow")
    elif verdict is None:
        told = "Not verified: give --key or --jwks, --issuer and --audience."
        wrapped(told, columns, word="Not verified", tint="yellow")


def ticket(reading: Reading, verdict: bool | None, now: float, columns: int) -> None:
    """The ticket: its kind, for whom and where; on its stub whether it is good. A void one is struck through."""
    said = reading.claims if isinstance(reading.claims, dict) else {}
    void = bool(reading.reasons)
    sealed = reading.encrypted and reading.claims is None
    stub = "VOID" if void else "GOOD" if verdict else "SEALED" if sealed else "UNPROVED"
    tint = "red" if void else "green" if verdict else "yellow"
    main = min(columns, 84) - _STUB - 8
    typ = reading.innermost.get("typ")
    kind = KINDS.get(fold_typ(typ), "").partition(",")[0] if isinstance(typ, str) else ""
    rows = (
        (_joined(" · ", kind or "a token", plain(reading.header.get("alg"))), "ADMIT"),
        ("encrypted" if sealed else _joined(" → ", plain(said.get("sub")), plain(said.get("aud"))), stub),
        (f"from {plain(said['iss'])}" if "iss" in said else "", validity(said, now, void=void)),
    )
    click.echo()
    click.echo(styled(f" ╭{'─' * (main + 2)}┬{'─' * (_STUB + 2)}╮", fg=tint))
    for number, (text, beside_it) in enumerate(rows):
        left, right = (")", "(") if number == 1 else ("│", "│")  # the notches
        style: dict[str, Any] = {"bold": True} if number == 0 else {}
        body = padded(text, main, **style, **({"strikethrough": True} if void and text else {}))
        told = padded(beside_it, _STUB, **({"fg": tint, "bold": True} if number == 1 else {}))
        click.echo(f" {styled(left, fg=tint)} {body} {styled('┊', fg=tint)} {told} {styled(right, fg=tint)}")
    click.echo(styled(f" ╰{'─' * (main + 2)}┴{'─' * (_STUB + 2)}╯", fg=tint))


def padded(text: str, room: int, **style: Any) -> str:
    """A text cut or filled to so many cells, and styled where it is text."""
    kept = fitted(text, room)
    return styled(kept, **style) + " " * (room - cells(kept))


def _joined(between: str, *parts: str) -> str:
    return between.join(part for part in parts if part)


def validity(said: Mapping[str, Any], now: float, *, void: bool) -> str:
    """How long it has, in a word for the stub; of a void one only that it is over."""
    exp = said.get("exp")
    if not is_time(exp):
        return ""
    if exp <= now:
        return "expired"
    return "" if void else f"{span(exp - now, parts=1)} left"


def members(
    title: str, said: Mapping[str, Any], meanings: Mapping[str, str], now: float, columns: int | None
) -> None:
    """Members with value and meaning: beside each other in a pipe, in columns or below each other on a terminal."""
    heading(title)
    names = min(max((cells(shown(name)) for name in said), default=0), 18)
    texts = {name: moment(value, now) if name in TIMES else shown(value) for name, value in said.items()}
    values = max((cells(text) for text in texts.values() if cells(text) <= _MOST_BESIDE), default=0)
    for name, value in said.items():
        text = texts[name]
        note = meaning(name, value, meanings)
        label = shown(name) + " " * max(0, names - cells(shown(name)))
        if columns is None:
            click.echo(f"  {label}  {text}" + (f"  ({note})" if note else ""))
            continue
        beside(f"  {styled(label, bold=True)}  ", names + 4, text, note, values, columns)


def beside(label: str, lead: int, text: str, note: str, values: int, columns: int) -> None:
    """A value and what it means: in columns where both fit on a line, else below each other."""
    if cells(text) <= values and lead + values + 2 + cells(note) <= columns:
        gap = " " * (values - cells(text) + 2)
        click.echo((label + text + (gap + styled(note, dim=True) if note else "")).rstrip())
        return
    room = max(16, columns - lead)
    first, *more = folded(text, room)
    click.echo(label + first)
    for line in more:
        click.echo(" " * lead + line)
    for line in folded(note, room) if note else ():
        click.echo(" " * lead + styled(line, dim=True))


def meaning(name: str, value: object, meanings: Mapping[str, str]) -> str:
    """What a member means, and where its value has a meaning of its own, that too."""
    if meanings is HEADER and isinstance(value, str):
        if name == "typ" and fold_typ(value) in KINDS:
            return KINDS[fold_typ(value)]
        if name == "alg" and value in JWS_ALGS:
            return ALGS[value[:2]]
    return meanings.get(name, "")


def sizes(octets: int, cookie: str) -> list[tuple[str, bool]]:
    """The size against what carries tokens, and whether it is too much for that."""
    in_cookie = len(cookie) + 1 + octets + len(ATTRIBUTES)
    in_header = len("Authorization: Bearer ") + octets
    rows = [
        (f"{octets:,} octets: {octets / BUDGET:.0%} of Admit's token budget ({BUDGET:,})", octets > BUDGET)
    ]
    for what, size, budget, limit in (
        (f"{in_cookie:,} as cookie {shown(cookie)} and its attributes", in_cookie, COOKIE_BUDGET, "what browsers keep"),
        (f"{in_header:,} as Authorization header", in_header, HEADER_BUDGET, "what many servers read of headers"),
    ):  # fmt: skip
        over = size > budget
        told = f"too large, over {budget:,}" if over else f"{size / budget:.0%} of {budget:,}"
        rows.append((f"{what}: {told}, {limit}", over))
    return rows


def heading(text: str) -> None:
    """A bold word on a terminal, a plain one in a pipe."""
    if sys.stdout.isatty():
        click.echo()
    click.echo(styled(text, bold=True))


def wrapped(text: str, columns: int | None, *, word: str = "", tint: str | None = None) -> None:
    """A sentence, indented; `word` at its start carries the colour, or all of it."""
    lines = [text] if columns is None else folded(text, max(16, columns - 4))
    for number, line in enumerate(lines):
        if word and number == 0:
            line = styled(word, fg=tint) + line.removeprefix(word)
        elif tint and not word:
            line = styled(line, fg=tint)
        click.echo(f"  {'  ' if number else ''}{line}")


def styled(text: str, **style: Any) -> str:
    """Styled where colour is for."""
    return click.style(text, **style) if colour() else text


def folded(text: str, room: int) -> list[str]:
    """Lines that fit; a value without spaces is cut anywhere, since nothing may be left out."""
    room = room if cells(text) == len(text) else room // 2  # wide characters are counted as one
    return textwrap.wrap(text, room, break_long_words=True, break_on_hyphens=False) or [""]


def cells(text: str) -> int:
    """How many cells of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def fitted(text: str, room: int) -> str:
    """The text, or as much of it as fits."""
    if cells(text) <= room:
        return text
    end = taken = 0
    while (taken := taken + cells(text[end])) < room:  # one cell is for the sign that there is more
        end += 1
    return text[:end] + "…"


def plain(value: object) -> str:
    """A value for the ticket: the first of a list."""
    if isinstance(value, list):
        return " ".join(shown(one) for one in value)
    return "" if value is None else shown(value)


def shown(value: object) -> str:
    """A value on one line: text as it is where it is harmless, everything else as JSON."""
    if isinstance(value, str) and value.isprintable():
        return value
    return output.harmless(json.dumps(value, ensure_ascii=False))


def is_time(value: object) -> TypeGuard[int | float]:
    """Whether a value is a NumericDate that a calendar has."""
    return not isinstance(value, bool) and isinstance(value, int | float) and 0 <= value < 253_402_300_800


def moment(value: Any, now: float) -> str:
    """A NumericDate in local time and how far off it is."""
    if not is_time(value):
        return f"{shown(value)} (no time)"
    try:
        local = datetime.fromtimestamp(value, UTC).astimezone()
    except (
        OverflowError,
        ValueError,
        OSError,
    ):  # the calendar's last hours are over already east of Greenwich
        return f"{shown(value)} (no time)"
    away = value - now
    return f"{local:%Y-%m-%d %H:%M:%S %Z}, " + (f"in {span(away)}" if away >= 0 else f"{span(-away)} ago")


def span(seconds: float, *, parts: int = 2) -> str:
    """A length of time in its two largest units: `4 min 12 s`."""
    rest = int(seconds)
    told: list[str] = []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or told or size == 1:
            told.append(f"{count:,} {name}{'s' if name == 'day' and count != 1 else ''}")
        if len(told) == parts:
            break
    return " ".join(one for number, one in enumerate(told) if number == 0 or not one.startswith("0 "))


def _draws() -> bool:
    """Whether the output has the characters that the ticket is drawn with."""
    try:
        "╭┊→…".encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
