"""The pages at the end of a session."""

from dataclasses import dataclass
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import ClientCard, FormView, View


@dataclass(frozen=True, slots=True, kw_only=True)
class LogoutView(FormView):
    """POST /logout: asks whether the user means it, for a request to log out that nobody can vouch for."""

    page: ClassVar[str] = "logout"
    kind: ClassVar[Kind] = Kind.FLOW
    user_email: str
    client: ClientCard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignedOutView(View):
    """After the end of a session, or with `everywhere` of all that the user had. `return_url` is a registered
    post-logout URI, offered as a link."""

    page: ClassVar[str] = "signed_out"
    everywhere: bool = False
    client: ClientCard | None = None
    return_url: str | None = None
