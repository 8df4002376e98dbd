"""``evenkeel run --traces``: spans of changes, where that is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from controller.cli.saying import Saying
from controller.metrics.process import program_version
from controller.tracing.base import NOT_TRACED, Tracing

if TYPE_CHECKING:
    from controller.tracing.export import Exporting


class Traces:
    """Sends spans, or does not."""

    def __init__(self, url: str | None, name: str, saying: Saying) -> None:
        """``url``: None: nowhere. ``name``: of this controller. Raises ValueError, naming the option."""
        self.tracing: Tracing = NOT_TRACED
        self._exporting: Exporting | None = None
        if url is None:
            return
        _check(url)
        try:
            from controller.tracing.export import exporting
            from controller.tracing.spans import Spans
        except ImportError as error:
            raise ValueError(f"--traces {url}: {_lacking(error)}") from error

        def say(why: str) -> None:
            if why:
                saying.event("traces_failed", why=why)
            else:
                saying.event("traces_sent")

        self._exporting = exporting(url, name, program_version(), say)
        self.tracing = Spans(self._exporting.tracer)

    def counts(self) -> Mapping[str, int]:
        """Spans since the start, by what became of them; nothing where none are made."""
        if self._exporting is None:
            return {}
        counts = self._exporting.counts
        return {"made": counts.made, "sent": counts.sent, "failed": counts.failed}

    def close(self) -> None:
        """Send what waits, as far as that takes no long time."""
        if self._exporting is not None:
            self._exporting.close()


def _lacking(error: ImportError) -> str:
    """What is to be installed. Where xds-protos was installed last, older messages of OpenTelemetry lie in the way."""
    if (error.name or "").startswith("opentelemetry.proto."):
        again = "pip install --force-reinstall --no-deps opentelemetry-proto"
        return f"xds-protos has written older messages over OpenTelemetry's ({error.name}): {again}"
    return f"OpenTelemetry is not installed ({error.name}): pip install 'evenkeel[otel]'"


def _check(url: str) -> None:
    try:
        found = urlsplit(url)
        good = (
            found.scheme in ("http", "https") and found.hostname and found.port and not found.path.strip("/")
        )
    except ValueError:
        good = False
    if not good:
        raise ValueError(f"--traces {url}: write http://HOST:PORT, or https://HOST:PORT for TLS")
