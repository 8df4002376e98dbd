"""``evenkeel lab``: build a fabric on this machine, look at it, break and repair parts of it."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from topo import codes
from topo.errors import LabError

app = typer.Typer(
    help="Fabrics of real switches, servers and clients in network namespaces.",
    no_args_is_help=True,
    add_completion=False,
)

LabName = Annotated[str | None, typer.Option("--lab", help="Which lab; default: the only one that is up.")]


@contextmanager
def _told() -> Iterator[None]:
    """A lab's error as one message and exit code 2."""
    try:
        yield
    except LabError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(codes.Lab.FAILED) from None


@app.command()
def up(
    file: Annotated[
        str,
        typer.Argument(
            help="Topology file, or the name of a shipped one: demo, fabric, pair, routed, single, two-site."
        ),
    ],
    name: Annotated[str | None, typer.Option(help="Default: the topology's own name.")] = None,
    switch: Annotated[
        str,
        typer.Option(
            metavar="KIND", help="Kind of the switches whose kind FILE leaves open: ovs, bmv2 or embedded."
        ),
    ] = "ovs",
    tso: Annotated[
        bool | None,
        typer.Option(
            help="Segmentation offload through the switches; excludes mode tun.",
            show_default="as the topology says",
        ),
    ] = None,
    store: Annotated[
        bool, typer.Option("--store", help="Start the members of the store (etcd) that FILE names.")
    ] = False,
    agents: Annotated[
        bool,
        typer.Option(
            "--agents",
            help="Each place of a controller is one of an agent too; edges of Open vSwitch have fences.",
        ),
    ] = False,
) -> None:
    """Build a lab; returns when every link is alive."""
    from topo.lab import Lab
    from topo.model import KINDS

    kind = next((each for each in KINDS if each == switch), None)
    if kind is None:
        typer.echo(f"--switch {switch}: choose one of {', '.join(KINDS)}", err=True)
        raise typer.Exit(codes.Lab.FAILED)
    with _told():
        begun = time.monotonic()
        lab = Lab.up(file, name=name, tso=tso, switch=kind, store=store, agents=agents)
        hosts = len(lab.fabric.hosts)
        typer.echo(
            f"lab {lab.name} is up after {time.monotonic() - begun:.1f} s: "
            f"{len(lab.switches)} switches, {hosts} hosts, intent in {lab.intent_path}"
        )


@app.command()
def trace(
    host: Annotated[str, typer.Argument(help="Host that would send the packet.")],
    to: Annotated[
        str, typer.Argument(metavar="ADDRESS:PORT", help="Such as 10.0.0.100:80 or [fd00::100]:80.")
    ],
    source_port: Annotated[int, typer.Option(min=1, max=65535, help="Port that it is sent from.")] = 40000,
    flags: Annotated[str, typer.Option(help="TCP flags by comma, or udp.")] = "syn",
    lab: LabName = None,
) -> None:
    """Follow one packet through embedded P4 switches: what matched, what changed. Nothing is sent."""
    from ipaddress import ip_address

    from topo.lab import Lab
    from topo.trace import trace as follow

    with _told():
        address, _, port = to.rpartition(":")
        try:
            target, number = ip_address(address.strip("[]")), int(port)
        except ValueError:
            raise LabError(f"{to} is no ADDRESS:PORT, such as 10.0.0.100:80 or [fd00::100]:80") from None
        for line in follow(Lab.load(lab), host, target, number, source_port, flags):
            typer.echo(line)


@app.command()
def down(
    name: Annotated[str | None, typer.Argument(help="Which lab; default: the only one.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Every lab of this machine.")] = False,
) -> None:
    """Remove a lab with all its processes, namespaces and files; repeatable, also after a crash."""
    from topo.state import labs, remove

    with _told():
        found = labs()
        if name is None and not everything and len(found) > 1:
            raise LabError(f"several labs exist, say which one or --all: {', '.join(found)}")
        chosen = [name] if name is not None else found
        for each in chosen:
            remove(each)
        typer.echo(f"removed: {', '.join(chosen)}" if chosen else "no lab was up")


@app.command()
def status(
    lab: LabName = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Show what lives and what does not."""
    from topo.lab import Lab

    with _told():
        report = Lab.load(lab).status()
    if as_json:
        typer.echo(json.dumps(report))
    else:
        _print(report)


def _print(report: dict[str, Any]) -> None:
    console = Console()
    table = Table(title=f"lab {report['lab']}", title_justify="left")
    for heading in ("node", "is", "state", "where"):
        table.add_column(heading)
    for name, node in report["nodes"].items():
        state = {True: "[green]running[/]", False: "[red]dead[/]", None: ""}[node.get("running")]
        if node["kind"] == "switch":
            dead = [peer for peer, alive in node["neighbours"].items() if not alive]
            state += f" [red]not to be used: {', '.join(dead)}[/]" if dead else ""
            what = f"{node['type']}: {', '.join(node['roles'])}"
            table.add_row(name, what, state, f"id {node['id']:#x}, control {node['control']}")
        else:
            table.add_row(name, node["kind"], state, f"{node['at']}: {', '.join(node['addresses'])}")
    console.print(table)
    cut = [name for name, alive in report["links"].items() if not alive]
    console.print(f"links down: {', '.join(cut)}" if cut else "all links have a carrier")
    console.print(f"intent: {report['intent']}", highlight=False)


@app.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def exec_(
    node: Annotated[str, typer.Argument(help="Switch, host, or ctl.")],
    command: Annotated[list[str], typer.Argument(help="Program and arguments.")],
    lab: LabName = None,
) -> None:
    """Run a program in a node's network namespace; on a switch, ovs-* commands talk to that switch."""
    from topo.lab import Lab
    from topo.process import attend

    with _told():
        loaded = Lab.load(lab)
        try:
            code = attend(lambda: loaded.popen(node, command))
        except OSError as error:
            raise LabError(f"{command[0]}: {error.strerror}") from None
    sys.exit(code if code >= 0 else 128 - code)


Target = Annotated[
    str,
    typer.Argument(
        help="A switch (lb1), a link (lb1-leaf2), a host (s1), a router, a speaker; with several sites: a stretch "
        "link, a site, or a member of the store."
    ),
]


@app.command()
def fail(
    target: Target,
    lab: LabName = None,
    link: Annotated[
        bool, typer.Option("--link", help="Unplug the host instead of killing its server.")
    ] = False,
    unhealthy: Annotated[
        bool, typer.Option("--unhealthy", help="The server lives, but its /healthz answers 503.")
    ] = False,
) -> None:
    """Break a part: SIGKILL for switches and servers, no carrier for links."""
    from topo.lab import Lab

    with _told():
        Lab.load(lab).fail(target, link=link, unhealthy=unhealthy)


@app.command()
def heal(target: Target, lab: LabName = None) -> None:
    """Repair what fail broke about a part."""
    from topo.lab import Lab

    with _told():
        Lab.load(lab).heal(target)


@app.command()
def delay(
    path: Annotated[str, typer.Argument(help="What joins two sites: a stretch link (x1), or wan1.")],
    milliseconds: Annotated[float, typer.Argument(help="Of a round trip, 0 to 20.")],
    lab: LabName = None,
) -> None:
    """Set how long a frame takes to another site and back."""
    from topo.lab import Lab

    with _told():
        Lab.load(lab).wan.delay(path, milliseconds)
