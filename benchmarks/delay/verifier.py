"""One API's verifier as a process: `verifier.py CONFIG`. Told tokens on stdin, it says when it refused each for the
first time.

In: lines `NUMBER TOKEN`; the token has to be good when it comes. Out: `ready`, then lines `NUMBER SECONDS` by
CLOCK_MONOTONIC, which all processes of a machine share; at the end of stdin one JSON object of counts. Meanwhile it
verifies the tokens of people who stay signed in, as an API under load does.
"""

import json
import os
import select
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from admit.errors import AdmitError, RevokedError, UnavailableError
from admit.verifier import Revocation, TrustedIssuer, Verifier


class Watch:
    """The tokens that are waited for, and those that must never be refused."""

    def __init__(self, verifier: Verifier, staying: list[str], each_turn: int) -> None:
        self.verifier = verifier
        self.waiting: dict[str, str] = {}
        self.counts = {"verified": 0, "good_refused": 0, "unavailable": 0}
        self._staying = self._rounds(staying)
        self._each_turn = each_turn

    @staticmethod
    def _rounds(staying: list[str]) -> Iterator[str]:
        while True:
            yield from staying

    def add(self, line: str) -> None:
        """One more token, good until now."""
        number, _, token = line.partition(" ")
        try:
            self.verifier.verify(token)
        except AdmitError:
            self.counts["good_refused"] += 1
        self.waiting[number] = token

    def turn(self) -> None:
        """Look at every token that is waited for, then serve others."""
        for number, token in list(self.waiting.items()):
            try:
                self.verifier.verify(token)
            except RevokedError:
                print(number, repr(time.monotonic()), flush=True)
                del self.waiting[number]
            except UnavailableError:  # past the bound: not what is measured here
                self.counts["unavailable"] += 1
        for _ in range(self._each_turn):
            try:
                self.verifier.verify(next(self._staying))
            except UnavailableError:
                self.counts["unavailable"] += 1
            except AdmitError:
                self.counts["good_refused"] += 1
        self.counts["verified"] += len(self.waiting) + self._each_turn


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    terms = Revocation(
        max_staleness=timedelta(seconds=config["max_staleness"]),
        poll=timedelta(seconds=config["poll"]),
        stream=config["stream"],
    )
    verifier = Verifier(TrustedIssuer(config["issuer"], audience=config["audience"], revocation=terms))
    for token in config["staying"]:
        verifier.verify(token)
    watch = Watch(verifier, config["staying"], config["each_turn"])
    print("ready", flush=True)
    spent = time.process_time()  # for starting: that is not what an API does all day
    poller = select.poll()
    poller.register(0, select.POLLIN)
    pending = b""
    while True:
        if poller.poll(config["every_ms"]):
            more = os.read(0, 1 << 20)
            if not more:
                break
            *lines, pending = (pending + more).split(b"\n")
            for line in lines:
                watch.add(line.decode("ascii"))
        watch.turn()
    print(json.dumps({**watch.counts, "cpu": time.process_time() - spent}), flush=True)
    with suppress(AdmitError):
        verifier.close()


if __name__ == "__main__":
    main()
