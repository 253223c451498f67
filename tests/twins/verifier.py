"""Permissive twins of the verifier's and the fetcher's defences."""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from admit.fetch.egress import Target
from admit.jose import JWKSet, base64url
from admit.tokens.status_head import Head
from admit.verifier.hit import Known
from admit.verifier.snapshot import Held, KeyView


def any_addresses(addresses: Iterable[str]) -> list[str]:
    """Whatever a name stands for is dialled."""
    return list(addresses)


def any_url(url: str, allow: frozenset[str] = frozenset()) -> Target:
    """Every URL will do."""
    return Target("https", urlsplit("//x").hostname or "", 443, "/", True)


def nothing(*_: Any, **__: Any) -> None:
    """Checks nothing."""


def everybodys_keys(chosen: Known, known: Mapping[str, Known]) -> KeyView | None:
    """One heap of keys for all issuers."""
    views = [one.source.snapshot.keys for one in known.values()]
    keys = {
        key.kid: key
        for view in views
        if view is not None and isinstance(view.tokens, JWKSet)
        for key in view.tokens
    }
    return KeyView(JWKSet(keys.values()), JWKSet([]), None)


def always_cool(forced_at: float | None, boot: float, cool_down: float = 0.0) -> bool:
    """Each unknown kid fetches."""
    return True


def never_back(held: Held, head: Any) -> bool:
    """Time only goes forward."""
    return False


def only_new_bits(held: bytes | None, received: bytes) -> bytes:
    """The last list wins."""
    return received


def always_complete(head: Any, versions: Mapping[int, str], later: Any) -> bool:
    """Any version will do."""
    return True


def always_clear(self: Any, entry: Any) -> bool:
    """What was good once is good."""
    return True


def always(*_: Any, **__: Any) -> bool:
    """Whatever it is, it will do."""
    return True


def never(*_: Any, **__: Any) -> bool:
    """It is never too late."""
    return False


def unverified_head(token: str, keys: Any, issuer: str, nonce: str) -> Head:
    """Believes what is written."""
    claims = json.loads(base64url.decode(token.split(".")[1].encode()))
    lists = dict(claims.pop("lists"))
    claims.update(issuer=claims.pop("iss"), revoked_kids=frozenset(claims["revoked_kids"]))
    return Head(lists=lists, **claims)


TWINS: dict[str, Callable[..., Any]] = {
    "admit.fetch.egress:check_addresses": any_addresses,
    "admit.fetch.egress:check_url": any_url,
    "admit.fetch.fetcher:check_redirect": nothing,
    "admit.fetch.fetcher:check_size": nothing,
    "admit.verifier.choosing:trusted_keys": everybodys_keys,
    "admit.verifier.freshness:add_bits": only_new_bits,
    "admit.verifier.freshness:agrees": always,
    "admit.verifier.freshness:check_bit": nothing,
    "admit.verifier.freshness:check_current": nothing,
    "admit.verifier.freshness:check_kid": nothing,
    "admit.verifier.freshness:is_back": never_back,
    "admit.verifier.freshness:is_complete": always_complete,
    "admit.verifier.freshness:is_later": always,
    "admit.verifier.freshness:is_reached": always,
    "admit.verifier.freshness:knows_keys": always,
    "admit.verifier.hit:Standing.clears": always_clear,
    "admit.verifier.keys:check_age": nothing,
    "admit.verifier.keys:is_cool": always_cool,
    "admit.verifier.metadata:check_issuer": nothing,
    "admit.verifier.plain:read": nothing,  # the rules are asked
    "admit.verifier.reading:check_unbound": nothing,
    "admit.verifier.sessions:check_answer": nothing,
    "admit.verifier.follower_poll:is_overdue": never,
    "admit.verifier.freshness:is_fresh": always,
    "admit.verifier.metadata:check_origin": nothing,
    "admit.verifier.state:is_same_boot": always,
    "admit.verifier.state:verify_head": unverified_head,
    "admit.verifier.state_file:is_ours": always,
    "admit.verifier.stream:check_budget": nothing,
    "admit.verifier.stream:check_event": nothing,
    "admit.verifier.stream:check_line": nothing,
}
