"""Commands that other parts than the controller add to ``evenkeel``: entry points of the group ``evenkeel.commands``.

Each names a ``typer.Typer``, and its module is imported when its command, or the list of all, is asked for. One whose
module is not installed stays in the list, and says what is missing.
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from controller.cli import codes

GROUP = "evenkeel.commands"


class Commands(TyperGroup):
    """A group's own commands in their order, then the registered ones by name; its own come first."""

    def list_commands(self, ctx: object) -> list[str]:
        """Names of all commands."""
        return [*self.commands, *sorted(_registered().keys() - self.commands.keys())]

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """A command with a dash in its name may be written with a blank: ``explain name`` is ``explain-name``."""
        joined = "-".join(args[:2])
        written = [joined, *args[2:]] if joined in self.commands else args
        return super().resolve_command(ctx, written)

    def get_command(self, ctx: object, cmd_name: str) -> TyperCommand | TyperGroup | None:
        """The command of that name, imported if need be; None if there is none."""
        own = self.commands.get(cmd_name)
        if own is None:
            entry = _registered().get(cmd_name)
            return None if entry is None else _load(entry)
        assert isinstance(own, TyperCommand | TyperGroup)
        return own


def _registered() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=GROUP)}


def _load(entry: EntryPoint) -> TyperCommand | TyperGroup:
    try:
        application = entry.load()
    except ModuleNotFoundError as error:
        application = _missing(entry, error.name or entry.module)
    if not isinstance(application, typer.Typer):
        raise TypeError(f"entry point {entry.name} of {GROUP}: {entry.value} is no typer.Typer")
    command = get_command(application)
    assert isinstance(command, TyperCommand | TyperGroup)
    command.name = entry.name
    return command


def _missing(entry: EntryPoint, module: str) -> typer.Typer:
    """The command in place of one whose module cannot be imported."""
    application = typer.Typer(add_completion=False)
    settings = {"allow_extra_args": True, "ignore_unknown_options": True}

    @application.command(help=f"Not installed here: {module} is missing.", context_settings=settings)
    def missing() -> None:
        right = "install all of evenkeel, or run it from its source tree"
        typer.echo(f"evenkeel {entry.name}: the module {module} is not installed; {right}", err=True)
        raise typer.Exit(codes.Registered.NOT_INSTALLED)

    return application
