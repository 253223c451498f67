"""The pages that let somebody in."""

from dataclasses import dataclass
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import ClientCard, FormView


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInView(FormView):
    """POST /login: `email`, `password`. `client` is who the user is on the way to, if anyone.

    `again`: who is signed in types the password once more, before a page that guards the account; `email` is theirs.
    `next` names that page. `by_username`: the field `email` takes a user name. `confirms`: who has `email` is signed
    in, and the client wants a newer or a surer sign-in; it may be somebody else's.
    """

    page: ClassVar[str] = "sign_in"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard | None = None
    email: str = ""
    by_username: bool = False
    can_sign_up: bool = True
    again: bool = False
    confirms: bool = False
    next: str = ""
    can_reset: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectAccountView(FormView):
    """POST /login/account: go on as who is signed in. `switch_url`: where somebody else signs in instead."""

    page: ClassVar[str] = "select_account"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard
    user_name: str
    user_email: str
    switch_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpView(FormView):
    """POST /signup: `name`, `email`, `password`."""

    page: ClassVar[str] = "sign_up"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard | None = None
    name: str = ""
    email: str = ""
