"""One issuer's keys and lists as a verifier holds them, with real clocks, real signatures and no network."""

import random
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from admit.jose import JWK, JWKSet, Waive
from admit.tokens import access, status_list
from admit.verifier import InProcessSource, Revocation, TrustedIssuer, Verifier

ISSUER, API = "https://id.example.com", "https://api.example.com"
POSITION = 7
"""Where the tokens' own bit stands; no benchmark sets it."""
KEY = JWK.generate("ES256")
TERMS = Revocation(max_staleness=timedelta(minutes=15))
CLAIMS: Mapping[str, Any] = {
    "issuer": ISSUER,
    "audience": API,
    "client_id": "spa",
    "scope": frozenset({"orders:read", "orders:write"}),
    "roles": frozenset({"admin"}),
    "session_id": "s_3fJx0pQ7hV2k",
    "acr": "urn:admit:acr:1fa",
    "amr": ("pwd",),
}


def token(subject: str = "u_248289761001", *, key: JWK = KEY, jti: str = "j_1", life: float = 3600.0) -> str:
    """An access token as an issuer mints it, whose family is alive."""
    now = time.time()
    status = access.StatusClaim(status_list.uri(ISSUER, 0), POSITION)
    return access.sign(
        access.AccessToken(
            subject=subject, iat=now, exp=now + life, auth_time=now, jti=jti, status=status, **CLAIMS
        ),
        key,
    )


def ended(count: int) -> bytes:
    """A list in which so many families were ended, and not ours."""
    positions = random.Random(count).sample(range(status_list.ENTRIES), min(count + 1, status_list.ENTRIES))
    return status_list.with_bits(status_list.EMPTY, [one for one in positions if one != POSITION][:count])


@dataclass(slots=True)
class State:
    """What an issuer's publisher knows."""

    lists: Mapping[int, tuple[str, bytes]]
    epoch: int = 1
    seq: int = 1
    revoked_kids: frozenset[str] = frozenset()


@dataclass(slots=True)
class Site:
    """A verifier and the source that feeds it. `renew` makes what is held fresh again, as a poll does."""

    bits: int = 0
    remember: int = 10_000
    follow: bool = True
    source: InProcessSource = field(default_factory=InProcessSource)
    verifier: Verifier = field(init=False)
    state: State = field(init=False)

    def __post_init__(self) -> None:
        bitmap = ended(self.bits)
        self.state = State({0: (status_list.version(bitmap), bitmap)})
        trust = TrustedIssuer(
            ISSUER,
            audience=API,
            source=self.source,
            revocation=TERMS if self.follow else Waive.REVOCATION,
        )
        self.renew()
        self.verifier = Verifier(trust, remember=self.remember)

    def renew(self) -> None:
        keys = JWKSet([KEY.public()])
        self.source.publish(
            keys=keys, state=self.state, issuer=ISSUER, as_of=self.source.now(), wall=time.time()
        )
