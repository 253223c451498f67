"""Records of refusals that no transaction of a grant writes, and how many of them there may be.

A stranger can be refused as often as he likes. Of what one network sends in one client's name, so many refusals a
minute are told each by itself; after that the first throttled try tells, and the rest is silence.
"""

from datetime import timedelta

from admit.errors import OAuthError, ThrottledError
from admit.issuer.audit import AuditEvent, Outcome, RequestInfo, record
from admit.issuer.clients.records import Client
from admit.issuer.oauth import client_auth
from admit.issuer.oauth.authorize.request import AuthorizeRequest
from admit.issuer.oauth.errors import InvalidClientError
from admit.issuer.oauth.services import Services
from admit.issuer.sessions.records import Session
from admit.issuer.storage import Steps, bound_once
from admit.issuer.throttle import bucket, network, take

WINDOW = timedelta(minutes=1)


def tell(
    event: AuditEvent, client_id: str, reason: str, *, limit: int, info: RequestInfo, now: float
) -> Steps[None]:
    """One record, as long as this network has told fewer than `limit` of this client in this window."""
    name = bucket("refused", client_id, network(info.ip), event.value)
    verdict = yield from take(bucket=name, limit=limit, window=WINDOW, now=now)
    if verdict.allowed:
        yield record(
            event,
            outcome=Outcome.REFUSED,
            info=info,
            now=now,
            client_id=client_id,
            detail={"reason": reason},
        )


async def of_client(
    services: Services, event: AuditEvent, client_id: str, reason: str, *, info: RequestInfo, now: float
) -> None:
    """A registered client, or somebody in its name, was refused: `reason` is a constant of ours."""
    limit = 1 if event is AuditEvent.THROTTLED else services.config.wrong_codes_per_minute
    await services.db.run(tell, event, client_id, reason, limit=limit, info=info, now=now)


async def authenticated(
    services: Services, presented: client_auth.Presented, *, info: RequestInfo, now: float
) -> Client:
    """`client_auth.authenticate`, with a refusal in a registered client's name counted and told.

    Raises:
        InvalidRequestError, InvalidClientError: as that does.
        ThrottledError: too many wrong ones in this client's name from this network.
    """
    try:
        return await client_auth.authenticate(presented, services, now)
    except InvalidClientError as error:
        client = await client_auth.claimed(presented, services.clients)
        if client is not None:
            await count_wrong_secret(services, client.id, info=info, now=now)
            await of_client(services, AuditEvent.CLIENT_REFUSED, client.id, error.code, info=info, now=now)
        raise


async def count_wrong_secret(services: Services, claimed: str, *, info: RequestInfo, now: float) -> None:
    """Counted by the client (or resource) named and by network, and only when it was wrong: whoever has the secret is
    never shut out. What has 256 random bits is not guessed; the bound is against load, and against a weak one.

    Raises:
        ThrottledError: more than `wrong_codes_per_minute`.
    """
    verdict = await services.db.run(
        take,
        bucket=bucket("secret", claimed, network(info.ip)),
        limit=services.config.wrong_codes_per_minute,
        window=WINDOW,
        now=now,
    )
    if not verdict.allowed:
        await of_client(services, AuditEvent.THROTTLED, claimed, "wrong secrets", info=info, now=now)
        raise ThrottledError("wrong secrets", retry_after=verdict.retry_after.total_seconds())


async def of_person(
    services: Services,
    request: AuthorizeRequest,
    session: Session,
    error: OAuthError,
    *,
    info: RequestInfo,
    now: float,
    event: AuditEvent = AuditEvent.AUTHORIZATION_REFUSED,
) -> None:
    """An application asked for a signed-in person, and was refused: without a page, where one would have been needed,
    or with what it had used before.
    """
    bound = record(
        event,
        outcome=Outcome.REFUSED,
        info=info,
        now=now,
        user_id=session.user.id,
        client_id=request.client.id,
        session_id=session.id,
        detail={"reason": error.code},
    )
    await services.db.run(bound_once, bound)
