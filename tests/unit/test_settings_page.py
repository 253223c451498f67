"""The page of settings says what the types say."""

import dataclasses
import typing
from datetime import timedelta
from enum import Enum
from typing import Literal

import pytest

from admit.issuer import Settings
from scripts import settings_page


def test_every_setting_is_on_the_page_with_its_meaning() -> None:
    page = settings_page.page()
    hints = typing.get_type_hints(Settings)
    for one in dataclasses.fields(Settings):
        if dataclasses.is_dataclass(hints[one.name]):
            for inner in dataclasses.fields(hints[one.name]):
                assert f"`ADMIT_{one.name}__{inner.name}`".upper() in page.upper(), f"{one.name}.{inner.name}"
    assert "| `idle` | duration | `8h` | `ADMIT_SESSIONS__IDLE` |" in page
    assert "`ADMIT_LISTEN`" in page
    assert "[[client]]" in page


def test_no_meaning_runs_into_the_next_and_no_line_breaks_the_table() -> None:
    for line in settings_page.page().splitlines():
        if line.startswith("| `"):
            cells = line.replace("\\|", "").strip("|").split("|")
            assert len(cells) in (4, 5), line
            assert len(cells[-1].strip()) >= 8, line
            assert cells[-1].strip().endswith((".", "!", "?")), line


class Colour(Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Written:
    """Some settings. Raises ConfigError where one cannot work.

    `one`, `two`: of both. `three` says the rest: in a sentence.

    four: at the start of a line,
        and on the next one.
    five, six: together.
    """

    one: int
    two: str = "a|b"
    three: timedelta = timedelta(milliseconds=200)
    four: bool = False
    five: tuple[str, ...] = ("x",)
    six: Literal["a", "b"] = "a"
    seven: Colour = Colour.RED  # beside it
    # Above it,
    # on two lines.
    eight: float | None = None


def test_meanings_are_found_in_docstrings_and_comments() -> None:
    found = {name: " ".join(text.split()) for name, text in settings_page.meanings(Written).items()}
    assert found == {
        "one": "of both. `three` says the rest: in a sentence.",
        "two": "of both. `three` says the rest: in a sentence.",
        "three": "`three` says the rest: in a sentence.",
        "four": "at the start of a line, and on the next one.",
        "five": "together.",
        "six": "together.",
        "seven": "beside it",
        "eight": "Above it, on two lines.",
    }


def test_a_field_without_a_meaning_stops_the_run() -> None:
    made = dataclasses.make_dataclass("Silent", [("quiet", int, 3)], namespace={"__doc__": "Says nothing."})
    made.__module__ = __name__
    with pytest.raises((SystemExit, OSError)):
        settings_page._table(made, None, prefix="x.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (timedelta(days=30), "30d"), (timedelta(hours=8), "8h"), (timedelta(minutes=15), "15m"),
        (timedelta(seconds=90), "90s"), (timedelta(milliseconds=200), "200ms"), (timedelta(0), "0s"),
        (timedelta(hours=36), "36h"),
    ],
)  # fmt: skip
def test_durations_are_written_as_files_write_them(value: timedelta, text: str) -> None:
    assert settings_page.duration(value) == text
