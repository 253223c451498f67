"""A question that only a holder of the keyring can ask a running issuer: how did my request reach you?

`admit doctor` asks it through the public URL, with forged forwarding headers, and so learns what the proxies in between
do. Question and answer carry an HMAC by a key derived from the keyring (RFC 2104, RFC 5869), so that strangers are told
nothing, not even that there is such a path, and the doctor knows that it spoke with an issuer of this keyring.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

import msgspec
from starlette.types import Scope

from admit.issuer.app.proxy import PEER, values_of
from admit.issuer.storage import Keyring, SealError

PATH: Final = "/health/probe"
HEADER: Final = "admit-probe"
WINDOW: Final = 300.0
"""Seconds that the two clocks may differ. A question that somebody overheard tells him how his own request looks."""

_QUESTION: Final = re.compile(
    r"([A-Za-z0-9_-]{1,64})\.(\d{1,12})\.([A-Za-z0-9_-]{16,64})\.([A-Za-z0-9_-]{43})"
)
_PURPOSE: Final = "probe"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """How a request arrived. `peer` is the socket's address, `client` the one that rate limits and logs go by."""

    host: str
    scheme: str
    peer: str | None
    client: str | None
    forwarded_for: list[str]
    forwarded: list[str]
    forwarded_proto: list[str]
    now: float


def question(keyring: Keyring, *, nonce: str, now: float) -> str:
    """The header's value. `nonce` is 16 to 64 characters of base64url, `now` seconds since the epoch."""
    kid, key = keyring.derive(_PURPOSE)
    return f"{kid}.{int(now)}.{nonce}.{_mac(key, 'question', kid, str(int(now)), nonce)}"


def nonce_of(keyring: Keyring, text: str, *, now: float) -> str | None:
    """The nonce of a question that was asked by a holder of the keyring just now; else None."""
    match = _QUESTION.fullmatch(text)
    if match is None:
        return None
    kid, at, nonce, mac = match.groups()
    try:
        _, key = keyring.derive(_PURPOSE, kid)
    except SealError:
        return None
    fresh = abs(now - int(at)) <= WINDOW
    return nonce if hmac.compare_digest(mac, _mac(key, "question", kid, at, nonce)) and fresh else None


def answer_mac(keyring: Keyring, nonce: str, body: bytes) -> str:
    """What proves an answer."""
    kid, key = keyring.derive(_PURPOSE)
    return f"{kid}.{_mac(key, 'answer', nonce, body.decode())}"


def is_answer(keyring: Keyring, nonce: str, body: bytes, mac: str) -> bool:
    """Whether a holder of the keyring answered this very question so."""
    kid = mac.partition(".")[0]
    try:
        _, key = keyring.derive(_PURPOSE, kid)
        expected = f"{kid}.{_mac(key, 'answer', nonce, body.decode())}"
    except (SealError, UnicodeDecodeError):
        return False
    return hmac.compare_digest(mac.encode(), expected.encode())


def seen(scope: Scope, *, now: float) -> Seen:
    """A request as this process was given it."""
    headers: Iterable[tuple[bytes, bytes]] = scope["headers"]
    client = scope.get("client")
    peer = scope.get(PEER, client)
    return Seen(
        host=",".join(values_of(headers, b"host")),
        scheme=scope.get("scheme", ""),
        peer=peer[0] if peer else None,
        client=client[0] if client else None,
        forwarded_for=values_of(headers, b"x-forwarded-for"),
        forwarded=values_of(headers, b"forwarded"),
        forwarded_proto=values_of(headers, b"x-forwarded-proto"),
        now=now,
    )


def _mac(key: bytes, *parts: str) -> str:
    told = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (part.encode() for part in parts))
    return urlsafe_b64encode(hmac.digest(key, told, "sha256")).rstrip(b"=").decode()
