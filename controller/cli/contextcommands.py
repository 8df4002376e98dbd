"""``evenkeel context``, ``evenkeel completion`` and ``evenkeel man``: options of each, and what they do."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller.cli.codes import Verb
from controller.cli.options import examples

if TYPE_CHECKING:
    from controller.cli.contexts import Contexts

context = typer.Typer(add_completion=False, no_args_is_help=True)
VARIABLE = "_EVENKEEL_COMPLETE"
"""What the shell's function sets when it asks for completions."""

ContextArgument = Annotated[str, typer.Argument(metavar="NAME", help="Of the context.")]


def _changed(change: Callable[[Contexts], Contexts]) -> None:
    """Change the file. Ends the command with exit code 2 if that cannot be."""
    from controller.cli import contexts

    path = contexts.file()
    try:
        contexts.write(path, change(contexts.read(path)))
    except contexts.BadPlace as error:
        typer.echo(error, err=True)
        raise typer.Exit(Verb.BAD_INPUT) from None


@context.command(
    "set",
    epilog=examples(
        "evenkeel context set east --server 10.0.0.1:7450 --ca ca.pem --cert me.pem --key me.key",
        "evenkeel context set west --server 10.2.0.1:7450 --ca ca.pem --token ~/.config/evenkeel/west.token",
        "evenkeel context set here --socket /var/lib/evenkeel/state.db.api.sock",
    ),
)
def set_(
    name: ContextArgument,
    server: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS:PORT",
            help="Where a controller serves the API (its --api); may be repeated: the one that leads is found.",
            show_default=False,
        ),
    ] = None,
    socket: Annotated[
        Path | None, typer.Option(metavar="PATH", help="The API's socket of a controller on this machine.")
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="PEM", help="Who signs the certificates of controllers.")
    ] = None,
    cert: Annotated[Path | None, typer.Option(metavar="PEM", help="Our certificate.")] = None,
    key: Annotated[Path | None, typer.Option(metavar="PEM", help="Its private key.")] = None,
    token: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="A file with nothing in it but a token, readable by its owner alone."
        ),
    ] = None,
) -> None:
    """Make a context, or replace it. The file holds paths of certificates and of a token, not what is in them."""
    from controller.cli.contexts import Context

    files = (None if each is None else each.absolute() for each in (socket, ca, cert, key, token))
    made = Context(tuple(server or ()), *files)
    _changed(lambda known: known.with_one(name, made))
    typer.echo(f"context {name} set; evenkeel context use {name} makes it the current one")


@context.command(epilog=examples("evenkeel context use east", "evenkeel context use --none"))
def use(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="Of the context.", show_default=False)] = "",
    none: Annotated[
        bool, typer.Option("--none", help="No context: the controller of --state on this machine.")
    ] = False,
) -> None:
    """Make a context the current one, which commands use that name no other."""
    if none == bool(name):
        raise typer.BadParameter("give a name, or --none")
    _changed(lambda known: known.using(name))
    typer.echo(f"context {name} is the current one" if name else "no context is the current one")


@context.command()
def delete(name: ContextArgument) -> None:
    """Remove a context."""
    _changed(lambda known: known.without(name))
    typer.echo(f"context {name} deleted")


@context.command("list")
def list_() -> None:
    """List contexts; * is the current one."""
    from controller.cli import columns, contexts

    try:
        known = contexts.read(contexts.file())
    except contexts.BadPlace as error:
        typer.echo(error, err=True)
        raise typer.Exit(Verb.BAD_INPUT) from None
    rows = [
        (
            "*" if name == known.current else " ",
            name,
            str(each.socket or ", ".join(each.servers)),
            str(each.cert or (f"token {each.token}" if each.token else "")),
        )
        for name, each in known.by_name.items()
    ]
    columns.show(("", "name", "reached at", "certificate"), rows)


class Shell(StrEnum):
    """Shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="The shell.")]) -> None:
    """Print a script with which the shell completes commands and options; nothing is installed."""
    from typer._completion_shared import get_completion_script

    typer.echo(get_completion_script(prog_name="evenkeel", complete_var=VARIABLE, shell=shell.value))


def man(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIRECTORY", help="Where they are written; made if it is not there.")
    ],
) -> None:
    """Write a manual page of every command."""
    from typer.core import TyperGroup

    from controller.cli.manual import write

    whole = ctx.find_root().command
    assert isinstance(whole, TyperGroup)
    try:
        count = write(whole, folder)
    except OSError as error:
        typer.echo(error, err=True)
        raise typer.Exit(Verb.BAD_INPUT) from None
    typer.echo(f"{count} pages in {folder}")


MAN_EXAMPLES = examples("evenkeel man /usr/local/share/man/man1", "evenkeel man ~/.local/share/man/man1")
COMPLETION_EXAMPLES = examples(
    'eval "$(evenkeel completion bash)"',
    "evenkeel completion zsh > ~/.zfunc/_evenkeel",
    "evenkeel completion fish > ~/.config/fish/completions/evenkeel.fish",
)
