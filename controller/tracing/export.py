"""Where spans go: a bounded queue, and a thread that sends them by OTLP over gRPC. What fails there stays there.

OpenTelemetry's own environment variables say the rest: ``OTEL_TRACES_SAMPLER``, ``OTEL_BSP_...`` (the queue),
``OTEL_EXPORTER_OTLP_...`` (headers, certificates, deadline), ``OTEL_RESOURCE_ATTRIBUTES``.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.trace import Tracer

LAST = 2.0
"""Seconds for what waits when the program ends."""
_LOGGER = "opentelemetry"


@dataclass
class Counts:
    """Spans since the start."""

    made: int = 0
    sent: int = 0
    failed: int = 0
    """Given up after the exporter's deadline."""


class _LastWords(logging.Handler):
    """What OpenTelemetry logs, which is read nowhere else."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.text = ""

    def emit(self, record: logging.LogRecord) -> None:
        self.text = record.getMessage()


class _Counting(BatchSpanProcessor):
    def __init__(self, exporter: SpanExporter, counts: Counts) -> None:
        super().__init__(exporter)
        self._counts = counts

    def on_end(self, span: ReadableSpan) -> None:
        self._counts.made += 1
        super().on_end(span)


class _Watched(SpanExporter):
    """Says when spans begin to fail, and when they are taken again."""

    def __init__(
        self, exporter: SpanExporter, counts: Counts, words: _LastWords, say: Callable[[str], None]
    ) -> None:
        self._exporter, self._counts, self._words, self._say = exporter, counts, words, say
        self._failing = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """In the thread of the queue."""
        result = self._exporter.export(spans)
        failed = result is not SpanExportResult.SUCCESS
        if failed:
            self._counts.failed += len(spans)
        else:
            self._counts.sent += len(spans)
        if failed is not self._failing:
            self._failing = failed
            self._say((self._words.text or "they are not taken") if failed else "")
        return result

    def shutdown(self) -> None:
        """The exporter's."""
        self._exporter.shutdown()


class Exporting:
    """Sends spans."""

    def __init__(
        self, tracer: Tracer, counts: Counts, provider: TracerProvider, logger: logging.Handler
    ) -> None:
        self.tracer, self.counts = tracer, counts
        self._provider, self._logger = provider, logger

    def close(self, within: float = LAST) -> None:
        """Send what waits, as far as that is possible."""
        ending = threading.Thread(target=self._provider.shutdown, daemon=True)
        ending.start()
        ending.join(within)
        logging.getLogger(_LOGGER).removeHandler(self._logger)


def exporting(endpoint: str, name: str, version: str, say: Callable[[str], None]) -> Exporting:
    """``endpoint``: such as ``http://127.0.0.1:4317``; ``say``: called in a thread when spans cannot be sent, with the
    reason, and with nothing when they can again.
    """
    counts, words = Counts(), _LastWords()
    logger = logging.getLogger(_LOGGER)
    logger.addHandler(words)
    logger.propagate = False
    about = {"service.name": "evenkeel", "service.version": version, "service.instance.id": name}
    provider = TracerProvider(resource=Resource.create(about), shutdown_on_exit=False)
    provider.add_span_processor(_Counting(_Watched(OTLPSpanExporter(endpoint), counts, words, say), counts))
    return Exporting(provider.get_tracer("evenkeel", version), counts, provider, words)
