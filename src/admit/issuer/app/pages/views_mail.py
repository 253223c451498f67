"""What the pages are told that have to do with mailed links."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views import FormView, View


class Told(Enum):
    """What a page without a form has to say: its texts, and where its button leads."""

    SIGN_UP_SENT = ("told.sign_up_sent", "/login")
    RESET_SENT = ("told.reset_sent", "/login")
    PASSWORD_SET = ("told.password_set", "/login")
    VERIFIED = ("told.verified", "/account")
    RESET_DEAD = ("told.reset_dead", "/forgot")
    HANDED_DEAD = ("told.handed_dead", "/login")
    VERIFY_DEAD = ("told.verify_dead", "/account/email")
    VERIFY_SIGN_IN = ("told.verify_sign_in", "/login")

    def __init__(self, text: str, leads_to: str) -> None:
        self.text = text
        self.leads_to = leads_to

    @property
    def is_dead_end(self) -> bool:
        """Whether something did not work."""
        return self in (Told.RESET_DEAD, Told.HANDED_DEAD, Told.VERIFY_DEAD)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldView(View):
    """What was done, and the way on. `interaction`: the sign-in under way that the way on belongs to."""

    page: ClassVar[str] = "told"
    told: Told
    interaction: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForgotView(FormView):
    """POST /forgot: `email`."""

    page: ClassVar[str] = "forgot"
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetView(FormView):
    """POST /reset: `t` (the link's token) and `password`. `email`: whose password it is, for password managers."""

    page: ClassVar[str] = "reset"
    token: str
    email: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyView(FormView):
    """POST /verify: `t`, and `password` unless the browser is signed in to the account already. `is_new`: the address
    is to take the place of another one."""

    page: ClassVar[str] = "verify"
    token: str
    email: str
    is_new: bool
    signed_in: bool


class EmailNotice(Enum):
    """What has just been done at /account/email."""

    LINK_SENT = auto()
    CHANGED = auto()
    VERIFIED = auto()

    @property
    def text(self) -> str:
        """The key of its text."""
        return f"email.{self.name.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmailView(FormView):
    """POST /account/email: `do` is `change` (with `email`) or `resend`."""

    page: ClassVar[str] = "email"
    kind: ClassVar[Kind] = Kind.ACCOUNT
    user_email: str
    email_verified: bool
    email: str = ""
    notice: EmailNotice | None = None
