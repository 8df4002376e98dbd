"""The command ``evenkeel``: options of each subcommand, and where its work is done.

Each function imports what it needs when it runs, so that ``--help`` does not wait for numba or os-ken.
"""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

COLLECT = (100_000, 50, 100)
"""When Python looks for cycles: seldom. Intents and plans are a million objects without any, and with its usual
thresholds it spends more than half the time of reading a large file on them."""

app = typer.Typer(
    name="evenkeel",
    help="Layer-4 load balancing in the switches a data centre already has.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Intent: sites, switches, pools and VIPs as YAML.")
]


@app.command()
def check(file: ConfigFile) -> None:
    """Say everything that is wrong with FILE (exit code 2), or what it asks for."""
    from controller.cli.check import check as check_file

    raise typer.Exit(check_file(file))


@app.command()
def decide(
    file: ConfigFile,
    source: Annotated[
        str, typer.Option("--from", metavar="ADDRESS:PORT", help="Where the packet comes from.")
    ],
    target: Annotated[str, typer.Option("--to", metavar="ADDRESS:PORT", help="VIP and port that it is for.")],
    udp: Annotated[bool, typer.Option("--udp", help="UDP; TCP without it.")] = False,
    flags: Annotated[
        str | None,
        typer.Option(metavar="FLAGS", help="TCP flags, like syn or psh,ack.", show_default="syn"),
    ] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")] = False,
) -> None:
    """Say which backend a packet would get by FILE, and why; exit code 1 if none."""
    from controller.cli.decide import decide as decide_packet

    raise typer.Exit(decide_packet(file, source, target, udp, flags, json_out))


@app.command()
def run(
    config: ConfigFile,
    state: Annotated[
        Path,
        typer.Option(metavar="FILE", help="SQLite file of what outlives the controller."),
    ] = Path("evenkeel.db"),
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where switches connect with OpenFlow 1.3.")
    ] = "127.0.0.1:6653",
) -> None:
    """Run the controller until SIGTERM or SIGINT; a changed FILE is read again."""
    from controller.cli.run import run as run_controller

    raise typer.Exit(run_controller(config, state, listen))


@app.command()
def status(
    state: Annotated[
        Path, typer.Option(metavar="FILE", help="The SQLite file that the controller was started with.")
    ] = Path("evenkeel.db"),
    json_out: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False,
) -> None:
    """Show what a running controller says of switches, pools, pins and risks."""
    from controller.cli.status import status as show_status

    raise typer.Exit(show_status(state, json_out))


@app.command()
def failback(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="A pool with failover.")],
    backend: Annotated[
        str | None,
        typer.Argument(
            metavar="BACKEND", help="Who takes over.", show_default="the preferred one that is up"
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option(metavar="FILE", help="The SQLite file that the controller was started with.")
    ] = Path("evenkeel.db"),
) -> None:
    """Make another backend the one writer of POOL; connections of the former one are reset."""
    from controller.cli.failback import failback as hand_over

    raise typer.Exit(hand_over(state, pool, backend))


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def lab(context: typer.Context) -> None:
    """Build, break, mend and remove a fabric of real switches: up, down, status, exec, fail, heal."""
    from controller.cli.lab import app as lab_app

    lab_app(args=context.args or ["--help"], prog_name="evenkeel lab")


@app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
)
def switch(context: typer.Context) -> None:
    """Run a P4 switch in place of simple_switch_grpc, with the same flags: -i PORT@IFACE, JSON or --no-p4."""
    from controller.cli.switch import switch as run_switch

    raise typer.Exit(run_switch(context.args))


@app.command()
def demo(
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
        bool, typer.Option("--short", help="Fewer events, shorter silences: less than a minute.")
    ] = False,
    simulate: Annotated[
        bool,
        typer.Option("--simulate", help="Embedded switches and simulated hosts; what you get without root."),
    ] = False,
) -> None:
    """Break a fabric under load and count what was lost; exit code 0 only if every promise held."""
    from controller.cli.demo import demo as run_demo

    raise typer.Exit(run_demo(out, sabotage, seed, connections, keep, switch, short, simulate))


@app.command()
def soak(
    seed: Annotated[
        int, typer.Option(help="Chooses what happens when, and what the load draws by chance.")
    ] = 1,
    minutes: Annotated[float, typer.Option(help="How long it runs.", min=0.4)] = 5.0,
    switch: Annotated[
        str, typer.Option(metavar="KIND", help="What all switches are: ovs, bmv2 or embedded.")
    ] = "ovs",
    topology: Annotated[str, typer.Option(metavar="FILE", help="Topology, by file or by name.")] = "soak",
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
) -> None:
    """Edit, kill, cut, stop at random under load; exit code 0 only if nothing broke that should hold."""
    from controller.cli.soak import soak as run_soak

    raise typer.Exit(
        run_soak(
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
        )
    )


@app.command()
def bench(
    name: Annotated[
        str | None,
        typer.Argument(metavar="NAME", help="Which benchmark, or all; without a name they are listed."),
    ] = None,
    json_out: Annotated[
        bool, typer.Option("--json", help="Print one JSON object of figures and nothing else.")
    ] = False,
) -> None:
    """Measure, and print the figures."""
    from controller.cli.bench import bench as run_bench

    raise typer.Exit(run_bench(name, json_out))


def main() -> None:
    """Entry point of the console command."""
    gc.set_threshold(*COLLECT)
    app()
