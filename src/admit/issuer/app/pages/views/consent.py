"""The page that asks whether an application may."""

from dataclasses import dataclass
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import ClientCard, FormView, Words


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
