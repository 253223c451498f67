"""`DirectLookup`: a session as the `Principal` of one audience, read from the issuer's own database."""

import asyncio
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from admit.credentials.lookup import Found
from admit.issuer.accounts.rules import standard_claims
from admit.issuer.clients.registry import Registry
from admit.issuer.clients.rules import RESERVED_CLIENT_ID, allowed_scopes
from admit.issuer.revocation.lists import Lists
from admit.issuer.sessions.driver import Sessions
from admit.issuer.sessions.records import Session
from admit.issuer.sessions.store import REMEMBERED
from admit.principal import CredentialKind, Principal

_PROFILE = frozenset({"profile", "email"})


def claims_of(session: Session, issuer: str) -> Mapping[str, Any]:
    """What an ID token would say of this session and its user, OpenID Connect Core §2."""
    return MappingProxyType(
        {
            "iss": issuer,
            "sub": session.user.id,
            "sid": session.id,
            "auth_time": int(session.auth_time),
            "acr": session.acr,
            "amr": list(session.amr),
            **standard_claims(session.user, _PROFILE),
        }
    )


def principal_of(session: Session, *, issuer: str, audience: str, scopes: frozenset[str]) -> Principal:
    """The session's principal: what a token for the same user, audience and moment would say too."""
    user = session.user
    return Principal(
        issuer=issuer,
        subject=user.id,
        client_id=RESERVED_CLIENT_ID,
        audience=frozenset((audience,)),
        scopes=scopes,
        roles=user.roles,
        groups=user.groups,
        session_id=session.id,
        auth_time=int(session.auth_time),  # whole seconds, as in a token: the two must be equal
        acr=session.acr,
        amr=session.amr,
        expires_at=session.expires_at,
        credential=CredentialKind.SESSION,
        claims=claims_of(session, issuer),
    )


class DirectLookup:
    """A `SessionLookup` beside the issuer's database: a session that was ended is refused at the next request."""

    def __init__(self, sessions: Sessions, registry: Registry, lists: Lists) -> None:
        self._sessions = sessions
        self._registry = registry
        self._lists = lists
        self._made: dict[tuple[str, str], tuple[Session, Found]] = {}

    @property
    def home(self) -> asyncio.AbstractEventLoop | None:
        """The issuer's event loop, where threads have their look-ups made; None before it starts."""
        return self._sessions.home

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """The live session whose id has this SHA-256, with the scopes that its user's roles give at `audience`.

        Raises:
            UnavailableError: the database was not reached.
        """
        session = await self._sessions.find(id_hash, now)
        if session is None:
            return None
        return self._found(session, audience)

    def _found(self, session: Session, audience: str) -> Found:
        # The session was read just now. What it became is made once for as long as it is the very same value.
        made = self._made.get((session.id, audience))
        if made is not None and made[0] is session:
            return made[1]
        scopes = allowed_scopes(self._registry.resource(audience), session.user.roles)
        found = Found(
            principal=principal_of(session, issuer=self._registry.issuer, audience=audience, scopes=scopes),
            status=self._lists.ref(session.idx),
            expires_at=session.expires_at,
        )
        if len(self._made) >= REMEMBERED:
            self._made.clear()
        self._made[session.id, audience] = session, found
        return found
