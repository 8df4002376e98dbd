"""The page of commands, from the Typer applications and the embedded switch's options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from controller.cli.main import app as main_app
from tests.reference.docstrings import table
from topo.p4switch.options import command_line

HEADING = ("argument or option", "meaning")
PASSED_ON = "switch"
"""The command of the main application whose arguments another parser reads."""


def page() -> str:
    """The page as Markdown."""
    lines = [
        "# Commands",
        "",
        "Generated from the code by `make docs`. Each command also prints this with `--help`. How they end:",
        "[Exit codes](exit-codes.md).",
        *_application(),
        *_switch(command_line()),
    ]
    return "\n".join(lines) + "\n"


def _application() -> Iterator[str]:
    group = get_command(main_app)
    assert isinstance(group, TyperGroup)
    yield from _group(group, typer.Context(group, info_name="evenkeel"))


def _group(group: TyperGroup, within: typer.Context) -> Iterator[str]:
    """Its commands; those of groups in it after them."""
    groups: list[tuple[TyperGroup, typer.Context]] = []
    for name in group.list_commands(within):
        command = group.get_command(within, name)
        assert isinstance(command, TyperCommand | TyperGroup)
        context = typer.Context(command, info_name=name, parent=within)
        if isinstance(command, TyperGroup):
            groups.append((command, context))
        elif name != PASSED_ON:
            yield from _command(command, context)
    for each, context in groups:
        yield from _group(each, context)


def _command(command: TyperCommand, context: typer.Context) -> Iterator[str]:
    usage = " ".join(command.collect_usage_pieces(context)).translate(str.maketrans("", "", "{}"))
    yield from ("", f"## {context.command_path}", "")
    yield from (command.help or "", "", f"    {context.command_path} {usage}")
    records = [each.get_help_record(context) for each in command.get_params(context)]
    rows = [(f"`{record[0]}`", " ".join(record[1].split())) for record in records if record]
    rows = [row for row in rows if "--help" not in row[0]]
    if rows:
        yield from ("", *table(HEADING, rows))
    if command.epilog:
        yield from (
            "",
            *(line.strip() and f"    {line.strip()}" for line in command.epilog.split("\n\n")[1:]),
        )


def _switch(parser: argparse.ArgumentParser) -> Iterator[str]:
    rows = []
    for action in parser._actions:
        if action.help in (None, argparse.SUPPRESS) or "--help" in action.option_strings:
            continue
        value = action.metavar if isinstance(action.metavar, str) else ""
        if action.choices:
            value = "|".join(action.choices)
        names = ", ".join(action.option_strings)
        rows.append((f"`{f'{names} {value}'.strip()}`", action.help or ""))
    yield from ("", f"## {parser.prog}", "", parser.description or "", "", *table(HEADING, rows))
