"""One round of asking an issuer what was ended: a head with a fresh nonce, then the lists that changed."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from admit.errors import AdmitError, FetchError
from admit.fetch import Response
from admit.jose import JWKSet
from admit.tokens import status_head, status_list
from admit.tokens.status_head import Head
from admit.verifier import freshness
from admit.verifier.snapshot import Held

Get = Callable[[str, Mapping[str, str]], Response]
_HEAD: Mapping[str, str] = {"accept": "application/admit-status-head+jwt", "cache-control": "no-store"}
_LIST: Mapping[str, str] = {"accept": "application/statuslist+jwt"}


@dataclass(frozen=True, slots=True)
class Round:
    """What one round brought. `proved` says that it made the state fresh; else `trouble` says why not."""

    held: Held
    proved: bool
    trouble: AdmitError | None = None


def new_nonce() -> str:
    """128 random bits, so that no recorded answer fits."""
    return secrets.token_urlsafe(16)


def ask(
    held: Held,
    *,
    issuer: str,
    head_url: str,
    keys: JWKSet,
    get: Get,
    boottime: Callable[[], float],
    again: bool,
) -> Round:
    """Ask once. `again` says that the last round met a list at another version: caches on the way are passed by.

    Nothing is raised: what was learnt before the trouble is kept, since it can only add refusals.
    """
    started = boottime()
    try:
        head = _head(issuer, head_url, keys, get)
    except AdmitError as error:
        return Round(held, False, error)
    held = freshness.take_head(held, head, started)
    received: dict[int, bytes] = {}
    trouble: AdmitError | None = None
    for n, version in freshness.wanted(held, head).items():
        try:
            bitmap = _list(issuer, n, version, keys, get, again=again)
        except AdmitError as error:
            trouble = error
            continue
        if bitmap is not None:
            received[n] = bitmap
    held = freshness.take_lists(held, head, received, started)
    return Round(held, freshness.is_proved(held, head), trouble)


def _head(issuer: str, head_url: str, keys: JWKSet, get: Get) -> Head:
    nonce = new_nonce()
    joiner = "&" if "?" in head_url else "?"
    response = get(f"{head_url}{joiner}nonce={nonce}", _HEAD)
    if response.status != 200:
        raise FetchError("the head was not given")
    return status_head.verify(response.body, keys, issuer=issuer, nonce=nonce)


def _list(issuer: str, n: int, version: str | None, keys: JWKSet, get: Get, *, again: bool) -> bytes | None:
    headers = dict(_LIST)
    if version is not None:
        headers["if-none-match"] = status_list.etag(version)
    if again:
        headers["cache-control"] = "no-cache"
    response = get(status_list.uri(issuer, n), headers)
    if response.status == 304:
        return None
    if response.status != 200:
        raise FetchError("a list was not given")
    return status_list.decode(response.body, keys, issuer=issuer, n=n)
