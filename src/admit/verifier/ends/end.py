"""One end: what an issuer said is over, and for how long that has to be known."""

from dataclasses import dataclass
from math import isfinite
from typing import Any

from admit.errors import EndStoreError, MalformedTokenError
from admit.jose import json as strict_json

MAX_LINE = 16_384
"""Octets of one end, written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Tokens of `issuer` that are refused from now on. Times are seconds since the epoch.

    One of `subject`, `session_id` and `token_id` is there at least. A `token_id` (`jti`) refuses that token, and a
    `session_id` (`sid`) every token of that session. A `subject` alone refuses all of its tokens that were issued at or
    before `before`. A `subject` with a `session_id` refuses that session's tokens, and of that subject those issued at
    or before `before` that name no session: they may be of this one, and who is still signed in gets new ones.

    At `until` every token that this refuses is too old to be taken anyhow. `said_by` is the `jti` of what told it; the
    same end told again is equal to itself.
    """

    issuer: str
    before: float
    until: float
    subject: str | None = None
    session_id: str | None = None
    token_id: str | None = None
    said_by: str | None = None


def encode(end: End) -> bytes:
    """An end as one line of JSON, the same for equal ends; without the line's end."""
    return strict_json.dumps_object(
        {
            "iss": end.issuer,
            "sub": end.subject,
            "sid": end.session_id,
            "jti": end.token_id,
            "before": float(end.before),
            "until": float(end.until),
            "by": end.said_by,
        }
    )


def decode(line: bytes) -> End:
    """The end that `encode` wrote.

    Raises:
        EndStoreError: it did not write this.
    """
    try:
        found = strict_json.loads_object(line, max_size=MAX_LINE)
        end = End(
            issuer=_text(found["iss"]),
            subject=_optional(found["sub"]),
            session_id=_optional(found["sid"]),
            token_id=_optional(found["jti"]),
            before=_instant(found["before"]),
            until=_instant(found["until"]),
            said_by=_optional(found["by"]),
        )
    except (MalformedTokenError, KeyError, TypeError):
        raise EndStoreError("what stands in a store of ends is none") from None
    if end.subject is None and end.session_id is None and end.token_id is None:
        raise EndStoreError("an end in a store names nothing")
    return end


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise TypeError("not a text")
    return value


def _optional(value: Any) -> str | None:
    return None if value is None else _text(value)


def _instant(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value) or value < 0:
        raise TypeError("not a time")
    return float(value)
