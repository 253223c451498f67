"""`Machines`: what clients are granted in their own name, RFC 6749 §4.4.

There is one family for a client and an audience, which all its tokens share until it expires: so a token costs no row
but its record, and one end refuses them all. It has no user, no parent and no refresh token. The client may be granted
a new one after an end, as after any other.
"""

import hashlib
import secrets
from collections import OrderedDict
from typing import Final

from admit.issuer.audit import AuditEvent, RequestInfo, record
from admit.issuer.grants.config import GrantsConfig
from admit.issuer.grants.records import Family
from admit.issuer.grants.store import families as store
from admit.issuer.revocation import store as revocation
from admit.issuer.revocation.records import NodeKind
from admit.issuer.storage import Bound, Database, Row, Steps

SALT_BYTES = 16
REMEMBERED: Final = 10_000
"""Families whose ids a process keeps, to ask for them by name. Whether one lives is always asked of the database."""


def grant(
    config: GrantsConfig,
    client_id: str,
    audience: str,
    *,
    scope: frozenset[str],
    until: float,
    info: RequestInfo,
    now: float,
) -> Steps[Family | None]:
    """The family that a token of this client and audience belongs to, and the record of the token.

    It is only read, not held: an end that commits meanwhile has set the bit that the token points at. `until` is when
    the token will be over, which its family outlives. None: the client was ended.
    """
    rows = yield from _live(client_id, audience, until)
    if not rows:
        yield store.ONE_AT_A_TIME(key=_lock_key(client_id, audience))
        rows = yield from _live(client_id, audience, until)
    family = store.family_of(rows[0]) if rows else (yield from _open(config, client_id, audience, now=now))
    if family is None:
        return None
    yield note(family, scope=scope, info=info, now=now)
    return family


def note(family: Family, *, scope: frozenset[str], info: RequestInfo, now: float) -> Bound:
    """The record of one token."""
    return record(
        AuditEvent.TOKEN_ISSUED,
        info=info,
        now=now,
        client_id=family.client_id,
        detail={"grant": family.id, "scope": " ".join(sorted(scope))},
    )


def _live(client_id: str, audience: str, until: float) -> "Steps[list[Row]]":
    rows = yield store.OF_MACHINE(client_id=client_id, audience=audience, now=until)
    return list(rows)


def _lock_key(client_id: str, audience: str) -> int:
    """Two nodes that do not see each other's family would open one each."""
    name = f"machine\0{client_id}\0{audience}".encode()
    return int.from_bytes(hashlib.sha256(name).digest()[:8], signed=True)


def _open(config: GrantsConfig, client_id: str, audience: str, *, now: float) -> Steps[Family | None]:
    opened = yield from revocation.open_node(
        kind=NodeKind.MACHINE,
        client_id=client_id,
        expires_at=now + config.machine_absolute.total_seconds(),
        now=now,
    )
    if opened is None:
        return None
    family = Family(
        id=opened.id,
        idx=opened.idx,
        client_id=client_id,
        user_id=None,
        session_id=None,
        scope=frozenset(),  # each token has its own, within what the resource gives the client then
        audience=audience,
        auth_time=now,
        acr="",
        amr=(),
        created_at=now,
        expires_at=opened.expires_at,
        generation=0,
        rotated_at=now,
        used_at=now,
        offline=False,
        salt=secrets.token_bytes(SALT_BYTES),
    )
    yield store.INSERT(**store.parameters(family))
    return family


class Machines:
    """Grants of clients that act for themselves."""

    def __init__(self, db: Database, config: GrantsConfig | None = None) -> None:
        self._db = db
        self._config = config or GrantsConfig()
        self._known: OrderedDict[tuple[str, str], Family] = OrderedDict()

    async def grant(
        self,
        client_id: str,
        audience: str,
        *,
        scope: frozenset[str],
        until: float,
        info: RequestInfo,
        now: float,
    ) -> Family | None:
        """The family for one more token, which is over at `until` and is told here. None: the client was ended."""
        known = self._known.get((client_id, audience))
        if known is not None:
            # A hot path: one statement, which tells of the token where the family lives.
            told = note(known, scope=scope, info=info, now=now)
            if await self._db.write(store.TELL_WHERE_ALIVE(family=known.id, now=until, **told.params)):
                return known
        family = await self._db.run(
            grant, self._config, client_id, audience, scope=scope, until=until, info=info, now=now
        )
        self._keep((client_id, audience), family)
        return family

    def _keep(self, name: tuple[str, str], family: Family | None) -> None:
        self._known.pop(name, None)
        if family is not None:
            self._known[name] = family
            while len(self._known) > REMEMBERED:
                self._known.popitem(last=False)
