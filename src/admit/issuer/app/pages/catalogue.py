"""Every text of the pages, one file a language: `text/<tag>.toml`, keys by page and place."""

import tomllib
import unicodedata
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from admit.issuer.app.pages.language import LANGUAGES

FOLDER: Final = Path(__file__).parent / "text"
_REORDERING: Final = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def one_line(value: object) -> str:
    """A foreign text as it may stand in a sentence: without control characters, and without those that reorder what
    is beside them (a client's name could otherwise rewrite the sentence that warns of it)."""
    return "".join(
        c for c in str(value) if c not in _REORDERING and unicodedata.category(c) not in ("Cc", "Zl", "Zp")
    )


class Text:
    """The catalogue of one language; called with a key and the values of its `{places}`."""

    def __init__(self, tag: str, entries: Mapping[str, str]) -> None:
        self.tag = tag
        self.entries = entries

    def __call__(self, key: str, /, **values: object) -> str:
        """The text of a key. Plain text: the template escapes it, values included. Raises KeyError for no such key."""
        return self.entries[key].format_map({name: one_line(value) for name, value in values.items()})

    def counted(self, key: str, n: int) -> str:
        """The text of a key that counts: `key.one` for 1, `key.other` for the rest, `{n}` in both."""
        return self(f"{key}.one" if n == 1 else f"{key}.other", n=n)


def flat(table: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """The leaves of a nested table under dotted keys."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from flat(value, f"{above}{name}.")
        else:
            yield f"{above}{name}", value


@cache
def load(tag: str) -> Text:
    """The catalogue of one language; read once a process."""
    return Text(tag, MappingProxyType(dict(flat(tomllib.loads((FOLDER / f"{tag}.toml").read_text("utf-8"))))))


def load_all() -> Mapping[str, Text]:
    """Every catalogue, by language tag."""
    return MappingProxyType({tag: load(tag) for tag in LANGUAGES})
