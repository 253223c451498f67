"""The issuer of a test: a key, a status list and sessions in memory, and verifiers that know them without asking."""

import hashlib
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import cache
from typing import Any, Protocol, TypeAlias, TypeVar

from admit.credentials import Found, StatusRef, csrf
from admit.errors import ConfigError, UnavailableError
from admit.jose import JWK, JWKSet, base64url
from admit.principal import CredentialKind, Principal
from admit.relying_party import Bff
from admit.testing import backend
from admit.testing.callers import Caller
from admit.testing.client import Client
from admit.tokens import AccessToken, StatusClaim, access, status_list
from admit.verifier import InProcessSource, SessionLookup, TrustedIssuer, Verifier
from admit.verifier.trust import ISSUER_OF_TESTS

C = TypeVar("C")
_LIFETIME = timedelta(minutes=5)
_SESSION_LIFETIME = timedelta(hours=8)
_LIST = 0


class Gate(Protocol):
    """What every guard of `admit.integrations` is, or keeps in its attribute `gate`."""

    verifier: Any
    sessions: SessionLookup | None
    audience: str
    cookie: str | None
    origins: frozenset[str]


class Guard(Protocol):
    """A guard that keeps its gate."""

    @property
    def gate(self) -> Any: ...


class Tokens(Protocol):
    """What only knows tokens of one resource, such as `admit.integrations.mcp.AdmitTokens`."""

    verifier: Any
    resource: str


Guarding: TypeAlias = Gate | Guard | Tokens
"""A guard of any framework."""


@dataclass(slots=True)
class _State:
    """What a publisher hands over: the places of those whose end was told."""

    seq: int = 1
    bitmap: bytes = status_list.EMPTY
    epoch: int = 1
    revoked_kids: frozenset[str] = frozenset()

    @property
    def lists(self) -> Mapping[int, tuple[str, bytes]]:
        return {_LIST: (status_list.version(self.bitmap), self.bitmap)}


@cache
def key_of_this_run() -> JWK:
    """Made when first wanted, and gone with the process."""
    return JWK.generate("ES256", kid=f"test-{secrets.token_hex(4)}")


class TestIssuer:
    """Signs tokens and keeps sessions for tests; `with TestIssuer() as issuer:` outside of pytest.

    What guards were told to trust, they trust as before once it is closed. Use it from one test at a time.
    """

    __test__ = False  # its name is no test's

    def __init__(self) -> None:
        self._key = key_of_this_run()
        self._state = _State()
        self._boot = 0.0
        self._source = InProcessSource(clock=self._boottime)
        self._places: dict[str, int] = {}
        self._sessions: dict[bytes, tuple[Principal, float]] = {}
        self._stack = ExitStack()
        self._trusted: dict[int, Any] = {}
        self._backends: list[tuple[int, Bff, bytes]] = []
        self._publish()

    def __enter__(self) -> "TestIssuer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Guards trust whom they trusted before."""
        self._trusted.clear()
        self._stack.close()

    # ── who trusts it ──────────────────────────────────────────────────────────────────────────────────────────────

    def verifier(self, *audiences: str) -> Verifier:
        """A verifier that trusts this issuer for these audiences, and nobody else.

        Raises:
            ConfigError: no audience, or an empty one.
        """
        trusted = TrustedIssuer(ISSUER_OF_TESTS, audience=audiences, source=self._source)
        return Verifier(trusted, wall=_now, boottime=self._boottime)

    def trust(self, guard: Guarding | Bff) -> None:
        """Let a guard trust this issuer, for its own audiences, instead of those that it was made for.

        Its own issuers are not asked for anything meanwhile, nor are the providers of a `Bff`. Sessions are taken where
        it takes sessions.

        Raises:
            ConfigError: it is no guard.
        """
        gate = guard if isinstance(guard, Bff) else _gate_of(guard)
        if id(gate) in self._trusted:
            return
        self._trusted[id(gate)] = gate
        if isinstance(gate, Bff):
            self._stack.callback(backend.alone(gate))
            return
        self._stack.callback(_put_back, gate, gate.verifier, getattr(gate, "sessions", None))
        gate.verifier = self.verifier(*sorted(gate.verifier.audiences))
        if getattr(gate, "sessions", None) is not None:
            gate.sessions = self

    def client(self, client: C, guard: Guarding | Bff, *, provider: str | None = None) -> "Client[C]":
        """A test client that can call as somebody: Starlette's, Flask's, Django's, httpx's, requests'.

        The guard trusts this issuer from now on. For an application with a `Bff` name that: its callers are people who
        signed in, with a real session in its store. `provider` is the name of whom they signed in with, else the first.

        Raises:
            ConfigError: it is no guard.
        """
        self.trust(guard)

        def carried(who: Principal, by: Caller, age: timedelta = timedelta(0)) -> dict[str, str]:
            return self.headers(who, guard, by=by, age=age, provider=provider)

        return Client(client, carried)

    # ── what it gives ──────────────────────────────────────────────────────────────────────────────────────────────

    def token(
        self,
        who: Principal,
        *,
        audience: str | None = None,
        age: timedelta = timedelta(0),
        lifetime: timedelta = _LIFETIME,
    ) -> str:
        """A signed access token (RFC 9068) that says what the principal says.

        `audience`: the API that it is for, where the principal names none. Of an `age` beyond `lifetime` (5 min) it
        has expired.

        Raises:
            ConfigError: a principal of another issuer, or nobody says for which API.
            ClaimError: a claim that no token may have.
        """
        _check_own(who)
        audiences = who.audience or frozenset((audience,) if audience else ())
        if not audiences:
            raise ConfigError("for which API? Say audience=..., here or in principal(...)")
        issued = _now() - age.total_seconds()
        said = AccessToken(
            issuer=ISSUER_OF_TESTS,
            subject=who.subject,
            audience=audiences,
            client_id=who.client_id,
            iat=issued,
            exp=issued + lifetime.total_seconds(),
            jti=secrets.token_hex(8),
            scope=who.scopes,
            roles=who.roles,
            groups=who.groups,
            session_id=who.session_id,
            auth_time=who.auth_time,
            acr=who.acr,
            amr=who.amr,
            actor=who.actor,
            status=StatusClaim(status_list.uri(ISSUER_OF_TESTS, _LIST), self._place(who)),
            extra=dict(who.claims),
        )
        return access.sign(said, self._key)

    def session(
        self, who: Principal, *, lifetime: timedelta = _SESSION_LIFETIME, age: timedelta = timedelta(0)
    ) -> bytes:
        """The id of a new session of this principal: 32 octets, which the cookie holds in base64url.

        Of an `age` beyond `lifetime` (8 h) it is over.

        Raises:
            ConfigError: a principal of another issuer, or a machine.
        """
        _check_own(who)
        if who.is_client:
            raise ConfigError("a machine has no session: call by token")
        raw = secrets.token_bytes(32)
        self._place(who)
        self._sessions[hashlib.sha256(raw).digest()] = who, _now() + (lifetime - age).total_seconds()
        return raw

    def headers(
        self,
        who: Principal,
        guard: Guarding | Bff,
        *,
        by: Caller = "token",
        age: timedelta = timedelta(0),
        provider: str | None = None,
    ) -> dict[str, str]:
        """What a request has to carry to be this principal's at this guard, had `age` ago.

        Raises:
            ConfigError: the guard takes no sessions, or has several audiences and the principal names none.
        """
        self.trust(guard)
        if isinstance(guard, Bff):
            return backend.carried(guard, self._signed_in(who, guard, provider, age))
        if provider is not None:
            raise ConfigError("provider=... is for a Bff")
        gate = _gate_of(guard)
        if by == "token":
            audiences = gate.verifier.audiences
            only = min(audiences) if len(audiences) == 1 else getattr(guard, "resource", None)
            return {"authorization": f"Bearer {self.token(who, audience=only, age=age)}"}
        if by != "session":
            raise ConfigError('a principal is carried by="token" or by="session"')
        if getattr(gate, "cookie", None) is None:
            raise ConfigError("this guard takes no sessions: it was made without sessions=...")
        raw = self.session(who, age=age)
        carried = {
            "cookie": f"{gate.cookie}={base64url.encode(raw).decode('ascii')}",
            "x-csrf-token": csrf.token(raw),
            "sec-fetch-site": "same-origin",
        }
        return carried | ({"origin": min(gate.origins)} if gate.origins else {})

    # ── what becomes of it ─────────────────────────────────────────────────────────────────────────────────────────

    def end(self, who: Principal) -> None:
        """End what the principal stands for, as a logout does: its tokens and sessions are refused from now on."""
        self._state.bitmap = status_list.with_bits(self._state.bitmap, [self._place(who)])
        self._state.seq += 1
        self._publish()
        for place, bff, raw in self._backends:
            if place == self._place(who):
                backend.end(bff, raw)

    @contextmanager
    def unreachable(self) -> Iterator[None]:
        """As if the issuer could not be asked for longer than any bound: guards answer 503."""
        before = self._boot
        self._boot += timedelta(days=2).total_seconds()
        try:
            yield
        finally:
            self._boot = before

    async def find(self, id_hash: bytes, audience: str, now: float) -> Found | None:
        """The live session whose id has this SHA-256: as guards look it up."""
        who, until = self._sessions.get(id_hash, (None, 0.0))
        if who is None or now >= until:
            return None
        found = Principal(
            issuer=ISSUER_OF_TESTS,
            subject=who.subject,
            client_id="admit",
            audience=frozenset((audience,)),
            scopes=who.scopes,
            roles=who.roles,
            groups=who.groups,
            actor=who.actor,
            session_id=who.session_id,
            auth_time=who.auth_time,
            acr=who.acr,
            amr=who.amr,
            expires_at=until,
            credential=CredentialKind.SESSION,
            claims=who.claims,
        )
        return Found(found, StatusRef(_LIST, self._place(who)), until)

    def _signed_in(self, who: Principal, bff: Bff, provider: str | None, age: timedelta) -> bytes:
        _check_own(who)
        if age:
            raise ConfigError("the sessions of a Bff grow old by its own clock: Bff(clock=...)")

        def signed(audience: frozenset[str], scopes: frozenset[str]) -> str:
            return self.token(replace(who, audience=audience, scopes=scopes), lifetime=_SESSION_LIFETIME)

        raw = backend.begin(bff, who, provider, signed, _SESSION_LIFETIME.total_seconds())
        self._backends.append((self._place(who), bff, raw))
        self._stack.callback(_end_quietly, bff, raw)
        return raw

    def _place(self, who: Principal) -> int:
        """One a session, and so one for all that is ended together."""
        of = who.session_id or who.subject
        if of not in self._places:
            self._places[of] = len(self._places)
        return self._places[of]

    def _publish(self) -> None:
        keys = JWKSet([self._key.public()])
        self._source.publish(
            keys=keys, state=self._state, issuer=ISSUER_OF_TESTS, as_of=self._boot, wall=_now()
        )

    def _boottime(self) -> float:
        """Stands still, so that nothing goes stale while a test is looked at in a debugger."""
        return self._boot


def _now() -> float:
    """Wall time, asked for anew each time: tests put other clocks in the place of this one."""
    return time.time()


def _check_own(who: Principal) -> None:
    if not isinstance(who, Principal):
        raise ConfigError('a caller is a principal: admit.testing.principal("alice", scopes={...})')
    if who.issuer != ISSUER_OF_TESTS:
        raise ConfigError("only principals of the issuer of tests: admit.testing.principal(...) makes them")


def _gate_of(guard: Any) -> Any:
    gate = getattr(guard, "gate", guard)
    if not hasattr(getattr(gate, "verifier", None), "audiences"):
        raise ConfigError(
            f"no guard: {type(guard).__name__}. Name the Guard, AdmitTokens or Bff that the application was made with"
        )
    return gate


def _put_back(gate: Any, verifier: Any, sessions: SessionLookup | None) -> None:
    gate.verifier = verifier
    if hasattr(gate, "sessions"):
        gate.sessions = sessions


def _end_quietly(bff: Bff, raw: bytes) -> None:
    with suppress(UnavailableError):  # the store went before the issuer
        backend.end(bff, raw)
