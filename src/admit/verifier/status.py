"""One round of asking an issuer what was ended: a head with a fresh nonce, then the lists that changed."""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from admit.errors import AdmitError, FetchError
from admit.fetch import Response
from admit.jose import JWKSet
from admit.tokens import status_head, status_list
from admit.tokens.status_head import Head
from admit.verifier import freshness
from admit.verifier.counters import Following
from admit.verifier.holding import Holding

Get = Callable[[str, Mapping[str, str]], Response]
_HEAD: Mapping[str, str] = {}
"""Nothing beside the question: each verifier asks every few seconds. There is one form of answer, whose own headers
keep it out of caches, and no cache could have the answer to a nonce."""
_LIST: Mapping[str, str] = {"accept": "application/statuslist+jwt"}


@dataclass(frozen=True, slots=True)
class Proof:
    """A head as it was signed, in answer to which question, and the boot time at which that began.

    `later` are the lists that were held at a later version than it names when it proved what was held; then `second` is
    the head, asked for after them, that had reached the place that they were signed at.
    """

    token: bytes
    nonce: str
    started: float
    head: Head
    later: frozenset[int] = freshness.NONE_LATER
    second: "Proof | None" = None

    @property
    def reached(self) -> tuple[int, int]:
        """The greatest place that was seen when this proved what was held."""
        return (self.second or self).head.place


@dataclass(frozen=True, slots=True)
class Round:
    """What one round brought. `proof` is there when it made the state fresh; else `trouble` may say why not."""

    proof: Proof | None = None
    trouble: AdmitError | None = None


def new_nonce() -> str:
    """128 random bits, so that no recorded answer fits."""
    return secrets.token_urlsafe(16)


def ask(
    holding: Holding,
    *,
    issuer: str,
    head_url: str,
    keys: JWKSet,
    get: Get,
    boottime: Callable[[], float],
    again: bool,
    counters: Following,
) -> Round:
    """Ask once. `again` says that the last round met a list at another version: caches on the way are passed by.

    Nothing is raised: what was learnt before the trouble is kept, since it can only add refusals. What a stream adds
    meanwhile is kept too, since each answer is merged onto what is held when it has come.
    """
    try:
        proof = _ask_head(issuer, head_url, keys, get, boottime)
    except AdmitError as error:
        return Round(trouble=error)
    head, started = proof.head, proof.started
    held = holding.change_held(lambda held: freshness.take_head(held, head, started))
    received = dict(freshness.delivered(held, head))
    counters.lists_spared += len(received)
    later: set[int] = set()
    reached: tuple[int, int] | None = None
    trouble: AdmitError | None = None
    for n, version in freshness.wanted(held, head).items():
        if n in received:
            continue
        try:
            found = _list(issuer, n, version, keys, get, again=again)
        except AdmitError as error:
            trouble = error
            continue
        if found is not None:
            counters.lists_fetched += 1
            received[n] = found.bitmap
            if found.place is not None:
                reached = max(reached or found.place, found.place)
            if freshness.is_later(found.place, head):
                later.add(n)
    known = frozenset(later)
    held = holding.change_held(
        lambda held: freshness.take_lists(held, head, received, started, known, reached)
    )
    proof = replace(proof, later=known)
    if freshness.is_proved(held, head, known):
        return Round(proof)
    if not freshness.needs_confirming(held, head, known):
        return Round(trouble=trouble)
    try:
        second = _ask_head(issuer, head_url, keys, get, boottime)
    except AdmitError as error:
        return Round(trouble=error)
    holding.change_held(lambda held: freshness.take_head(held, second.head, second.started))
    held = holding.change_held(lambda held: freshness.confirm(held, head, second.head, started, known))
    return Round(
        replace(proof, second=second) if freshness.is_confirmed(held, head, second.head, known) else None
    )


def _ask_head(issuer: str, head_url: str, keys: JWKSet, get: Get, boottime: Callable[[], float]) -> Proof:
    nonce = new_nonce()
    joiner = "&" if "?" in head_url else "?"
    started = boottime()
    response = get(f"{head_url}{joiner}nonce={nonce}", _HEAD)
    if response.status != 200:
        raise FetchError("the head was not given")
    head = status_head.verify(response.body, keys, issuer=issuer, nonce=nonce)
    return Proof(response.body, nonce, started, head)


def _list(
    issuer: str, n: int, version: str | None, keys: JWKSet, get: Get, *, again: bool
) -> status_list.Published | None:
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
    return status_list.read(response.body, keys, issuer=issuer, n=n)
