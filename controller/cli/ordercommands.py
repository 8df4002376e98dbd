"""Orders to the running fabric, and looks at it: options of each command, and where its work is done.

Without a context they go to the controller of --state: orders to its control socket, looks to its files.
"""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.options import (
    ContextName,
    Here,
    SharedStore,
    State,
    StoreCa,
    StoreCert,
    StoreKey,
    examples,
    place,
)
from controller.cli.place import DEFAULT_STATE, Place

orders = typer.Typer(add_completion=False)
sites = typer.Typer(add_completion=False, no_args_is_help=True)


@orders.command()
def status(
    state: Here = None,
    context: ContextName = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print the status as JSON.")] = False,
) -> None:
    """Show what a running controller says of switches, pools, pins and risks."""
    at = place(state, context)
    if at.context is not None:
        from controller.cli.remotelooks import status as show_there

        raise typer.Exit(show_there(at, json_out))
    from controller.cli.status import status as show_status

    raise typer.Exit(show_status(at.state, json_out))


@orders.command(epilog=examples("evenkeel failback db", "evenkeel failback db s2"))
def failback(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="A pool with failover.")],
    backend: Annotated[
        str | None,
        typer.Argument(
            metavar="BACKEND", help="Who takes over.", show_default="the preferred one that is up"
        ),
    ] = None,
    state: Here = None,
    context: ContextName = None,
) -> None:
    """Make another backend the one writer of POOL; connections of the former one are reset."""
    from controller.cli.failback import failback as hand_over

    raise typer.Exit(hand_over(place(state, context), pool, backend))


@orders.command(epilog=examples("evenkeel rehash web --plan", "evenkeel rehash web"))
def rehash(
    pool: Annotated[str, typer.Argument(metavar="POOL", help="A pool with TCP listeners.")],
    plan: Annotated[
        bool, typer.Option("--plan", help="Print what it would do, and what it costs; change nothing.")
    ] = False,
    cancel: Annotated[bool, typer.Option("--cancel", help="End one that is under way.")] = False,
    state: Here = None,
    context: ContextName = None,
) -> None:
    """Take the slots of POOL as if it were new (`spread`), once all of its connections are pinned."""
    from controller.cli.rehash import rehash as begin

    if plan and cancel:
        raise typer.BadParameter("--plan and --cancel exclude each other")
    raise typer.Exit(begin(place(state, context), pool, "plan" if plan else "cancel" if cancel else "begin"))


@orders.command(epilog=examples("evenkeel move shop west", "evenkeel move shop"))
def move(
    vip: Annotated[
        str, typer.Argument(metavar="VIP", help="A VIP, or a virtual MAC; all VIPs of one MAC move.")
    ],
    site: Annotated[
        str | None,
        typer.Argument(metavar="SITE", help="One of its owners.", show_default="where the intent has it"),
    ] = None,
    state: Here = None,
    context: ContextName = None,
) -> None:
    """Own VIP at SITE until this is withdrawn, by the same command without SITE."""
    from controller.cli.ordering import move as order

    raise typer.Exit(order(place(state, context), vip, site))


@orders.command(epilog=examples("evenkeel timeline --since 10m", "evenkeel timeline --vip shop"))
def timeline(
    state: Here = None,
    context: ContextName = None,
    store: SharedStore = None,
    store_ca: StoreCa = None,
    store_cert: StoreCert = None,
    store_key: StoreKey = None,
    since: Annotated[
        str | None,
        typer.Option(metavar="AGE", help="Nothing older, such as 90s, 10m, 2h or 1d.", show_default="all"),
    ] = None,
    vip: Annotated[str, typer.Option(metavar="NAME", help="Of VIPs, this one alone.")] = "",
    switch: Annotated[str, typer.Option(metavar="NAME", help="Of switches, this one alone.")] = "",
    json_out: Annotated[bool, typer.Option("--json", help="Print one JSON object an event.")] = False,
) -> None:
    """Show what happened, and why, as all controllers on a store kept it; without a context none has to run."""
    from controller.cli.stores import Where
    from controller.cli.timeline import Asked
    from controller.cli.timeline import timeline as show

    if store is not None and context is not None:
        raise typer.BadParameter("--store and --context exclude each other")
    at = place(state, context) if store is None else None
    if at is not None and at.context is not None:
        from controller.cli.remotelooks import timeline as show_there

        raise typer.Exit(show_there(at, Asked(since, vip, switch, json_out)))
    where = Where(state or DEFAULT_STATE, store, store_ca, store_cert, store_key)
    raise typer.Exit(show(where, Asked(since, vip, switch, json_out)))


@orders.command()
def override(
    reason: Annotated[str, typer.Argument(metavar="REASON", help="Why, for the journal.")],
    state: State = DEFAULT_STATE,
) -> None:
    """Accept the controller's intent file as it is now, although a disruption budget refuses this edit."""
    from controller.cli.override import override as set_aside

    raise typer.Exit(set_aside(state, reason))


@orders.command(
    epilog=examples("evenkeel drill shop west --stay 30s", "evenkeel drill shop west --context east")
)
def drill(
    vip: Annotated[str, typer.Argument(metavar="VIP", help="A VIP; all VIPs of its MAC move.")],
    site: Annotated[str, typer.Argument(metavar="SITE", help="Another one of its owners.")],
    stay: Annotated[str, typer.Option(metavar="SPAN", help="How long it stays there.")] = "10s",
    within: Annotated[
        str, typer.Option(metavar="SPAN", help="How long each of both moves may take.")
    ] = "60s",
    state: Here = None,
    context: ContextName = None,
    store: SharedStore = None,
    store_ca: StoreCa = None,
    store_cert: StoreCert = None,
    store_key: StoreKey = None,
) -> None:
    """Move VIP to SITE, and back after a while, also when interrupted; print its timeline."""
    from controller.cli.drill import Spans
    from controller.cli.drill import drill as try_it
    from controller.cli.stores import Where

    if store is not None and context is not None:
        raise typer.BadParameter("--store and --context exclude each other")
    at = place(state, context) if store is None else Place(state or DEFAULT_STATE)
    if at.context is not None:
        from controller.cli.byapi import drill_by_api

        raise typer.Exit(drill_by_api(at, vip, site, Spans(stay, within)))
    where = Where(at.state, store, store_ca, store_cert, store_key)
    raise typer.Exit(try_it(where, vip, site, Spans(stay, within)))


@sites.command()
def drain(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A site.")],
    state: Here = None,
    context: ContextName = None,
) -> None:
    """Own nothing at SITE: its VIPs go to the next of their owners."""
    from controller.cli.ordering import site as order

    raise typer.Exit(order(place(state, context), site, "drain"))


@sites.command()
def undrain(
    site: Annotated[str, typer.Argument(metavar="SITE", help="A site.")],
    state: Here = None,
    context: ContextName = None,
) -> None:
    """Own at SITE again what is at home there."""
    from controller.cli.ordering import site as order

    raise typer.Exit(order(place(state, context), site, "undrain"))


@sites.command()
def claim(
    without_quorum: Annotated[
        bool,
        typer.Option("--without-quorum", help="Needed: the store does not answer, and cannot say who owns."),
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    state: State = DEFAULT_STATE,
) -> None:
    """Lead, and answer for all VIPs, although the store is out of reach; ends by itself when it answers again."""
    from controller.cli.ordering import claim as order

    if not without_quorum:
        raise typer.BadParameter("without it there is nothing to claim", param_hint="--without-quorum")
    sure = "Is every other controller of this store stopped, or its site dead? Two sites that answer break connections"
    if not yes and not typer.confirm(sure):
        raise typer.Abort
    raise typer.Exit(order(Place(state)))
