"""Commands on resources, by the API: options of each, and where its work is done."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from controller.cli.options import (
    ContextName,
    DryRun,
    Here,
    Override,
    Reason,
    Revision,
    Timeout,
    chosen,
    examples,
)

TIMEOUT = "10s"
KINDS = "vips, pools, backends, switches or sites"

Names = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[NAME]...", help="Of these alone; of a backend, POOL/BACKEND.", show_default="all"
    ),
]
Pool = Annotated[
    str, typer.Option("--pool", metavar="POOL", help="Of backends that are given without their pool.")
]


class Output(StrEnum):
    """How resources are printed."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"
    YAML = "yaml"
    NAME = "name"


class Made(StrEnum):
    """How what became of a change is printed."""

    TABLE = "table"
    JSON = "json"
    NAME = "name"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="What is printed.")]
MadeOption = Annotated[Made, typer.Option("--output", "-o", help="What is printed.")]

verbs = typer.Typer(add_completion=False)


@verbs.command(
    epilog=examples(
        "evenkeel get pools",
        "evenkeel get backends -o wide --filter 'zone=a,drain=false'",
        "evenkeel get pools -l 'team=web,env notin (test, stage)'",
        "evenkeel get pools/web vips/shop -o yaml > shop.yaml",
        "evenkeel get intent -o yaml",
    )
)
def get(
    kind: Annotated[
        str, typer.Argument(metavar="KIND", help=f"{KINDS}; a full name such as pools/web; or intent.")
    ],
    names: Names = None,
    output: OutputOption = Output.TABLE,
    where: Annotated[
        str,
        typer.Option(
            "--filter",
            metavar="FIELD=VALUE,...",
            help="Conditions that all hold; != and * too, as docs/api.md says.",
        ),
    ] = "",
    labels: Annotated[
        str,
        typer.Option(
            "--selector",
            "-l",
            metavar="KEY=VALUE,...",
            help="Labels: =, !=, in (...), notin (...), KEY, !KEY; all hold.",
        ),
    ] = "",
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Show resources: what is wanted of them, and how they are."""
    from controller.cli.getting import Shape
    from controller.cli.getting import get as work

    raise typer.Exit(
        work(chosen(state, context, timeout), kind, names or [], Shape(output.value, where, labels))
    )


@verbs.command(epilog=examples("evenkeel describe pools web", "evenkeel describe backends web/s1"))
def describe(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{KINDS}; or a full name such as pools/web.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", show_default=False)] = None,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Show all that is known of a resource: its keys, how it is, and the last events that name it."""
    from controller.cli.describing import describe as work

    raise typer.Exit(work(chosen(state, context, timeout), kind, names or []))


@verbs.command(
    epilog=examples(
        "evenkeel apply -f fabric.yaml --dry-run",
        "evenkeel apply -f web.yaml",
        'evenkeel apply -f web.yaml --override --reason "CHG-1042: s2 gets new memory"',
        "evenkeel get pools web -o yaml | sed 's/weight: 1/weight: 2/' | evenkeel apply -f -",
    )
)
def apply(
    file: Annotated[
        Path,
        typer.Option(
            "--file", "-f", metavar="FILE", help="An intent, or resources divided by ---; -: standard input."
        ),
    ],
    dry_run: DryRun = False,
    revision: Revision = None,
    reason: Reason = "",
    override: Override = False,
    output: MadeOption = Made.TABLE,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Make resources, or the whole intent, what FILE says: all of it in one commit, or nothing.

    A resource that has a revision in FILE is applied only if it still has it.
    """
    from controller.cli.changing import How
    from controller.cli.changing import apply as work

    raise typer.Exit(
        work(chosen(state, context, timeout), file, How(dry_run, revision, output.value, reason, override))
    )


@verbs.command(
    epilog=examples("evenkeel delete backends web/s3", "evenkeel delete vips/shop pools/web --dry-run")
)
def delete(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{KINDS}; or a full name such as pools/web.")],
    names: Annotated[list[str] | None, typer.Argument(metavar="NAME...", show_default=False)] = None,
    dry_run: DryRun = False,
    revision: Revision = None,
    reason: Reason = "",
    override: Override = False,
    output: MadeOption = Made.TABLE,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Take resources away: all that are named in one commit, or none."""
    from controller.cli.changing import How
    from controller.cli.changing import delete as work

    raise typer.Exit(
        work(
            chosen(state, context, timeout),
            kind,
            names or [],
            How(dry_run, revision, output.value, reason, override),
        )
    )


Backends = Annotated[
    list[str],
    typer.Argument(metavar="BACKEND...", help="POOL/BACKEND; or BACKEND, if --pool or its name says which."),
]


@verbs.command(epilog=examples("evenkeel drain web/s1", "evenkeel drain s1 s2 --pool web"))
def drain(
    backends: Backends,
    pool: Pool = "",
    dry_run: DryRun = False,
    reason: Reason = "",
    override: Override = False,
    output: MadeOption = Made.TABLE,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Let backends take no new connections; established ones stay for the pool's drain_timeout."""
    from controller.cli.changing import How
    from controller.cli.changing import drain as work

    raise typer.Exit(
        work(
            chosen(state, context, timeout),
            backends,
            pool,
            How(dry_run, None, output.value, reason, override),
        )
    )


@verbs.command(epilog=examples("evenkeel undrain web/s1"))
def undrain(
    backends: Backends,
    pool: Pool = "",
    dry_run: DryRun = False,
    reason: Reason = "",
    override: Override = False,
    output: MadeOption = Made.TABLE,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Let backends that drain take new connections again."""
    from controller.cli.changing import How
    from controller.cli.changing import drain as work

    how = How(dry_run, None, output.value, reason, override)
    raise typer.Exit(work(chosen(state, context, timeout), backends, pool, how, undrain=True))


@verbs.command(
    epilog=examples("evenkeel weight web/s1=1 web/s2=3", "evenkeel weight s1=0 --pool web --dry-run")
)
def weight(
    weights: Annotated[
        list[str],
        typer.Argument(metavar="POOL/BACKEND=N...", help="Weights from 0 to 65535; 0: nothing new."),
    ],
    pool: Pool = "",
    dry_run: DryRun = False,
    reason: Reason = "",
    override: Override = False,
    output: MadeOption = Made.TABLE,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Set weights of backends: all of them in one commit, or none."""
    from controller.cli.changing import How
    from controller.cli.changing import weight as work

    raise typer.Exit(
        work(
            chosen(state, context, timeout), weights, pool, How(dry_run, None, output.value, reason, override)
        )
    )


@verbs.command(epilog=examples("EDITOR=nano evenkeel edit pools web"))
def edit(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{KINDS}; or a full name such as pools/web.")],
    name: Annotated[str | None, typer.Argument(metavar="NAME", show_default=False)] = None,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Open a resource in VISUAL or EDITOR, and apply what becomes of it unless it was changed meanwhile."""
    from controller.cli.changing import edit as work

    raise typer.Exit(work(chosen(state, context, timeout), kind, name))


@verbs.command(
    epilog=examples(
        "evenkeel watch backends --new",
        "evenkeel watch events -o json",
        "evenkeel watch all --after 41:107",
    )
)
def watch(
    kind: Annotated[str, typer.Argument(metavar="KIND", help=f"{KINDS}; events; or all.")],
    after: Annotated[
        str,
        typer.Option(
            metavar="REVISION:EVENTS",
            help="Go on where an earlier watch ended, which printed this.",
            show_default="begin with all that is",
        ),
    ] = "",
    new: Annotated[bool, typer.Option("--new", help="Only what changes from now on.")] = False,
    output: Annotated[
        Made, typer.Option("--output", "-o", help="table, or json: an object a line.")
    ] = Made.TABLE,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Follow resources or events, a line for each change, until SIGINT; goes on when another controller leads."""
    from controller.cli.watching import Follow
    from controller.cli.watching import watch as work

    if output is Made.NAME:
        raise typer.BadParameter("write table or json", param_hint="--output")
    raise typer.Exit(work(chosen(state, context, timeout), kind, Follow(after, new, output is Made.JSON)))


@verbs.command(epilog=examples("evenkeel top", "evenkeel top web api"))
def top(
    pools: Annotated[
        list[str] | None, typer.Argument(metavar="[POOL]...", help="These alone.", show_default="all")
    ] = None,
    state: Here = None,
    context: ContextName = None,
    timeout: Timeout = TIMEOUT,
) -> None:
    """Show pools and backends live: verdicts, slots that move, packets; q ends it."""
    from controller.cli.top import top as work

    raise typer.Exit(work(chosen(state, context, timeout), pools or []))
