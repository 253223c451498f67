"""What a backend-for-frontend keeps of one sign-in. Sealed in the store; the browser has the key and nothing else."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

import msgspec

from admit.client.tokens import Tokens
from admit.relying_party.identity import Identity
from admit.relying_party.provider import Provider

PURPOSE: Final = b"session"
EARLY: Final = 30.0
"""Seconds before its end at which an access token is renewed, if it lives three times as long."""


COOL_DOWN: Final = 10.0
"""Seconds in which a session's token is renewed once, however often an API refuses it."""


@dataclass(frozen=True, slots=True)
class Access:
    """One access token; times are seconds since the epoch, `expires_at` None where nobody said.

    `after_refusal`: it was asked for because an API had refused the one before.
    """

    token: str = field(repr=False)
    issued_at: float
    expires_at: float | None
    after_refusal: bool = False

    def is_good(self, now: float) -> bool:
        return self.expires_at is None or now < self.expires_at

    def is_fresh(self, now: float) -> bool:
        if self.expires_at is None:
            return True
        return now < self.expires_at - min(EARLY, (self.expires_at - self.issued_at) / 3)

    def may_be_replaced(self, now: float) -> bool:
        """Whether another is asked for, now that an API refuses this one. It is not where the last refusal was mended
        in vain a moment ago: an API that takes no token at all would have each call refresh.
        """
        return not (self.after_refusal and 0 <= now - self.issued_at < COOL_DOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionData:
    """A person, and their tokens: one access token for each `key` of an API."""

    provider: str
    issuer: str
    subject: str
    client_id: str
    auth_time: float | None
    acr: str | None
    amr: tuple[str, ...]
    session_id: str | None
    claims: dict[str, Any]
    signed_in_at: float
    id_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    access: dict[str, Access] = field(default_factory=dict, repr=False)

    @property
    def identity(self) -> Identity:
        return Identity(
            issuer=self.issuer,
            subject=self.subject,
            client_id=self.client_id,
            auth_time=self.auth_time,
            acr=self.acr,
            amr=self.amr,
            session_id=self.session_id,
            claims=MappingProxyType(self.claims),
        )


def begin(provider: Provider, identity: Identity, tokens: Tokens, now: float) -> SessionData:
    """The session of a fresh sign-in. Where that asked for a `resource`, the token is the one for that audience.

    It serves APIs that name no scopes, and those that name all of its own: any other narrows it.
    """
    access = Access(tokens.access_token, now, tokens.expires_at)
    resource = provider.parameters.get("resource", "")
    granted = provider.scopes if tokens.scopes is None else tokens.scopes
    return SessionData(
        provider=provider.name,
        issuer=identity.issuer,
        subject=identity.subject,
        client_id=identity.client_id,
        auth_time=identity.auth_time,
        acr=identity.acr,
        amr=identity.amr,
        session_id=identity.session_id,
        claims=dict(identity.claims),
        signed_in_at=now,
        id_token=tokens.id_token or "",
        refresh_token=tokens.refresh_token,
        access={key(of, scopes): access for of in ("", resource) for scopes in ((), granted)},
    )


def key(audience: str | None, scopes: Iterable[str]) -> str:
    """Which access token an API gets: by what it is for (nothing: what the sign-in's own is for) and what it may."""
    return "\n".join((audience or "", *sorted(set(scopes))))


def renewed(
    data: SessionData, name: str, tokens: Tokens, now: float, *, after_refusal: bool = False
) -> SessionData:
    """With a new access token of that `key`, and the refresh token's successor if there is one."""
    access = {**data.access, name: Access(tokens.access_token, now, tokens.expires_at, after_refusal)}
    return replace(data, access=access, refresh_token=tokens.refresh_token or data.refresh_token)


def rotated(data: SessionData, tokens: Tokens) -> SessionData:
    """With the refresh token's successor, if there is one, and nothing else of an answer."""
    return replace(data, refresh_token=tokens.refresh_token or data.refresh_token)


def person(claims: Mapping[str, Any]) -> dict[str, Any]:
    """The claims that a page is told: those about the person, and none of a protocol's."""
    return {name: value for name, value in claims.items() if name in SHOWN}


SHOWN: Final = frozenset(
    {
        "name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture",
        "website", "email", "email_verified", "gender", "birthdate", "zoneinfo", "locale", "phone_number",
        "phone_number_verified", "address", "updated_at",
    }
)  # fmt: skip
"""OpenID Connect Core §5.1."""


def dump(data: SessionData) -> bytes:
    """As octets, to be sealed."""
    return msgspec.json.encode(data)


def load(octets: bytes) -> SessionData:
    """The session that `dump` wrote."""
    return msgspec.json.decode(octets, type=SessionData)
