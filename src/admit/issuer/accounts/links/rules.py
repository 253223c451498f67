"""When a mailed link holds, and what it looks like. Pure."""

import hashlib
import re
from typing import Final
from urllib.parse import urlencode

from admit.issuer.accounts.links.records import Link, Purpose
from admit.issuer.accounts.records import User

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)
_PATHS: Final = {
    Purpose.VERIFY: "/verify",
    Purpose.CHANGE: "/verify",
    Purpose.RESET: "/reset",
    Purpose.HANDED: "/reset",
}
SET_A_PASSWORD: Final = frozenset({Purpose.RESET, Purpose.HANDED})


def token_hash(token: str) -> bytes | None:
    """What is stored of a token: its SHA-256, enough for 256 random bits. None: no token of ours looks like this."""
    return hashlib.sha256(token.encode()).digest() if _TOKEN.fullmatch(token) else None


def address_of(issuer: str, purpose: Purpose, token: str, locale: str | None) -> str:
    """The link itself. It begins with the issuer of the settings, whatever the request called this host."""
    query = {"t": token} if locale is None else {"t": token, "ui_locales": locale}
    return f"{issuer}{_PATHS[purpose]}?{urlencode(query)}"


def is_live(link: Link, now: float) -> bool:
    """Neither used nor too old."""
    return link.spent_at is None and now < link.expires_at


def proves_address(link: Link) -> bool:
    """Whether only somebody who reads the account's mail can have the link."""
    return link.purpose is not Purpose.HANDED


def still_meant(link: Link, user: User) -> bool:
    """Whether the account is as it was when the link was made: the same password, and for a link that proves the
    account's own address, the same address.
    """
    if link.credential_version != user.credential_version:
        return False
    return link.purpose is Purpose.CHANGE or link.email == user.email
