"""Commands about names: ``evenkeel nameserver``, and ``evenkeel dns`` with its keys."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.metricsoptions import Metrics, MetricsCa, MetricsCert, MetricsInsecure, MetricsKey
from controller.cli.options import ContextName, Here

nameservers = typer.Typer(add_completion=False)
dns = typer.Typer(add_completion=False, no_args_is_help=True)
keys = typer.Typer(add_completion=False, no_args_is_help=True)
dns.add_typer(
    keys, name="keys", help="Keys of signed zones: make them, show what the parent zone needs, replace them."
)

Folder = Annotated[
    Path, typer.Argument(metavar="DIR", help="The folder with the keys, as name servers have it.")
]
ZoneName = Annotated[str, typer.Argument(metavar="ZONE", help="Such as example.net.")]


@nameservers.command()
def nameserver(
    listen: Annotated[
        list[str],
        typer.Option(
            "--listen", metavar="ADDRESS[:PORT]", help="Where it answers, by UDP and TCP; may be repeated."
        ),
    ],
    state: Here = None,
    context: ContextName = None,
    data: Annotated[
        Path, typer.Option("--data", metavar="DIR", help="Holds what it was sent last, and status.json.")
    ] = Path("nameserver"),
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="What it is called.", show_default="the host's"),
    ] = None,
    site: Annotated[
        str,
        typer.Option(
            "--site", metavar="NAME", help="Where it is: its times to resolvers count for that site."
        ),
    ] = "",
    keys_folder: Annotated[
        Path | None, typer.Option("--keys", metavar="DIR", help="Keys of signed zones (evenkeel dns keys).")
    ] = None,
    cookies: Annotated[
        Path | None,
        typer.Option(
            "--cookie-secrets",
            metavar="FILE",
            help="Secrets of DNS cookies, of 32 hexadecimal digits a line: the first makes them, all are taken.",
            show_default="one of its own",
        ),
    ] = None,
    rate: Annotated[
        int,
        typer.Option(
            "--rate",
            metavar="N",
            min=0,
            help="Answers of one kind in a second to one /24 or /56 by UDP; 0: any number.",
        ),
    ] = 1000,
    slip: Annotated[
        int,
        typer.Option(
            "--slip",
            metavar="N",
            min=0,
            help="Each such one beyond that is sent without records, so that its client asks by TCP; 0: none.",
        ),
    ] = 2,
    shared: Annotated[
        bool,
        typer.Option(
            "--reuse-port", help="Let other name servers have the same addresses: one for each core."
        ),
    ] = False,
    expire: Annotated[
        str,
        typer.Option("--expire", metavar="SPAN", help="Answer for so long without hearing a controller."),
    ] = "7d",
    metrics: Metrics = None,
    metrics_cert: MetricsCert = None,
    metrics_key: MetricsKey = None,
    metrics_ca: MetricsCa = None,
    metrics_insecure: MetricsInsecure = False,
) -> None:
    """Answer for the zones of the intent as its controllers say, and go on without them; until SIGTERM or SIGINT."""
    from controller.cli.nameserver import Wanted
    from controller.cli.nameserver import nameserver as run
    from controller.cli.place import Chosen
    from controller.metrics.options import Options

    shown = Options(metrics, metrics_cert, metrics_key, metrics_ca, metrics_insecure)
    wanted = Wanted(
        tuple(listen), Chosen(state, context), data, name or socket.gethostname(), site, keys_folder, cookies,
        rate, slip, shared, expire, shown,
    )  # fmt: skip
    raise typer.Exit(run(wanted))


@keys.command()
def new(folder: Folder, zone: ZoneName) -> None:
    """Make a key for ZONE and print its DS; with a key more, all of the zone is signed once more."""
    from controller.cli.dnskeys import new as work

    raise typer.Exit(work(folder, zone))


@keys.command("list")
def listed(
    folder: Folder,
    zone: Annotated[
        str | None, typer.Argument(metavar="[ZONE]", help="Of this zone alone.", show_default="all")
    ] = None,
) -> None:
    """Print all keys, and the DS that the parent zone needs for each."""
    from controller.cli.dnskeys import listed as work

    raise typer.Exit(work(folder, zone))


@keys.command()
def remove(
    folder: Folder,
    zone: ZoneName,
    tag: Annotated[int, typer.Argument(metavar="TAG", help="Of the key, as `list` prints it.")],
) -> None:
    """Remove a key for which no DS is left in the parent zone; the last one of a zone is removed by hand."""
    from controller.cli.dnskeys import remove as work

    raise typer.Exit(work(folder, zone, tag))
