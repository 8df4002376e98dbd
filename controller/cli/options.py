"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from controller.cli.place import Chosen, Place

State = Annotated[
    Path,
    typer.Option("--state", metavar="FILE", help="The SQLite file that the controller was started with."),
]
Here = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FILE",
        help="The controller on this machine that was started with this file.",
        show_default="the context, or evenkeel.db",
    ),
]
ContextName = Annotated[
    str | None,
    typer.Option(
        "--context",
        metavar="NAME",
        help="The controllers of this context.",
        show_default="EVENKEEL_CONTEXT, or that of `evenkeel context use`",
    ),
]
Timeout = Annotated[
    str, typer.Option("--timeout", metavar="SPAN", help="How long a call may take, such as 10s or 1m.")
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")]
Revision = Annotated[
    int | None,
    typer.Option(
        "--revision",
        metavar="N",
        min=0,
        help="Only if it has this revision; 0: only if it is not there.",
        show_default="whatever it has",
    ),
]
Reason = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why, for the audit log.")]
Override = Annotated[
    bool,
    typer.Option(
        "--override", help="Set disruption budgets aside for this change: needs --reason, and an admin."
    ),
]
StoreCa = Annotated[
    Path | None,
    typer.Option("--store-ca", metavar="PEM", help="Who signs the certificates of etcd's members."),
]
StoreCert = Annotated[
    Path | None,
    typer.Option("--store-cert", metavar="PEM", help="Our certificate; its common name is etcd's user."),
]
StoreKey = Annotated[Path | None, typer.Option("--store-key", metavar="PEM", help="Its private key.")]
SharedStore = Annotated[
    str | None,
    typer.Option(
        "--store",
        metavar="etcd://HOST:PORT,.../PREFIX",
        help="The store of the controllers, if it is in etcd.",
        show_default="the file of --state",
    ),
]


def examples(*lines: str) -> str:
    """Examples at the end of ``--help``."""
    return "\n\n".join(("Examples:", *(f"  {line}" for line in lines)))


def chosen(state: Path | None, context: str | None, timeout: str) -> Chosen:
    """Where a command goes."""
    from controller.cli.place import Chosen

    return Chosen(state, context, timeout)


def place(state: Path | None, context: str | None) -> Place:
    """Where an order goes. Ends the command with exit code 2 if that cannot be told."""
    from controller.cli.codes import Verb
    from controller.cli.contexts import BadPlace
    from controller.cli.place import Chosen

    try:
        return Chosen(state, context).place()
    except BadPlace as error:
        typer.echo(error, err=True)
        raise typer.Exit(Verb.BAD_INPUT) from None
