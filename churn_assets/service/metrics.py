"""What a service counts of itself, in OpenMetrics."""

from __future__ import annotations

import time
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import choose_encoder

SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5)


@dataclass
class Seen:
    """How a request ended. 500 until something was answered."""

    status: int = 500


class Metrics:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "churn_requests", "Requests by route and status", ["route", "status"], registry=self.registry
        )
        self.seconds = Histogram(
            "churn_request_seconds", "Time to answer", ["route"], buckets=SECONDS, registry=self.registry
        )
        self.users = Counter(
            "churn_served_users", "Users asked for, by whether they are known", ["known"], registry=self.registry
        )
        self.noted = Counter(
            "churn_noted_vectors", "Vectors noted to be compared with the tables", registry=self.registry
        )
        self.not_noted = Counter(
            "churn_not_noted_vectors", "Vectors that were to be noted and could not be", registry=self.registry
        )
        self.age = Gauge("churn_store_age_days", "Days between the day of the values and today", registry=self.registry)
        self.stored = Gauge("churn_store_users", "Users in the store", registry=self.registry)

    @contextmanager
    def request(self, scope: MutableMapping[str, Any]) -> Iterator[Seen]:
        seen, begun = Seen(), time.perf_counter()
        try:
            yield seen
        finally:
            # The route and not the path, which names a user; a path of no route is none.
            route = getattr(scope.get("route"), "path", "none")
            self.requests.labels(route, seen.status).inc()
            self.seconds.labels(route).observe(time.perf_counter() - begun)

    def text(self, accept: str) -> tuple[bytes, str]:
        encode, content_type = choose_encoder(accept)
        return encode(self.registry), content_type
