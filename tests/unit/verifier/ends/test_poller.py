"""Asking a transmitter for events: acknowledged once they are kept, refused with their error, else asked for again."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import pytest

from admit.errors import ConfigError, EndStoreError, FetchError, RevokedError, UnavailableError
from admit.fetch import Response
from admit.jose import JWK, JWKSet
from admit.verifier.ends.end import End
from admit.verifier.ends.intake import Transmitter
from admit.verifier.ends.memory import MemoryEndStore
from admit.verifier.ends.poller import SecurityEventPoller
from tests.fixtures.status_issuer import Clock
from tests.unit.verifier.ends.making import ISSUER, clocks
from tests.unit.verifier.ends.telling import CLIENT, event, token, trusted, verifier

ENDPOINT = "https://login.example.com/ssf/poll"


class Transmitting:
    """A transmitter that gives what waits until it is acknowledged, RFC 8936 §2."""

    def __init__(self, **waiting: str) -> None:
        self.waiting = dict(waiting)
        self.asked: list[dict[str, Any]] = []
        self.headers: list[Mapping[str, str]] = []
        self.errors: dict[str, dict[str, str]] = {}
        self.wrong: Response | None = None

    def post(self, url: str, body: bytes, headers: Mapping[str, str], **_: Any) -> Response:
        assert url == ENDPOINT
        question = json.loads(body)
        self.asked.append(question)
        self.headers.append(headers)
        if self.wrong is not None:
            return self.wrong
        for jti in question.get("ack", []):
            self.waiting.pop(jti)
        for jti, error in question.get("setErrs", {}).items():
            self.errors[jti] = error
            self.waiting.pop(jti)
        given = dict(list(self.waiting.items())[: question["maxEvents"]])
        answer = {"sets": given, "moreAvailable": len(given) < len(self.waiting)}
        return Response(200, {}, json.dumps(answer).encode())


class Scene:
    """A verifier, its store, a transmitter and a poller."""

    def __init__(
        self, transmitter: Transmitting, store: MemoryEndStore | None = None, **options: Any
    ) -> None:
        self.clock = Clock()
        self.store = store or MemoryEndStore(**clocks(self.clock))
        self.verifier = verifier(self.clock, trusted(self.store))
        given: dict[str, Any] = {
            "issuer": ISSUER,
            "endpoint": ENDPOINT,
            "audience": CLIENT,
            "authorization": "Bearer secret",
            "fetcher": transmitter,
            "jitter": lambda low, high: high,
        }
        self.poller = SecurityEventPoller(self.verifier, **{**given, **options})

    def takes(self) -> bool:
        try:
            self.verifier.verify(token())
        except RevokedError:
            return False
        return True


@pytest.mark.rfc("8936", "2.4")
def test_an_event_is_kept_and_then_acknowledged() -> None:
    transmitter = Transmitting(e1=event())
    scene = Scene(transmitter)
    assert scene.takes()
    assert scene.poller.step() == 0
    assert not scene.takes()
    assert "e1" in transmitter.waiting
    scene.poller.step()
    assert transmitter.waiting == {}
    assert transmitter.asked == [
        {"maxEvents": 100, "returnImmediately": False},
        {"maxEvents": 100, "returnImmediately": False, "ack": ["e1"]},
    ]
    assert transmitter.headers[0]["authorization"] == "Bearer secret"
    assert transmitter.headers[0]["content-type"] == "application/json"
    scene.poller.step()
    assert "ack" not in transmitter.asked[-1]


class Broken(MemoryEndStore):
    """A store that keeps nothing until it is mended."""

    mended = False

    def add(self, ends: Sequence[End]) -> bool:
        if not self.mended:
            raise EndStoreError("the disk is full")
        return super().add(ends)


@pytest.mark.threat("O-4", off="admit.verifier.ends.poller:keep")
def test_what_could_not_be_kept_is_not_acknowledged_and_comes_again() -> None:
    transmitter, store = Transmitting(e1=event()), Broken(**clocks(Clock()))
    scene = Scene(transmitter, store)
    assert scene.poller.step() == 1.0
    assert scene.poller.last_error == "end_store_unavailable"
    assert scene.poller.step() == 2.0
    assert all("ack" not in question for question in transmitter.asked)
    store.mended = True
    assert scene.poller.step() == 0
    assert scene.poller.last_error is None
    scene.poller.step()
    assert transmitter.waiting == {}
    assert not scene.takes()


@pytest.mark.rfc("8936", "2.4")
def test_a_bad_event_is_answered_with_its_error_and_the_others_are_kept() -> None:
    forged = event(key=JWK.generate("ES256", kid="k1"), jti="e2")
    transmitter = Transmitting(e1=event(), e2=forged, e3="nonsense", e4=event(aud="x", jti="e4"), e5=event())
    scene = Scene(transmitter)
    scene.poller.step()
    scene.poller.step()
    assert transmitter.waiting == {}
    codes = {jti: error["err"] for jti, error in transmitter.errors.items()}
    assert codes == {
        "e2": "invalid_key",
        "e3": "invalid_request",
        "e4": "invalid_audience",
        "e5": "invalid_request",
    }
    assert all(error["description"] for error in transmitter.errors.values())
    assert not scene.takes()
    assert scene.poller.received == 1


def test_more_than_fits_is_asked_for_at_once() -> None:
    transmitter = Transmitting(**{f"e{n}": event(jti=f"e{n}") for n in range(5)})
    scene = Scene(transmitter, max_events=2)
    assert [scene.poller.step() for _ in range(3)] == [0, 0, 0]
    assert scene.store.view.count == 5


@pytest.mark.threat("INF-size", off="admit.verifier.ends.poller:pace")
@pytest.mark.parametrize(
    "answer",
    [{"sets": {"e1": "nonsense"}}, {"sets": {"e1": event()}}, {"sets": {}, "moreAvailable": True}],
)
def test_a_transmitter_that_gives_without_end_is_not_asked_without_pause(answer: dict[str, Any]) -> None:
    transmitter = Transmitting()
    transmitter.wrong = Response(200, {}, json.dumps(answer).encode())
    scene = Scene(transmitter)
    pauses = [scene.poller.step() for _ in range(120)]
    assert pauses.count(0.0) == 118
    assert sum(pauses) == 2.0


def test_a_transmitter_that_does_not_hold_questions_is_asked_each_interval() -> None:
    assert Scene(Transmitting()).poller.step() == 5.0
    transmitter = Transmitting()
    scene = Scene(transmitter, long_poll=None, interval=timedelta(seconds=9))
    assert scene.poller.step() == 9.0
    assert transmitter.asked[0]["returnImmediately"] is True


@pytest.mark.parametrize(
    "wrong",
    [
        Response(500, {}, b""),
        Response(401, {}, b""),
        Response(404, {}, b"{}"),
        Response(200, {}, b"[]"),
        Response(200, {}, b"nonsense"),
        Response(200, {}, b'{"sets":[]}'),
        Response(200, {}, b'{"sets":{"e1":1}}'),
    ],
)
def test_a_wrong_answer_is_asked_for_again_later_and_later(wrong: Response) -> None:
    transmitter = Transmitting(e1=event())
    scene = Scene(transmitter)
    transmitter.wrong = wrong
    assert [scene.poller.step() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    with pytest.raises(FetchError):
        scene.poller.poll()
    transmitter.wrong = None
    assert scene.poller.step() == 0
    assert not scene.takes()


def test_acknowledgements_outlive_a_failure() -> None:
    transmitter = Transmitting(e1=event())
    scene = Scene(transmitter)
    scene.poller.step()
    transmitter.wrong = Response(503, {}, b"")
    scene.poller.step()
    transmitter.wrong = None
    scene.poller.step()
    assert transmitter.waiting == {}


def test_an_empty_answer_brings_nothing() -> None:
    transmitter = Transmitting()
    transmitter.wrong = Response(200, {}, b"{}")
    assert Scene(transmitter).poller.step() == 5.0


def test_keys_that_cannot_be_had_are_no_error_of_the_event() -> None:
    class Keyless(Transmitting):
        def get(self, url: str, *_: Any, **__: Any) -> Response:
            raise FetchError("down")

    transmitter = Keyless(e1=event())
    clock = Clock()
    store = MemoryEndStore(**clocks(clock))
    found = verifier(clock, trusted(store, jwks=f"{ISSUER}/jwks"), fetcher=transmitter)
    poller = SecurityEventPoller(
        found,
        issuer=ISSUER,
        endpoint=ENDPOINT,
        audience=CLIENT,
        authorization="x",
        fetcher=transmitter,  # type: ignore[arg-type]  # only asked by get and post
    )
    with pytest.raises(UnavailableError):
        poller.poll()
    poller.step()
    assert all(question.keys() <= {"maxEvents", "returnImmediately"} for question in transmitter.asked)
    found.close()


def test_another_issuers_events_are_not_taken_from_here() -> None:
    other, key = "https://signals.example.com", JWK.generate("ES256", kid="t1")
    speaks = Transmitter(issuer=other, jwks=JWKSet([key.public()]), ends_for=ISSUER)
    transmitter = Transmitting(e1=event(), e2=event(iss=other, key=key, jti="e2"))
    scene = Scene(transmitter, transmitters=[speaks], issuer=other)
    scene.poller.step()
    scene.poller.step()
    assert transmitter.errors["e1"]["err"] == "invalid_issuer"
    assert not scene.takes()


def test_the_authorization_may_be_made_anew_each_time() -> None:
    made = iter(["Bearer one", "Bearer two"])
    transmitter = Transmitting()
    scene = Scene(transmitter, authorization=lambda: next(made))
    scene.poller.step()
    scene.poller.step()
    assert [headers["authorization"] for headers in transmitter.headers] == ["Bearer one", "Bearer two"]
    assert scene.poller.step() == 1.0  # there is no third: an error like any other
    assert scene.poller.last_error == "server_error"


def test_it_asks_in_a_thread_of_its_own_until_it_is_closed() -> None:
    transmitter = Transmitting(e1=event())
    scene = Scene(transmitter, interval=timedelta(milliseconds=100))
    scene.poller.start()
    scene.poller.start()
    for _ in range(500):
        if not transmitter.waiting:
            break
        scene.poller._stop.wait(0.01)
    scene.poller.close()
    assert transmitter.waiting == {}
    assert not scene.takes()
    assert scene.poller._thread is not None
    assert not scene.poller._thread.is_alive()


@pytest.mark.parametrize(
    "options",
    [
        {"endpoint": "http://login.example.com/poll"},
        {"endpoint": "nonsense"},
        {"issuer": "https://another.example"},
        {"max_events": 0},
        {"interval": timedelta(0)},
        {"long_poll": timedelta(hours=1)},
    ],
)
def test_what_cannot_work_is_refused_at_once(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        Scene(Transmitting(), **options)
