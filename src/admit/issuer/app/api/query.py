"""The query of an API call: flags by name, and nothing else: a misspelt one must not end less than was meant."""

from collections.abc import Mapping
from urllib.parse import parse_qsl

from admit.issuer.app.call import Call
from admit.issuer.oauth.errors import InvalidRequestError
from admit.issuer.oauth.parameters import refuse_repeated

_VALUES = {"true": True, "false": False}


def flags(call: Call, known: Mapping[str, str] | None = None) -> dict[str, bool]:
    """The value of each known flag, False where it is absent.

    Raises:
        InvalidRequestError: an unknown or repeated one, or another value than `true` and `false`.
    """
    known = known or {}
    if not call.scope.get("query_string"):  # the hot path
        return dict.fromkeys(known, False)
    query = call.query
    refuse_repeated(query)
    told = {name for name, _ in parse_qsl(call.scope.get("query_string", b"").decode("latin-1"), True)}
    # OAuth takes a parameter without a value for an absent one; what ends things does not guess.
    if told != query.keys() or not told <= known.keys() or not set(query.values()) <= _VALUES.keys():
        raise InvalidRequestError(
            "query", public="A query parameter is not known, or neither true nor false."
        )
    return {name: _VALUES[query.get(name, "false")] for name in known}
