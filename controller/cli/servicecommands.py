"""Options of ``evenkeel explain service``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import Here, place
from controller.cli.output import Output

EXPLAIN_SERVICE = "explain-service"
"""The command's name."""


def explain_service(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="A service of discovery.")],
    region: Annotated[
        str, typer.Option(metavar="SITE", help="Where the client is.", show_default="at no site")
    ] = "",
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="By this intent file alone, as if all servers lived.",
            show_default="what the running controller says",
        ),
    ] = None,
    state: Here = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How it is printed.")] = Output.TEXT,
) -> None:
    """Say what clients of discovery (xDS) are told of a service, and in which order. Also written: explain service."""
    from controller.cli.explainservice import explain_by_file, explain_live

    if file is not None:
        raise typer.Exit(explain_by_file(file, service, region, output))
    raise typer.Exit(explain_live(place(state, None).state, service, region, output))
