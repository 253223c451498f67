"""What may stand in a record: bounded, plain values, nothing that could be a secret. And for how long. Pure."""

import json
from collections.abc import Mapping
from typing import Final, TypeAlias

from admit.issuer.audit.config import AuditConfig
from admit.issuer.audit.records import AuditEvent

Detail: TypeAlias = str | int | float | bool | None

MAX_TEXT: Final = 256  # characters of any one value; the rest is cut and marked
MAX_DETAIL: Final = 4_096  # bytes of the whole detail

FOR_GOOD: Final = frozenset(
    {
        AuditEvent.KEY_MADE,
        AuditEvent.KEY_ROTATED,
        AuditEvent.KEY_REVOKED,
        AuditEvent.EPOCH_RAISED,
        AuditEvent.ISSUER_RENAMED,
        AuditEvent.CLIENT_ADDED,
        AuditEvent.CLIENT_REMOVED,
        AuditEvent.CLIENT_GRANTS_ENDED,
        AuditEvent.CLIENT_INVITED,
        AuditEvent.RESOURCE_ADDED,
        AuditEvent.RESOURCE_CHANGED,
        AuditEvent.RESOURCE_REMOVED,
        AuditEvent.FACTORS_RESET,
    }
)
"""Never swept, whoever did it: few rows, each of which changed whom this issuer believes. Nor is any record with an
`actor`: what operators did to others is what a trail is kept for, and whoever abused the role may not wait it out."""


_WRITER: Final = json.JSONEncoder(separators=(",", ":"), allow_nan=False)


def forgotten_before(config: AuditConfig, now: float) -> float | None:
    """What was told before this time (seconds since the epoch) is not kept any longer. None: everything is."""
    return now - config.kept.total_seconds() if config.kept else None


def cut(text: str | None) -> str | None:
    """Bound what a stranger may have written. NUL is out, since PostgreSQL keeps none in text; so are surrogates."""
    if text is None or (len(text) <= MAX_TEXT and text.isascii() and "\0" not in text):
        return text
    clean = text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
    return clean if len(clean) <= MAX_TEXT else clean[: MAX_TEXT - 1] + "…"


def detail_text(detail: Mapping[str, Detail]) -> str:
    """The detail as one line of ASCII JSON: control characters are escaped, so no value can forge a record."""
    if not detail:  # most have none
        return "{}"
    bounded = {name: cut(value) if isinstance(value, str) else value for name, value in detail.items()}
    text = _WRITER.encode(bounded)
    return text if len(text) <= MAX_DETAIL else '{"cut":true}'
