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
class Select:
    """The person signed in has to say whether to go on as who they are, or as somebody else."""


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
    user_id: str
    auth_time: float
    acr: str = ACR_1FA


@dataclass(frozen=True, slots=True)
class Progress:
    """What this transaction has already had from the person: a sign-in (which made this session), the choice of an
    account, a yes (on a page that named the account). `agreed`: to all that would be granted a remembered yes was said
    before.
    """

    session_id: str | None = None
    chosen: bool = False
    consented: bool = False
    agreed: bool = False


def decide(
    request: AuthorizeRequest, signed_in: SignedIn | None, progress: Progress, *, now: float
) -> Login | Select | Consent | Issue | Refuse:
    """One of five. `prompt=none` turns pages into errors, and never shows one. Who signed in for this and is not the
    person that was asked for is not asked again.
    """
    silent = Prompt.NONE in request.prompt
    if needs_login(request, signed_in, progress, now=now):
        return Refuse(LoginRequiredError()) if silent or is_another(request, signed_in, progress) else Login()
    if needs_choice(request, signed_in, progress):
        return Select()
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
    if not is_meant(request, signed_in):
        return True
    if progress.session_id == signed_in.session_id:
        return False
    if Prompt.LOGIN in request.prompt:
        return True
    if request.max_age == 0:
        return True  # as `prompt=login`, whatever the clocks say
    return request.max_age is not None and now - signed_in.auth_time > request.max_age


def is_meant(request: AuthorizeRequest, signed_in: SignedIn) -> bool:
    """Whether the request may be answered for this person, OpenID Connect Core §3.1.2.2, §5.5.1: a client that names
    one is never given another.
    """
    return request.subjects is None or signed_in.user_id in request.subjects


def is_another(request: AuthorizeRequest, signed_in: SignedIn | None, progress: Progress) -> bool:
    """Whether the person who signed in for this is not the one that was asked for."""
    return (
        signed_in is not None
        and progress.session_id == signed_in.session_id
        and not is_meant(request, signed_in)
    )


def needs_choice(request: AuthorizeRequest, signed_in: SignedIn | None, progress: Progress) -> bool:
    """`prompt=select_account`, and nobody said yet which. A sign-in for this has said it."""
    if Prompt.SELECT_ACCOUNT not in request.prompt or progress.chosen or progress.consented:
        return False
    return signed_in is None or progress.session_id != signed_in.session_id


def needs_consent(request: AuthorizeRequest, progress: Progress) -> bool:
    """Clients that settings call first-party do without, and what was said yes to before is not asked again;
    `prompt=consent` asks all the same.
    """
    if progress.consented:
        return False
    if Prompt.CONSENT in request.prompt:
        return True
    return not (request.client.first_party or progress.agreed)
