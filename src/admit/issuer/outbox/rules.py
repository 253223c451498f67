"""Addresses, header values, and when to try again. Pure."""

import re
import unicodedata
from datetime import timedelta
from typing import Final

from admit.issuer.outbox.errors import MailError

FIRST_PAUSE: Final = timedelta(seconds=10)
LONGEST_PAUSE: Final = timedelta(hours=1)
_ADDRESS_MAX: Final = 254  # RFC 5321 §4.5.3.1.3, less the angle brackets
_HEADER_MAX: Final = 500

# A dot-atom and a domain of LDH labels, in ASCII: no quotes, no comments, no lists, nothing that could end a header
# or an SMTP command (RFC 5321 §4.1.2). One label is enough for a sender inside a network.
_LOCAL: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# A name in front of an address in brackets, or an address alone.
_MAILBOX: Final = re.compile(r"(?P<name>[^<>]*)<(?P<inner>[^<>\s]+)>|(?P<bare>[^<>\s]+)")
_ADDRESS: Final = re.compile(rf"(?=.{{1,64}}@){_LOCAL}@{_LABEL}(?:\.{_LABEL})*", re.ASCII)


def address(text: str) -> str | None:
    """The one address that `text` is, in the form that is mailed to; None for anything else, a list of two included.

    Compatibility forms become ASCII (NFKC), as they do where addresses are compared: mail goes to the very mailbox
    that the account stands for, and never to one that only looks like it.
    """
    if len(text) > 4 * _ADDRESS_MAX:
        return None
    plain = unicodedata.normalize("NFKC", text)
    return plain if len(plain) <= _ADDRESS_MAX and _ADDRESS.fullmatch(plain) else None


def budget_name(text: str) -> str:
    """The one spelling under which an address is counted: mailboxes hardly ever tell cases apart."""
    return text.casefold()


def header_value(text: str) -> str:
    """A value that may stand in a header, RFC 5322 §2.2: one line, without control characters.

    Raises:
        MailError: anything that could begin another header, or is too long for one.
    """
    if len(text) > _HEADER_MAX or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise MailError("a header value has control characters or is too long")
    return text


def mailbox(text: str) -> tuple[str, str]:
    """Display name and address of `Name <address>` or `address`, RFC 5322 §3.4.

    Raises:
        MailError: not exactly one address.
    """
    match = _MAILBOX.fullmatch(header_value(text).strip())
    proper = address(match["inner"] or match["bare"]) if match is not None else None
    if match is None or proper is None:
        raise MailError("not one address")
    return (match["name"] or "").strip().strip('"'), proper


def pause_before(tries: int, *, share: float) -> timedelta:
    """How long to wait after so many tries that failed: four times as long each time, an hour at most.

    `share` in 0..1 spreads them over a quarter of that, so that what failed together does not come again together.
    """
    times: int = 4 ** min(max(tries - 1, 0), 10)
    pause = min(FIRST_PAUSE * times, LONGEST_PAUSE)
    return pause * (1 + share / 4)
