"""The rules that every guard shares: what a route asks of a principal, and what a refusal looks like. Pure.

A framework's integration only carries requests in and refusals out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import msgspec

from admit.credentials import challenge
from admit.errors import (
    AdmitError,
    ConfigError,
    CredentialError,
    GroupsUnavailableError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    MalformedCredentialError,
    TokenError,
    UnavailableError,
)
from admit.principal import ByReference, Principal
from admit.tokens import scope as scopes


@dataclass(frozen=True, slots=True)
class Requirement:
    """What a route asks for: all the scopes, the role and the group; a sign-in of one of the classes `acr`, the
    preferred one first, no longer than `max_age` seconds ago. Nothing named: any principal.
    """

    scopes: frozenset[str] = frozenset()
    role: str | None = None
    group: str | None = None
    acr: tuple[str, ...] = ()
    max_age: int | None = None
    scope_text: str = field(init=False, compare=False)
    is_plain: bool = field(init=False, repr=False, compare=False)
    """Whether scopes and a role are all that is asked for."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        put(self, "scope_text", scopes.write(self.scopes))
        put(self, "is_plain", self.group is None and not self.acr and self.max_age is None)

    def is_plainly_met(self, who: Principal) -> bool:
        """For the hot path, one look: it only ever says yes, where `check` would. Each request of an API comes by."""
        return self.is_plain and self.scopes <= who.scopes and (self.role is None or self.role in who.roles)


ANYBODY = Requirement()


def requirement(
    names: Iterable[str],
    *,
    role: str | None = None,
    group: str | None = None,
    acr: str | Sequence[str] = (),
    max_age: timedelta | None = None,
) -> Requirement:
    """A requirement from what a programmer wrote.

    Raises:
        ConfigError: a scope or class that cannot be one, an empty role or group, an age below a second: it would never
            or always hold.
    """
    if isinstance(names, str | bytes) or not isinstance(names, Iterable):
        raise ConfigError("scopes are given one by one, not as one text")
    given = tuple(names)
    for name in given:
        if not isinstance(name, str) or not scopes.is_name(name):
            raise ConfigError("a scope is one word of visible ASCII; give several as several arguments")
    for what, value in (("role", role), ("group", group)):
        if value is not None and not (isinstance(value, str) and value):
            raise ConfigError(f"{what} is a text that is not empty, or None")
    classes = (acr,) if isinstance(acr, str) else tuple(acr) if isinstance(acr, Iterable) else (acr,)
    for name in classes:
        if not isinstance(name, str) or not scopes.is_name(name):
            raise ConfigError("acr is a class of sign-in, or several: each one word of visible ASCII")
    if max_age is not None and not (isinstance(max_age, timedelta) and max_age >= timedelta(seconds=1)):
        raise ConfigError("max_age is a timedelta of at least a second, or None")
    seconds = None if max_age is None else int(max_age.total_seconds())
    return Requirement(frozenset(given), role, group, classes, seconds)


def check(principal: Principal, wanted: Requirement, now: float) -> None:
    """Pass a principal that has everything the route asks for. `now` is in seconds since the epoch.

    Raises:
        InsufficientUserAuthenticationError: the sign-in was of another class, or too long ago.
        InsufficientScopeError: a scope, the role or the group is missing; it carries the scopes that are asked.
        GroupsUnavailableError: the groups are a reference that nobody fetched.
    """
    check_scopes(principal, wanted)
    if wanted.role is not None:
        check_role(principal, wanted)
    if wanted.group is not None:
        check_group(principal, wanted)
    if wanted.acr or wanted.max_age is not None:
        check_sign_in(principal, wanted, now)


def check_sign_in(principal: Principal, wanted: Requirement, now: float) -> None:
    """The user signed in as the route asks, RFC 9470 §3. Asked last: who lacks a scope gains nothing by signing in.

    A principal that tells no class or no time has not shown it; a time to come is no time.
    """
    right = not wanted.acr or principal.acr in wanted.acr
    at = principal.auth_time
    recent = wanted.max_age is None or (at is not None and -_CLOCKS <= now - at <= wanted.max_age)
    if not (right and recent):
        raise InsufficientUserAuthenticationError(
            "the sign-in is of another class or too long ago",
            acr_values=" ".join(wanted.acr),
            max_age=wanted.max_age,
        )


_CLOCKS = 60
"""Seconds by which the issuer's clock may be ahead."""


def check_scopes(principal: Principal, wanted: Requirement) -> None:
    """All scopes of the route are there, RFC 6750 §3.1."""
    if not wanted.scopes <= principal.scopes:
        raise InsufficientScopeError("a scope is missing", scope=wanted.scope_text)


def check_role(principal: Principal, wanted: Requirement) -> None:
    """The role is there."""
    if wanted.role not in principal.roles:
        raise InsufficientScopeError("the role is missing", scope=wanted.scope_text)


def check_group(principal: Principal, wanted: Requirement) -> None:
    """The group is there. Groups by reference are never taken for an empty set."""
    if isinstance(principal.groups, ByReference):
        raise GroupsUnavailableError("the groups are by reference")
    if wanted.group not in principal.groups:
        raise InsufficientScopeError("the group is missing", scope=wanted.scope_text)


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that lets nobody in."""

    status: int
    headers: tuple[tuple[str, str], ...]
    error: str
    error_description: str

    @property
    def body(self) -> bytes:
        """`{"error": …, "error_description": …}`, fixed texts only."""
        return msgspec.json.encode({"error": self.error, "error_description": self.error_description})


def refusal(
    error: AdmitError, *, scope: str = "", realm: str | None = None, resource_metadata: str | None = None
) -> Refusal:
    """The one place where an error becomes an answer, RFC 6750 §3. `scope` is what the route asks for.

    What is no refusal of a credential leaves as a bare `server_error`: a trouble of ours says nothing about itself.
    """
    if not isinstance(error, TokenError | CredentialError | UnavailableError):
        return Refusal(500, (("Cache-Control", "no-store"),), AdmitError.code, AdmitError.public)
    headers = [("Cache-Control", "no-store")]
    if isinstance(error, UnavailableError):
        headers.append(("Retry-After", str(error.retry_after)))
    elif needs_challenge(error):
        value = challenge.www_authenticate(error, scope, realm, resource_metadata)
        headers.append(("WWW-Authenticate", value))
    return Refusal(error.status, tuple(headers), error.code, error.public)


def needs_challenge(error: AdmitError) -> bool:
    """Whether the answer carries a challenge: each 401, and what RFC 6750 §3.1 has a code for."""
    return error.status == 401 or isinstance(error, InsufficientScopeError | MalformedCredentialError)
