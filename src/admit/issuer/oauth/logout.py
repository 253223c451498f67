"""Who may log out without being asked, OpenID Connect RP-Initiated Logout §2, §3. Pure but for the keys handed in."""

from dataclasses import dataclass
from typing import Final

from admit.errors import TokenError
from admit.issuer.clients import rules
from admit.issuer.clients.driver import Clients
from admit.issuer.clients.records import Client
from admit.issuer.oauth.errors import UntrustedLogoutError
from admit.issuer.oauth.parameters import Parameters
from admit.jose import JWKSet
from admit.jose.waive import Waive
from admit.tokens import identity

SAYS_WHO: Final = "id_token_hint or client_id"
"""What is missing where an address to go back to comes alone: it cannot be any client's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutRequest:
    """A judged request. `session_id` and `subject` come from a good hint; None without one.

    `return_uri` is registered for the client; None where nothing is to be redirected. `proven`: an ID token of ours
    showed which client asks, so that the browser may be sent on there (§3).
    """

    client: Client | None
    session_id: str | None
    subject: str | None
    return_uri: str | None
    state: str | None
    proven: bool = False
    ui_locales: str | None = None


async def judge(
    parameters: Parameters, clients: Clients, keys: JWKSet, *, issuer: str, now: float
) -> LogoutRequest:
    """What the request asks, as far as it can be believed.

    Raises:
        UntrustedLogoutError: an id_token_hint that is no ID token of ours, a client_id that is not its audience, a
            post_logout_redirect_uri that is not registered for the client or comes without one, or repeated
            parameters: a page is shown, nothing is redirected, nobody is logged out (§4).
    """
    if parameters.repeated:
        raise UntrustedLogoutError("repeated parameter")
    text = parameters.get("id_token_hint")
    hint = read_hint(text, keys, issuer=issuer, now=now)
    if not is_readable(text, hint):
        raise UntrustedLogoutError("id_token_hint is none of ours", parameter="id_token_hint")
    client_id = parameters.get("client_id")
    if hint is not None and client_id is not None and client_id != hint.audience:
        raise UntrustedLogoutError("client_id differs from the hint's", parameter="client_id")
    client = await clients.find(hint.audience if hint is not None else client_id, fetch=False)
    return_uri = parameters.get("post_logout_redirect_uri")
    if return_uri is not None and client_id is None and hint is None:
        raise UntrustedLogoutError("nobody said whose way back it is", parameter=SAYS_WHO)
    if return_uri is not None and client is None:
        raise UntrustedLogoutError("no such client to go back to", parameter="client_id")
    if return_uri is not None and (
        client is None or not rules.post_logout_redirect_uri_allowed(client, return_uri)
    ):
        raise UntrustedLogoutError(
            "post_logout_redirect_uri is not registered", parameter="post_logout_redirect_uri"
        )
    return LogoutRequest(
        client=client,
        session_id=hint.session_id if hint is not None else None,
        subject=hint.subject if hint is not None else None,
        return_uri=return_uri,
        state=parameters.get("state"),
        proven=hint is not None,
        ui_locales=parameters.get("ui_locales"),
    )


def is_readable(text: str | None, hint: identity.IdToken | None) -> bool:
    """A hint that was sent is one that says something. What does not verify is not as good as none: the request that
    it came with is refused as a whole.
    """
    return text is None or hint is not None


UNDERSTOOD = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")
"""What is read of a request. `logout_hint` says whom a client means; who is meant is asked of the person, or shown by
the ID token, so that a guess of another's changes nothing.
"""


def understood(parameters: Parameters) -> dict[str, str]:
    """What is kept of a request that comes by POST. Anybody may send one: the rest is left out.

    Raises:
        UntrustedLogoutError: repeated parameters.
    """
    if parameters.repeated:
        raise UntrustedLogoutError("repeated parameter")
    return {name: parameters[name] for name in UNDERSTOOD if name in parameters}


def goes_back(request: LogoutRequest) -> bool:
    """Whether the browser is sent back without a click: to a client that somebody here let in, on an ID token of ours.
    A stranger's client has ID tokens too, which would make of this endpoint a way to anywhere, RFC 9700 §4.11.2.
    """
    return (
        request.return_uri is not None
        and request.proven
        and request.client is not None
        and request.client.trusted
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
