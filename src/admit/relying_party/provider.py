"""An OpenID provider that people may sign in with, and on which terms."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from admit.client import ClientRegistration
from admit.errors import ConfigError
from admit.jose.algorithms import JWS_ALGS

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,31}", re.ASCII)
_NOTHING: Mapping[str, str] = MappingProxyType({})
_OWN: Final = frozenset(
    {
        "response_type", "client_id", "redirect_uri", "state", "nonce", "code_challenge", "code_challenge_method",
        "response_mode", "scope", "max_age", "acr_values", "request", "request_uri",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Provider:
    """One provider. `name` stands in the application's own URLs: lower case letters, digits and hyphens.

    `scopes` always hold `openid`. `parameters` are added to the authorization request: `{"resource": …}` for an Admit
    issuer, `{"audience": …}` for Auth0, `{"access_type": "offline"}` for Google. `response_mode` `form_post` keeps the
    code out of the URL. With `userinfo` the claims of `/userinfo` are had too. `max_age` is how long ago the sign-in
    may be, and `acr_values` are the classes of which it must be one. `names_itself` True wants `iss` in each answer
    even where the metadata does not promise it. `rsa_alg` and `okp_alg` are for published keys without `alg`, and
    `algorithms` narrows the keys whose ID tokens are taken.

    Raises:
        ConfigError: the parts do not fit together.
    """

    name: str
    client: ClientRegistration
    scopes: Sequence[str] = field(default=("openid", "profile", "email"), kw_only=True)
    parameters: Mapping[str, str] = field(default_factory=lambda: _NOTHING, kw_only=True)
    response_mode: Literal["query", "form_post"] = field(default="query", kw_only=True)
    userinfo: bool = field(default=False, kw_only=True)
    max_age: timedelta | None = field(default=None, kw_only=True)
    acr_values: Sequence[str] = field(default=(), kw_only=True)
    names_itself: bool = field(default=False, kw_only=True)
    algorithms: frozenset[str] | None = field(default=None, kw_only=True)
    rsa_alg: str = field(default="RS256", kw_only=True)
    okp_alg: str = field(default="EdDSA", kw_only=True)

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or _NAME.fullmatch(self.name) is None:
            raise ConfigError("Provider(name=...) is lower case letters, digits and hyphens, at most 32")
        for what in ("scopes", "acr_values"):
            given = getattr(self, what)
            if isinstance(given, str) or not all(
                isinstance(one, str) and one and " " not in one for one in given
            ):
                raise ConfigError(f"Provider({what}=...) are several texts without spaces")
            object.__setattr__(self, what, tuple(given))
        if "openid" not in self.scopes:
            raise ConfigError("Provider(scopes=...) needs openid: without it nobody says who signed in")
        if not _OWN.isdisjoint(self.parameters):
            raise ConfigError("Provider(parameters=...) repeats a parameter that is set for each sign-in")
        if self.response_mode not in ("query", "form_post"):
            raise ConfigError("Provider(response_mode=...) is query or form_post")
        if self.max_age is not None and self.max_age < timedelta(0):
            raise ConfigError("Provider(max_age=...) is a timedelta that is not negative")
        if self.algorithms is not None and not (
            self.algorithms
            and all(name in JWS_ALGS and JWS_ALGS[name].kty != "oct" for name in self.algorithms)
        ):
            raise ConfigError("Provider(algorithms=...) names asymmetric signature algorithms")
        object.__setattr__(self, "parameters", MappingProxyType(dict(self.parameters)))

    @property
    def issuer(self) -> str:
        return self.client.server.issuer
