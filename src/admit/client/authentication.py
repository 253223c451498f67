"""How a program proves itself to the token endpoint, RFC 6749 §2.3, RFC 7523 §2.2."""

import secrets
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal, TypeAlias
from urllib.parse import quote_plus

from admit.errors import ConfigError
from admit.jose import JWK
from admit.jose import claims as jose_claims

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_LIFETIME: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A shared secret, sent in the header (`client_secret_basic`) or in the body (`client_secret_post`).

    Raises:
        ConfigError: an empty secret, or another method.
    """

    secret: str = field(repr=False)
    method: Literal["client_secret_basic", "client_secret_post"] = "client_secret_basic"

    def __post_init__(self) -> None:
        if not isinstance(self.secret, str) or not self.secret:
            raise ConfigError("ClientSecret needs the secret that the authorization server gave")
        if self.method not in ("client_secret_basic", "client_secret_post"):
            raise ConfigError("ClientSecret(method=...) is client_secret_basic or client_secret_post")


@dataclass(frozen=True, slots=True)
class PrivateKeyJwt:
    """A key of the program's own, `private_key_jwt`: it signs an assertion for each request and never leaves.

    An assertion is for the issuer (`audience` names another text for servers that want their endpoint's URL), lives
    for `lifetime` (at most 5 minutes) and has a `jti` of its own.

    Raises:
        ConfigError: a symmetric or public key, an empty audience, or a lifetime out of range.
    """

    key: JWK = field(repr=False)
    audience: str | None = None
    lifetime: timedelta = timedelta(seconds=60)

    def __post_init__(self) -> None:
        if self.key.kty == "oct" or not self.key.is_private:
            raise ConfigError("PrivateKeyJwt needs a private key; for a shared secret there is ClientSecret")
        if self.audience is not None and not self.audience:
            raise ConfigError("PrivateKeyJwt(audience=...) is a text that is not empty, or None: the issuer")
        if not timedelta(0) < self.lifetime <= _MAX_LIFETIME:
            raise ConfigError("PrivateKeyJwt(lifetime=...) is a timedelta of at most 5 minutes")


@dataclass(frozen=True, slots=True)
class PublicClient:
    """A program that keeps no secret: it only says its id (`none`, RFC 7591 §2)."""


ClientAuthentication: TypeAlias = ClientSecret | PrivateKeyJwt | PublicClient


@dataclass(frozen=True, slots=True)
class Proof:
    """What a request carries for its client."""

    headers: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    form: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def prove(authentication: ClientAuthentication, client_id: str, *, issuer: str, now: float) -> Proof:
    """What proves the client to this issuer, once.

    Raises:
        InvalidKeyError: the key may not sign.
    """
    match authentication:
        case ClientSecret(secret=secret, method="client_secret_basic"):
            # RFC 6749 §2.3.1: both are form-encoded first, since an id may hold a colon.
            pair = f"{quote_plus(client_id)}:{quote_plus(secret)}"
            return Proof(headers=(("authorization", f"Basic {b64encode(pair.encode()).decode()}"),))
        case ClientSecret(secret=secret):
            return Proof(form=(("client_id", client_id), ("client_secret", secret)))
        case PrivateKeyJwt():
            return Proof(
                form=(
                    ("client_id", client_id),
                    ("client_assertion_type", ASSERTION_TYPE),
                    ("client_assertion", assertion(authentication, client_id, issuer=issuer, now=now)),
                )
            )
        case PublicClient():
            return Proof(form=(("client_id", client_id),))


def assertion(authentication: PrivateKeyJwt, client_id: str, *, issuer: str, now: float) -> str:
    """A fresh assertion, RFC 7523 §3: for one issuer, for a minute, for one use.

    Raises:
        InvalidKeyError: the key may not sign.
    """
    claims = {
        "iss": client_id,
        "sub": client_id,
        "aud": issuer if authentication.audience is None else authentication.audience,
        "iat": int(now),
        "exp": int(now + authentication.lifetime.total_seconds()),
        "jti": secrets.token_urlsafe(24),
    }
    return jose_claims.encode(claims, authentication.key, typ="JWT")
