"""The page that carries an answer back to an application as a form."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from admit.issuer.app.headers import Kind
from admit.issuer.app.pages.views.base import ClientCard, View


@dataclass(frozen=True, slots=True, kw_only=True)
class FormPostView(View):
    """OAuth 2.0 Form Post Response Mode §2: the form leads to `action`, the registered redirect URI, and holds
    `fields`, the response. A script sends it, if it goes `by_itself`; else its button does."""

    page: ClassVar[str] = "form_post"
    kind: ClassVar[Kind] = Kind.FLOW
    action: str
    fields: Mapping[str, str] = field(repr=False)
    client: ClientCard
    by_itself: bool = True
