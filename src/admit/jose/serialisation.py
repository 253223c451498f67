"""A JSON serialisation as a whole, RFC 7515 §7.2, RFC 7516 §7.2: read strictly, and written only if it can be read."""

from collections.abc import Mapping
from typing import Any

from admit.errors import MalformedTokenError
from admit.jose import json
from admit.jose.parsing import octets


def read(data: str | bytes | Mapping[str, Any], limit: int) -> dict[str, Any]:
    """Its members; what a program hands over is held to the same rules as what came over a wire.

    Raises:
        MalformedTokenError: no strict JSON object, or more than `limit` octets.
    """
    if isinstance(data, Mapping):
        try:
            raw: bytes | None = json.dumps_object(data)
        except ValueError:
            raise MalformedTokenError("not strict JSON") from None
    else:
        raw = octets(data)
    if raw is None:
        raise MalformedTokenError("not strict JSON")
    return json.loads_object(raw, max_size=limit)


def check(written: Mapping[str, Any], limit: int) -> None:
    """Refuse one that no reader would take: a header that is read by itself is nested deeper in the whole.

    Raises:
        MalformedTokenError: nested too deeply, or more than `limit` octets.
    """
    try:
        size = len(json.dumps_object(written))
    except ValueError:
        raise MalformedTokenError("a header is nested too deeply") from None
    if size > limit:
        raise MalformedTokenError("the serialisation is too large")
