"""Options of programs that show metrics; ``controller.metrics.options`` says what they mean."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Metrics = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        metavar="ADDRESS:PORT",
        help="Where /metrics, /healthz and /readyz are shown. Beyond loopback it needs TLS, or --metrics-insecure.",
        show_default="nowhere",
    ),
]
MetricsCert = Annotated[
    Path | None,
    typer.Option("--metrics-cert", metavar="PEM", help="Certificate with which they are shown by TLS."),
]
MetricsKey = Annotated[Path | None, typer.Option("--metrics-key", metavar="PEM", help="Its private key.")]
MetricsCa = Annotated[
    Path | None,
    typer.Option(
        "--metrics-ca", metavar="PEM", help="Who signs the certificates that readers of metrics must have."
    ),
]
MetricsInsecure = Annotated[
    bool, typer.Option("--metrics-insecure", help="Show them without TLS beyond loopback too.")
]
