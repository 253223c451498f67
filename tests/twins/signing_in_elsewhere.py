"""Twins of the defences of `admit.client` and `admit.relying_party`."""

from typing import Any

from admit.relying_party.bff.signing_out import end_told as signing_out_end
from admit.tokens.identity import IdToken
from admit.tokens.logout import LogoutToken


def _nothing_to_refuse(*args: Any, **kwargs: Any) -> None:
    """Whatever it is."""


def _any_browser(raw: bytes | None) -> bytes:
    return bytes(32)


def _again_and_again(
    self: Any, state: bytes, browser: bytes, now: float
) -> tuple[bytes, bytes | None] | None:
    found = self._transactions.get(state)
    return None if found is None or found.browser != browser else (found.sealed, None)


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


TWINS: dict[str, Any] = {
    "admit.client.server:check_issuer": _nothing_to_refuse,
    "admit.client.source:TokenSource.check_url": _nothing_to_refuse,
    "admit.relying_party.answer:check_iss": _nothing_to_refuse,
    "admit.relying_party.answer:check_no_tokens": _nothing_to_refuse,
    "admit.relying_party.answer:check_transaction": _nothing_to_refuse,
    "admit.relying_party.bff.forwarding:check_provider": _nothing_to_refuse,
    "admit.relying_party.bff.sessions:Sessions._not_kept": _left_alone,
    "admit.relying_party.bff.sessions:is_of": _always,
    "admit.relying_party.bff.signing_in:bound_to": _any_browser,
    "admit.relying_party.bff.signing_out:check_page": _nothing_to_refuse,
    "admit.relying_party.bff.signing_out:end_told": _spent_before,
    "admit.relying_party.identity:check_subject": _nothing_to_refuse,
    "admit.relying_party.store.memory:MemorySessionStore.spend": _again_and_again,
    "admit.relying_party.store.memory:is_over": _never,
    "admit.tokens.identity:verify": _anybodys_word,
}
