"""The authorization code grant, RFC 6749 §4.1.3, RFC 7636 §4.5, §4.6."""

from datetime import timedelta

from admit.errors import ThrottledError
from admit.issuer.accounts.records import User
from admit.issuer.audit.records import AuditEvent, RequestInfo
from admit.issuer.clients.records import Client
from admit.issuer.grants.records import Authorization, Family, PresentedCode, Refusal, Refused
from admit.issuer.oauth import hook, refusals
from admit.issuer.oauth.errors import InvalidGrantError
from admit.issuer.oauth.parameters import Parameters
from admit.issuer.oauth.services import Services
from admit.issuer.oauth.token import fitting, mint
from admit.issuer.oauth.token.fitting import Asked
from admit.issuer.oauth.token.mint import TokenResponse
from admit.issuer.throttle import bucket, network, take

WINDOW = timedelta(minutes=1)


async def redeem(
    services: Services, client: Client, form: Parameters, info: RequestInfo, now: float
) -> TokenResponse:
    """Tokens for a code.

    Raises:
        InvalidGrantError: unknown, expired, spent, another client's or redirect URI's, or a wrong `code_verifier`.
        ThrottledError: the client has sent too many wrong codes from this network.
        UnavailableError: an application does not answer, or the tokens would be too large; the code is good still.
    """
    code = form.required("code")
    presented = PresentedCode(
        client_id=client.id,
        redirect_uri=form.get("redirect_uri"),
        code_verifier=form.get("code_verifier"),
    )
    asked = await ask_first(services, client, code, presented, now)
    more = asked.more if asked is not None else hook.NO_MORE

    def now_of(user: User | None) -> User | None:
        """Whose it is. An application is not asked once more: the code is spent by then."""
        return asked.user if asked is not None and services.accounts.is_elsewhere else user

    def fits(authorization: Authorization, family: Family, user: User | None) -> None:
        user = now_of(user)
        if user is not None:
            scope = mint.granted_scope(services, client, user, family)
            fitting.check(
                services, client=client, user=user, family=family, scope=scope, nonce=authorization.nonce,
                now=now, more=more,
            )  # fmt: skip

    redeemed = await services.codes.redeem(
        code,
        presented,
        refresh="refresh_token" in client.grant_types,
        tell_end=client.backchannel_logout_uri is not None,
        info=info,
        now=now,
        fits=fits,
    )
    if isinstance(redeemed, Refused):
        if redeemed.reason is Refusal.UNKNOWN:
            # A guess: counted and told here. What was a code of ours is burnt or spent, so nobody has many of them,
            # and was told in the transaction that knew it.
            await count_wrong_code(services, client, info, now)
            await refusals.of_client(
                services, AuditEvent.TOKEN_REFUSED, client.id, redeemed.reason.value, info=info, now=now
            )
        raise InvalidGrantError(redeemed.reason.value)
    user = now_of(redeemed.user)
    if user is None or user.is_disabled:
        raise InvalidGrantError("the user is gone or disabled")
    return mint.mint(
        services,
        client=client,
        user=user,
        family=redeemed.family,
        scope=mint.granted_scope(services, client, user, redeemed.family),
        more=more,
        refresh_token=redeemed.refresh_token,
        nonce=redeemed.authorization.nonce,
        code=code,
        now=now,
    )


async def ask_first(
    services: Services, client: Client, code: str, presented: PresentedCode, now: float
) -> Asked | None:
    """What an application has to say, before the code is spent: who tries again while it does not answer would end the
    grant of the first try. None: there is nothing to ask, or the code is worth nothing.

    Raises:
        UnavailableError: the application does not answer, or says too much; nothing was done.
    """
    if services.hook is None and not services.accounts.is_elsewhere:
        return None
    opened = await services.codes.would_open(code, presented, now=now)
    if opened is None:
        return None
    authorization, family = opened
    user = await services.accounts.get(authorization.user_id)
    if user is None or user.is_disabled:
        return Asked(None)
    scope = mint.granted_scope(services, client, user, family)
    more = await hook.more(services, client=client, user=user, family=family, scope=scope)
    fitting.check(
        services, client=client, user=user, family=family, scope=scope, nonce=authorization.nonce, now=now,
        more=more,
    )  # fmt: skip
    return Asked(user, more)


async def count_wrong_code(services: Services, client: Client, info: RequestInfo, now: float) -> None:
    """Counted by client and network, so that nobody can spend another's budget. Codes are 256 random bits: the bound
    is against load, not against a hit.
    """
    verdict = await services.db.run(
        take,
        bucket=bucket("code", client.id, network(info.ip)),
        limit=services.config.wrong_codes_per_minute,
        window=WINDOW,
        now=now,
    )
    if not verdict.allowed:
        await refusals.of_client(services, AuditEvent.THROTTLED, client.id, "wrong codes", info=info, now=now)
        raise ThrottledError("wrong codes", retry_after=verdict.retry_after.total_seconds())
