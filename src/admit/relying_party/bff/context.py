"""What every route of a backend-for-frontend works with, and whose request it is by its cookies."""

from typing import Final
from urllib.parse import parse_qs

from admit.client.exchange import Talk
from admit.credentials import cookies, csrf
from admit.errors import CsrfError, MalformedCredentialError, SessionError
from admit.fetch import Fetcher
from admit.relying_party import answer as answers
from admit.relying_party.bff.config import BffConfig
from admit.relying_party.bff.http import Request
from admit.relying_party.bff.sessions import Live, Sessions
from admit.relying_party.keys import ProviderKeys
from admit.relying_party.store import SessionStore

FORM: Final = "application/x-www-form-urlencoded"
_MAX_FORM: Final = 32_768


class Context:
    """The settings, the store, and what is known of providers and APIs by name."""

    def __init__(self, config: BffConfig, store: SessionStore, fetcher: Fetcher) -> None:
        self.config = config
        self.store = store
        self.fetcher = fetcher
        self.sessions = Sessions(config, store)
        self.providers = {one.name: one for one in config.providers}
        self.apis = {one.name: one for one in config.apis}
        self.keys = {one.name: ProviderKeys(one) for one in config.providers}

    def live(self, request: Request) -> Talk[Live | None]:
        try:
            raw = self.raw_session(request)
        except SessionError:
            return None
        return None if raw is None else (yield from self.sessions.find(raw))

    def raw_session(self, request: Request) -> bytes | None:
        return cookies.session_id(request.all(b"cookie"), self.config.session_cookie)

    def session_cookie(self, raw: bytes) -> str:
        return cookies.set_cookie(
            self.config.session_cookie, cookies.encode_session_id(raw), max_age=self.config.absolute
        )

    def check_csrf(self, request: Request, raw: bytes, *, form: bool = False) -> None:
        """A page of this application made the request: by Origin and token, and for reading too by where it is from."""
        check_site(request)
        field = None
        if form and request.media_type == FORM:
            field = fields_of(form_of(request)).get("csrf_token", [""])[0]
        csrf.check(request.headers, request.method, origins=self.config.origins, raw_id=raw, field=field)


def check_site(request: Request) -> None:
    """No page of another site made the request, whatever cookies came with it.

    Raises:
        CsrfError: one did.
    """
    if request.one(b"sec-fetch-site") == "cross-site":
        raise CsrfError("another site's page made the request")


def form_of(request: Request) -> str:
    """The text of a posted form. Raises MalformedCredentialError."""
    if request.media_type != FORM or len(request.body) > _MAX_FORM:
        raise MalformedCredentialError("not a form, or too large")
    try:
        return request.body.decode("utf-8")
    except UnicodeDecodeError:
        raise MalformedCredentialError("the form is not text") from None


def fields_of(text: str) -> dict[str, list[str]]:
    """The fields of a query or of a form. Raises MalformedCredentialError."""
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=answers.MAX_FIELDS)
    except ValueError:
        raise MalformedCredentialError("too many parameters") from None
