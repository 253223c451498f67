"""`SecurityEventPoller`: asks a transmitter for its events, RFC 8936, where it cannot or should not send them."""

import logging
import random
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from admit.errors import AdmitError, ConfigError, FetchError, InvalidKeyError, MalformedTokenError, TokenError
from admit.fetch import Fetcher, egress
from admit.jose import json as strict_json
from admit.tokens import security_event
from admit.verifier.ends.end import End
from admit.verifier.ends.intake import Audience, Intake, Told, Transmitter
from admit.verifier.ends.receiver import error_of
from admit.verifier.ends.store import EndStore
from admit.verifier.verifier import AsyncVerifier, Verifier

_LOG = logging.getLogger("admit.verifier")
_MAX_ANSWER = 4 * 1024 * 1024
_SPARE = timedelta(seconds=10)
_FIRST_RETRY = 1.0
_MAX_RETRY = 60.0
_QUICK = 1.0
_IN_A_ROW = 50
"""Questions without a pause: 5,000 events by default."""


@dataclass(frozen=True, slots=True)
class Polled:
    """What one answer brought: how many SETs were kept, how many refused, and whether there are more."""

    kept: int
    refused: int
    more: bool


class SecurityEventPoller:
    """Asks one transmitter's `endpoint` for events, in a thread of its own, and keeps what ends something.

    An event is acknowledged after its ends are in the store, never before; one that is not valid is answered with its
    error (RFC 8936 §2.4); one that could not be kept is neither, and so comes again. Each question carries the
    acknowledgements of what came before.

    `verifier` and `audience` are as for `EndReceiver`. `issuer` is the `iss` of the events, one of the verifier's or of
    `transmitters`; no other's are taken from here. `authorization` is the `Authorization` header to send, or a function
    that makes it anew. With `long_poll` the transmitter may hold a question for so long; with None it answers at once
    and is asked each `interval`. After a failure it is asked again after 1 s, up to 60 s.

    One process of a deployment polls; it is started by `start`, and not again in a forked child. The stores tell the
    others.

    Raises:
        ConfigError: the parts do not fit together.
    """

    def __init__(
        self,
        verifier: Verifier | AsyncVerifier,
        *,
        issuer: str,
        endpoint: str,
        audience: Audience,
        authorization: str | Callable[[], str],
        transmitters: Sequence[Transmitter] = (),
        ends_on: frozenset[str] = security_event.ENDING,
        max_events: int = 100,
        interval: timedelta = timedelta(seconds=5),
        long_poll: timedelta | None = timedelta(seconds=30),
        fetcher: Fetcher | None = None,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        try:
            origin = egress.origin_of(endpoint)
            egress.check_url(endpoint, frozenset({origin}))
        except FetchError:
            raise ConfigError("endpoint is an https URL; plain http is taken on localhost only") from None
        if not 1 <= max_events <= 1_000 or interval < timedelta(milliseconds=100):
            raise ConfigError("max_events is from 1 to 1,000, and interval at least 100 ms")
        if long_poll is not None and not timedelta(seconds=1) <= long_poll <= timedelta(minutes=5):
            raise ConfigError("long_poll is from 1 second to 5 minutes, or None")
        self._intake = Intake(verifier.core, audience, transmitters=transmitters, ends_on=ends_on)
        self._intake.check_sender(issuer)
        self._issuer = issuer
        self._endpoint = endpoint
        self._authorization = authorization
        self._max_events = max_events
        self._interval = interval.total_seconds()
        self._long_poll = long_poll
        self._timeout = _SPARE + (long_poll or timedelta(0))
        self._fetcher = fetcher or Fetcher(frozenset({origin}))
        self._jitter = jitter
        self._acks: list[str] = []
        self._errors: dict[str, dict[str, str]] = {}
        self._failures = 0
        self._hurried = 0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.last_error: str | None = None
        self.received = 0

    def start(self) -> None:
        """Start the thread that asks, unless it runs."""
        if self._thread is None or not self._thread.is_alive():
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="admit-events", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Ask no more. What was not acknowledged yet comes again, and does no harm."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout=1.0)
        self._intake.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._stop.wait(self.step())

    def step(self) -> float:
        """Ask once; the seconds until it is worth asking again."""
        began = time.monotonic()
        try:
            polled = self.poll()
        except AdmitError as error:
            return self._failed(error.code, error.detail)
        except Exception:  # a poller that died would miss everything from then on
            _LOG.exception("polling for security events failed unexpectedly")
            return self._failed("server_error", "unexpected")
        self._failures, self.last_error = 0, None
        if polled.more or polled.kept or polled.refused:
            self._hurried += 1
            return pace(self._hurried)
        self._hurried = 0
        held = self._long_poll is not None and time.monotonic() - began >= _QUICK
        return 0.0 if held else self._interval * self._jitter(0.8, 1.0)

    def _failed(self, code: str, detail: str) -> float:
        if code != self.last_error:
            _LOG.warning("polling for security events failed: %s: %s", code, detail)
        self.last_error = code
        pause: float = min(_MAX_RETRY, _FIRST_RETRY * 2 ** min(self._failures, 6))
        self._failures += 1
        return pause * self._jitter(0.5, 1.0)

    def poll(self) -> Polled:
        """Ask once, and keep what came.

        Raises:
            FetchError: the transmitter did not answer, or not as it should.
            UnavailableError: what came could not be verified or kept now; it is not acknowledged.
        """
        acks, errors = list(self._acks), dict(self._errors)
        found = self._ask(acks, errors)
        del self._acks[: len(acks)]
        for jti in errors:
            self._errors.pop(jti, None)
        sets, more = read(found)
        told: dict[str, Told] = {}
        refused: dict[str, dict[str, str]] = {}
        trouble: AdmitError | None = None
        for jti, token in sets.items():
            try:
                told[jti] = self._verified(jti, token)
            except (TokenError, InvalidKeyError) as error:
                _LOG.warning("a security event was refused: %s", error.detail)
                code, description = error_of(error)
                refused[jti] = {"err": code, "description": description}
            except AdmitError as error:  # keys that cannot be had now: the others are kept all the same
                trouble = error
        self._errors.update(refused)
        keep(told.values())
        self._acks.extend(told)
        self.received += len(told)
        if trouble is not None:
            raise trouble
        return Polled(len(told), len(refused), more)

    def _verified(self, jti: str, token: str) -> Told:
        told = self._intake.settle(partial(self._intake.try_events, token, issuer=self._issuer))
        if told.jti != jti:
            raise TokenError("a SET came under another name than its jti")
        return told

    def _ask(self, acks: list[str], errors: Mapping[str, Mapping[str, str]]) -> bytes:
        question: dict[str, Any] = {
            "maxEvents": self._max_events,
            "returnImmediately": self._long_poll is None,
        }
        if acks:
            question["ack"] = acks
        if errors:
            question["setErrs"] = {jti: dict(error) for jti, error in errors.items()}
        sent = self._authorization if isinstance(self._authorization, str) else self._authorization()
        headers = {
            "authorization": sent,
            "content-type": "application/json",
            "accept": "application/json",
            "content-language": "en",
        }
        body = strict_json.dumps_object(question)
        response = self._fetcher.post(
            self._endpoint, body, headers, timeout=self._timeout, max_bytes=_MAX_ANSWER
        )
        if response.status in (401, 403):
            raise FetchError("the transmitter refuses our authorization")
        if response.status not in (200, 202, 204):
            raise FetchError("the transmitter did not give its events")
        return response.body


def pace(in_a_row: int) -> float:
    """Seconds until the next question where there may be more: at once, but for a transmitter that always says so."""
    return _QUICK if in_a_row % _IN_A_ROW == 0 else 0.0


def keep(told: Iterable[Told]) -> None:
    """Put all ends into their stores. Only what this returned for is acknowledged.

    Raises:
        EndStoreError: some could not be kept.
    """
    by_store: dict[int, tuple[EndStore, list[End]]] = {}
    for one in told:
        if one.ends:
            by_store.setdefault(id(one.store), (one.store, []))[1].extend(one.ends)
    for store, ends in by_store.values():
        store.add(ends)


def read(body: bytes) -> tuple[dict[str, str], bool]:
    """The SETs of an answer by their `jti`, and whether there are more, RFC 8936 §2.3.

    Raises:
        FetchError: it is no such answer.
    """
    if not body:
        return {}, False
    try:
        members = strict_json.loads_object(body, max_size=_MAX_ANSWER)
    except MalformedTokenError:
        raise FetchError("the answer is not strict JSON") from None
    sets, more = members.get("sets", {}), members.get("moreAvailable", False)
    if not isinstance(sets, dict) or not all(isinstance(token, str) for token in sets.values()):
        raise FetchError("the answer has no sets")
    return sets, more is True
