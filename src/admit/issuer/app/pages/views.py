"""What each page is told, and nothing more. Values are raw: the templates escape, and name times and browsers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from http import HTTPStatus
from typing import ClassVar, TypeAlias

from admit.issuer.app.headers import Kind

Words: TypeAlias = str | Mapping[str, str] | None
"""A text of the settings: one for all languages, or one by language (`en`, `zh`, `zh-Hans`)."""


class Problem(Enum):
    """What is wrong with a form."""

    WRONG_LOGIN = auto()
    EMAIL_MISSING = auto()
    EMAIL_INVALID = auto()
    EMAIL_TAKEN = auto()
    NAME_MISSING = auto()
    NAME_INVALID = auto()
    PASSWORD_MISSING = auto()
    PASSWORD_SHORT = auto()
    PASSWORD_LONG = auto()
    TOO_MANY = auto()
    TOO_BUSY = auto()
    FORM_STALE = auto()

    @property
    def text(self) -> str:
        """The key of its text."""
        return f"problem.{self.name.lower()}"


class Notice(Enum):
    """What has just been done."""

    SESSION_ENDED = auto()
    OTHERS_ENDED = auto()
    APP_ENDED = auto()

    @property
    def text(self) -> str:
        """The key of its text."""
        return f"notice.{self.name.lower()}"


class Trouble(Enum):
    """Why there is no page: the stem of its texts and its status. `for_developers` says that a third text tells those
    who build the client what to mend."""

    CLIENT_UNKNOWN = ("error.client_unknown", HTTPStatus.BAD_REQUEST)
    REDIRECT_URI = ("error.redirect_uri", HTTPStatus.BAD_REQUEST)
    BAD_REQUEST = ("error.bad_request", HTTPStatus.BAD_REQUEST)
    EXPIRED = ("error.expired", HTTPStatus.BAD_REQUEST)
    NOT_YOURS = ("error.not_yours", HTTPStatus.FORBIDDEN)
    NOT_FOUND = ("error.not_found", HTTPStatus.NOT_FOUND)
    METHOD = ("error.method", HTTPStatus.METHOD_NOT_ALLOWED)
    TOO_LARGE = ("error.too_large", HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    TOO_MANY = ("error.too_many", HTTPStatus.TOO_MANY_REQUESTS)
    UNAVAILABLE = ("error.unavailable", HTTPStatus.SERVICE_UNAVAILABLE)
    SERVER = ("error.server", HTTPStatus.INTERNAL_SERVER_ERROR)

    def __init__(self, text: str, status: HTTPStatus) -> None:
        self.text = text
        self.status = status

    @property
    def for_developers(self) -> bool:
        return self in (Trouble.CLIENT_UNKNOWN, Trouble.REDIRECT_URI, Trouble.BAD_REQUEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What all pages share. `here` is this page's path and query without `ui_locales`: the language switch leads to
    it; None shows no switch (the page answers a POST, or cannot be asked for again)."""

    page: ClassVar[str]
    kind: ClassVar[Kind] = Kind.PAGE
    here: str | None = None

    @property
    def troubled(self) -> bool:
        """Whether the page shows a problem with what was sent."""
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class FormView(View):
    """A page with a form: `csrf` and `interaction` (field `i`, "" outside of a transaction) come back with it.

    `problem` is with the whole form, `fields` puts one beside a field; `wait_seconds` belongs to `Problem.TOO_MANY`.
    """

    csrf: str
    interaction: str = ""
    problem: Problem | None = None
    fields: Mapping[str, Problem] = field(default_factory=dict)
    wait_seconds: float = 0

    @property
    def troubled(self) -> bool:
        """Whether the page shows a problem with what was sent."""
        return self.problem is not None or bool(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCard:
    """A client as people see it. `host`: of its redirect URI, None for an app on this device (loopback or a scheme of
    its own). `verified`: an operator of this issuer vouches for it."""

    name: str
    host: str | None
    verified: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInView(FormView):
    """POST /login: `email`, `password`. `client` is who the user is on the way to, if anyone."""

    page: ClassVar[str] = "sign_in"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard | None = None
    email: str = ""
    can_sign_up: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SignUpView(FormView):
    """POST /signup: `name`, `email`, `password`."""

    page: ClassVar[str] = "sign_up"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard | None = None
    name: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeItem:
    """One scope asked for. Standard scopes have their own words; `text` are those of the resource it belongs to.
    `everybodys`: in the hands of this user it reaches what belongs to others, and has to be told so."""

    name: str
    text: Words = None
    everybodys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView(FormView):
    """POST /consent: `decision` is `allow` or `refuse`. `lasts_seconds`: how long an offline grant lives at most; None
    for one that ends with the session. `switch_url`: where another account may sign in instead."""

    page: ClassVar[str] = "consent"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard
    user_name: str
    user_email: str
    scopes: tuple[ScopeItem, ...]
    lasts_seconds: float | None = None
    switch_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionItem:
    """One session of the user's list. `id` is its public id (`sid`), never the cookie."""

    id: str
    user_agent: str
    ip: str
    started_at: float
    last_seen_at: float
    current: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AppItem:
    """All that the user granted one client. `offline`: some of it goes on while the user is signed out."""

    client_id: str
    client: ClientCard
    scopes: tuple[ScopeItem, ...]
    since: float
    last_used_at: float
    offline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView(FormView):
    """POST /account: `do` is `end` (with `session`), `end_others`, `end_app` (with `client`), `end_everything` or
    `sign_out`."""

    page: ClassVar[str] = "account"
    kind: ClassVar[Kind] = Kind.ACCOUNT
    user_name: str
    user_email: str
    email_verified: bool
    since: float
    sessions: tuple[SessionItem, ...]
    now: float
    apps: tuple[AppItem, ...] = ()
    notice: Notice | None = None

    def ordered(self) -> tuple[SessionItem, ...]:
        """This browser's session first, then the ones seen last."""
        return tuple(sorted(self.sessions, key=lambda s: (not s.current, -s.last_seen_at)))


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


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorView(View):
    """The local error page: nothing of the request is shown, and nobody is redirected. `id` is for support;
    `back_url` is a path of our own to try again from."""

    page: ClassVar[str] = "error"
    trouble: Trouble
    id: str | None = None
    back_url: str | None = None


AnyView: TypeAlias = (
    SignInView | SignUpView | ConsentView | AccountView | LogoutView | SignedOutView | ErrorView
)
