"""What the page is told on which a password is changed."""

from dataclasses import dataclass
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import FormView


@dataclass(frozen=True, slots=True, kw_only=True)
class PasswordView(FormView):
    """POST /account/password: `current_password`, `new_password`. Name and address are for the script that judges a new
    one while it is typed.
    """

    page: ClassVar[str] = "account_password"
    kind: ClassVar[Kind] = Kind.ACCOUNT
    user_name: str
    user_email: str
