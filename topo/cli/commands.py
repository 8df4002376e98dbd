"""The commands ``demo``, ``soak``, ``bench`` and ``switch``: options of each, and where its work is done.

Each function imports what it needs when it runs: ``evenkeel --help`` loads this module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

demo = typer.Typer(add_completion=False)
bench = typer.Typer(add_completion=False)
switch = typer.Typer(add_completion=False)
soak = typer.Typer(add_completion=False)


@switch.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def run_switch(context: typer.Context) -> None:
    """Run a P4 switch in place of simple_switch_grpc, with the same flags: -i PORT@IFACE, JSON or --no-p4."""
    from topo.p4switch.main import main

    raise typer.Exit(main(context.args))


@demo.command()
def run_demo(
    out: Annotated[
        Path, typer.Option(metavar="DIR", help="Where report.json and report.html are written.")
    ] = Path("out"),
    sabotage: Annotated[
        bool,
        typer.Option("--sabotage", help="Move one living connection by hand, which must be reported."),
    ] = False,
    seed: Annotated[
        int, typer.Option(help="Chooses who is added, drained and killed, and what the load draws by chance.")
    ] = 1,
    connections: Annotated[
        int | None,
        typer.Option(help="Long-lived connections.", min=3, show_default="what fits the switches"),
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up afterwards.")] = False,
    switch: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="What all switches are: ovs, bmv2 or embedded.", show_default="ovs"
        ),
    ] = None,
    short: Annotated[
        bool,
        typer.Option("--short", help="Fewer events: less than a minute; of two sites, a minute and a half."),
    ] = False,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Embedded switches and simulated hosts; what you get without root."),
    ] = False,
    topology: Annotated[
        str,
        typer.Option(
            metavar="FILE", help="demo, or one of two sites, such as two-site-small: the demo of two sites."
        ),
    ] = "demo",
    agents: Annotated[
        bool,
        typer.Option(
            "--agents/--no-agents",
            help="Of two sites of ovs or embedded: agents own VIPs, or the controller that leads does.",
        ),
    ] = True,
) -> None:
    """Break a fabric under load and count what was lost; exit code 0 only if every promise held."""
    from topo.cli.demo import demo as work
    from topo.cli.sitedemo import sitedemo

    if topology != "demo":
        simple = sabotage or simulate or connections is not None
        raise typer.Exit(sitedemo(topology, out, seed, keep, switch, short, simple, agents))
    raise typer.Exit(work(out, sabotage, seed, connections, keep, switch, short, simulate))


@bench.command()
def run_bench(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which benchmark, or all; without a name they are listed."),
    ] = None,
    json_out: Annotated[
        bool, typer.Option("--json", help="Print one JSON object of figures and nothing else.")
    ] = False,
) -> None:
    """Measure, and print the figures."""
    from topo.cli.bench import bench as work

    raise typer.Exit(work(name, json_out))


@soak.command()
def run_soak(
    seed: Annotated[
        int, typer.Option(help="Chooses what happens when, and what the load draws by chance.")
    ] = 1,
    minutes: Annotated[float, typer.Option(help="How long it runs.", min=0.4)] = 5.0,
    switch: Annotated[
        str, typer.Option(metavar="KIND", help="What all switches are: ovs, bmv2 or embedded.")
    ] = "ovs",
    topology: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Topology, by file or by name; one of two sites (two-site-small): faults of sites.",
        ),
    ] = "soak",
    out: Annotated[Path, typer.Option(metavar="DIR", help="Where report.json and logs are written.")] = Path(
        "out/soak"
    ),
    only: Annotated[str, typer.Option(metavar="KINDS", help="Steps of these kinds alone: weights,lb")] = "",
    without: Annotated[str, typer.Option(metavar="KINDS", help="No steps of these kinds.")] = "",
    connections: Annotated[
        int | None,
        typer.Option(help="Long-lived connections at a time.", min=3, show_default="what fits the switches"),
    ] = None,
    sabotage: Annotated[
        bool,
        typer.Option("--sabotage", help="Move one living connection by hand, which must be reported."),
    ] = False,
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what would happen when, and build nothing.")
    ] = False,
    json_out: Annotated[bool, typer.Option("--json", help="With --plan: as one JSON list.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lab up afterwards.")] = False,
    suite: Annotated[
        bool,
        typer.Option(
            "--suite",
            help="Of two sites: every fault by itself, named pairs, and 40 drawn by seed, for as long as it takes.",
        ),
    ] = False,
    agents: Annotated[
        bool,
        typer.Option(
            "--agents/--no-agents",
            help="Of two sites of Open vSwitch: agents own VIPs, or the controller that leads does.",
        ),
    ] = True,
) -> None:
    """Edit, kill, cut, stop at random under load; exit code 0 only if nothing broke that should hold."""
    from topo.cli.soak import soak

    raise typer.Exit(
        soak(
            seed,
            minutes,
            switch,
            topology,
            out,
            only,
            without,
            connections,
            sabotage,
            plan,
            json_out,
            keep,
            suite,
            agents,
        )
    )
