"""What an OpenAPI document says of guarded operations: their refusals, and the session cookie. Pure."""

from typing import Any

SESSION_SCHEME = "session"

_BODY = {
    "application/json": {
        "schema": {
            "type": "object",
            "required": ["error", "error_description"],
            "properties": {"error": {"type": "string"}, "error_description": {"type": "string"}},
        }
    }
}
_CHALLENGE = {
    "WWW-Authenticate": {"description": "The challenge, RFC 6750 §3.", "schema": {"type": "string"}}
}
RESPONSES: dict[str, dict[str, Any]] = {
    "401": {
        "description": "No credential, or one that is not (or no longer) good.",
        "headers": _CHALLENGE,
        "content": _BODY,
    },
    "403": {
        "description": "The credential is good, but a scope, role or group is missing.",
        "headers": _CHALLENGE,
        "content": _BODY,
    },
}


def describe(document: dict[str, Any], scheme_name: str, session_cookie: str | None) -> dict[str, Any]:
    """Add to every operation guarded by this scheme what it may answer, and the cookie as another way in.

    Changes the document in place and gives it back; what is there already stays, so doing it twice does nothing.
    """
    guarded = False
    for path in document.get("paths", {}).values():
        for operation in path.values():
            security = operation.get("security", []) if isinstance(operation, dict) else []
            if not any(scheme_name in alternative for alternative in security):
                continue
            guarded = True
            responses = operation.setdefault("responses", {})
            for status, response in RESPONSES.items():
                responses.setdefault(status, response)
            if session_cookie is not None and {SESSION_SCHEME: []} not in security:
                security.append({SESSION_SCHEME: []})
    if guarded and session_cookie is not None:
        schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
        schemes.setdefault(SESSION_SCHEME, {"type": "apiKey", "in": "cookie", "name": session_cookie})
    return document
