"""The commands of ``evenkeel tier``: what a layer-7 tier is by an intent file, without a controller."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import examples

tier = typer.Typer(add_completion=False, no_args_is_help=True)

File = Annotated[Path, typer.Argument(metavar="FILE", help="Intent with a layer-7 tier, as YAML.")]


@tier.command(epilog=examples("evenkeel tier file fabric.yaml hap1 > /etc/haproxy/hap1.cfg"))
def file(
    intent: File,
    instance: Annotated[str, typer.Argument(metavar="INSTANCE", help="A HAProxy of a tier.")],
) -> None:
    """Print the file of a HAProxy, as the controller would write it."""
    from controller.cli.tiers import file_of

    raise typer.Exit(file_of(intent, instance))


@tier.command(
    epilog=examples(
        "evenkeel tier route fabric.yaml http://api.example.org/v1/users",
        "evenkeel tier route fabric.yaml https://shop.example.org/ --header x-version:canary --cookie beta=yes",
    )
)
def route(
    intent: File,
    url: Annotated[str, typer.Argument(metavar="URL", help="What a client asks for.")],
    header: Annotated[
        list[str] | None,
        typer.Option(
            "--header", metavar="NAME:VALUE", help="That it sends; may be repeated.", show_default=False
        ),
    ] = None,
    cookie: Annotated[
        list[str] | None,
        typer.Option(
            "--cookie", metavar="NAME=VALUE", help="That it sends; may be repeated.", show_default=False
        ),
    ] = None,
) -> None:
    """Say which pool of each tier a request gets, and why."""
    from controller.cli.tiers import route_of

    raise typer.Exit(route_of(intent, url, header or [], cookie or []))
