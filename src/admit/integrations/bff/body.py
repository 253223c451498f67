"""How much of a request's body is read before it is refused, and which path it was sent to."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from admit.relying_party import Bff
from admit.relying_party.bff import http
from admit.relying_party.bff.http import Answer


def limit(bff: Bff) -> int:
    """Octets: the most that any API of the application takes, and what a form needs."""
    return max([32_768, *(api.max_bytes for api in bff.config.apis)])


def too_large() -> Answer:
    """413, RFC 9110 §15.5.14."""
    return http.json(413, {"error": "invalid_request", "error_description": "The request is too large."})


def sent_path(environ: Mapping[str, Any], scope: Mapping[str, Any] | None = None) -> str:
    """The path with its escapes. WSGI hands over an unescaped one; servers tell the other under names of their own."""
    if scope is not None and scope.get("raw_path"):
        raw: bytes = scope["raw_path"]
        return raw.partition(b"?")[0].decode("latin-1")
    for name in ("RAW_URI", "REQUEST_URI"):
        sent = environ.get(name)
        if isinstance(sent, str) and sent:
            return urlsplit(sent).path if "://" in sent.partition("?")[0] else sent.partition("?")[0]
    path: str = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    return quote(path.encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~-._")
