"""Who may log out without being asked, OpenID Connect RP-Initiated Logout §2, §3. Pure but for the keys handed in."""

from dataclasses import dataclass

from admit.errors import TokenError
from admit.issuer.clients import rules
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.oauth.errors import UntrustedTargetError
from admit.issuer.oauth.parameters import Parameters
from admit.jose import JWKSet
from admit.jose.waive import Waive
from admit.tokens import identity


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """A judged request. `session_id` and `subject` come from a good hint; None without one.

    `return_uri` is registered for the client, with `state` added; None where nothing is to be redirected.
    """

    client: Client | None
    session_id: str | None
    subject: str | None
    return_uri: str | None
    state: str | None


async def judge(
    parameters: Parameters, clients: Clients, keys: JWKSet, *, issuer: str, now: float
) -> LogoutRequest:
    """What the request asks, as far as it can be believed.

    Raises:
        UntrustedTargetError: a post_logout_redirect_uri that is not registered for a proven client, or repeated
            parameters: a page is shown, nothing is redirected.
    """
    if parameters.repeated:
        raise UntrustedTargetError("repeated parameter")
    hint = read_hint(parameters.get("id_token_hint"), keys, issuer=issuer, now=now)
    client_id = parameters.get("client_id")
    if hint is not None and client_id is not None and client_id != hint.audience:
        raise UntrustedTargetError("client_id differs from the hint's")
    client = await clients.find(hint.audience if hint is not None else client_id)
    return_uri = parameters.get("post_logout_redirect_uri")
    if return_uri is not None and (
        client is None or not rules.post_logout_redirect_uri_allowed(client, return_uri)
    ):
        raise UntrustedTargetError("post_logout_redirect_uri is not registered")
    return LogoutRequest(
        client=client,
        session_id=hint.session_id if hint is not None else None,
        subject=hint.subject if hint is not None else None,
        return_uri=return_uri,
        state=parameters.get("state"),
    )


def read_hint(hint: str | None, keys: JWKSet, *, issuer: str, now: float) -> identity.IdToken | None:
    """An ID token of ours, expired or not; None where there is none or it is not ours."""
    if hint is None:
        return None
    try:
        return identity.verify_hint(
            hint, keys, issuer=issuer, audience=Waive.AUDIENCE, now=now, expired_ok=Waive.EXPIRY
        )
    except TokenError:
        return None


def needs_confirmation(request: LogoutRequest, session_id: str, subject: str) -> bool:
    """Only an ID token of this very session (or of its user, where it names no session) speaks for the person:
    a foreign page must not be able to log anybody out.
    """
    if request.session_id is not None:
        return request.session_id != session_id or request.subject != subject
    return request.subject is None or request.subject != subject
