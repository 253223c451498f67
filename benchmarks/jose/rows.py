"""One row for each algorithm and direction: the bare primitive, the floor program, Admit and every peer, in turns."""

import time
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, NamedTuple

from admit import JWK, jwt
from admit.jose import jws
from benchmarks.harness import figures
from benchmarks.harness.figures import Noise
from benchmarks.harness.turns import Job, Turns, statement
from benchmarks.jose import floor, peers, primitives
from benchmarks.jose.peers import AUD, CLAIMS, ISS, LIFETIME

ALGS = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "ES256K", "EdDSA", "Ed25519", "Ed448", "ML-DSA-44", "ML-DSA-65", "ML-DSA-87",
)  # fmt: skip
NEAR = 1.15
BATCH_S = 0.004
BARE, FLOOR, ADMIT = "bare", "floor", "Admit"
# × the bare primitive; the first that fits the algorithm's name.
VERIFY_GOALS: Mapping[str, float] = {
    "HS": 2.6,
    "RS": 1.30,
    "PS": 1.30,
    "ES256K": inf,
    "ES256": 1.12,
    "EdDSA": 1.10,
}
SIGN_GOALS: Mapping[str, float] = {"HS": 2.0, "ES256K": 1.08, "ES256": 1.2, "": 1.08}
HOW = f"""\
The same token for all, of about 400 octets without its signature's share: `iss`, `aud`, `exp`, `iat` and four claims
more. Admit makes every check it has, and remembers nothing of a token; what it keeps is the key's prepared state and
the header that all tokens of a key share. Bare is the primitive alone, `hmac.digest` for HMAC. The floor is
benchmarks/jose/floor.py: the same checks written inline for one key and one policy, and Admit is to be within
{NEAR - 1:.0%} of it. CPU time of the thread; ratios are medians of the rounds' ratios; noise is the middle half of the
primitive's own rounds."""
HOW_PEERS = """\
The rounds of the table above: × the bare primitive. Every library has its key prepared once and checks signature,
`alg`, `iss`, `aud` and the times. None is told to check less. oxyjwt does its work in Rust, with other primitives
(aws-lc) that can be faster or slower than the bare ones here (OpenSSL's, which all others use). An empty cell: not
installed, or without that algorithm."""


class Row(NamedTuple):
    alg: str
    direction: str
    turns: Turns

    def ratio(self, name: str, to: str = BARE) -> float:
        return self.turns.ratio(name, to)

    @property
    def goal(self) -> float | None:
        goals = VERIFY_GOALS if self.direction == "verify" else SIGN_GOALS
        most = next((most for prefix, most in goals.items() if self.alg.startswith(prefix)), inf)
        return None if most == inf else most


class Table:
    """Measures when first asked; both tables are of the same rounds."""

    def __init__(self, rounds: int, noise: Noise) -> None:
        self._rounds = rounds
        self._noise = noise
        self._rows: list[Row] = []

    def goals(self) -> str:
        self._rows = [row for alg in ALGS for row in self._measure(alg)]
        heads = ("", "bare µs", "noise", "floor ×", "Admit ×", "goal", "Admit ÷ floor", "near the floor")
        return figures.table(
            heads,
            [
                (
                    f"{row.alg} {row.direction}",
                    f"{row.turns.median(BARE):.2f}",
                    figures.spread(row.turns.taken[BARE]),
                    f"{row.ratio(FLOOR):.2f}",
                    f"{row.ratio(ADMIT):.2f}",
                    _verdict(row),
                    f"{row.ratio(ADMIT, FLOOR):.2f}",
                    figures.verdict(met=row.ratio(ADMIT, FLOOR) <= NEAR),
                )
                for row in self._rows
            ],
        )

    def peers(self) -> str:
        """Where Admit is not first the last column says who is, and by how much."""
        listed = []
        ahead = True
        for row in self._rows:
            others = {name: row.ratio(name) for name in peers.PEERS if name in row.turns.taken}
            cells = [f"{others[name]:.2f}" if name in others else "" for name in peers.PEERS]
            best = min(others, key=lambda name: others[name], default=None)
            first = "Admit"
            if best is None:
                first = "Admit alone"
            elif (behind := row.ratio(ADMIT, best)) > 1:
                first = f"{best}: Admit takes {behind:.2f} ×"
            ahead &= all(row.ratio(ADMIT, name) < 1 for name in others if name not in peers.NOT_PYTHON)
            listed.append((f"{row.alg} {row.direction}", f"{row.ratio(ADMIT):.2f}", *cells, first))
        table = figures.table(("", ADMIT, *peers.PEERS, "first"), listed)
        said = f"Ahead of every library written in Python in every row: {figures.verdict(met=ahead)}."
        return f"{table}\n\n{said} {peers.versions()}."

    def _measure(self, alg: str) -> list[Row]:
        key = JWK.generate(alg)
        public = key if key.kty == "oct" else key.public()
        token = jwt.sign(CLAIMS, key, issuer=ISS, audience=AUD, lifetime=LIFETIME)
        bare = primitives.bare(key, token.encode().rpartition(b".")[0])
        make, check = key.signer, public.verifier
        assert make is not None
        assert check is not None
        floor_verify = floor.verifier(alg, check, ISS, AUD)
        floor_sign = floor.signer(jws.encoded_header(key, "JWT"), make, ISS, AUD)
        assert floor_verify(token) == jwt.verify(token, public, issuer=ISS, audience=AUD)
        assert jwt.verify(floor_sign(CLAIMS), public, issuer=ISS, audience=AUD)["sub"] == CLAIMS["sub"]
        verify: dict[str, Job] = {
            BARE: _timed(bare.verify, bare.names),
            FLOOR: _called(lambda: floor_verify(token)),
            ADMIT: _called(lambda: jwt.verify(token, public, issuer=ISS, audience=AUD)),
        }
        # An ML-DSA signature takes as many tries as chance will have it: only many of them have a mean.
        least = 40 if key.kty == "AKP" else 3
        sign: dict[str, Job] = {
            BARE: _timed(bare.sign, bare.names, least),
            FLOOR: _called(lambda: floor_sign(CLAIMS), least),
            ADMIT: _called(lambda: jwt.sign(CLAIMS, key, issuer=ISS, audience=AUD, lifetime=LIFETIME), least),
        }
        for name, work in peers.works(key).items():
            verify[name] = _called(lambda work=work: work.verify(token))  # type: ignore[misc]  # bound now
            sign[name] = _called(work.sign, least)
        return [
            Row(alg, "verify", Turns(verify).run(self._rounds, self._noise)),
            Row(alg, "sign", Turns(sign).run(self._rounds, self._noise)),
        ]


def _called(work: Callable[[], Any], least: int = 3) -> Job:
    return _timed("work()", {"work": work}, least)


def _timed(text: str, names: Mapping[str, Any], least: int = 3) -> Job:
    """So many times a turn as fill some milliseconds."""
    once = min(statement(text, names, 3)() for _ in range(3))
    return statement(text, names, max(least, int(BATCH_S / once)), time.thread_time)


def _verdict(row: Row) -> str:
    if row.goal is None:
        return ""
    if row.ratio(ADMIT) <= row.goal:
        return f"≤ {row.goal:.2f}: met"
    ahead = "oxyjwt" in row.turns.taken and row.ratio(ADMIT, "oxyjwt") < 1
    if ahead and (row.alg, row.direction) == ("HS256", "verify"):
        return f"≤ {row.goal:.2f} or ahead of oxyjwt: met"
    return f"≤ {row.goal:.2f}: missed"
