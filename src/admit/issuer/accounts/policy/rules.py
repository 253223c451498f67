"""What makes a password one that may not be set. Pure. `pages/static/strength.js` says the same while one types."""

import re
import unicodedata
from collections.abc import Collection, Iterable
from enum import Enum
from typing import Final
from urllib.parse import urlsplit

from admit.issuer.accounts.rules import PASSWORD_MIN_CHARS, password_bytes

ADVISED_CHARS: Final = 15
CONTEXT_MIN_CHARS: Final = 3  # shorter words are part of too many others
CONTEXT_MAX_CHARS: Final = 256  # of one name or address; what is typed may be longer than any of them
_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")


class Weakness(Enum):
    """Why a password is refused."""

    SHORT = "short"
    """Fewer than 8 characters."""
    LONG = "long"
    """More than 1,024 bytes, or not Unicode text."""
    COMMON = "common"
    """Among those that are tried first, or up to three characters again and again."""
    CONTEXT = "context"
    """The name of the service or the person, or a part of the address, and little else."""


def weakness(password: str, *, common: Collection[str], context: Iterable[str] = ()) -> Weakness | None:
    """Why this password may not be set; None for one that may.

    `common` holds lower-case passwords, `context` is from `context_words`. What is compared is folded; what is
    hashed never is.
    """
    if len(password) < PASSWORD_MIN_CHARS:
        return Weakness.SHORT
    if password_bytes(password) is None:
        return Weakness.LONG
    if is_common(password, common) or is_repeated(password):
        return Weakness.COMMON
    if is_context(password, context):
        return Weakness.CONTEXT
    return None


def folded(text: str) -> str:
    """Without the differences that make no other word of it."""
    return unicodedata.normalize("NFKC", text).lower()


def context_words(*texts: str) -> frozenset[str]:
    """The words of names, hosts and addresses that others know, as `weakness` compares them.

    Of a host, and of what stands behind an `@`, the last label is left out: `com` is part of too many words.
    """
    words: set[str] = set()
    for text in (folded(text[:CONTEXT_MAX_CHARS]) for text in texts):
        local, at, domain = text.rpartition("@")
        parts = [local, domain.rpartition(".")[0]] if at else [text]
        for part in parts:
            words.update(_BETWEEN_WORDS.split(part))
            words.add(_BETWEEN_WORDS.sub("", part))
    return frozenset(word for word in words if len(word) >= CONTEXT_MIN_CHARS)


def host_words(url: str) -> str:
    """The host of an issuer, for `context_words`: written behind an `@`, as in an address."""
    return "@" + (urlsplit(url).hostname or "")


def is_common(password: str, common: Collection[str]) -> bool:
    """Whether the whole password is one of the common ones, in whatever case, with or without blanks around it."""
    return folded(password).strip() in common


def is_repeated(password: str) -> bool:
    """Whether it is one to three characters again and again, such as `aaaaaaaa` or `abcabcabc`."""
    text = folded(password)
    return any(text == (text[:size] * len(text))[: len(text)] for size in (1, 2, 3))


def is_context(password: str, context: Iterable[str]) -> bool:
    """Whether fewer than 8 characters are left when each word that others know is taken out, longer ones first."""
    left = folded(password)
    for word in sorted(context, key=lambda word: (-len(word), word)):
        left = left.replace(word, "")
    return len(left) < PASSWORD_MIN_CHARS
