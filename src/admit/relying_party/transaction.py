"""One sign-in under way: what was sent, kept until the answer comes back to the same browser. Pure."""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlencode

import msgspec

from admit.client import ServerMetadata
from admit.errors import ConfigError
from admit.jose import base64url
from admit.relying_party.provider import Provider

LIFETIME: Final = 600.0
"""Seconds that a person has for signing in elsewhere."""
MAX_RETURN: Final = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """What the callback needs to know. `max_age` is in seconds."""

    provider: str
    issuer: str
    client_id: str
    redirect_uri: str
    state: str = field(repr=False)
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    form_post: bool
    return_to: str
    started_at: float
    max_age: float | None = None
    acr_values: tuple[str, ...] = ()


def begin(provider: Provider, *, redirect_uri: str, return_to: str, now: float) -> Transaction:
    """A new transaction, with `state`, `nonce` and `code_verifier` of its own, RFC 9700 §2.1.1."""
    return Transaction(
        provider=provider.name,
        issuer=provider.issuer,
        client_id=provider.client.client_id,
        redirect_uri=redirect_uri,
        state=secrets.token_urlsafe(32),
        nonce=secrets.token_urlsafe(32),
        code_verifier=secrets.token_urlsafe(48),
        form_post=provider.response_mode == "form_post",
        return_to=local_path(return_to),
        started_at=now,
        max_age=None if provider.max_age is None else provider.max_age.total_seconds(),
        acr_values=tuple(provider.acr_values),
    )


def authorization_url(provider: Provider, metadata: ServerMetadata, transaction: Transaction) -> str:
    """Where the browser is sent, OpenID Connect Core §3.1.2.1 and RFC 7636 §4.3.

    Raises:
        ConfigError: the provider has no authorization endpoint.
    """
    endpoint = metadata.authorization_endpoint
    if endpoint is None:
        raise ConfigError("the provider's metadata names no authorization_endpoint")
    parameters = {
        "response_type": "code",
        "client_id": provider.client.client_id,
        "redirect_uri": transaction.redirect_uri,
        "scope": " ".join(provider.scopes),
        "state": transaction.state,
        "nonce": transaction.nonce,
        "code_challenge": challenge(transaction.code_verifier),
        "code_challenge_method": "S256",
        **provider.parameters,
    }
    if transaction.form_post:
        parameters["response_mode"] = "form_post"
    if transaction.max_age is not None:
        parameters["max_age"] = str(int(transaction.max_age))
    if transaction.acr_values:
        parameters["acr_values"] = " ".join(transaction.acr_values)
    return f"{endpoint}{'&' if '?' in endpoint else '?'}{urlencode(parameters)}"


def challenge(code_verifier: str) -> str:
    """The S256 challenge, RFC 7636 §4.2."""
    return base64url.encode(hashlib.sha256(code_verifier.encode("ascii")).digest()).decode("ascii")


def local_path(text: str) -> str:
    """A path of this very origin to go back to; `/` for anything else, so that no stranger chooses where people land.

    Browsers read a backslash as a slash, drop tabs and line breaks, and take two slashes for another host.
    """
    plain = text.isascii() and text.isprintable() and len(text) <= MAX_RETURN
    if not plain or not text.startswith("/") or text.startswith("//") or "\\" in text or " " in text:
        return "/"
    return text


def dump(transaction: Transaction) -> bytes:
    """As octets, to be sealed."""
    return msgspec.json.encode(transaction)


def load(octets: bytes) -> Transaction:
    """The transaction that `dump` wrote."""
    return msgspec.json.decode(octets, type=Transaction)
