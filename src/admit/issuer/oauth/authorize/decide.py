"""What happens next with a permitted authorization request. Pure: the request, who is signed in, and the time.

OpenID Connect Core §3.1.2.3, §3.1.2.4; RFC 6749 §4.1.1; RFC 9700 §2.3.
"""

from dataclasses import dataclass

from admit.errors import OAuthError
from admit.issuer.clients.records import ACR_1FA
from admit.issuer.factors.assurance import suffices
from admit.issuer.oauth.authorize.request import AuthorizeRequest, Prompt
from admit.issuer.oauth.errors import ConsentRequiredError, LoginRequiredError


@dataclass(frozen=True, slots=True)
class Login:
    """Somebody has to sign in first, or again."""


@dataclass(frozen=True, slots=True)
class Consent:
    """The person signed in has to say yes."""


@dataclass(frozen=True, slots=True)
class Issue:
    """A code may be issued."""


@dataclass(frozen=True, slots=True)
class Refuse:
    """The client gets an error."""

    error: OAuthError


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The facts about the browser's session that the decision rests on. Times in seconds since the epoch."""

    session_id: str
    auth_time: float
    acr: str = ACR_1FA


@dataclass(frozen=True, slots=True)
class Progress:
    """What this transaction has already had from the person: a sign-in (which made this session), a yes. `agreed`: to
    all that would be granted a remembered yes was said before.
    """

    session_id: str | None = None
    consented: bool = False
    agreed: bool = False


def decide(
    request: AuthorizeRequest, signed_in: SignedIn | None, progress: Progress, *, now: float
) -> Login | Consent | Issue | Refuse:
    """One of four. `prompt=none` turns the first two into errors, and never shows a page."""
    silent = Prompt.NONE in request.prompt
    if needs_login(request, signed_in, progress, now=now):
        return Refuse(LoginRequiredError()) if silent else Login()
    if needs_consent(request, progress):
        return Refuse(ConsentRequiredError()) if silent else Consent()
    return Issue()


def needs_login(
    request: AuthorizeRequest, signed_in: SignedIn | None, progress: Progress, *, now: float
) -> bool:
    """Nobody is signed in, or not surely enough; or `prompt` asks for a new sign-in, or `max_age` has passed, and none
    was made for this.
    """
    if signed_in is None:
        return True
    if not suffices(signed_in.acr, request.acr):
        return True  # whatever was shown in this transaction
    if progress.session_id == signed_in.session_id:
        return False
    if request.prompt & {Prompt.LOGIN, Prompt.SELECT_ACCOUNT}:
        return True
    return request.max_age is not None and now - signed_in.auth_time > request.max_age


def needs_consent(request: AuthorizeRequest, progress: Progress) -> bool:
    """Clients that settings call first-party do without, and what was said yes to before is not asked again;
    `prompt=consent` asks all the same.
    """
    if progress.consented:
        return False
    if Prompt.CONSENT in request.prompt:
        return True
    return not (request.client.first_party or progress.agreed)
