"""What attacks work with: the issuer, an account of one's own at it, its tokens, an API that takes them.

Each is had in the honest way first, when an attack asks for it. What cannot be had is a reason not to try, never a
refusal: an issuer that lets nobody in would pass every test.
"""

import base64
import hashlib
import secrets
import socket
import threading
from dataclasses import dataclass, field
from functools import cached_property
from urllib.parse import parse_qs, urlencode, urlsplit

from scripts.attack.outcome import NotTriedError
from scripts.attack.visitor import FORM, Visitor
from scripts.attack.wire import Answer, Pairs, Wire

EVIL = "https://evil.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the command line said. `email` empty: an account is made on the sign-up page. `api` is the URL of something
    that this account may GET with its token. `config`: settings file of the issuer, whose keys then sign false tokens.
    """

    issuer: str
    api: str = ""
    email: str = ""
    password: str = field(default="", repr=False)
    client_id: str = ""
    redirect_uri: str = ""
    scope: str = "openid"
    other_client: str = ""
    config: str = ""
    ca_file: str = ""


def pkce() -> tuple[str, str]:
    """A fresh verifier and its S256 challenge, RFC 7636 §4.2."""
    verifier = secrets.token_urlsafe(32)
    digest = hashlib.sha256(verifier.encode()).digest()
    return verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


class Trap:
    """A listener on loopback that should hear nothing: who connects was sent there."""

    def __init__(self) -> None:
        self.hits = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/keys"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                caller, _ = self._socket.accept()
            except OSError:
                return
            self.hits += 1
            caller.close()

    def close(self) -> None:
        """Listen no more."""
        self._socket.close()


class World:
    """One issuer under attack."""

    def __init__(self, given: Given) -> None:
        self.given = given
        self.wire = Wire(given.issuer.rstrip("/"), given.ca_file)
        self.trap = Trap()
        self._email, self._password = given.email, given.password

    def close(self) -> None:
        """Let go of what it listens on."""
        self.trap.close()

    def visitor(self) -> Visitor:
        """A browser that was never here."""
        return Visitor(self.wire)

    @cached_property
    def origin(self) -> str:
        """The issuer's own."""
        return "://".join(urlsplit(self.wire.url)[:2])

    @cached_property
    def is_https(self) -> bool:
        """Whether it is reached by TLS."""
        return self.wire.url.startswith("https:")

    # --- people

    def _make_account(self) -> None:
        email, password = f"attack-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(18)
        visitor = self.visitor()
        answer = visitor.fill("/signup", {"name": "Attack", "email": email, "password": password})
        if answer.status >= 400 or not self.is_in(visitor):
            raise NotTriedError("no account could be made here: name one with --email")
        self._email, self._password = email, password

    @cached_property
    def account(self) -> tuple[str, str]:
        """Email and password of the account that attacks are made with."""
        if not self._email:
            self._make_account()
        return self._email, self._password

    def is_in(self, visitor: Visitor) -> bool:
        """Whether the issuer takes this browser for somebody."""
        return visitor.get("/api/session").status == 200

    def person(self, visitor: Visitor | None = None) -> Visitor:
        """Somebody who has just signed in, in this browser or a new one."""
        email, password = self.account
        visitor = visitor or self.visitor()
        answer = visitor.fill("/login", {"email": email, "password": password})
        if answer.status >= 400 or not self.is_in(visitor):
            raise NotTriedError(f"signing in did not work ({answer.said})")
        return visitor

    @cached_property
    def somebody(self) -> Visitor:
        """One who stays signed in, for attacks that end nothing."""
        return self.person()

    def csrf_of(self, visitor: Visitor) -> str:
        """The token of this browser's session."""
        return str(visitor.get("/api/session").json.get("csrf_token", ""))

    # --- grants

    def asked(self, **changes: str | None) -> dict[str, str]:
        """A right authorization request, with changes; None leaves a parameter out."""
        if not (self.given.client_id and self.given.redirect_uri):
            raise NotTriedError("needs --client and --redirect-uri")
        whole: dict[str, str | None] = {
            "response_type": "code",
            "client_id": self.given.client_id,
            "redirect_uri": self.given.redirect_uri,
            "scope": self.given.scope,
            "state": "s" * 12,
            "code_challenge": "c" * 43,
            "code_challenge_method": "S256",
            **changes,
        }
        return {name: value for name, value in whole.items() if value is not None}

    def authorize(self, visitor: Visitor, asked: dict[str, str], more: str = "") -> Answer:
        """Go to the authorization endpoint."""
        return visitor.get(f"/authorize?{urlencode(asked)}{more}")

    def code(self, visitor: Visitor | None = None) -> tuple[str, str]:
        """An authorization code, and the verifier that goes with it."""
        verifier, challenge = pkce()
        visitor = visitor or self.somebody
        answer = self.authorize(visitor, self.asked(code_challenge=challenge))
        found = parse_qs(urlsplit(answer.get("location")).query).get("code", [""])[0]
        if not found:
            raise NotTriedError(f"no code was had in the honest way ({answer.said})")
        return found, verifier

    def exchange(self, code: str, verifier: str | None, **changes: str) -> Answer:
        """Redeem a code."""
        fields = {
            "grant_type": "authorization_code",
            "client_id": self.given.client_id,
            "redirect_uri": self.given.redirect_uri,
            "code": code,
            **({"code_verifier": verifier} if verifier is not None else {}),
            **changes,
        }
        return self.token(fields)

    def token(self, fields: dict[str, str], headers: Pairs = (), query: str = "") -> Answer:
        """Ask the token endpoint."""
        sent = [("Content-Type", FORM), *headers]
        return self.wire.send("POST", f"{self.wire.base}/token{query}", sent, urlencode(fields).encode())

    def refresh(self, token: str) -> Answer:
        """Use a refresh token."""
        return self.token(
            {"grant_type": "refresh_token", "client_id": self.given.client_id, "refresh_token": token}
        )

    def grant(self, visitor: Visitor | None = None) -> dict[str, str]:
        """Tokens, had in the honest way."""
        answer = self.exchange(*self.code(visitor))
        if "access_token" not in answer.json:
            raise NotTriedError(f"no token was had in the honest way ({answer.said})")
        return {name: value for name, value in answer.json.items() if isinstance(value, str)}

    @cached_property
    def held(self) -> dict[str, str]:
        """Tokens that stay alive, which the API is seen to take."""
        tokens = self.grant()
        if (answer := self.call(tokens["access_token"])).status != 200:
            raise NotTriedError(f"the API does not take an honest token ({answer.said})")
        return tokens

    # --- the API

    @cached_property
    def _api(self) -> tuple[Wire, str]:
        if not self.given.api:
            raise NotTriedError("needs --api")
        parts = urlsplit(self.given.api)
        return Wire(f"{parts.scheme}://{parts.netloc}", self.given.ca_file), parts.path or "/"

    def api(self, headers: Pairs, query: str = "") -> Answer:
        """Ask the API."""
        wire, path = self._api
        return wire.send("GET", path + query, headers)

    def call(self, token: str) -> Answer:
        """Ask the API with a bearer token."""
        return self.api([("Authorization", f"Bearer {token}")])
