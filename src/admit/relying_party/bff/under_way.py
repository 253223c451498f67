"""Sign-ins under way, kept by the browser that began them: a stranger's fill nobody's place but the stranger's own.

Each is sealed with a key derived from the store's secret and from its `state`: no browser makes one up, and neither a
copied cookie nor a copied store opens one that is not back yet. That it works once is the store's to know.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final

from admit.credentials import cookies
from admit.errors import AdmitError, MalformedTokenError
from admit.jose import base64url
from admit.relying_party import sealing, transaction
from admit.relying_party.errors import SignInError, TransactionError
from admit.relying_party.transaction import Transaction

MOST: Final = 3
"""Sign-ins of one browser, such as several tabs; the oldest goes."""
ROOM: Final = 2_600
"""Octets of their cookie. Servers take 8 KiB of cookies, and browsers 4 KiB in one."""
_MAX_ANSWER: Final = 3_900
_TRANSACTION: Final = b"transaction"
_ANSWER: Final = b"answer"


def kept(values: Iterable[bytes], name: str) -> list[str]:
    """The sealed sign-ins that the browser brings; none where its cookie is missing or odd."""
    try:
        content = cookies.one(cookies.parse(values), name)
    except AdmitError:
        return []
    return [] if not content else content.decode("latin-1").split(".")[:MOST]


def added(before: Sequence[str], sealed: str) -> str:
    """The browser's cookie with one more: the newest first, and as many of those before as there is room for."""
    value, *rest = [sealed, *before[: MOST - 1]]
    for one in rest:
        if len(value) + 1 + len(one) > ROOM:
            break
        value = f"{value}.{one}"
    return value


def sealed(begun: Transaction, secret: bytes) -> str:
    """A sign-in for its browser to keep. Where it is too large, nobody is sent back to a page that deep."""
    text = _text(sealing.seal(transaction.dump(begun), _key(secret, begun.state), _TRANSACTION))
    if len(text) > ROOM and begun.return_to != "/":
        return sealed(replace(begun, return_to="/"), secret)
    return text


def opened(parts: Iterable[str], state: str, secret: bytes) -> Transaction:
    """The sign-in of this state among those that the browser brings.

    Raises:
        TransactionError: it brings none.
    """
    for part in parts:
        octets = sealing.unseal(_octets(part), _key(secret, state), _TRANSACTION)
        if octets is not None:
            return transaction.load(octets)
    raise TransactionError("no sign-in of this browser is under way with this state")


def spent_name(state: str) -> bytes:
    """What the store knows a sign-in by that came back."""
    return hashlib.sha256(b"state " + state.encode()).digest()


def sealed_answer(text: str, state: str, secret: bytes) -> str:
    """A posted answer for the browser to keep until it comes back with its other cookies.

    Raises:
        SignInError: it is too large for that.
    """
    found = _text(sealing.seal(text.encode(), _key(secret, state), _ANSWER))
    if len(found) > _MAX_ANSWER:
        raise SignInError("the answer is too large")
    return found


def opened_answer(values: Iterable[bytes], name: str, state: str, secret: bytes) -> str:
    """The posted answer of this state that the browser brings.

    Raises:
        TransactionError: it brings none.
    """
    for part in kept(values, name):
        octets = sealing.unseal(_octets(part), _key(secret, state), _ANSWER)
        if octets is not None:
            return octets.decode()
    raise TransactionError("no posted answer of this browser came with this state")


def _key(secret: bytes, state: str) -> bytes:
    return secret + state.encode()


def _text(octets: bytes) -> str:
    return base64url.encode(octets).decode("ascii")


def _octets(text: str) -> bytes:
    try:
        return base64url.decode(text.encode("latin-1"))
    except MalformedTokenError:
        return b""
