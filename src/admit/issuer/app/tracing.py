"""The caller's trace, W3C Trace Context level 1 §3.2: taken in its strict form, and only written down."""

import re
from collections.abc import Iterable
from typing import Final

_TRACEPARENT: Final = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


def trace_id(headers: Iterable[tuple[bytes, bytes]]) -> str | None:
    """The trace that a call says it belongs to; None for none, two of them, or another form.

    It goes into logs beside the issuer's own id and decides nothing: any stranger may send one.
    """
    found = [value for name, value in headers if name == b"traceparent"]
    match = _TRACEPARENT.fullmatch(found[0]) if len(found) == 1 else None
    if match is None or match[1] == b"0" * 32 or match[2] == b"0" * 16:
        return None
    return match[1].decode("ascii")
