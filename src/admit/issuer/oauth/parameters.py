"""Query strings and form bodies as OAuth reads them: strictly, once, and bounded.

RFC 6749 §3.1, §3.2: a parameter must not occur twice; one without a value counts as absent. Decoding is strict UTF-8;
control characters are refused, since no OAuth parameter has a use for them and logs and headers suffer from them.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote_plus, urlencode

from admit.issuer.oauth.errors import InvalidRequestError, InvalidTargetError

MAX_BODY = 65_536
MAX_PARAMETERS = 100
MAX_VALUE = 8_192
MAX_QUERY = 8_000


class Parameters(Mapping[str, str]):
    """Decoded parameters. `repeated` names those that occurred more than once; they have no value here."""

    __slots__ = ("_values", "repeated")

    def __init__(self, values: Mapping[str, str], repeated: Iterable[str] = ()) -> None:
        self._values = MappingProxyType(dict(values))
        self.repeated = frozenset(repeated)

    def __getitem__(self, name: str) -> str:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        """Names only: values may be secrets."""
        return f"Parameters({sorted(self._values)})"

    def required(self, name: str) -> str:
        """The value of `name`, or `invalid_request` naming the parameter (a constant of ours, not input)."""
        value = self._values.get(name)
        if value is None:
            raise InvalidRequestError(f"{name} is missing", public=f"The parameter {name} is missing.")
        return value


def parse(encoded: bytes, *, exact: frozenset[str] = frozenset()) -> Parameters:
    """Decode `application/x-www-form-urlencoded` octets. The parameters in `exact` may hold any character.

    Raises:
        InvalidRequestError: over 64 KiB, too many parameters, a value over 8,192 characters, invalid UTF-8, or control
            characters.
    """
    if len(encoded) > MAX_BODY:  # a query comes in whole, and looking through it costs
        raise InvalidRequestError("parameters are too long")
    try:
        pairs = list(_pairs(encoded.decode("ascii")))
    except ValueError as error:  # UnicodeDecodeError is one too
        raise InvalidRequestError("parameters do not decode") from error
    values: dict[str, str] = {}
    repeated: set[str] = set()
    for name, value in pairs:
        odd = _has_control(name) or (name not in exact and _has_control(value))
        if odd or len(value) > MAX_VALUE or len(name) > 200:
            raise InvalidRequestError("a parameter is too long or has control characters")
        if name in values or name in repeated:
            repeated.add(name)
            values.pop(name, None)
        else:
            values[name] = value
    return Parameters({name: value for name, value in values.items() if value}, repeated)


# A hot path: most of what is sent needs no decoding, which for each name and value is most of the work.
def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """As `urllib.parse.parse_qsl` with blank values. Raises ValueError where something does not decode as UTF-8."""
    if text.count("&") >= MAX_PARAMETERS:
        raise ValueError("too many parameters")
    for pair in text.split("&"):
        if not pair:
            continue
        name, _, value = pair.partition("=")
        if "%" in pair or "+" in pair:
            name, value = unquote_plus(name, errors="strict"), unquote_plus(value, errors="strict")
        yield name, value


def refuse_repeated(parameters: Parameters) -> None:
    """RFC 6749 §3.1, §3.2: request parameters must not be included more than once. Two resources are RFC 8707's own
    error.
    """
    if parameters.repeated == {"resource"}:
        raise InvalidTargetError("two resources")
    if parameters.repeated:
        raise InvalidRequestError("repeated parameter", public="A parameter occurs more than once.")


def as_query(parameters: Parameters) -> str:
    """The parameters as a query string. One that was repeated is so there too, without its values.

    Raises:
        InvalidRequestError: longer than a URL can be relied on to carry.
    """
    repeated = [(name, "") for name in sorted(parameters.repeated) for _ in range(2)]
    query = urlencode([*parameters.items(), *repeated])
    if len(query) > MAX_QUERY:
        raise InvalidRequestError("too long for a query")
    return query


_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


def _has_control(text: str) -> bool:
    return _CONTROL.search(text) is not None
