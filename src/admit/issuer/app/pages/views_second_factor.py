"""What the pages of second factors are told."""

from dataclasses import dataclass
from typing import ClassVar
from urllib.parse import quote

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views import ClientCard, FormView, Notice, View


@dataclass(frozen=True, slots=True, kw_only=True)
class QrCode:
    """A QR code as one SVG path in a square of `size` units, its quiet zone included."""

    size: int
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ProveView(FormView):
    """POST /login/second-factor: `p` (the waiting sign-in), `code`. `recovery`: asks for a recovery code instead."""

    page: ClassVar[str] = "second_factor_prove"
    kind: ClassVar[Kind] = Kind.FLOW
    handle: str
    client: ClientCard | None = None
    recovery: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAppView(FormView):
    """POST /account/second-factor/add: `f` (the app that is added), `name`, `code`. `secret` is shown in groups."""

    page: ClassVar[str] = "second_factor_add"
    kind: ClassVar[Kind] = Kind.ACCOUNT
    handle: str
    qr: QrCode
    secret: str
    name: str = ""
    first: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AddAppAtSignInView(AddAppView):
    """POST /login/second-factor/add: `p`, `name`, `code`; with `do` = `refuse` the person does without, where only
    `client` wants it (`may_refuse`)."""

    page: ClassVar[str] = "second_factor_add"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard | None = None
    may_refuse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesView(View):
    """The recovery codes, shown once. `go_on_url`: where to after that. `ended`: all other sessions are over."""

    page: ClassVar[str] = "recovery_codes"
    kind: ClassVar[Kind] = Kind.ACCOUNT
    codes: tuple[str, ...]
    go_on_url: str
    ended: bool = False

    @property
    def download(self) -> str:
        """The codes as a file in the address itself: it works without script, and no second request holds them."""
        return "data:text/plain;charset=utf-8," + quote("\n".join(self.codes) + "\n", safe="")


@dataclass(frozen=True, slots=True, kw_only=True)
class RecoveryCodesAtSignInView(RecoveryCodesView):
    """The same in the course of a sign-in, which may be in a popup of an application."""

    page: ClassVar[str] = "recovery_codes"
    kind: ClassVar[Kind] = Kind.FLOW


@dataclass(frozen=True, slots=True, kw_only=True)
class AppRow:
    """An authenticator app. `number` tells those without a name apart."""

    id: str
    name: str
    number: int
    created_at: float
    last_used_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondFactorView(FormView):
    """POST /account/second-factor: `do` is `add`, `remove` (with `app`) or `codes`. `must_have`: the last app stays."""

    page: ClassVar[str] = "second_factor"
    kind: ClassVar[Kind] = Kind.ACCOUNT
    apps: tuple[AppRow, ...]
    codes_left: int
    now: float
    must_have: bool = False
    full: bool = False
    notice: Notice | None = None
