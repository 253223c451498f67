"""Who calls in a test."""

import secrets
import time
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

from admit.errors import ConfigError
from admit.principal import CredentialKind, Principal
from admit.verifier.trust import ISSUER_OF_TESTS

Caller: TypeAlias = Literal["token", "session"]
"""By which of the two a principal is carried."""


def principal(
    subject: str = "alice",
    *,
    scopes: Collection[str] = (),
    roles: Collection[str] = (),
    groups: Collection[str] = (),
    client_id: str | None = None,
    audience: Collection[str] = (),
    is_client: bool = False,
    acr: str | None = "urn:admit:acr:1fa",
    amr: Collection[str] = ("pwd",),
    auth_time: float | None = None,
    claims: Mapping[str, Any] | None = None,
    actor: Mapping[str, Any] | None = None,
) -> Principal:
    """Somebody who signed in a moment ago, at the issuer of tests, with a session of their own.

    `audience`: the APIs that they may call; none named, the one under test. `is_client`: a machine, whose subject is
    its client id, without a sign-in or a session. `claims` are further claims of the token. `actor` is who acts for the
    subject, such as `{"sub": "support"}` (RFC 8693 §4.1). Times are seconds since the epoch.

    Raises:
        ConfigError: a text where several are wanted, such as `scopes="orders:read"`.
    """
    several = {"scopes": scopes, "roles": roles, "groups": groups, "audience": audience, "amr": amr}
    for name, values in several.items():
        if isinstance(values, str):
            raise ConfigError(f"{name} is a set of texts, not one text")
    return Principal(
        issuer=ISSUER_OF_TESTS,
        subject=subject,
        client_id=subject if is_client else client_id or "app",
        audience=frozenset(audience),
        scopes=frozenset(scopes),
        roles=frozenset(roles),
        groups=frozenset(groups),
        actor=None if actor is None else MappingProxyType(dict(actor)),
        session_id=None if is_client else f"test_{secrets.token_hex(8)}",
        auth_time=None if is_client else time.time() if auth_time is None else auth_time,
        acr=None if is_client else acr,
        amr=() if is_client else tuple(amr),
        credential=CredentialKind.TOKEN,
        claims=MappingProxyType(dict(claims or {})),
    )
