"""Options of ``evenkeel explain name``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import ContextName, Here, place
from controller.cli.output import Output

EXPLAIN_NAME = "explain-name"
"""The command's own name; with a blank it reads better and means the same."""


def explain_name(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A name that is balanced: of a service of a zone.")
    ],
    client: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Who asks: the client, or its subnet.", show_default="the resolver"
        ),
    ] = None,
    resolver: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="The resolver that asks for it.", show_default="the client"),
    ] = None,
    kind: Annotated[str, typer.Option("--type", metavar="TYPE", help="A or AAAA.")] = "A",
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="By this intent file alone, as if it were new.",
            show_default="what the running controller knows",
        ),
    ] = None,
    state: Here = None,
    context: ContextName = None,
    output: Annotated[Output, typer.Option("-o", "--output", help="How it is printed.")] = Output.TEXT,
) -> None:
    """Say how a name is answered and why: each policy's candidates in and out. Also written: explain name."""
    from controller.cli.explainname import Asked, explain_name_by_file, explain_name_live

    asked = Asked(name, kind, client, resolver)
    if file is not None:
        raise typer.Exit(explain_name_by_file(file, asked, output))
    at = place(state, context)
    if at.context is not None:
        from controller.cli.byapi import explain_name_by_api

        raise typer.Exit(explain_name_by_api(at, asked, output))
    raise typer.Exit(explain_name_live(at.state, asked, output))
