"""Verifiers in a process of their own that check tokens all the time: `python checker.py '{"issuer": ...}'`.

Each verifier has a thread that verifies every token it was given each few milliseconds, as an API would that is asked
so often. Commands come as JSON lines on stdin; on stdout go `["run", verifier, token, verdict, first, last, count]`
when a run of equal verdicts is over and `["now", verifier, token, verdict]` when another begins. How much later than
wanted a thread was woken at worst is told too: so busy the machine was.
"""

import contextlib
import json
import os
import sys
import threading
import time
from datetime import timedelta
from typing import Any

from admit import TrustedIssuer, Verifier
from admit.errors import AdmitError, KeysUnavailableError, RevokedError, StaleRevocationError
from admit.verifier import Revocation
from admit.verifier.boottime import boottime


class Clocks:
    """The verifiers' clocks, which may be wrong. Remembers when a thread last looked, by the true boot clock."""

    def __init__(self) -> None:
        self.wall_off = self.boot_off = 0.0
        self.stands_at: float | None = None
        self.looks = threading.local()
        self._turning = threading.Lock()

    def wall(self) -> float:
        return time.time() + self.wall_off

    def boot(self) -> float:
        with (
            self._turning
        ):  # else one that was looked at while it is stopped would have gone back by a little
            true = boottime()
            self.looks.last = true
            return self.stands_at if self.stands_at is not None else true + self.boot_off

    def turn(
        self, *, wall: float | None = None, boot: float | None = None, stand: bool | None = None
    ) -> None:
        """Set them wrong by so many seconds, or let the boot clock stand."""
        with self._turning:
            if wall is not None:
                self.wall_off = wall
            if boot is not None:
                self.boot_off = boot
            if stand is not None:
                self.stands_at = boottime() + self.boot_off if stand else None


class Out:
    """Lines to the harness, whole ones."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def __call__(self, *line: Any) -> None:
        text = json.dumps(line) + "\n"
        with self._lock:
            sys.stdout.write(text)
            sys.stdout.flush()


class Checked:
    """One verifier and what it said of each token."""

    def __init__(self, name: str, verifier: Verifier, clocks: Clocks, out: Out, every: float) -> None:
        self.name, self.verifier, self.clocks, self.out, self.every = name, verifier, clocks, out, every
        self.tokens: dict[int, str] = {}
        self.runs: dict[int, list[Any]] = {}
        self.lock = threading.Lock()
        self.lag = 0.0
        threading.Thread(target=self._check, daemon=True).start()

    def _check(self) -> None:
        while True:
            for number, token in list(self.tokens.items()):
                verdict, at = self._verdict(token)
                self._note(number, verdict, at)
            before = time.monotonic()
            time.sleep(self.every)
            self.lag = max(self.lag, time.monotonic() - before - self.every)

    def _verdict(self, token: str) -> tuple[str, float]:
        self.clocks.looks.last = None
        try:
            self.verifier.verify(token)
            verdict = "ok"
        except RevokedError:
            verdict = "revoked"
        except StaleRevocationError:
            verdict = "stale"
        except KeysUnavailableError:
            verdict = "keys"
        except AdmitError as error:
            verdict = f"{error.status} {type(error).__name__}"
        except Exception as error:
            verdict = f"error {type(error).__name__}"
        return verdict, self.clocks.looks.last or boottime()

    def _note(self, number: int, verdict: str, at: float) -> None:
        with self.lock:
            run = self.runs.get(number)
            if number not in self.tokens:
                return
            if run is not None and run[0] == verdict:
                run[2], run[3] = at, run[3] + 1
                return
            self._tell(number)
            self.runs[number] = [verdict, at, at, 1]
        self.out("now", self.name, number, verdict)

    def _tell(self, number: int) -> None:
        run = self.runs.pop(number, None)
        if run is not None:
            self.out("run", self.name, number, *run)

    def give(self, tokens: dict[int, str]) -> None:
        self.tokens = {**self.tokens, **tokens}

    def drop(self) -> None:
        """No tokens any more; all that is known of them is told."""
        with self.lock:
            self.tokens = {}
            for number in list(self.runs):
                self._tell(number)


def revocation(given: dict[str, Any]) -> Revocation:
    """`Revocation(...)` of JSON; durations are seconds."""
    made: dict[str, Any] = {
        name: value if isinstance(value, bool) else timedelta(seconds=value) for name, value in given.items()
    }
    return Revocation(**made)


def main() -> None:
    config = json.loads(sys.argv[1])
    clocks, out = Clocks(), Out()
    every = config["every"]
    checked: dict[str, Checked] = {}
    for name, given in config["verifiers"].items():
        trust = TrustedIssuer(
            config["issuer"], audience=config["audience"], revocation=revocation(given["revocation"])
        )
        if "state_dir" in given["more"]:
            os.makedirs(given["more"]["state_dir"], mode=0o700, exist_ok=True)
        verifier = Verifier(trust, wall=clocks.wall, boottime=clocks.boot, **given["more"])
        checked[name] = Checked(name, verifier, clocks, out, every)
    out("ready")
    for line in sys.stdin:
        command, arguments = json.loads(line)
        if command == "give":
            tokens = {int(number): token for number, token in arguments["tokens"].items()}
            for one in checked.values():
                one.give(tokens)
        elif command == "drop":
            for one in checked.values():
                one.drop()
            out("dropped", arguments["turn"], max(one.lag for one in checked.values()))
            for one in checked.values():
                one.lag = 0.0
        elif command == "turn":
            clocks.turn(**arguments)
            out("turned", boottime())
        elif command == "health":
            out("health", {name: health(one) for name, one in checked.items()})


def health(one: Checked) -> dict[str, Any]:
    told = one.verifier.health().issuers[0]
    return {
        "ready": told.ready, "age": told.fresh_age, "went_back": told.went_back, "error": told.last_error,
        "epoch": told.epoch, "seq": told.seq,
    }  # fmt: skip


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        main()
    os._exit(0)  # verifiers' threads are daemons; nothing is to be saved by an end in good order
