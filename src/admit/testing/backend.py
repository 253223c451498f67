"""A backend for a frontend under test: people are signed in without a provider, and nobody is asked for anything."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, NoReturn

from admit.client.exchange import run
from admit.client.tokens import Tokens
from admit.credentials import cookies, csrf
from admit.errors import ConfigError, FetchError
from admit.fetch import Fetcher
from admit.principal import Principal
from admit.relying_party import Bff, Identity, Provider
from admit.relying_party.bff import session
from admit.relying_party.bff.sessions import Sessions

Signed = Callable[[frozenset[str], frozenset[str]], str]
"""An access token for these audiences that allows these scopes."""


class Unreached(Fetcher):
    """What dials out in a deployment; in a test it reaches nobody."""

    def request(self, *_: Any, **__: Any) -> NoReturn:
        raise FetchError("in a test no provider is asked")

    async def arequest(self, *_: Any, **__: Any) -> NoReturn:
        self.request()

    def open(self, *_: Any, **__: Any) -> NoReturn:
        self.request()

    async def aopen(self, *_: Any, **__: Any) -> NoReturn:
        self.request()


def alone(bff: Bff) -> Callable[[], None]:
    """Let the backend ask its providers for nothing; what is given back puts that right again."""
    servers = {id(one.client.server): one.client.server for one in bff.config.providers}.values()
    before = [(server, server.fetcher) for server in servers]
    for server in servers:
        server.fetcher = Unreached()

    def again() -> None:
        for server, fetcher in before:
            server.fetcher = fetcher

    return again


def begin(bff: Bff, who: Principal, provider: str | None, signed: Signed, lifetime: float) -> bytes:
    """A session in the backend's own store, as a sign-in with this provider (the first) leaves one; its octets.

    Each API of that provider's tokens has one of tests, for its audience, with those of the principal's scopes that it
    asks for; they live `lifetime` seconds, and are not renewed.

    Raises:
        ConfigError: a machine, or a provider that the backend does not have.
        UnavailableError: the store does not answer.
    """
    if who.is_client:
        raise ConfigError("a machine signs in to no page: principal(...) without is_client")
    at, now = _provider_of(bff, provider), bff.config.clock()
    identity = Identity(
        issuer=at.issuer,
        subject=who.subject,
        client_id=at.client.client_id,
        auth_time=who.auth_time,
        acr=who.acr,
        amr=who.amr,
        session_id=who.session_id,
        claims=who.claims,
    )

    def access(audience: str | None, scopes: Iterable[str]) -> session.Access:
        resource = audience or at.parameters.get("resource")
        named = frozenset({resource}) if resource else who.audience or frozenset({at.client.client_id})
        wanted = frozenset(scopes)
        return session.Access(
            signed(named, who.scopes & wanted if wanted else who.scopes), now, now + lifetime
        )

    own = access(None, ())
    data = session.begin(
        at, identity, Tokens(access_token=own.token, expires_at=own.expires_at, scopes=who.scopes), now
    )
    theirs = {
        session.key(one.audience, one.scopes): access(one.audience, one.scopes)
        for one in bff.config.apis
        if one.provider in (None, at.name)
    }
    return run(_sessions(bff).keep(replace(data, access={**data.access, **theirs}), now))


def end(bff: Bff, raw: bytes) -> None:
    """End a session of the backend.

    Raises:
        UnavailableError: the store does not answer.
    """
    run(_sessions(bff).end(raw))


def carried(bff: Bff, raw: bytes) -> dict[str, str]:
    """What a page of the application sends with a request in this session."""
    return {
        "cookie": f"{bff.config.session_cookie}={cookies.encode_session_id(raw)}",
        "x-csrf-token": csrf.token(raw),
        "sec-fetch-site": "same-origin",
        "origin": bff.config.base_url,
    }


def _provider_of(bff: Bff, name: str | None) -> Provider:
    found = [one for one in bff.config.providers if name in (None, one.name)]
    if not found:
        raise ConfigError("this Bff has no provider of that name")
    return found[0]


def _sessions(bff: Bff) -> Sessions:
    return Sessions(bff.config, bff._context.store)
