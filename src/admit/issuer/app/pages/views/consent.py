"""The page that asks whether an application may."""

from dataclasses import dataclass, field
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import ClientCard, FormView, View, Words


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeItem:
    """One scope asked for. Standard scopes have their own words; `text` are those of the resource it belongs to.
    `everybodys`: in the hands of this user it reaches what belongs to others, and has to be told so. `fixed`: it goes
    with any yes. `ticked`: as its box stands at first. `new`: the user was asked about others before, and not about it.
    """

    name: str
    text: Words = None
    everybodys: bool = False
    fixed: bool = False
    ticked: bool = True
    new: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsentView(FormView):
    """POST /consent: `decision` is `allow` or `refuse`; with `ticks` also `ticked`, and `keep:` with the name of each
    scope that was left ticked. `resource`: the API that it is for, None for the issuer itself. `remembered`: whether
    the answer counts the next time too. `lasts_seconds`: how long an offline grant lives at most; None for one that
    ends with the session. `switch_url`: where another account may sign in instead. `shown`: a digest of what is asked
    here, which comes back with the answer."""

    page: ClassVar[str] = "consent"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard
    user_name: str
    user_email: str
    scopes: tuple[ScopeItem, ...]
    resource: str | None = None
    ticks: bool = False
    remembered: bool = False
    lasts_seconds: float | None = None
    switch_url: str | None = None
    shown: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LeavingView(View):
    """An answer for an application that nobody here vouches for waits for its person to send it: `return_url` is
    its registered redirect URI with the answer."""

    page: ClassVar[str] = "leaving"
    kind: ClassVar[Kind] = Kind.FLOW
    client: ClientCard
    return_url: str = field(repr=False)
