"""The OpenAPI 3.1 document of the JSON API, made from the route table itself."""

from collections.abc import Iterable, Mapping
from importlib.metadata import version
from types import MappingProxyType
from typing import Any

from admit.issuer.app.api.described import Operation, Told, Who
from admit.issuer.app.api.shapes import SCHEMAS
from admit.issuer.app.dispatch import Route
from admit.issuer.clients.rules import KEYS_SCOPE, SESSIONS_SCOPE

_REFUSALS = {
    "400": "The request is malformed.",
    "401": "No credential, or one that is not valid (any more).",
    "403": "Not allowed: a CSRF token, a scope or the role is missing.",
    "503": "It cannot be told at the moment. Nothing is known to have changed; ask again.",
}

_OF_BODIES = {
    "413": "The body is larger than is read.",
    "415": "The body is not sent as JSON.",
}

_HEADERS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "Admit-Error-Id": {
            "description": "What the operator finds the refusal by: `admit explain`.",
            "required": True,
            "schema": {"type": "string"},
        },
        "WWW-Authenticate": {
            "description": "Which credential is wanted, RFC 6750 §3.",
            "schema": {"type": "string"},
        },
        "Retry-After": {
            "description": "Seconds, where it is known when to ask again.",
            "schema": {"type": "string", "pattern": "^[0-9]+$"},
        },
        "Set-Cookie": {
            "description": "The caller's session cookie is taken back where its session was ended, or given.",
            "schema": {"type": "string"},
        },
    }
)
"""Those that not every answer has."""
_MORE_OF_A_REFUSAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "401": ("WWW-Authenticate",),
        "403": ("WWW-Authenticate",),
        "429": ("Retry-After",),
        "503": ("Retry-After",),
    }
)


def document(routes: Iterable[Route], *, issuer: str, session_cookie: str) -> dict[str, Any]:
    """All methods that are described. `session_cookie` is the cookie's name."""
    paths: dict[str, Any] = {}
    for route in routes:
        if route.told:
            path = route.path.replace("*", f"{{{route.value}}}")
            paths[path] = {method.lower(): operation(route, method) for method in route.handlers}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Admit",
            "version": version("admit"),
            "description": "Sign in; see and end sessions and grants. What was answered as ended stays so.",
        },
        "servers": [{"url": issuer}],
        "paths": paths,
        "components": {
            "headers": {name: dict(header) for name, header in _HEADERS.items()},
            "schemas": {name: dict(schema) for name, schema in SCHEMAS.items()},
            "securitySchemes": {
                "session": {"type": "apiKey", "in": "cookie", "name": session_cookie},
                "csrf": {
                    "type": "apiKey", "in": "header", "name": "X-CSRF-Token",
                    "description": "`csrf_token` of GET /api/session, beside the session cookie.",
                },
                "client": {
                    "type": "http", "scheme": "basic",
                    "description": "The application's id and secret, RFC 6749 §2.3.1; or as members of the body.",
                },
                "token": {
                    "type": "oauth2",
                    "description": "An access token for the issuer alone: ask for it with the issuer as `resource`.",
                    "flows": {
                        "authorizationCode": {
                            "authorizationUrl": f"{issuer}/authorize",
                            "tokenUrl": f"{issuer}/token",
                            "scopes": {
                                SESSIONS_SCOPE: "See and end your sessions and grants",
                                KEYS_SCOPE: "Revoke signing keys, for operators",
                            },
                        }
                    },
                },
            },
        },
    }  # fmt: skip


def operation(route: Route, method: str) -> dict[str, Any]:
    """One method of one path. Raises KeyError for one that nobody described."""
    told = route.told[method]
    parameters: list[dict[str, Any]] = [
        {"name": name, "in": "query", "description": text, "schema": {"type": "boolean", "default": False}}
        for name, text in told.flags.items()
    ]
    if route.value:
        parameters.insert(
            0, {"name": route.value, "in": "path", "required": True, "schema": {"type": "string"}}
        )
    described: dict[str, Any] = {
        "operationId": told.id,
        "summary": told.summary,
        "security": security(told, changes=method != "GET"),
        "responses": responses(told),
    }
    if parameters:
        described["parameters"] = parameters
    if told.fresh is not None:
        described["description"] = told.fresh
    if told.takes is not None:
        described["requestBody"] = {"required": True, **_json(told.takes)}
    return described


def security(told: Operation, *, changes: bool) -> list[dict[str, list[str]]]:
    """Any one of these opens it."""
    if told.who is Who.ANYBODY:
        return []
    if told.who is Who.CLIENT:
        return [{"client": []}, {}]
    by_session: dict[str, list[str]] = {"session": [], "csrf": []} if changes else {"session": []}
    return [by_session] if told.who is Who.SESSION else [by_session, {"token": [told.scope]}]


def responses(told: Operation) -> dict[str, Any]:
    """What may be answered."""
    found: dict[str, Any] = {}
    if told.shape is None:
        found["204"] = {"description": "Done."}
    else:
        found["200"] = {"description": "Done.", **_json(told.shape)}
    if told.signs_out or told.signs_in:
        for answer in found.values():
            answer["headers"] = _headers("Set-Cookie")
    refused: dict[str, str] = {}
    if told.who is not Who.ANYBODY:
        refused |= _REFUSALS
    if told.takes is not None:
        refused |= _OF_BODIES
    if told.missing is not None:
        refused["404"] = told.missing
    shown = {status: Told(text, "Error") for status, text in refused.items()} | dict(told.refusals)
    for status, of in shown.items():
        headers = _headers("Admit-Error-Id", *_MORE_OF_A_REFUSAL.get(status, ()))
        found[status] = {"description": of.text, "headers": headers, **_json(of.shape)}
    return found


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _json(shape: str) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{shape}"} if shape in SCHEMAS else {"type": "object"}
    return {"content": {"application/json": {"schema": schema}}}
