"""The provider's answer as the browser brings it: which parameters it may have, and whose it is. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from admit.client.errors import registered
from admit.relying_party.errors import (
    MixedUpError,
    PlantedTokenError,
    ProviderRefusedError,
    SignInError,
    TransactionError,
)
from admit.relying_party.provider import Provider
from admit.relying_party.transaction import LIFETIME, Transaction

MAX_ANSWER: Final = 16_384
MAX_FIELDS: Final = 32
TOKENS: Final = frozenset({"access_token", "id_token", "refresh_token", "token_type"})
_ONCE: Final = frozenset({"code", "state", "iss", "error"})


@dataclass(frozen=True, slots=True)
class Answer:
    """The parameters of one answer. Nothing of it is proven."""

    parameters: Mapping[str, str] = field(repr=False)

    @property
    def state(self) -> str | None:
        return self.parameters.get("state")


def read(text: str) -> Answer:
    """The parameters of a query or of a form.

    Raises:
        PlantedTokenError: a token is among them.
        SignInError: too much of it, or something doubled that stands once.
    """
    if len(text) > MAX_ANSWER:
        raise SignInError("the answer is too large")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except ValueError:
        raise SignInError("the answer has too many parameters") from None
    check_no_tokens({name for name, _ in pairs})
    for name in _ONCE:
        if sum(found == name for found, _ in pairs) > 1:
            raise SignInError(f"{name} is there twice")
    return Answer(dict(pairs))


def check_no_tokens(names: set[str]) -> None:
    """Tokens are taken from the token endpoint only; one in the answer was planted, RFC 9700 §2.1.2.

    Raises:
        PlantedTokenError: there is one.
    """
    if not TOKENS.isdisjoint(names):
        raise PlantedTokenError("a token stands in the answer")


def check_transaction(transaction: Transaction, provider: Provider, *, posted: bool, now: float) -> None:
    """The answer came to the redirect URI of the provider that was asked, as it was asked for, and in time.

    Raises:
        MixedUpError: it came to another provider's redirect URI, RFC 9700 §4.4.2.2, or to one who has the name now.
        TransactionError: it came in another way, or too late.
    """
    if transaction.provider != provider.name:
        raise MixedUpError("the answer came to another provider's redirect URI")
    if (transaction.issuer, transaction.client_id) != (provider.issuer, provider.client.client_id):
        raise MixedUpError("the provider's name is another's now")
    if transaction.form_post is not posted:
        raise TransactionError("the answer came in another response_mode")
    if not 0 <= now - transaction.started_at < LIFETIME:
        raise TransactionError("the sign-in took too long")


def check_iss(answer: Answer, issuer: str, *, required: bool) -> None:
    """`iss` is the provider that was asked, and is there where it names itself, RFC 9207 §2.4; for errors as well.

    Raises:
        MixedUpError: it is another, or missing.
    """
    found = answer.parameters.get("iss")
    if found is None:
        if required:
            raise MixedUpError("iss is missing")
    elif found != issuer:
        raise MixedUpError("iss is another issuer")


def code(answer: Answer) -> str:
    """The code.

    Raises:
        ProviderRefusedError: there is an error instead.
        SignInError: there is neither.
    """
    if "error" in answer.parameters:
        raise ProviderRefusedError(error=registered(answer.parameters["error"]))
    found = answer.parameters.get("code")
    if not found:
        raise SignInError("the answer has no code")
    return found
