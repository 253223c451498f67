"""How much `jwt.verify` and `jwt.sign` cost beyond the bare primitive: `python benchmarks/jose/bench.py [rounds]`.

Every round times the bare primitive, the floor program and Admit one after another, so that a busy machine hurts all
three; the numbers are medians of the rounds' ratios. Noise is the spread of the primitive itself.
"""

import hmac
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from admit import JWK, jwt
from admit.jose import base64url, jws
from benchmarks.jose import floor

ISS, AUD = "https://id.example.com", "https://api.example.com"
CLAIMS = {"sub": "248289761001", "client_id": "spa", "scope": "orders:read orders:write", "sid": "k3Jx0pQ7"}
LIFETIME = timedelta(minutes=5)


def timed(work: Callable[[], object], times: int) -> float:
    start = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - start) / times


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    print(f"{'':14}{'bare µs':>9}{'noise':>7}{'floor ×':>9}{'admit ×':>9}{'admit/floor':>13}")
    for alg, times in (("HS256", 2000), ("RS256", 200), ("ES256", 200), ("EdDSA", 200)):
        key = JWK.generate(alg)
        public = key if alg == "HS256" else key.public()
        token = jwt.sign(CLAIMS, key, issuer=ISS, audience=AUD, lifetime=LIFETIME)
        data, _, tail = token.encode().rpartition(b".")
        signature = base64url.decode(tail)
        make, check = key.signer, public.verifier
        assert make is not None
        assert check is not None
        bare_verify: Callable[[], object] = partial(check, signature, data)
        bare_sign: Callable[[], object] = partial(make, data)
        if alg == "HS256":
            secret = base64url.decode(key.to_dict(private=True)["k"].encode())
            check = floor.hmac_check(secret)
            # hmac.digest is the primitive that others are measured by, for both directions
            bare_verify = bare_sign = partial(hmac.digest, secret, data, "sha256")
        floor_verify = floor.verifier(alg, check, ISS, AUD)
        floor_sign = floor.signer(jws.encoded_header(key, "JWT"), make, ISS, AUD)
        rows: dict[str, tuple[Callable[[], object], ...]] = {
            "verify": (
                bare_verify,
                partial(floor_verify, token),
                partial(jwt.verify, token, public, issuer=ISS, audience=AUD),
            ),
            "sign": (
                bare_sign,
                partial(floor_sign, CLAIMS),
                partial(jwt.sign, CLAIMS, key, issuer=ISS, audience=AUD, lifetime=LIFETIME),
            ),
        }
        for name, works in rows.items():
            table = [[timed(work, times) for work in works] for _ in range(rounds)]
            bare = [row[0] for row in table]
            quarter = statistics.quantiles(bare, n=4)
            print(
                f"{alg + ' ' + name:14}{statistics.median(bare) * 1e6:9.2f}"
                f"{(quarter[2] - quarter[0]) / quarter[1]:7.0%}"
                f"{statistics.median(r[1] / r[0] for r in table):9.2f}"
                f"{statistics.median(r[2] / r[0] for r in table):9.2f}"
                f"{statistics.median(r[2] / r[1] for r in table):13.2f}"
            )


if __name__ == "__main__":
    main()
