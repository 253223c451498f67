"""Many verifiers in one process, that follow and verify nothing: `followers.py CONFIG`.

Prints `ready` when all of them are fresh; at the end of stdin one JSON object of what they asked for since then.
"""

import json
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from admit.fetch import Fetcher, Response
from admit.verifier import Revocation, TrustedIssuer, Verifier

_START = 60.0
COUNTS: Counter[str] = Counter()
OCTETS: Counter[str] = Counter()


class Counting(Fetcher):
    """Counts answers by path and status, and the octets of their bodies."""

    def get(self, url: str, *args: Any, **kwargs: Any) -> Response:
        answer = super().get(url, *args, **kwargs)
        path = urlsplit(url).path
        name = f"{'list' if path.rpartition('/')[2].isdigit() else path} {answer.status}"
        COUNTS[name] += 1
        OCTETS[name] += len(answer.body)
        return answer


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    verifiers = []
    for _ in range(config["count"]):
        trust = TrustedIssuer(
            config["issuer"],
            audience=config["audience"],
            revocation=Revocation(poll=timedelta(seconds=config["poll"])),
        )
        verifiers.append(Verifier(trust, fetcher=Counting(trust.origins)))
    until = time.monotonic() + _START
    while sum(verifier.ready() for verifier in verifiers) < len(verifiers):
        if time.monotonic() > until:
            raise SystemExit("not every verifier became fresh")
        time.sleep(0.05)
    COUNTS.clear()
    OCTETS.clear()
    spent = time.process_time()
    print("ready", flush=True)
    sys.stdin.read()
    fresh = sum(verifier.ready() for verifier in verifiers)
    told = {"fresh": fresh, "cpu": time.process_time() - spent}
    print(json.dumps({**told, "counts": COUNTS, "octets": OCTETS}), flush=True)


if __name__ == "__main__":
    main()
