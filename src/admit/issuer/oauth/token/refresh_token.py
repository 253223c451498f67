"""The refresh token grant, RFC 6749 §6, RFC 9700 §4.14."""

from admit.issuer.accounts.records import User
from admit.issuer.audit.records import AuditEvent, RequestInfo
from admit.issuer.clients import profiles
from admit.issuer.clients.records import Client
from admit.issuer.grants import refresh_token as token_format
from admit.issuer.grants.records import Family, Refusal, Refused
from admit.issuer.oauth import hook, refusals
from admit.issuer.oauth.errors import InvalidGrantError, InvalidScopeError, InvalidTargetError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token import fitting, mint
from admit.issuer.oauth.token.fitting import Asked
from admit.issuer.oauth.token.mint import TokenResponse


async def refresh(
    services: Services, client: Client, form: Parameters, info: RequestInfo, now: float
) -> TokenResponse:
    """New tokens for a refresh token. `scope` may narrow the new access token; the grant keeps its own (RFC 6749 §6).

    Raises:
        InvalidGrantError: ended, expired, reused, forged, or another client's.
        InvalidScopeError: a scope that was not granted.
        InvalidTargetError: another resource than the grant's.
        UnavailableError: an application does not answer, or the tokens would be too large; nothing was rotated.
    """
    token = form.required("refresh_token")
    if "scope" in form or "resource" in form:
        await check_first(services, client, form, token)
    asked = await ask_first(services, client, form, token)
    more = asked.more if asked is not None else hook.NO_MORE

    def now_of(user: User | None) -> User | None:
        """Whose it is. An application is not asked once more: by now a failure would cost the client its grant."""
        return asked.user if asked is not None and services.accounts.is_elsewhere else user

    def fits(family: Family, user: User | None) -> None:
        user = now_of(user)
        if user is not None:
            scope = scope_of(services, client, form, user, family)
            fitting.check(
                services, client=client, user=user, family=family, scope=scope, nonce=None, now=now,
                more=more,
            )  # fmt: skip

    refreshed = await services.families.refresh(
        token,
        client_id=client.id,
        rotates=profiles.rotates(client),
        info=info,
        now=now,
        seen_every=services.sessions.config.seen_every,
        fits=fits,
    )
    if isinstance(refreshed, Refused):
        if refreshed.reason in (Refusal.UNKNOWN, Refusal.FORGED):  # nobody's token: no transaction told it
            await refusals.of_client(
                services, AuditEvent.TOKEN_REFUSED, client.id, refreshed.reason.value, info=info, now=now
            )
        raise InvalidGrantError(refreshed.reason.value)
    family = refreshed.family
    user = now_of(refreshed.user)
    if user is None or user.is_disabled:
        raise InvalidGrantError("the user is gone or disabled")
    scope = scope_of(services, client, form, user, family)
    return mint.mint(
        services,
        client=client,
        user=user,
        family=family,
        scope=scope,
        refresh_token=refreshed.refresh_token,
        nonce=None,
        now=now,
        more=more,
    )


async def check_first(services: Services, client: Client, form: Parameters, token: str) -> None:
    """Refuse a scope or resource that was not granted before anything is rotated, so that a mistake costs no token.

    Of another client's family nothing is told: its token is `invalid_grant`, whatever was asked.
    """
    presented = token_format.parse(token)
    family = await services.families.get(presented.family) if presented is not None else None
    if family is None or family.client_id != client.id:
        return
    narrowed(form.get("scope"), family.scope)
    if form.get("resource", family.audience) != family.audience:
        raise InvalidTargetError("resource differs from the grant's")


async def ask_first(services: Services, client: Client, form: Parameters, token: str) -> Asked | None:
    """What an application has to say, before anything is rotated: while it does not answer, a client that tries again
    would in the end be taken for one that repeats an old token. Whose account is gone there ends by it. None: there is
    nothing to ask.

    Raises:
        UnavailableError: the application does not answer; nothing was done.
    """
    if services.hook is None and not services.accounts.is_elsewhere:
        return None
    presented = token_format.parse(token)
    family = await services.families.get(presented.family) if presented is not None else None
    if family is None or family.client_id != client.id or family.user_id is None:
        return None
    user = await services.accounts.get(family.user_id)
    if user is None or user.is_disabled:
        return Asked(None)
    scope = scope_of(services, client, form, user, family)
    return Asked(user, await hook.more(services, client=client, user=user, family=family, scope=scope))


def scope_of(
    services: Services, client: Client, form: Parameters, user: User, family: Family
) -> frozenset[str]:
    """What is asked, of what may still be had."""
    return narrowed(form.get("scope"), family.scope) & mint.granted_scope(services, client, user, family)


def narrowed(asked: str | None, granted: frozenset[str]) -> frozenset[str]:
    """RFC 6749 §6: at most what was granted; all of it where nothing is asked.

    An `offline_access` that was dropped is passed over: clients in the field repeat what they first asked. One that
    was granted is told again, since some take a shorter `scope` than they asked for as a fault.

    Raises:
        InvalidScopeError: a scope that was not granted.
    """
    if asked is None:
        return granted
    wanted = frozenset(asked.split(" "))
    if not wanted - {"offline_access"} <= granted:
        raise InvalidScopeError("wider than the grant")
    return wanted & granted
