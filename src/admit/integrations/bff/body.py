"""How much of a request's body is read before the backend sees it, and which path it was sent to."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote, urlsplit

from admit.errors import ConfigError
from admit.relying_party import Bff
from admit.relying_party.bff import http
from admit.relying_party.bff.http import Answer

HELD: Final = 65_536
"""Octets of a body that is held, so that it can be sent once more with a new token, and the most that a form has."""
PIECE: Final = 65_536

Headers = Sequence[tuple[bytes, bytes]]


def is_upload(bff: Bff, path: str, headers: Headers, *, framed: bool = True) -> bool:
    """Whether the body goes on to an API unread: it is larger than what is held, or does not say how large it is.

    `framed`: a body without `Content-Length` is `chunked` or none, as HTTP/1.1 has it.
    """
    if not path.startswith(f"{bff.config.mount}/api/"):
        return False
    told = [value for name, value in headers if name == b"content-length"]
    if told:
        return not (told[0].isdigit() and len(told[0]) < 10 and int(told[0]) <= HELD)
    return not framed or any(name == b"transfer-encoding" for name, _ in headers)


def check_no_websockets(bff: Bff) -> None:
    """Raise ConfigError for an API with WebSockets, in a framework that has none."""
    if any(api.websockets for api in bff.config.apis):
        raise ConfigError("Api(websockets=True) needs the application to run in Starlette or FastAPI")


def too_large() -> Answer:
    """413, RFC 9110 §15.5.14."""
    return http.json(413, {"error": "too_large", "error_description": "The request is too large."})


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
