"""On what is over: a session after signing out, tokens after they were revoked. Last, since it takes its time."""

import time
from typing import Final

from scripts.attack.outcome import NotTriedError, Outcome, accepted, attack, refused
from scripts.attack.visitor import Visitor
from scripts.attack.world import World

BOUND: Final = 31.0
"""Seconds after which an API must refuse what was revoked, unless its settings say otherwise."""


def _sign_out(world: World, visitor: Visitor) -> None:
    sent = [("Origin", world.origin), ("X-CSRF-Token", world.csrf_of(visitor))]
    answer = visitor("DELETE", "/api/session", sent)
    if not answer.ok:
        raise NotTriedError(f"signing out did not work ({answer.said})")


def _until_refused(world: World, token: str) -> Outcome:
    """How long the API goes on taking this token."""
    began = time.monotonic()
    while (took := time.monotonic() - began) < BOUND:
        answer = world.call(token)
        if answer.status == 401:
            return refused(f"{answer.said} after {took:.1f} s")
        time.sleep(0.1)
    return accepted(f"still taken after {took:.0f} s")


@attack("SES-5", "the cookie and the refresh token from before signing out")
def after_sign_out(world: World) -> Outcome:
    visitor = world.person()
    tokens = world.grant(visitor)
    kept = Visitor(world.wire, dict(visitor.cookies))
    _sign_out(world, visitor)
    if world.is_in(kept):
        return accepted("the cookie still signs in")
    if world.refresh(tokens.get("refresh_token", "")).ok:
        return accepted("the refresh token still works")
    return refused("both are void at once")


@attack("SES-6", "the access token from before signing out, at the API")
def token_after_sign_out(world: World) -> Outcome:
    visitor = world.person()
    token = world.grant(visitor)["access_token"]
    if world.call(token).status != 200:
        raise NotTriedError("the API does not take an honest token")
    _sign_out(world, visitor)
    return _until_refused(world, token)


@attack("O-3", "a token after its grant was revoked, at the API and at the token endpoint")
def after_revocation(world: World) -> Outcome:
    tokens = world.grant(world.person())
    if world.call(tokens["access_token"]).status != 200:
        raise NotTriedError("the API does not take an honest token")
    body = f"client_id={world.given.client_id}&token={tokens.get('refresh_token', '')}".encode()
    form = [("Content-Type", "application/x-www-form-urlencoded")]
    world.wire.send("POST", f"{world.wire.base}/revoke", form, body)
    if world.refresh(tokens.get("refresh_token", "")).ok:
        return accepted("the refresh token still works")
    return _until_refused(world, tokens["access_token"])
