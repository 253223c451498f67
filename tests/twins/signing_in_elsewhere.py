"""Twins of the defences of `admit.client` and `admit.relying_party`."""

from collections.abc import Iterable, Sequence
from typing import Any

from admit.relying_party.bff.signing_out import end_told as signing_out_end
from admit.relying_party.bff.under_way import added as real_added
from admit.relying_party.bff.under_way import kept as real_kept
from admit.tokens.identity import IdToken
from admit.tokens.logout import LogoutToken


def _nothing_to_refuse(*args: Any, **kwargs: Any) -> None:
    """Whatever it is."""


_OF_ALL: list[str] = []


def _kept_for_all(before: Sequence[str], sealed: str) -> str:
    _OF_ALL.append(sealed)
    return real_added(before, sealed)


def _of_any_browser(values: Iterable[bytes], name: str) -> list[str]:
    return [*_OF_ALL, *real_kept(values, name)]


def _anybodys_word(token: Any, key: Any, *, issuer: str, audience: str, now: float, **rest: Any) -> IdToken:
    return IdToken(issuer=issuer, subject="ada", audience=audience, iat=now, exp=now + 300)


def _never(*args: Any, **kwargs: Any) -> bool:
    return False


def _always(*args: Any, **kwargs: Any) -> bool:
    return True


def _left_alone(*args: Any, **kwargs: Any) -> Any:
    yield from ()


def _spent_before(store: Any, told: LogoutToken, now: float) -> Any:
    if store.spend_once(told.jti.encode(), now, now + 300):
        yield from signing_out_end(store, told, now)


def _still_there(*args: Any, **kwargs: Any) -> Any:
    yield from ()
    return True


def _first_length(request: Any) -> int | None:
    told = request.all(b"content-length")
    return int(told[0]) if told and told[0].isdigit() else None


TWINS: dict[str, Any] = {
    "admit.client.server:check_issuer": _nothing_to_refuse,
    "admit.client.source:TokenSource.check_url": _nothing_to_refuse,
    "admit.client.tokens:check_narrow": _nothing_to_refuse,
    "admit.relying_party.answer:check_iss": _nothing_to_refuse,
    "admit.relying_party.answer:check_no_tokens": _nothing_to_refuse,
    "admit.relying_party.answer:check_transaction": _nothing_to_refuse,
    "admit.relying_party.bff.forwarding:check_page": _nothing_to_refuse,
    "admit.relying_party.bff.forwarding:check_provider": _nothing_to_refuse,
    "admit.relying_party.bff.proxy:check_path": _nothing_to_refuse,
    "admit.relying_party.bff.proxy:length": _first_length,
    "admit.relying_party.bff.sessions:Sessions.lives": _still_there,
    "admit.relying_party.bff.sessions:Sessions._not_kept": _left_alone,
    "admit.relying_party.bff.sessions:is_of": _always,
    "admit.relying_party.bff.sessions:is_young": _always,
    "admit.relying_party.bff.under_way:added": _kept_for_all,
    "admit.relying_party.bff.under_way:kept": _of_any_browser,
    "admit.relying_party.bff.signing_out:check_page": _nothing_to_refuse,
    "admit.relying_party.bff.signing_out:end_told": _spent_before,
    "admit.relying_party.identity:check_code": _nothing_to_refuse,
    "admit.relying_party.identity:check_subject": _nothing_to_refuse,
    "admit.relying_party.store.memory:MemorySessionStore.spend_once": _always,
    "admit.relying_party.store.memory:is_over": _never,
    "admit.tokens.identity:verify": _anybodys_word,
}
