"""Another name for an issuer, whose database stays: the only way to serve it under another than it was made with."""

from collections.abc import Sequence
from typing import Final

from admit.issuer.audit import AuditEvent, record
from admit.issuer.storage import Row, Steps
from admit.issuer.storage.identity import ISSUER, READ_META, RENAME

ACTOR: Final = "command line"


def rename(issuer: str, *, now: float) -> Steps[str | None]:
    """Have the database belong to `issuer`; whose it was, or None where nobody had named it.

    Tokens that were signed keep the older name in `iss`, so that those who trust the newer one refuse them.
    """
    rows: Sequence[Row] = yield READ_META(key=ISSUER)
    was = str(rows[0]["value"]) if rows else None
    if was != issuer:
        yield RENAME(value=issuer)
        yield record(AuditEvent.ISSUER_RENAMED, now=now, actor=ACTOR, detail={"was": was, "is": issuer})
    return was
