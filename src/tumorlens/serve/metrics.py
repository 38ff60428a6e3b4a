"""Figures for Prometheus: how many, how long, what waits. No label names a file or a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from tumorlens.serve.engine import Engine
    from tumorlens.serve.keep import Keeper
    from tumorlens.serve.upload import Room

# From one answer of a small network to a long upload.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)


class Metrics:
    """The figures of one service."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "tumorlens_http_requests_total",
            "Requests that were answered.",
            ("method", "route", "status"),
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tumorlens_http_request_seconds",
            "From the head of a request to the end of its answer.",
            ("method", "route"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self.findings = Counter(
            "tumorlens_findings_total",
            "Slices that were answered, by answer and by whether they had been answered before.",
            ("status", "repeated"),
            registry=self.registry,
        )
        self.answer_seconds = Histogram(
            "tumorlens_answer_seconds",
            "From the pixels of a slice to its answer.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.errors = Counter(
            "tumorlens_scan_errors_total",
            "Files that could not be answered, by kind of error.",
            ("error",),
            registry=self.registry,
        )
        self.refused = Counter(
            "tumorlens_refused_total",
            "Requests that were turned away, by reason.",
            ("reason",),
            registry=self.registry,
        )

    def watch(self, engine: Engine, keeper: Keeper, room: Room) -> None:
        """Show what waits and what is held."""
        self.registry.register(_State(engine, keeper, room))

    def text(self) -> bytes:
        """All figures in Prometheus' text format."""
        return generate_latest(self.registry)


class _State:
    """Figures that are read when they are asked for."""

    def __init__(self, engine: Engine, keeper: Keeper, room: Room) -> None:
        self._engine, self._keeper, self._room = engine, keeper, room

    def collect(self) -> Iterator[Metric]:
        for name, what, value in (
            ("tumorlens_queue_files", "Files that wait for the model.", self._engine.waiting),
            ("tumorlens_running_files", "Files that are worked on.", self._engine.running),
            (
                "tumorlens_recent_bytes",
                "Memory of slices that were just answered.",
                self._keeper.recent.byte_count,
            ),
            ("tumorlens_upload_bytes", "Memory of uploads in work.", self._room.used),
        ):
            yield GaugeMetricFamily(name, what, value)
        model = GaugeMetricFamily(
            "tumorlens_model_info", "The model that answers.", labels=("name", "version", "sha256")
        )
        metadata = self._engine.model.metadata
        model.add_metric((metadata.name, metadata.version, self._engine.model.sha256), 1)
        yield model
