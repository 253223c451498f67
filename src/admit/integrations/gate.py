"""The part of a guard that knows no framework: from a request's headers to a `Principal`, an error, or nobody.

Each integration keeps one `Gate`, asks it once a request, and turns `policy.Refusal` into its framework's answer:

    found = gate.find(headers, method, query)            # in threads; `await gate.find_async(…)` in event loops
    try:
        who = gate.check(found, wanted)                  # `wanted` by `policy.requirement(…)`, made with the route
    except AdmitError as error:
        refusal = gate.refusal(error, wanted)            # status, headers, body

`look` is the quick path of both: it answers at once wherever nothing must be waited for.
"""

import re
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from admit.credentials import BearerCredential, SessionCredential, cookies, csrf, read
from admit.credentials.cookies import CookieMode
from admit.errors import AdmitError, ConfigError, MissingCredentialError
from admit.integrations import caching
from admit.principal import Principal
from admit.verifier import AsyncVerifier, SessionLookup, Verifier, policy
from admit.verifier.core import Pending
from admit.verifier.hit import at_once
from admit.verifier.sessions import remembered_session

__all__ = ["Gate", "Headers", "Outcome", "Waiting"]

Outcome: TypeAlias = Principal | AdmitError | None
"""What the request's credential came to; None: it carries none."""

SETTLED = (Principal, AdmitError, type(None))
"""The kinds of `Outcome`, for `isinstance`: a union would be made anew at each request."""

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case, as ASGI gives them."""

Kept: TypeAlias = tuple[Outcome, Headers, str, bytes | str, bool]
"""An outcome for the guards further in, and what it was found by: headers, method, query, and whether it is a handshake
of a WebSocket.

What stands between two guards may have changed the request: its method, by an override, or its credential. The headers
are a copy, since some change them in place. A plain tuple is made in an eighth of the time of a named one.
"""

_TELLING: Final = frozenset({b"authorization", b"cookie", b"host", b"origin", b"sec-fetch-site", csrf.HEADER})
"""The headers that an outcome may come from."""

_ORIGIN = re.compile(r"https?://[a-z0-9.\-\[\]:]+")


@dataclass(frozen=True, slots=True)
class Waiting:
    """Keys, revocations or the session have to be asked for: hand it to `wait` or `wait_async`."""

    credential: BearerCredential | SessionCredential


def still_holds(
    kept: Kept, headers: Headers, method: str, query: bytes | str, *, handshake: bool = False
) -> bool:
    """Whether a request is still the one whose outcome was kept. A header that tells nothing may have come or gone."""
    _, had, was, asked, opened = kept
    return (
        was == method
        and asked == query
        and opened == handshake
        and (had == headers or _telling(had) == _telling(headers))
    )


def _telling(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name, value) for name, value in headers if name in _TELLING]


class Gate:
    """Lets requests in by bearer token, and by session cookie where `sessions` is given.

    `sessions` looks sessions up (`RemoteLookup`, or the issuer's own); for them `audience` says whose scopes the
    principal gets (needed where the verifier has several), `session_cookie` is the cookie's name (None: the issuer's,
    of `cookie_mode`, which is `cookie_domain` where its settings have a `sessions.cookie_domain`), and `origins` are
    those whose pages may change things by cookie, written as browsers send them (None: this API's own pages only).
    `realm` and `resource_metadata` go into the challenge.

    `token_cookie` names a cookie in which a token may come instead of a session (`admit.credentials.token_cookie`); the
    rule against forged requests is the same for both, and `admit.credentials.csrf.token` makes what pages send along.

    An `Authorization` header decides alone; a cookie beside it is ignored. Tokens in the query are refused,
    unless `asgi.QueryTokens` or `wsgi.QueryTokens` takes them at named paths.

    Raises:
        ConfigError: the parts do not fit together.
    """

    def __init__(
        self,
        verifier: Verifier | AsyncVerifier,
        *,
        sessions: SessionLookup | None = None,
        origins: Collection[str] | None = None,
        realm: str | None = None,
        audience: str | None = None,
        session_cookie: str | None = None,
        cookie_mode: CookieMode | Literal["same_host", "cookie_domain"] = "same_host",
        token_cookie: str | None = None,
        resource_metadata: str | None = None,
    ) -> None:
        self.verifier = checked_verifier(verifier)
        self.sessions = sessions
        if sessions is not None and (
            isinstance(sessions, type | str | bytes) or not callable(getattr(sessions, "find", None))
        ):
            raise ConfigError("Guard(sessions=...) is a SessionLookup, such as RemoteLookup(...)")
        self.origins = checked_origins(origins)
        self.audience: str = ""
        self.cookie: str | None = None
        """The session cookie's name; None where sessions are not taken."""
        if sessions is not None:
            self.audience = audience if audience is not None else _only(verifier.audiences, "audience")
            self.cookie = session_cookie if session_cookie is not None else _cookie_of(verifier, cookie_mode)
        if sessions is not None and token_cookie is not None:
            raise ConfigError(
                "Guard takes sessions or a token_cookie, not both: which of two cookies counts?"
            )
        if token_cookie is not None:
            cookies.set_cookie(token_cookie, "")  # refuses what can be no name
        self.token_cookie = token_cookie
        by_cookie = self.cookie is not None or token_cookie is not None
        self.carriers: tuple[str, ...] = caching.BY_COOKIE if by_cookie else caching.BY_HEADER
        """The request's fields that may carry a credential: answers say to caches that they go by them."""
        self._secure = (self.cookie or token_cookie or "").startswith("__")
        self.realm = realm
        self.resource_metadata = resource_metadata
        self.refusal(MissingCredentialError())  # refuses bad text now

    def look(
        self, headers: Headers, method: str, query: bytes | str = b"", *, handshake: bool = False
    ) -> Outcome | Waiting:
        """What the request's credential comes to, or what to wait for. Raises nothing; waits for nothing.

        `query` is what stands behind the URL's `?`; `handshake`: the request opens a WebSocket.
        """
        try:
            # THE HOT PATH of every guard. One header and no query: nothing else can count, and octets that are verified
            # at once have the form that `read` asks for. `benchmarks/integrations` tells its cost.
            looked = False
            if not query:
                header = None
                for name, value in headers:
                    if name == b"authorization":
                        if header is not None:
                            break
                        header = value
                else:
                    if header is not None and header[:7] == b"Bearer ":
                        known = at_once(self.verifier, header[7:], None)
                        if known is not None:
                            return known
                        looked = True
            url = "" if not query else "?" + (query if isinstance(query, str) else query.decode("latin-1"))
            credential = read(headers, method, url, session_cookie=self.cookie, token_in=self.token_cookie)
            if isinstance(credential, BearerCredential):
                if credential.in_cookie:
                    self._check_pages(headers, method, credential.token.encode("ascii"), handshake)
                core = self.verifier.core
                found = core.settle(credential) if looked else core.try_verify(credential)
                return Waiting(credential) if isinstance(found, Pending) else found
            if isinstance(credential, SessionCredential):
                self._check_pages(headers, method, credential.raw, handshake)
                assert self.sessions is not None
                core, id_hash = self.verifier.core, credential.id_hash
                return remembered_session(core, self.sessions, id_hash, self.audience) or Waiting(credential)
        except AdmitError as error:
            return error
        return None

    def _check_pages(self, headers: Headers, method: str, raw: bytes, handshake: bool) -> None:
        """A request by cookie was made by one of our own pages."""
        if handshake:
            csrf.check_handshake(headers, origins=self.origins, secure=self._secure)
        else:
            csrf.check(headers, method, origins=self.origins, raw_id=raw)

    def wait(self, waiting: Waiting) -> Outcome:
        """Find it out in a thread."""
        credential = waiting.credential
        try:
            if isinstance(credential, BearerCredential):
                return self.verifier.verify_blocking(credential)
            assert self.sessions is not None
            return self.verifier.verify_session_blocking(self.sessions, credential.id_hash, self.audience)
        except AdmitError as error:
            return error

    async def wait_async(self, waiting: Waiting) -> Outcome:
        """Find it out in the running event loop."""
        credential = waiting.credential
        try:
            if isinstance(credential, BearerCredential):
                return await self.verifier.verify_async(credential)
            assert self.sessions is not None
            return await self.verifier.verify_session(self.sessions, credential.id_hash, self.audience)
        except AdmitError as error:
            return error

    def find(self, headers: Headers, method: str, query: bytes | str = b"") -> Outcome:
        """What the request's credential comes to, in a thread."""
        found = self.look(headers, method, query)
        return self.wait(found) if isinstance(found, Waiting) else found

    async def find_async(self, headers: Headers, method: str, query: bytes | str = b"") -> Outcome:
        """What the request's credential comes to, in the running event loop."""
        found = self.look(headers, method, query)
        return await self.wait_async(found) if isinstance(found, Waiting) else found

    def check(
        self, found: Outcome, wanted: policy.Requirement = policy.ANYBODY, *, optional: bool = False
    ) -> Principal | None:
        """Who may go on. `optional`: None where the request carries no credential at all.

        Raises:
            AdmitError: nobody may; `refusal` makes the answer.
        """
        if isinstance(found, Principal) and wanted.is_plainly_met(found):
            return found
        if found is None:
            if optional:
                return None
            raise MissingCredentialError
        if isinstance(found, AdmitError):
            # It may have been raised before, and kept with the request: each of its ways starts anew.
            raise found.with_traceback(None)
        policy.check(found, wanted, self.verifier.core.wall())
        return found

    @contextmanager
    def override(self, who: Principal | None) -> Iterator[None]:
        """In tests: every request is this principal's, or (None) nobody's, whatever it carries.

        What a route asks of it is still asked. `admit.testing` signs tokens and keeps sessions where a test should go
        the whole way.

        Raises:
            ConfigError: `admit.testing` was not imported, so this is no test.
        """
        if "admit.testing" not in sys.modules:
            raise ConfigError("override(...) is for tests: import admit.testing there")
        before = vars(self).get("look")
        self.look = lambda *_, **__: who  # type: ignore[method-assign]  # this gate's alone, until the test is done
        try:
            yield
        finally:
            del self.look
            if before is not None:  # one within another
                self.look = before  # type: ignore[method-assign]  # as above

    def refusal(self, error: AdmitError, wanted: policy.Requirement = policy.ANYBODY) -> policy.Refusal:
        """The answer to this error, RFC 6750 §3."""
        return policy.refusal(
            error, scope=wanted.scope_text, realm=self.realm, resource_metadata=self.resource_metadata
        )


def checked_verifier(verifier: Verifier | AsyncVerifier) -> Verifier | AsyncVerifier:
    """The verifier of a guard.

    Raises:
        ConfigError: it is none; the first token would be answered 500.
    """
    if not isinstance(verifier, Verifier | AsyncVerifier):
        raise ConfigError(
            "a guard takes a verifier:"
            ' Guard(Verifier(TrustedIssuer("https://id.example.com", audience="https://api.example.com")))'
        )
    return verifier


def checked_origins(origins: Collection[str] | None) -> frozenset[str]:
    """The origins as a set; None is none.

    Raises:
        ConfigError: one is not spelled as browsers spell origins.
    """
    if origins is None:
        return frozenset()
    if isinstance(origins, str) or not all(
        isinstance(one, str) and _ORIGIN.fullmatch(one) for one in origins
    ):
        raise ConfigError(
            "Guard(origins=...) is a set of origins like https://app.example.com, in lower case"
        )
    return frozenset(origins)


def _only(names: frozenset[str], what: str) -> str:
    if len(names) != 1:
        raise ConfigError(f"Guard(sessions=...) with several to choose from needs {what}=...")
    return min(names)


def _cookie_of(
    verifier: Verifier | AsyncVerifier, mode: CookieMode | Literal["same_host", "cookie_domain"]
) -> str:
    issuer = _only(verifier.issuers, "session_cookie")
    return cookies.session_cookie_name(issuer, mode, dev=cookies.is_loopback_http(issuer))
