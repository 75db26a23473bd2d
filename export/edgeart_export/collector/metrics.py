# SPDX-License-Identifier: Apache-2.0
"""What the collector counts, in the text format of Prometheus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from ..arrow_schemas import LANDING
from .batch import Batch

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of a page whose names are plain, as all of these are: every scraper reads it."""

_NAMESPACE = "edgeart_collector"
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_EVENTS = (1, 4, 16, 64, 128, 256, 1024, 4096, 16_384, 65_536)
_BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """The counters of one collector; several in one process do not disturb each other."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = self._counter("requests", "Requests answered.", "status")
        self._received = self._counter("received_bytes", "Bytes of bodies, as they came.")
        self._inflated = self._counter("inflated_bytes", "Bytes of batches, inflated.")
        self._stored = self._counter("events_stored", "Events on disk.", "table")
        for table in LANDING:
            self._stored.labels(table)
        self._refused = self._counter("events_refused", "Malformed events of stored batches.")
        self._batch = self._histogram("batch_events", "Events a batch.", _EVENTS)
        self._commit = self._histogram("commit_seconds", "Time to write a group.", _SECONDS)
        self._group = self._histogram("commit_batches", "Batches a group.", _BATCHES)
        self._failed = self._counter("commit_failures", "Groups that could not be written.")
        self.under_way = self._gauge("requests_under_way", "Requests not answered yet.")
        self.draining = self._gauge("draining", "1 while shutting down.")

    def _counter(self, name: str, about: str, *labels: str) -> Counter:
        return Counter(name, about, labels, namespace=_NAMESPACE, registry=self.registry)

    def _histogram(self, name: str, about: str, buckets: Sequence[float]) -> Histogram:
        return Histogram(name, about, namespace=_NAMESPACE, registry=self.registry, buckets=buckets)

    def _gauge(self, name: str, about: str) -> Gauge:
        return Gauge(name, about, namespace=_NAMESPACE, registry=self.registry)

    def answered(self, status: int) -> None:
        """A request of feedback was answered."""
        self._requests.labels(str(status)).inc()

    def received(self, size: int) -> None:
        """Bytes of a body came in."""
        self._received.inc(size)

    def decoded(self, batch: Batch) -> None:
        """A batch was understood."""
        self._inflated.inc(batch.size)
        self._batch.observe(sum(batch.events.values()))

    def committed(self, batches: Sequence[Batch], seconds: float) -> None:
        """A group is on disk."""
        self._commit.observe(seconds)
        self._group.observe(len(batches))
        for batch in batches:
            self._refused.inc(sum(r.last - r.first + 1 for r in batch.refused))
            self._count(batch.events)

    def failed(self) -> None:
        """A group could not be written."""
        self._failed.inc()

    def text(self) -> bytes:
        """The page a scraper reads."""
        return generate_latest(self.registry)

    def _count(self, events: Mapping[str, int]) -> None:
        for table, count in events.items():
            self._stored.labels(table).inc(count)
