"""An issuer as an API sees it, for tests of guards: Alice's sign-in by session and by token, and what happens to it."""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Protocol

from admit.credentials import Found, StatusRef, cookies
from admit.errors import LookupUnavailableError
from admit.jose import JWK, JWKSet
from admit.principal import ByReference, CredentialKind, Principal
from admit.tokens import AccessToken, StatusClaim, access, status_list
from admit.verifier import InProcessSource, TrustedIssuer, Verifier

ISSUER = "https://id.example.com"
API = "https://api.example.com"
PAGES = "https://app.example.com"
COOKIE = cookies.session_cookie_name(ISSUER)
RAW = bytes(range(32))
POSITION = 4_711
ACR_2FA = "urn:admit:acr:2fa"
KEY = JWK.generate("ES256", kid="k1")
KEYS = JWKSet([KEY.public()])
OTHER_KEY = JWK.generate("ES256", kid="k1")
STRANGE_ISSUER = "https://evil.example"
TOKEN_COOKIE = "__Host-orders"

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered. A WebSocket that was opened has status 101 and its first message as `body`; one that was
    closed instead has its close code as `closed`. `parts` is in how many pieces the body came.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    parts: int = 1
    closed: int | None = None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class State:
    """What an issuer's publisher would hand over."""

    epoch: int = 1
    seq: int = 1
    lists: Mapping[int, tuple[str, bytes]] = field(default_factory=dict)
    revoked_kids: frozenset[str] = frozenset()


@dataclass
class Issuer:
    """Alice's sign-in as an issuer has it, by session and by token; `end` ends both, `fail` makes them unknowable."""

    scopes: frozenset[str] = frozenset({"orders:read"})
    roles: frozenset[str] = frozenset({"admin"})
    groups: frozenset[str] | ByReference = frozenset({"staff"})
    ended: bool = False
    failing: bool = False
    seq: int = 0
    questions: int = 0
    acr: str = "urn:admit:acr:1fa"
    signed_in: float = 120
    """Seconds since the sign-in."""
    session_life: float = 3_600
    session_of: str = ISSUER
    raw: bytes = RAW
    position: int = POSITION

    def __post_init__(self) -> None:
        self.over: set[int] = set()
        self.clock = 1_000.0
        self.source = InProcessSource(clock=lambda: self.clock)
        trusted = TrustedIssuer(ISSUER, audience=API, source=self.source)
        self.verifier = Verifier(trusted, boottime=lambda: self.clock)
        self.publish()

    def publish(self) -> None:
        if self.ended:
            self.over.add(self.position)
        bitmap = status_list.with_bits(status_list.EMPTY, self.over)
        self.seq += 1
        state = State(seq=self.seq, lists={0: (status_list.version(bitmap), bitmap)})
        self.source.publish(keys=KEYS, state=state, issuer=ISSUER, as_of=self.clock, wall=time.time())

    def end(self) -> None:
        self.ended = True
        self.publish()

    def fail(self) -> None:
        """The issuer is gone for longer than `max_staleness`."""
        self.failing = True
        self.clock += 3_600

    def sign_in_anew(self) -> None:
        """Everything as at first, but for a new session: what came before stays ended, and nobody remembers it."""
        self.scopes, self.roles, self.groups = (
            frozenset({"orders:read"}),
            frozenset({"admin"}),
            frozenset({"staff"}),
        )
        self.acr, self.signed_in = "urn:admit:acr:1fa", 120
        self.session_life, self.session_of = 3_600, ISSUER
        self.ended = self.failing = False
        self.questions = 0
        self.position += 1
        self.raw = sha256(self.raw).digest()
        self.publish()

    def token(self, key: JWK = KEY, **changed: Any) -> str:
        now = time.time() - 120  # not a young token, which would need no fresh list
        token = AccessToken(
            issuer=ISSUER,
            subject="u_alice",
            audience=API,
            client_id="spa",
            iat=now,
            exp=now + 300,
            jti="j-1",
            scope=self.scopes,
            roles=self.roles,
            groups=self.groups,
            session_id="s-1",
            auth_time=time.time() - self.signed_in,
            acr=self.acr,
            amr=("pwd",),
            status=StatusClaim(status_list.uri(ISSUER, 0), self.position),
        )
        return access.sign(replace(token, **changed), key)

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """`SessionLookup`."""
        self.questions += 1
        if self.failing:
            raise LookupUnavailableError("the store is gone")
        if id_hash != cookies.id_hash(self.raw) or self.ended:
            return None
        principal = Principal(
            issuer=self.session_of,
            subject="u_alice",
            client_id="admit",
            audience=frozenset({audience}),
            scopes=self.scopes,
            roles=self.roles,
            groups=self.groups,
            session_id="s-1",
            auth_time=int(now - self.signed_in),
            acr=self.acr,
            amr=("pwd",),
            expires_at=now + self.session_life,
            credential=CredentialKind.SESSION,
            claims=MappingProxyType({"name": "Alice"}),
        )
        return Found(principal, StatusRef(0, self.position), now + self.session_life)


class Carrier(Protocol):
    """How a request carries the principal."""

    def __call__(self, issuer: Issuer) -> Headers: ...


def by_token(issuer: Issuer) -> Headers:
    return [(b"authorization", b"Bearer " + issuer.token().encode())]


def by_session(issuer: Issuer) -> Headers:
    return [(b"cookie", f"{COOKIE}={cookies.encode_session_id(issuer.raw)}".encode())]


def by_token_cookie(issuer: Issuer) -> Headers:
    return [(b"cookie", f"{TOKEN_COOKIE}={issuer.token()}".encode())]


Request = Callable[..., Awaitable[Answer]]
"""`await request("/any", headers, method="GET")`."""


def shown(principal: Principal | None) -> dict[str, Any] | None:
    """What the routes answer."""
    if principal is None:
        return None
    return {
        "subject": principal.subject,
        "scopes": sorted(principal.scopes),
        "credential": principal.credential.value,
    }
