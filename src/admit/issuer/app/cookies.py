"""The issuer's two cookies: the session's, and the pre-session's that binds forms and transactions to a browser.

Contracts §4. Both hold 32 random octets and nothing else; of the session's only the SHA-256 is stored.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache

from starlette.responses import Response

from admit.credentials import cookies
from admit.credentials.cookies import CookieMode
from admit.errors import CredentialError, OversizedCredentialError
from admit.issuer.app.call import Call

PRE_SESSION_LIFE = timedelta(hours=2)


# A hot path: every session check asks for the name, and making it costs more than reading the cookie.
@lru_cache(maxsize=16)
def _session_name(issuer: str, domain: str | None, dev: bool) -> str:
    mode = CookieMode.SAME_HOST if domain is None else CookieMode.COOKIE_DOMAIN
    return cookies.session_cookie_name(issuer, mode, dev=dev)


@lru_cache(maxsize=16)
def _pre_session_name(issuer: str, dev: bool) -> str:
    digits = hashlib.sha256(issuer.encode()).hexdigest()[:6]
    return f"admit-dev-pre-{digits}" if dev else f"__Host-admit-pre-{digits}"


def forgotten_at_sign_out() -> str:
    """What browsers forget at the end of a session: pages that they fetched or drew ahead for who was signed in.

    Nothing else on purpose. `cookies` would empty the whole registrable domain: other applications' sessions, and the
    cookie by which a known device is not shut out by guesses. `storage` would take what an application keeps that the
    issuer is mounted in. `cache` holds nothing of ours that is anybody's (no-store), and Chromium answers only when it
    has walked through its whole cache: seconds, on a full one.
    """
    return '"prefetchCache", "prerenderCache"'


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowserCookies:
    """Reads and writes the two. `session_life` is the absolute life of a session. `domain`: every host below it is sent
    the session's cookie as well; None keeps it with the issuer's own. The pre-session's never leaves that host.
    """

    issuer: str
    dev: bool
    session_life: timedelta
    domain: str | None = None

    @property
    def session_name(self) -> str:
        """The session cookie's name, which the verifier derives from the issuer as well."""
        return _session_name(self.issuer, self.domain, self.dev)

    @property
    def pre_session_name(self) -> str:
        """The pre-session cookie's name."""
        return _pre_session_name(self.issuer, self.dev)

    def session(self, call: Call) -> bytes | None:
        """The raw session id that the browser sent; None for none, a doubled or a malformed one.

        Raises:
            OversizedCredentialError: more cookies than are read.
        """
        return self._read(call, self.session_name)

    def pre_session(self, call: Call) -> bytes | None:
        """The raw pre-session id. Raises OversizedCredentialError, as `session` does."""
        return self._read(call, self.pre_session_name)

    def set_session(self, response: Response, raw: bytes) -> None:
        """Give the browser its session."""
        self._write(response, self.session_name, raw, self.session_life, self.domain)

    def ensure_pre_session(self, call: Call) -> bytes:
        """The pre-session that the browser has, or a new one. To be set again with what is held to it: its life begins
        with each form, so that a sign-in is not lost which began shortly before the end of an earlier one's.
        """
        raw = self.pre_session(call)
        return raw if raw is not None else secrets.token_bytes(32)

    def set_pre_session(self, response: Response, raw: bytes) -> None:
        """Give the browser its pre-session."""
        self._write(response, self.pre_session_name, raw, PRE_SESSION_LIFE)

    def mend(self, call: Call, response: Response) -> None:
        """Take back what a host beside has put under a longer path, where the browser sends two of the name: nobody is
        signed in by either, and the one under `/` is ours. Without this, pages that are only there for who is signed in
        and the sign-in page would send people to each other without end. Only with a `domain` can it happen.
        """
        if self.domain is None or self._count(call, self.session_name) < 2:
            return
        steps = call.scope["path"].split("/")
        for end in range(2, len(steps) + 1):
            path = "/".join(steps[:end])
            response.headers.append(
                "set-cookie", cookies.clear_cookie(self.session_name, path=path, domain=self.domain)
            )

    def clear_session(self, response: Response) -> None:
        """Take the session cookie back, and have pages forgotten that the browser fetched ahead for the session."""
        if not self.dev:  # browsers heed it on https alone
            response.headers["clear-site-data"] = forgotten_at_sign_out()
        response.headers.append("set-cookie", cookies.clear_cookie(self.session_name, domain=self.domain))

    @staticmethod
    def _count(call: Call, name: str) -> int:
        wanted, values = name.encode("ascii"), [value for key, value in call.headers if key == b"cookie"]
        try:
            return sum(found == wanted for found, _ in cookies.parse(values))
        except CredentialError:
            return 0

    @staticmethod
    def _read(call: Call, name: str) -> bytes | None:
        values = [value for key, value in call.headers if key == b"cookie"]
        try:
            return cookies.session_id(values, name)
        except OversizedCredentialError:
            raise  # told as 431: a sign-in page would only ask again and again
        except CredentialError:
            return None

    @staticmethod
    def _write(response: Response, name: str, raw: bytes, life: timedelta, domain: str | None = None) -> None:
        value = cookies.encode_session_id(raw)
        response.headers.append("set-cookie", cookies.set_cookie(name, value, max_age=life, domain=domain))
