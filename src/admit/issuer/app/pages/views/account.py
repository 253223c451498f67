"""The account page: who one is, where one is signed in, and who may act for one."""

from dataclasses import dataclass
from enum import Enum, auto
from typing import ClassVar, Final

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import ClientCard, FormView
from admit.issuer.app.pages.views.consent import ScopeItem


class Notice(Enum):
    """What has just been done."""

    SESSION_ENDED = auto()
    SESSION_NAMED = auto()
    SESSION_KNOWN = auto()
    OTHERS_ENDED = auto()
    APP_ENDED = auto()
    PASSWORD_CHANGED = auto()
    FACTOR_ADDED = auto()
    FACTOR_REMOVED = auto()

    @property
    def text(self) -> str:
        """The key of its text."""
        return f"notice.{self.name.lower()}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionItem:
    """One session of the user's list. `id` is its public id (`sid`), never the cookie. `name`: what the user calls
    it, if anything. `unfamiliar`: it began on a browser that was not known, and nobody has said that it was the user.
    """

    id: str
    user_agent: str
    ip: str
    started_at: float
    last_seen_at: float
    current: bool
    name: str = ""
    unfamiliar: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A page of its own for a part of the account. `text` and `go` are the keys of what it is called and of the link to
    it; `state` is the key of a text that says how it stands, "" for none.
    """

    name: str
    path: str
    text: str
    go: str
    state: str = ""


SECTIONS: Final = (
    Section(name="email", path="/account/email", text="account.email", go="account.go_email"),
    Section(name="password", path="/account/password", text="account.password", go="account.go_password"),
    Section(
        name="second_factor", path="/account/second-factor", text="account.second_factor",
        go="account.go_second_factor",
    ),
)  # fmt: skip
"""In the order in which the account page shows those that there are."""


ASKED_AT_ONCE: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class AppItem:
    """All that the user granted one client. `offline`: some of it goes on while the user is signed out. `acts`: it may
    act now. `remembered`: a yes is kept, so that it is let in again without being asked about. `unverified`: nobody
    here vouches for it.
    """

    client_id: str
    client: ClientCard
    scopes: tuple[ScopeItem, ...]
    since: float
    last_used_at: float
    offline: bool
    acts: bool = True
    remembered: bool = False
    unverified: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountView(FormView):
    """POST /account: `do` is `end` (with `session`), `name` (with `session` and `name`), `known` (with `session`),
    `end_others`, `end_app` (with `client`), `end_everything` or `sign_out`.

    `sections` are the pages below this one. `naming` is the id of the session whose new name was not taken,
    `name_typed` that name.
    """

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
    sections: tuple[Section, ...] = ()
    naming: str = ""
    name_typed: str = ""

    def ordered(self) -> tuple[SessionItem, ...]:
        """This browser's session first, then the ones seen last."""
        return tuple(sorted(self.sessions, key=lambda s: (not s.current, -s.last_seen_at)))

    def unknown(self) -> tuple[SessionItem, ...]:
        """The sessions that the user is asked about, the newest first: not the one in which that is seen."""
        asked = [session for session in self.sessions if session.unfamiliar and not session.current]
        return tuple(sorted(asked, key=lambda s: -s.started_at))[:ASKED_AT_ONCE]

    def may_vouch(self) -> bool:
        """Whether the user may say here that it was them: not in a session that nobody knows either."""
        return all(not session.unfamiliar for session in self.sessions if session.current)
