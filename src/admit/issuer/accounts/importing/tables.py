"""JSON lines and CSV as rows. Which of them a file is, its first line tells: JSON begins with a brace."""

import csv
import itertools
from collections.abc import Iterator
from typing import Any, BinaryIO, Final

from admit.errors import ConfigError, MalformedTokenError
from admit.issuer.accounts.importing.lines import Lines
from admit.issuer.accounts.importing.records import Refused, Row
from admit.issuer.accounts.importing.rows import FIELDS
from admit.jose import json as strict_json

_NOT_OBJECT: Final = "the line is not one JSON object, or has a member twice"
_NOT_CSV: Final = "the line is not CSV: a quote is open, or has text behind it"
_FIELD_COUNT: Final = "the line has more or fewer fields than the first one"


def read_table(stream: BinaryIO) -> Iterator[Row | Refused]:
    """The rows of a file, one after the other, and the lines that are none. Empty lines are passed over.

    Raises:
        ConfigError: CSV whose first line does not name the fields. Nothing of the file can be understood then.
    """
    lines = Lines(stream)
    texts = iter(lines)
    first = next((text for text in texts if text.strip() or lines.trouble), None)
    if first is None:
        return
    rows = _json_rows if first.lstrip().startswith("{") or lines.trouble else _csv_rows
    yield from rows(lines, itertools.chain([first], texts))


def _json_rows(lines: Lines, texts: Iterator[str]) -> Iterator[Row | Refused]:
    for text in texts:
        trouble = lines.take_trouble()
        yield from (Refused(*one) for one in trouble)
        if trouble or not text.strip():
            continue
        try:
            values = strict_json.loads_object(text.strip().encode("utf-8"))
        except MalformedTokenError:
            yield Refused(lines.number, _NOT_OBJECT)
            continue
        yield Row(lines.number, values)


def _csv_rows(lines: Lines, texts: Iterator[str]) -> Iterator[Row | Refused]:
    reader = csv.reader(texts, strict=True)
    names = _header(reader)
    while True:
        try:
            fields = next(reader, None)
        except csv.Error:
            yield Refused(lines.number, _NOT_CSV)
            continue
        trouble = lines.take_trouble()
        yield from (Refused(*one) for one in trouble)
        if fields is None:
            return
        if trouble or not any(fields):
            continue
        if len(fields) != len(names):
            yield Refused(lines.number, _FIELD_COUNT)
            continue
        # An empty field says nothing: it is left to the default, or at an update to what is there.
        values: dict[str, Any] = {
            name: value for name, value in zip(names, fields, strict=True) if value != ""
        }
        yield Row(lines.number, values)


def _header(reader: Iterator[list[str]]) -> list[str]:
    try:
        names = [name.strip() for name in next(reader)]
    except csv.Error:
        names = []
    known = ", ".join(FIELDS)
    if len(set(names)) != len(names) or not set(names) <= FIELDS.keys() or "email" not in names:
        raise ConfigError(
            f"CSV: the first line must name the fields, each once, email among them. Known: {known}"
        )
    return names
