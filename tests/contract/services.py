"""A guarded service to run the shared suite against: the same routes in each integration, and who calls them.

Routes: `/any` any principal, `/read` scope `orders:read`, `/admin` that and role `admin`, `/staff` group `staff`,
`/open` strangers too, `/change` (POST) any principal. Each answers with the principal in JSON.
"""

import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
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
KEY = JWK.generate("ES256", kid="k1")
KEYS = JWKSet([KEY.public()])

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a service answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

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

    def __post_init__(self) -> None:
        self.clock = 1_000.0
        self.source = InProcessSource(clock=lambda: self.clock)
        trusted = TrustedIssuer(ISSUER, audience=API, source=self.source)
        self.verifier = Verifier(trusted, boottime=lambda: self.clock)
        self.publish()

    def publish(self) -> None:
        bitmap = status_list.with_bits(status_list.EMPTY, [POSITION]) if self.ended else status_list.EMPTY
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

    def token(self, **changed: Any) -> str:
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
            auth_time=now,
            acr="urn:admit:acr:1fa",
            amr=("pwd",),
            status=StatusClaim(status_list.uri(ISSUER, 0), POSITION),
        )
        return access.sign(replace(token, **changed), KEY)

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """`SessionLookup`."""
        self.questions += 1
        if self.failing:
            raise LookupUnavailableError("the store is gone")
        if id_hash != cookies.id_hash(RAW) or self.ended:
            return None
        principal = Principal(
            issuer=ISSUER,
            subject="u_alice",
            client_id="admit",
            audience=frozenset({audience}),
            scopes=self.scopes,
            roles=self.roles,
            groups=self.groups,
            session_id="s-1",
            auth_time=int(now) - 120,
            acr="urn:admit:acr:1fa",
            amr=("pwd",),
            expires_at=now + 3_600,
            credential=CredentialKind.SESSION,
            claims=MappingProxyType({"name": "Alice"}),
        )
        return Found(principal, StatusRef(0, POSITION), now + 3_600)


class Carrier(Protocol):
    """How a request carries the principal."""

    def __call__(self, issuer: Issuer) -> Headers: ...


def by_token(issuer: Issuer) -> Headers:
    return [(b"authorization", b"Bearer " + issuer.token().encode())]


def by_session(issuer: Issuer) -> Headers:
    return [(b"cookie", f"{COOKIE}={cookies.encode_session_id(RAW)}".encode())]


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
