"""The common passwords that come with the package: read once, when the first password is set."""

from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import Final

FILE: Final = "common_passwords.txt"


@cache
def common_in_order() -> Sequence[str]:
    """Lower-case passwords of at least 8 characters, the most frequent first. Lines with `#` tell their origin."""
    text = (files(__package__) / FILE).read_text("utf-8")
    return tuple(line for line in text.splitlines() if line and not line.startswith("#"))


@cache
def common_passwords() -> frozenset[str]:
    """The same, to ask whether one is among them."""
    return frozenset(common_in_order())
