"""What a backend-for-frontend is told, checked before the first request."""

import hashlib
import re
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from admit.credentials import cookies
from admit.errors import ConfigError, FetchError
from admit.fetch import egress
from admit.relying_party.bff.proxy import Api
from admit.relying_party.provider import Provider
from admit.relying_party.transaction import local_path

_MOUNT = re.compile(r"(/[a-z0-9][a-z0-9_-]*)+", re.ASCII)
_MAX_LIFE: Final = timedelta(days=90)


@dataclass(frozen=True, slots=True, kw_only=True)
class BffConfig:
    """The settings of a `Bff`; see there.

    Raises:
        ConfigError: the parts do not fit together; the message says which.
    """

    base_url: str
    providers: tuple[Provider, ...]
    apis: tuple[Api, ...] = ()
    mount: str = "/bff"
    origins: frozenset[str] = frozenset()
    after_login: str = "/"
    after_logout: str = "/"
    idle: timedelta = timedelta(hours=8)
    absolute: timedelta = timedelta(days=30)
    recheck: timedelta = timedelta(seconds=30)
    clock: Callable[[], float] = time.time
    session_cookie: str = field(init=False)
    browser_cookie: str = field(init=False)
    answer_cookie: str = field(init=False)

    def __post_init__(self) -> None:
        try:
            origin = egress.origin_of(self.base_url)
            egress.check_url(self.base_url, frozenset({origin}))
        except FetchError:
            raise ConfigError(
                "Bff(base_url=...) is the application's https origin (http only on loopback)"
            ) from None
        if self.base_url.rstrip("/") != origin:
            raise ConfigError(
                "Bff(base_url=...) is an origin, such as https://app.example.com, without a path"
            )
        if _MOUNT.fullmatch(self.mount) is None:
            raise ConfigError("Bff(mount=...) is a path such as /bff")
        _check_names("providers", [one.name for one in self.providers])
        if not self.providers:
            raise ConfigError("Bff needs a provider")
        _check_names("apis", [one.name for one in self.apis])
        names = {one.name for one in self.providers}
        if not {one.provider for one in self.apis} <= {None, *names}:
            raise ConfigError("Api(provider=...) is the name of one of Bff(providers=...)")
        clients = {(one.issuer, one.client.client_id) for one in self.providers}
        if len(clients) > 1 and any(one.provider is None for one in self.apis):
            raise ConfigError(
                "Api(provider=...) says whose tokens the API takes: with several providers each API needs it"
            )
        for what in ("after_login", "after_logout"):
            if local_path(getattr(self, what)) != getattr(self, what):
                raise ConfigError(f"Bff({what}=...) is a path of this application")
        if not timedelta(0) < self.idle <= self.absolute <= _MAX_LIFE:
            raise ConfigError(
                "Bff(idle=..., absolute=...): idle is not above absolute, and that is at most 90 days"
            )
        if self.recheck < timedelta(0):
            raise ConfigError("Bff(recheck=...) is a timedelta that is not negative")
        put = object.__setattr__
        put(self, "base_url", origin)
        put(self, "origins", frozenset({origin}) | _origins(self.origins))
        # Plain http is loopback here. HTTP libraries send no Secure cookie there: its cookies have names of their own.
        digits = hashlib.sha256(f"{origin}{self.mount}".encode()).hexdigest()[:6]
        prefix = "admit-dev-" if urlsplit(origin).scheme == "http" else "__Host-admit-"
        put(self, "session_cookie", f"{prefix}app-{digits}")
        put(self, "browser_cookie", f"{prefix}in-{digits}")
        put(self, "answer_cookie", f"{prefix}at-{digits}")

    def callback_url(self, provider: str) -> str:
        """The redirect URI of a provider: each has its own, RFC 9700 §4.4.2.2."""
        return f"{self.base_url}{self.mount}/callback/{provider}"


def _check_names(what: str, names: Sequence[str]) -> None:
    if len(set(names)) != len(names):
        raise ConfigError(f"Bff({what}=...): each has a name of its own")


def _origins(origins: Collection[str]) -> frozenset[str]:
    if isinstance(origins, str):
        raise ConfigError("Bff(origins=...) are several texts such as https://app.example.com")
    for origin in origins:
        parts = urlsplit(origin)
        if origin != f"{parts.scheme}://{parts.netloc}" or origin != origin.lower():
            raise ConfigError("Bff(origins=...) are origins such as https://app.example.com, in lower case")
        if parts.scheme != "https" and not cookies.is_loopback_http(origin):
            raise ConfigError("Bff(origins=...) are https origins (http only on loopback)")
    return frozenset(origins)
