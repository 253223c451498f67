"""An issuer's numbers for Prometheus. Needs `pip install 'admit[metrics]'`.

Read when they are scraped. Labels are route templates, methods, statuses and words of ours: there are few of each, and
nothing of a user, a client or a request is among them.
"""

from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from admit.issuer.app.counting import BOUNDS, Counts
from admit.verifier.metrics import VerifierCollector


class Gauges(Protocol):
    """What is measured at the moment of a scrape, by name; see `admit.issuer.app.gauges`."""

    def now(self) -> Mapping[str, float]: ...


class IssuerCollector(Collector):
    """Collects from one issuer: its counts, and what `gauges` says now."""

    def __init__(self, counts: Counts, gauges: Gauges) -> None:
        self._counts = counts
        self._gauges = gauges

    def describe(self) -> list[Metric]:
        """Nothing is collected at registration."""
        return []

    def collect(self) -> Iterator[Metric]:
        """What there is to tell now."""
        yield from self._requests()
        yield from self._jobs()
        sign_ins = CounterMetricFamily("admit_sign_ins", "Sign-ins, by how they went.", labels=["outcome"])
        for outcome, number in sorted(self._counts.sign_ins.items()):
            sign_ins.add_metric([outcome], number)
        yield sign_ins
        for name, value in self._gauges.now().items():
            family = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
            yield family(f"admit_{name.removesuffix('_total')}", TOLD[name], value=value)

    def _requests(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "admit_requests", "Answers, by route template and status.", labels=["route", "method", "status"]
        )
        for (route, method, status), number in sorted(self._counts.requests.items()):
            requests.add_metric([route, method, str(status)], number)
        yield requests
        took = HistogramMetricFamily(
            "admit_request_seconds", "Time from a request's head to its answer.", labels=["route"]
        )
        for route, durations in sorted(self._counts.durations.items()):
            total, buckets = 0, []
            for bound, number in zip([*map(str, BOUNDS), "+Inf"], durations.buckets, strict=True):
                total += number
                buckets.append((bound, total))
            took.add_metric([route], buckets, durations.seconds)
        yield took

    def _jobs(self) -> Iterator[Metric]:
        turns = CounterMetricFamily("admit_job_turns", "Turns of a job, failed ones too.", labels=["job"])
        failures = CounterMetricFamily("admit_job_failures", "Failed turns of a job.", labels=["job"])
        good = GaugeMetricFamily(
            "admit_job_last_good_timestamp_seconds", "When a job's last good turn ended.", labels=["job"]
        )
        took = GaugeMetricFamily("admit_job_seconds", "How long a job's last good turn took.", labels=["job"])
        for name, job in sorted(self._counts.jobs.items()):
            turns.add_metric([name], job.turns)
            failures.add_metric([name], job.failures)
            took.add_metric([name], job.seconds)
            if job.last_good is not None:
                good.add_metric([name], job.last_good)
        yield from (turns, failures, good, took)


TOLD: Mapping[str, str] = {
    "hash_pool_running": "Passwords being hashed.",
    "hash_pool_waiting": "Passwords that wait to be hashed.",
    "sessions_live": "Live sessions, counted at most once a minute.",
    "outbox_waiting": "Messages that are to be sent, counted at most once a minute.",
    "database_connections": "Connections to the database that are open.",
    "database_connections_idle": "Connections of those that nobody uses.",
    "database_jobs": "Transactions that run or wait.",
    "event_streams": "Event streams that are open.",
    "refusals_written_total": "Refusals written for admit explain.",
    "refusals_dropped_total": "Refusals that were only counted, since too many came or the database was away.",
    "ready": "1: ready to work, 0: not.",
}
"""Every gauge's name, without `admit_`, and its help."""


def registry_of(counts: Counts, gauges: Gauges, verifier: VerifierCollector) -> CollectorRegistry:
    """A registry of one issuer's own: nothing of the process's default one is shown."""
    registry = CollectorRegistry()
    registry.register(IssuerCollector(counts, gauges))
    registry.register(verifier)
    return registry


def exposition(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """The text that a scraper asked for, and its media type."""
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type
