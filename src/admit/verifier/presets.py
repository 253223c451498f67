"""How well-known issuers write their access tokens, as data: what a `TrustedIssuer` for one of them says.

keycloak = presets.KEYCLOAK.trust(
    audience="orders", revocation=Waive.REVOCATION, server="https://sso.example.com", realm="shop", client="orders"
)
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from string import Formatter
from types import MappingProxyType
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from admit.errors import ConfigError
from admit.jose import Waive
from admit.verifier.foreign import ClaimPaths, Wanted
from admit.verifier.trust import TENANT, Revocation, TrustedIssuer

_NOTHING: Mapping[str, Wanted] = MappingProxyType({})
_PART = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,199}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """One kind of issuer. `issuer` and the paths of `roles` name in braces what differs from one to the next.

    `require` is what only its access tokens say, so that its ID tokens are refused. `callers`: the issuer signs for
    whoever asks, for any audience, so `trust` has to be told by one of these claims who may call.
    """

    issuer: str
    typ: str | frozenset[str]
    audience_claim: str = "aud"
    require: Mapping[str, Wanted] = field(default_factory=lambda: _NOTHING)
    callers: frozenset[str] = frozenset()
    roles: Sequence[str] = ("roles",)
    groups: Sequence[str] = ("groups",)
    metadata: str | None = None
    rsa_alg: str | None = None

    @property
    def wants(self) -> frozenset[str]:
        """What `trust` has to be told by name."""
        named = {
            name
            for text in (self.issuer, self.metadata or "", *self.roles)
            for _, name, _, _ in Formatter().parse(text)
            if name
        }
        return frozenset(named - {"tenantid"})

    def trust(
        self,
        *,
        audience: str | Sequence[str],
        revocation: Revocation | Literal[Waive.REVOCATION],
        tenants: Collection[str] | None = None,
        require: Mapping[str, Wanted] = _NOTHING,
        **values: str,
    ) -> TrustedIssuer:
        """The statement for one issuer of this kind; what an issuer cannot do for revocation is given up by name.

        `values` fill the braces, `require` adds to what tokens have to say. For anything else write a `TrustedIssuer`.

        Raises:
            ConfigError: a value is missing, unknown, or none that could stand there; `require` names no caller, where
                that would let in everybody.
        """
        check_names(values, self.wants)
        for name, value in values.items():
            check_value(name, value)
        if not isinstance(require, Mapping):
            raise ConfigError("require={...} maps a claim to what it has to say")
        check_callers(require, self.callers)
        filled = {**values, "tenantid": TENANT}
        more: dict[str, Any] = {} if self.metadata is None else {"metadata": self.metadata.format(**filled)}
        return TrustedIssuer(
            self.issuer.format(**filled),
            audience=audience,
            revocation=revocation,
            typ=self.typ,
            audience_claim=self.audience_claim,
            require={**require, **self.require},
            claims=ClaimPaths(roles=[path.format(**filled) for path in self.roles], groups=self.groups),
            tenants=tenants,
            rsa_alg=self.rsa_alg,
            **more,
        )


def check_callers(require: Mapping[str, Wanted], by: frozenset[str]) -> None:
    """Who may call is named, by one of these claims and by value: that there is one (`...`) tells nothing.

    Raises:
        ConfigError: it is not.
    """
    if by and not any(isinstance(require.get(claim), str | frozenset) for claim in by):
        raise ConfigError(
            "this issuer signs for everybody who asks: say who may call,"
            f" require={{{min(by)!r}: frozenset({{...}})}} or by {', '.join(sorted(by - {min(by)}))}"
        )


def check_names(given: Collection[str], wanted: frozenset[str]) -> None:
    """All that differs from one issuer to the next is told, and nothing else.

    Raises:
        ConfigError: something is missing, or has no place.
    """
    wrong = [
        f"{what} {', '.join(sorted(names))}"
        for what, names in (("without", wanted - {*given}), ("with", {*given} - wanted))
        if names
    ]
    if wrong:
        wants = ", ".join(sorted(wanted)) or "no names"
        raise ConfigError(f"this preset wants {wants}; it was given {' and '.join(wrong)}")


def check_value(name: str, value: object) -> None:
    """A value fills one place: a host, a realm, an id. `server` alone is a URL.

    Raises:
        ConfigError: it would change more than its place.
    """
    if isinstance(value, str):
        if name == "server":
            parts = urlsplit(value)
            plain = not (parts.query or parts.fragment or "@" in parts.netloc or value.endswith("/"))
            if parts.scheme in ("https", "http") and parts.netloc and plain:
                return
        elif _PART.fullmatch(value):
            return
    if name == "server":
        raise ConfigError("server is a URL such as https://sso.example.com: no slash at its end, no query")
    raise ConfigError(f"{name} is a host or an id as it is, no URL: letters, digits and . _ : - stand there")


AUTH0: Final = Preset(
    issuer="https://{domain}/", typ=frozenset({"JWT", "at+jwt"}), require={}, roles=("permissions",)
)
"""`domain`: `example.eu.auth0.com`, or a domain of one's own. Roles are the permissions of the API (RBAC)."""

KEYCLOAK: Final = Preset(
    issuer="{server}/realms/{realm}",
    typ=frozenset({"JWT", "at+jwt"}),
    require={"typ": "Bearer"},
    roles=("/realm_access/roles", "/resource_access/{client}/roles"),
)
"""`server`: `https://sso.example.com` (old ones: with `/auth`); `client`: whose roles count beside the realm's."""

ENTRA: Final = Preset(
    issuer="https://login.microsoftonline.com/{tenantid}/v2.0",
    typ="JWT",
    require={"ver": "2.0", "azp": ...},
    metadata="https://login.microsoftonline.com/organizations/v2.0/.well-known/openid-configuration",
    rsa_alg="RS256",
)
"""`tenants`: those that are trusted, by their ids. For applications whose access token version is 2."""

COGNITO: Final = Preset(
    issuer="https://cognito-idp.{region}.amazonaws.com/{pool}",
    typ="JWT",
    audience_claim="client_id",
    require={"token_use": "access"},
    groups=("cognito:groups",),
)
"""`region` and `pool`, such as `eu-west-1` and `eu-west-1_AbC`. There is no `aud`: `audience` are client ids."""

OKTA: Final = Preset(issuer="https://{domain}/oauth2/{server_id}", typ="JWT", require={"cid": ...})
"""`domain`: `dev-1234.okta.com`; `server_id`: `default`, or that of a custom authorization server."""

GOOGLE: Final = Preset(
    issuer="https://accounts.google.com",
    typ="JWT",
    require={"email_verified": True},
    callers=frozenset({"email", "sub"}),
)
"""For the ID tokens that Google gives service accounts as callers; `require` says which of them may call, by `email` or
`sub`: anybody can have an account of theirs given a token for your audience.

Google's access tokens are opaque and made for Google's APIs only.
"""

PRESETS: Final[Mapping[str, Preset]] = MappingProxyType(
    {"auth0": AUTH0, "keycloak": KEYCLOAK, "entra": ENTRA, "cognito": COGNITO, "okta": OKTA, "google": GOOGLE}
)
