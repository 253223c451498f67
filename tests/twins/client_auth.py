"""Permissive twins of the defences of client authentication and of machine grants."""

from datetime import timedelta
from typing import Any

from admit.issuer.clients.records import AuthMethod, Client, Resource
from admit.issuer.oauth.client_auth.presented import Presented
from admit.verifier.keys import KeySchedule


def any_method(client: Client, method: AuthMethod) -> bool:
    """However a client likes."""
    return True


def first_method(presented: Presented) -> list[str]:
    """What is found first counts, and the rest is not looked at."""
    if "client_assertion" in presented.form:
        return ["private_key_jwt"]
    return ["client_secret_post"] if "client_secret" in presented.form else ["client_secret_basic"]


def lists_too(claims: Any) -> None:
    """As RFC 7523 had it: any list with us in it."""


def endpoints_too(client: Client, issuer: str) -> frozenset[str]:
    """As most servers do."""
    return frozenset({issuer, issuer + "/token", issuer + "/revoke"})


def any_end(claims: Any, longest: timedelta, now: float) -> None:
    """As long as the client likes."""


async def spent_nowhere(services: Any, client_id: str, jti: str, *, expires_at: float) -> bool:
    """Nobody remembers."""
    return True


def always(schedule: KeySchedule, kid: str, now: float) -> bool:
    """Each unknown `kid` is worth a fetch."""
    return True


def own_scopes(client: Client, resource: Resource | None) -> frozenset[str]:
    """Whatever the client may ask people for."""
    return client.scopes


def any_client(client: Client) -> None:
    """Public ones too."""


TWINS = {
    "admit.issuer.clients.authentication:may_use": any_method,
    "admit.issuer.oauth.client_auth:used_in": first_method,
    "admit.issuer.oauth.client_auth.private_key_jwt:check_single_audience": lists_too,
    "admit.issuer.oauth.client_auth.private_key_jwt:audiences": endpoints_too,
    "admit.issuer.oauth.client_auth.private_key_jwt:check_near": any_end,
    "admit.issuer.oauth.client_auth.private_key_jwt:spend": spent_nowhere,
    "admit.issuer.clients.keys:may_force": always,
    "admit.issuer.clients.rules:machine_scopes": own_scopes,
    "admit.issuer.oauth.token.client_credentials:check_confidential": any_client,
}
