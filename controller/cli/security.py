"""Options of ``evenkeel pki``, ``token`` and ``audit``; their work is done in ``controller.cli.{pki,audit}``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

pki = typer.Typer(add_completion=False, no_args_is_help=True)


audit = typer.Typer(add_completion=False, no_args_is_help=True)


class RoleOption(StrEnum):
    """The roles of ``controller.security.certificates``, which takes longer to import than ``--help`` should."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"
    CONTROLLER = "controller"
    SWITCH = "switch"
    ETCD = "etcd"
    SERVER = "server"
    NAMESERVER = "nameserver"


Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The authority's folder.")]
Days = Annotated[int, typer.Option("--days", metavar="N", help="For how long it is good.")]


@pki.command()
def init(
    folder: Folder,
    name: Annotated[str, typer.Option(metavar="NAME", help="What certificates call it.")] = "evenkeel",
    days: Days = 3650,
) -> None:
    """Make an authority in DIR: its certificate ca.pem, for all, and its key ca.key, which stays there."""
    from controller.cli.pki import init as work

    raise typer.Exit(work(folder, name, days))


@pki.command()
def issue(
    folder: Folder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of who shows it; for etcd, the user.")],
    role: Annotated[
        RoleOption,
        typer.Option(
            help="viewer, operator, admin and nameserver ask a controller; server is dialled; the others do both.",
            case_sensitive=False,
        ),
    ] = RoleOption.VIEWER,
    address: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="IP address or DNS name at which it is dialled, besides NAME; may be repeated.",
            show_default="none",
        ),
    ] = None,
    days: Days = 365,
) -> None:
    """Make a key and a certificate for NAME: DIR/NAME.key and DIR/NAME.pem."""
    from controller.cli.pki import issue as work
    from controller.security.certificates import Role

    raise typer.Exit(work(folder, name, Role(role.value), address or (), days))


@pki.command()
def renew(
    folder: Folder,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Of a certificate in DIR.")],
    days: Days = 365,
    new_key: Annotated[bool, typer.Option("--new-key", help="Replace its key too.")] = False,
) -> None:
    """Replace a certificate by one that is good for longer; controllers read it without a restart."""
    from controller.cli.pki import renew as work

    raise typer.Exit(work(folder, name, days, new_key))


@pki.command()
def show(
    folder: Folder,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="One certificate.", show_default="all")
    ] = None,
    json_out: Annotated[bool, typer.Option("--json", help="Print a JSON list and nothing else.")] = False,
) -> None:
    """Show what was issued and until when; exit code 1 if one ends within 30 days, or a file is not as it should be."""
    from controller.cli.pki import show as work

    raise typer.Exit(work(folder, name, json_out))


def token(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file of tokens; made if it is not there.")
    ],
    name: Annotated[str, typer.Argument(metavar="NAME", help="As the roles file calls it.")],
) -> None:
    """Make a token for programs that have no certificate, and print it, once; FILE holds its hash alone."""
    from controller.cli.pki import token as work

    raise typer.Exit(work(file, name))


@audit.callback()
def _audit() -> None:
    """A group, though it has one command."""


@audit.command()
def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The file that the controller writes.")],
    holds: Annotated[
        str | None,
        typer.Option(
            metavar="HASH",
            help="A hash noted earlier, which the chain has to go through: tells that it was cut off or made again.",
            show_default="none",
        ),
    ] = None,
) -> None:
    """Check that no record was changed, left out or put in; name the first line where one was (exit code 1)."""
    from controller.cli.audit import verify as work

    raise typer.Exit(work(file, holds))
