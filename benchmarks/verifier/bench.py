"""What a verifier costs per request: `python benchmarks/verifier/bench.py [rounds]`.

Each round times all rows one after another; the numbers are medians of the rounds. The floor of a remembered token is
one SHA-256 and one look into a dict; the floor of a new one is the key's own check of the signature.
"""

import hashlib
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from admit.credentials import BearerCredential
from admit.jose import JWK, Waive, base64url
from admit.jose import claims as jose_claims
from admit.verifier import TrustedIssuer, Verifier, freshness
from admit.verifier.remembered import digest
from tests.fixtures.status_issuer import AUDIENCE, NOW, Clock, FakeNet, StatusIssuer


def timed(work: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times * 1e6


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    clock, issuer = Clock(), StatusIssuer()
    issuer.clock = clock.walltime
    trust = TrustedIssuer(issuer.issuer, audience=AUDIENCE)
    net = FakeNet(issuer)
    remembering, forgetting = (
        Verifier(trust, fetcher=net, wall=clock.walltime, remember=size)  # type: ignore[arg-type]  # stands in
        for size in (10_000, 0)
    )
    token = issuer.token(roles=frozenset({"admin"}), session_id="s1", extra={"name": "Alice Example"})
    credential = BearerCredential(token)
    remembering.verify(token)
    forgetting.verify(token)
    entry = remembering.core.remembered.get(digest(token))
    assert entry is not None
    assert entry.terms is not None
    held = entry.source.snapshot.held
    boot = remembering.core.boottime()
    secret = bytes(range(32))
    backend = Verifier(
        TrustedIssuer("backend", audience=AUDIENCE, secret=secret, typ="JWT", revocation=Waive.REVOCATION),
        wall=clock.walltime,
        remember=0,
    )
    symmetric = JWK.secret(secret, "HS256")
    claims = {"iss": "backend", "sub": "u", "aud": AUDIENCE, "exp": int(NOW) + 60, "scope": "a b"}
    hs256 = jose_claims.encode(claims, symmetric, typ="JWT")
    plain: dict[bytes, object] = {hashlib.sha256(token.encode()).digest(): entry}
    data, _, tail = token.encode().rpartition(b".")
    check, signature = issuer.key.public().verifier, base64url.decode(tail)
    assert check is not None
    rows: dict[str, tuple[Callable[[], object], int]] = {
        "floor: sha-256 and a dict": (lambda: plain[hashlib.sha256(token.encode()).digest()], 20_000),
        "remembered token": (partial(remembering.verify, credential), 20_000),
        "  of it: revocation": (
            partial(freshness.check_status, held, entry.kid, 0, 7, NOW, NOW, boot, entry.terms),
            50_000,
        ),
        "HS256, not remembered": (partial(backend.verify, hs256), 2_000),
        "floor: ES256 signature": (partial(check, signature, data), 200),
        "ES256, not remembered": (partial(forgetting.verify, token), 200),
    }
    seen: dict[str, list[float]] = {name: [] for name in rows}
    for _ in range(rounds):
        for name, (work, times) in rows.items():
            seen[name].append(timed(work, times))
    print(f"{len(token)} bytes a token, {rounds} rounds")
    for name, taken in seen.items():
        print(
            f"{name:28}{statistics.median(taken):9.2f} µs   (best {min(taken):.2f}, worst {max(taken):.2f})"
        )
    remembering.close()
    forgetting.close()


if __name__ == "__main__":
    main()
