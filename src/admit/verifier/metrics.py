"""A verifier's state for Prometheus: `REGISTRY.register(VerifierCollector(verifier))`.

Needs `pip install 'admit[metrics]'`.
Everything is read when it is scraped. Labels are issuers that are trusted, codes of Admit's own, and numbers of status
lists in use (one for a million sessions): there are few of each, and neither tokens nor users are among them.
"""

from collections.abc import Iterable, Iterator
from typing import Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from admit.verifier.counters import Counters
from admit.verifier.health import IssuerHealth, VerifierHealth


class _Core(Protocol):
    @property
    def counters(self) -> Counters: ...


class _Verifier(Protocol):
    """A `Verifier` or an `AsyncVerifier`."""

    @property
    def core(self) -> _Core: ...

    def health(self) -> VerifierHealth: ...


class VerifierCollector(Collector):
    """Collects from one verifier. Ages are in seconds; what is not known has no sample."""

    def __init__(self, verifier: _Verifier) -> None:
        self._verifier = verifier

    def describe(self) -> Iterable[Metric]:
        """Nothing is collected at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What there is to tell now."""
        issuers = self._verifier.health().issuers
        yield from _ages(issuers)
        yield from _lists(issuers)
        yield from _ends(issuers)
        yield from _states(issuers)
        yield from _counts(issuers)
        refusals = CounterMetricFamily(
            "admit_refusals", "Tokens and sessions refused, by the code of the error.", labels=["code"]
        )
        for code, number in sorted(self._verifier.core.counters.refusals.items()):
            refusals.add_metric([code], number)
        yield refusals


def _ages(issuers: Iterable[IssuerHealth]) -> Iterator[Metric]:
    age = _gauge("revocation_age_seconds", "Age of what is known of revocations.")
    bound = _gauge("revocation_max_staleness_seconds", "The bound on that age, past which answers are 503.")
    left = _gauge("revocation_time_left_seconds", "Time until that bound; 0 when it is passed.")
    lists = _gauge("revocation_lists", "Status lists held.")
    keys = _gauge("keys_age_seconds", "Age of the issuer's keys.")
    for one in issuers:
        for family, value in (
            (age, one.fresh_age),
            (bound, one.max_staleness),
            (left, one.left),
            (lists, len(one.lists) if one.follows else None),
            (keys, one.keys_age),
        ):
            if value is not None:
                family.add_metric([one.issuer], value)
    yield from (age, bound, left, lists, keys)


def _lists(issuers: Iterable[IssuerHealth]) -> Iterator[Metric]:
    age = GaugeMetricFamily(
        "admit_revocation_list_age_seconds",
        "Time since a status list was proved to have every end.",
        labels=["issuer", "list"],
    )
    for one in issuers:
        for n, value in sorted(one.list_ages.items()):
            age.add_metric([one.issuer, str(n)], value)
    yield age


def _ends(issuers: Iterable[IssuerHealth]) -> Iterator[Metric]:
    held = _gauge("ends", "Ends held that the issuer told of by logout tokens and security events.")
    age = _gauge("ends_age_seconds", "Time since the store of ends was read, before which none is missing.")
    for one in issuers:
        if one.ends is not None:
            held.add_metric([one.issuer], one.ends)
        if one.ends_age is not None:
            age.add_metric([one.issuer], one.ends_age)
    yield from (held, age)


def _states(issuers: Iterable[IssuerHealth]) -> Iterator[Metric]:
    ready = _gauge("issuer_ready", "1 when a good token of the issuer would be taken.")
    up = _gauge("follower_up", "1 when somebody keeps what is known of the issuer current.")
    stream = _gauge("stream_open", "1 when ends are heard of as they happen.")
    back = _gauge("issuer_went_back", "1 when the issuer's database was seen to go back in time.")
    for one in issuers:
        ready.add_metric([one.issuer], one.ready)
        up.add_metric([one.issuer], one.up)
        if one.follows:
            stream.add_metric([one.issuer], one.stream == "open")
            back.add_metric([one.issuer], one.went_back)
    yield from (ready, up, stream, back)


def _counts(issuers: Iterable[IssuerHealth]) -> Iterator[Metric]:
    plain = {
        name: CounterMetricFamily(f"admit_{name}", told, labels=["issuer"])
        for name, told in (
            ("revocation_polls", "Questions for the head."),
            ("revocation_polls_proved", "Questions whose answer made the state fresh."),
            ("status_lists_fetched", "Status lists fetched."),
            ("status_lists_spared", "Status lists that the stream had made current already."),
            ("keys_fetched", "Key sets fetched."),
            ("stream_opened", "Streams of ends opened."),
            ("stream_events", "Events heard."),
            ("stream_ends", "Ends heard of."),
            ("fetched_bytes", "Bytes of answers' bodies."),
            ("stream_bytes", "Bytes of streams."),
        )
    }
    failures = CounterMetricFamily(
        "admit_follower_failures",
        "What failed: poll, keys or stream, and the code.",
        labels=["issuer", "of", "code"],
    )
    for one in issuers:
        counts = one.counts
        for name, value in (
            ("revocation_polls", counts.polls),
            ("revocation_polls_proved", counts.polls_proved),
            ("status_lists_fetched", counts.lists_fetched),
            ("status_lists_spared", counts.lists_spared),
            ("keys_fetched", counts.keys_fetched),
            ("stream_opened", counts.stream_opened),
            ("stream_events", counts.stream_events),
            ("stream_ends", counts.stream_ends),
            ("fetched_bytes", counts.octets),
            ("stream_bytes", counts.stream_octets),
        ):
            plain[name].add_metric([one.issuer], value)
        for of, codes in (
            ("poll", counts.polls_failed),
            ("keys", counts.keys_failed),
            ("stream", counts.stream_failed),
        ):
            for code, number in sorted(codes.copy().items()):
                failures.add_metric([one.issuer, of, code], number)
    yield from plain.values()
    yield failures


def _gauge(name: str, told: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"admit_{name}", told, labels=["issuer"])
