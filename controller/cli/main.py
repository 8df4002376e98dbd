"""The command ``evenkeel``: options of each subcommand, and where its work is done.

Each function imports what it needs when it runs, so that ``--help`` does not wait for numba or os-ken. Commands of
other parts than the controller are registered by them (``controller.cli.registered``).
"""

from __future__ import annotations

import gc
import os
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.apioptions import Api, ApiCa, ApiCert, ApiKey, ApiRoles, ApiTokens, Audit
from controller.cli.contextcommands import (
    COMPLETION_EXAMPLES,
    MAN_EXAMPLES,
    VARIABLE,
    completion,
    context,
    man,
)
from controller.cli.metricsoptions import Metrics, MetricsCa, MetricsCert, MetricsInsecure, MetricsKey
from controller.cli.namecommands import EXPLAIN_NAME, explain_name
from controller.cli.nameservercommands import dns, nameservers
from controller.cli.options import (
    ContextName,
    Here,
    SharedStore,
    StoreCa,
    StoreCert,
    StoreKey,
    Timeout,
    chosen,
    examples,
    place,
)
from controller.cli.ordercommands import orders, sites
from controller.cli.output import Output
from controller.cli.place import DEFAULT_STATE, Place
from controller.cli.registered import Commands
from controller.cli.security import audit, pki, token
from controller.cli.servicecommands import EXPLAIN_SERVICE, explain_service
from controller.cli.tiercommands import tier
from controller.cli.verbs import verbs

COLLECT = (100_000, 50, 100)
"""When Python looks for cycles: seldom. Intents and plans are a million objects without any, and with its usual
thresholds it spends more than half the time of reading a large file on them."""

app = typer.Typer(
    name="evenkeel",
    cls=Commands,
    help="Layer-4 load balancing in the switches a data centre already has.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Intent: sites, switches, pools and VIPs as YAML.")
]


PeerCa = Annotated[Path | None, typer.Option(metavar="PEM", help="Who signs the certificates of agents.")]
PeerKey = Annotated[Path | None, typer.Option(metavar="PEM", help="Its private key.")]

ListenInsecure = Annotated[
    bool,
    typer.Option("--listen-insecure", help="Let switches connect without TLS beyond loopback too."),
]
SwitchCert = Annotated[
    Path | None,
    typer.Option(
        metavar="PEM",
        help="Speak TLS with all switches; this is our certificate. Read again when it changes.",
        show_default="no TLS",
    ),
]
SwitchKey = Annotated[Path | None, typer.Option(metavar="PEM", help="Its private key.")]
SwitchCa = Annotated[Path | None, typer.Option(metavar="PEM", help="Who signs the certificates of switches.")]


@app.command()
def check(file: ConfigFile) -> None:
    """Say everything that is wrong with FILE (exit code 2), or what it asks for."""
    from controller.cli.check import check as check_file

    raise typer.Exit(check_file(file))


From = Annotated[str, typer.Option("--from", metavar="ADDRESS:PORT", help="Where the packets come from.")]
To = Annotated[str, typer.Option("--to", metavar="ADDRESS:PORT", help="VIP and port that they are for.")]
Udp = Annotated[bool, typer.Option("--udp", help="UDP; TCP without it.")]
Printed = Annotated[Output, typer.Option("-o", "--output", help="How it is printed.")]


@app.command()
def explain(
    source: From,
    target: To,
    file: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="By this intent file alone, as if it were new.",
            show_default="what the running controller and its switches say",
        ),
    ] = None,
    udp: Udp = False,
    flags: Annotated[
        str | None,
        typer.Option(
            metavar="FLAGS",
            help="TCP flags of one packet, like syn or psh,ack.",
            show_default="syn, and without FILE also a packet that opens nothing",
        ),
    ] = None,
    switch: Annotated[
        str | None, typer.Option(metavar="NAME", help="One lb switch.", show_default="all that serve the VIP")
    ] = None,
    state: Here = None,
    context: ContextName = None,
    output: Printed = Output.TEXT,
) -> None:
    """Say where a connection goes on each lb switch and why, and whether the switches hold what they should."""
    from controller.cli.explain import explain_by_file, explain_live

    if file is None:
        at = place(state, context)
        if at.context is not None:
            from controller.cli.byapi import explain_by_api

            raise typer.Exit(explain_by_api(at, source, target, udp, flags, switch, output))
        raise typer.Exit(explain_live(at.state, source, target, udp, flags, switch, output))
    if switch is not None:
        raise typer.BadParameter("switches are asked without FILE alone", param_hint="--switch")
    raise typer.Exit(explain_by_file(file, source, target, udp, flags, output))


@app.command()
def decide(
    file: ConfigFile,
    source: From,
    target: To,
    udp: Udp = False,
    flags: Annotated[
        str | None,
        typer.Option(metavar="FLAGS", help="TCP flags, like syn or psh,ack.", show_default="syn"),
    ] = None,
    json_out: Annotated[bool, typer.Option("--json", help="As -o json of explain.")] = False,
) -> None:
    """The former name of: evenkeel explain FILE."""
    from controller.cli.explain import explain_by_file

    output = Output.JSON if json_out else Output.TEXT
    raise typer.Exit(explain_by_file(file, source, target, udp, flags, output))


@app.command(
    epilog=examples(
        "evenkeel plan fabric.yaml", "evenkeel plan -f web.yaml", "evenkeel plan fabric.yaml --context east"
    )
)
def plan(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="An intent.", show_default="that of --file")
    ] = None,
    of_api: Annotated[
        Path | None,
        typer.Option(
            "--file", "-f", metavar="FILE", help="What evenkeel apply -f would take: an intent, or resources."
        ),
    ] = None,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = "30s",
    offline: Annotated[
        bool, typer.Option("--offline", help="Compare with what is stored; no controller has to run.")
    ] = False,
    store: SharedStore = None,
    store_ca: StoreCa = None,
    store_cert: StoreCert = None,
    store_key: StoreKey = None,
    entries: Annotated[
        int, typer.Option(metavar="N", min=0, max=100_000, help="List up to N entries of each switch.")
    ] = 0,
    output: Printed = Output.TEXT,
) -> None:
    """Say what FILE would do if it took the place of the present intent; exit code 1 if it would be refused."""
    from controller.cli.plan import plan as plan_file
    from controller.cli.stores import Where

    if (file is None) == (of_api is None):
        raise typer.BadParameter("give FILE, or --file", param_hint="FILE")
    if offline and (of_api is not None or context is not None):
        raise typer.BadParameter("it is for FILE and --state", param_hint="--offline")
    if store is not None and not offline:
        raise typer.BadParameter("it is read with --offline alone", param_hint="--store")
    at = Place(state or DEFAULT_STATE) if offline else place(state, context)
    wanted = of_api or file
    assert wanted is not None
    if of_api is not None or at.context is not None:
        from controller.cli.byapi import plan_by_api

        raise typer.Exit(plan_by_api(chosen(state, context, timeout), wanted, entries, output))
    where = Where(at.state, store, store_ca, store_cert, store_key)
    raise typer.Exit(plan_file(wanted, where, offline, entries, output))


@app.command()
def run(
    config: Annotated[
        Path | None,
        typer.Argument(
            metavar="[FILE]",
            help="Intent that this file owns: the API only reads it. Without FILE the API changes what is stored.",
        ),
    ] = None,
    state: Annotated[
        Path,
        typer.Option(
            metavar="FILE", help="SQLite file of what outlives the controller; status is written beside it."
        ),
    ] = Path("evenkeel.db"),
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where switches connect with OpenFlow 1.3.")
    ] = "127.0.0.1:6653",
    store: Annotated[
        str | None,
        typer.Option(
            metavar="etcd://HOST:PORT,.../PREFIX",
            help="Store in etcd what outlives the controller. Status, lock and control socket stay beside --state.",
            show_default="in the file of --state",
        ),
    ] = None,
    store_ca: StoreCa = None,
    store_cert: StoreCert = None,
    store_key: StoreKey = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What other controllers on the same etcd prefix call this one.",
            show_default="the machine's name and the path of --state",
        ),
    ] = None,
    api: Api = None,
    api_cert: ApiCert = None,
    api_key: ApiKey = None,
    api_ca: ApiCa = None,
    api_roles: ApiRoles = None,
    api_tokens: ApiTokens = None,
    audit_file: Audit = None,
    switch_cert: SwitchCert = None,
    switch_key: SwitchKey = None,
    switch_ca: SwitchCa = None,
    listen_insecure: ListenInsecure = False,
    metrics: Metrics = None,
    metrics_cert: MetricsCert = None,
    metrics_key: MetricsKey = None,
    metrics_ca: MetricsCa = None,
    metrics_insecure: MetricsInsecure = False,
    peer_ca: PeerCa = None,
    peer_cert: Annotated[
        Path | None,
        typer.Option(
            metavar="PEM",
            help="Our certificate, with which agents are asked what they see of servers.",
            show_default="they are not asked",
        ),
    ] = None,
    peer_key: PeerKey = None,
    insecure_peers: Annotated[
        bool, typer.Option("--insecure-peers", help="Ask agents without certificates.")
    ] = False,
    traces: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            envvar="EVENKEEL_TRACES",
            help="Send spans of changes there by OTLP over gRPC, such as http://127.0.0.1:4317; needs evenkeel[otel].",
            show_default="nowhere",
        ),
    ] = None,
) -> None:
    """Run the controller until SIGTERM or SIGINT; a changed FILE is read again.

    Of several on one etcd prefix one leads; the others stand by, and one of them takes over.
    """
    from controller.cli.agent import PeerFiles
    from controller.cli.face import ApiOptions
    from controller.cli.run import run as run_controller
    from controller.cli.stores import Where
    from controller.cli.switchtls import SwitchTls
    from controller.metrics.options import Options

    where = Where(state, store, store_ca, store_cert, store_key, name)
    shown = Options(metrics, metrics_cert, metrics_key, metrics_ca, metrics_insecure)
    tls = SwitchTls(switch_cert, switch_key, switch_ca, listen_insecure)
    face = ApiOptions(api, api_cert, api_key, api_ca, api_roles, api_tokens, audit_file)
    peers = PeerFiles(peer_ca, peer_cert, peer_key, insecure_peers)
    raise typer.Exit(run_controller(config, where, listen, shown, tls, face, peers, traces))


@app.command()
def agent(
    name: Annotated[
        str, typer.Option(metavar="NAME", help="The agent's name in the intent (sites: agents).")
    ],
    store: Annotated[
        str, typer.Option(metavar="etcd://HOST:PORT,.../PREFIX", help="The store of the controllers.")
    ],
    state: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Status, lock and control socket are written beside it."),
    ] = Path("agent"),
    listen: Annotated[
        str, typer.Option(metavar="ADDRESS:PORT", help="Where the site's switches connect with OpenFlow 1.3.")
    ] = "127.0.0.1:6654",
    store_ca: StoreCa = None,
    store_cert: StoreCert = None,
    store_key: StoreKey = None,
    peer_ca: PeerCa = None,
    peer_cert: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Our certificate; its common name is NAME.")
    ] = None,
    peer_key: PeerKey = None,
    insecure_peers: Annotated[
        bool,
        typer.Option(
            "--insecure-peers",
            help="Without certificates: every program that reaches an agent may speak as one.",
        ),
    ] = False,
    switch_cert: SwitchCert = None,
    switch_key: SwitchKey = None,
    switch_ca: SwitchCa = None,
    listen_insecure: ListenInsecure = False,
    audit_file: Audit = None,
    metrics: Metrics = None,
    metrics_cert: MetricsCert = None,
    metrics_key: MetricsKey = None,
    metrics_ca: MetricsCa = None,
    metrics_insecure: MetricsInsecure = False,
) -> None:
    """Own VIPs for a site by leases, and let its edges answer for them; until SIGTERM or SIGINT."""
    from controller.cli.agent import PeerFiles
    from controller.cli.agent import agent as run_agent
    from controller.cli.stores import Where
    from controller.cli.switchtls import SwitchTls
    from controller.metrics.options import Options

    where = Where(state, store, store_ca, store_cert, store_key, name)
    peers = PeerFiles(peer_ca, peer_cert, peer_key, insecure_peers)
    switches = SwitchTls(switch_cert, switch_key, switch_ca, listen_insecure)
    shown = Options(metrics, metrics_cert, metrics_key, metrics_ca, metrics_insecure)
    raise typer.Exit(run_agent(where, listen, peers, switches, shown, audit_file))


app.command(name=EXPLAIN_SERVICE)(explain_service)
app.command(name=EXPLAIN_NAME)(explain_name)
app.add_typer(orders)
app.add_typer(sites, name="site", help="Take a site out of service for maintenance, and back.")
app.add_typer(verbs)
app.add_typer(tier, name="tier", help="What a layer-7 tier is by an intent file.")
app.add_typer(context, name="context", help="Name controllers to speak with, here or over the network.")
app.command(epilog=COMPLETION_EXAMPLES)(completion)
app.command(epilog=MAN_EXAMPLES)(man)
app.add_typer(pki, name="pki", help="Make certificates for controllers, switches, etcd and people.")


app.command()(token)
app.add_typer(nameservers)
app.add_typer(dns, name="dns", help="Keys of the zones that name servers serve.")
app.add_typer(audit, name="audit", help="Check the record of who changed what.")


def main() -> None:
    """Entry point of the console command."""
    gc.set_threshold(*COLLECT)
    if VARIABLE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    app()
