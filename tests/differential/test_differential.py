"""What Admit takes, PyJWT, joserfc and jwcrypto take too, told to be strict; or `explained.json` has the clause.

The other way round is no fault: each of them takes what Admit must not.
"""

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from admit import JWK, AdmitError, jwt
from tests.differential.forge import API, ISS, forged, keys
from tests.differential.peers import peers

EXPLAINED: dict[str, dict[str, str]] = json.loads(
    (Path(__file__).parent / "explained.json").read_text("utf-8")
)


def clause(peer: str, said: str) -> str | None:
    """Why Admit takes what this peer refuses with these words."""
    return next((why for words, why in EXPLAINED[peer].items() if re.match(words, said)), None)


def taken(token: str, key: JWK) -> bool:
    """Whether Admit takes it now."""
    try:
        jwt.verify(token, key, issuer=ISS, audience=API)
    except AdmitError:
        return False
    return True


@pytest.mark.slow
def test_what_admit_takes_no_other_library_refuses_without_a_clause_that_explains_it(
    rounds: Callable[..., range], rng: random.Random
) -> None:
    now = int(time.time())
    own = keys(rng, now)
    others = peers(own)
    trusted = {alg: key if key.kty == "oct" else key.public() for alg, key in own.by_alg.items()}
    seen: Counter[str] = Counter()
    unexplained: dict[str, str] = {}
    for _ in rounds(quick=1_000, test=5_000, soak=1_000_000):
        if (
            time.time() - now > 20
        ):  # the peers read the clock of the machine, and some tokens live for seconds
            now = int(time.time())
        alg, token = forged(rng, own, now)
        if not taken(token, trusted[alg]):
            seen["Admit refuses"] += 1
            continue
        seen["Admit takes"] += 1
        for name, peer in others.items():
            said = peer(alg, token)
            if said is None:
                continue
            why = clause(name, said)
            if why is None and not taken(token, trusted[alg]):
                seen["expired between two questions"] += 1  # a machine that slept, with no fault of anybody's
                continue
            seen[f"{name} refuses: {why or 'unexplained'}"] += 1
            if why is None:
                unexplained[f"{name} {said}"] = token
    print(json.dumps(seen, indent=1, ensure_ascii=False))
    assert unexplained == {}
    assert min(seen["Admit takes"], seen["Admit refuses"]) > seen.total() / 20, (
        "the tokens are too tame, or too odd"
    )


def test_every_peer_takes_a_plain_token_and_refuses_one_that_nobody_signed(rng: random.Random) -> None:
    own = keys(rng, int(time.time()))
    for name, peer in peers(own).items():
        for alg, tokens in own.tokens.items():
            assert peer(alg, tokens[0]) is None, (name, alg)
            body, _, tail = tokens[0].rpartition(".")
            assert peer(alg, f"{body}.{tail[::-1]}") is not None, (name, alg)
