"""A password that is to be set, against the rules and the list."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from admit.issuer.accounts.errors import (
    CommonPasswordError,
    ContextPasswordError,
    LongPasswordError,
    PasswordError,
    ShortPasswordError,
)
from admit.issuer.accounts.policy.common import common_passwords
from admit.issuer.accounts.policy.rules import Weakness, weakness
from admit.issuer.accounts.rules import password_bytes

_ERRORS: Final[Mapping[Weakness, type[PasswordError]]] = MappingProxyType(
    {
        Weakness.SHORT: ShortPasswordError,
        Weakness.LONG: LongPasswordError,
        Weakness.COMMON: CommonPasswordError,
        Weakness.CONTEXT: ContextPasswordError,
    }
)


def check_new_password(password: str, *, context: Iterable[str] = ()) -> bytes:
    """The octets of a password that may be set, exactly as it was sent. `context`: words from `context_words`.

    Raises:
        ShortPasswordError, LongPasswordError, CommonPasswordError, ContextPasswordError.
    """
    found = weakness(password, common=common_passwords(), context=context)
    octets = password_bytes(password)
    if found is not None or octets is None:
        raise _ERRORS[found or Weakness.LONG](f"password {(found or Weakness.LONG).value}")
    return octets
