"""The page of commands, from the Typer applications and the embedded switch's options."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import typer
from typer.core import TyperGroup
from typer.main import get_command

from controller.cli.lab import app as lab_app
from controller.cli.main import app as main_app
from tests.reference.docstrings import table
from topo.p4switch.options import command_line

HEADING = ("argument or option", "meaning")
PASSED_ON = ("lab", "switch")
"""Commands of the main application whose arguments another parser reads."""


def page() -> str:
    """The page as Markdown."""
    lines = [
        "# Commands",
        "",
        "Generated from the code by `make docs`. Each command also prints this with `--help`. How they end:",
        "[Exit codes](exit-codes.md).",
        *_application("evenkeel", main_app),
        *_application("evenkeel lab", lab_app),
        *_switch(command_line()),
    ]
    return "\n".join(lines) + "\n"


def _application(prefix: str, application: typer.Typer) -> Iterator[str]:
    group = get_command(application)
    assert isinstance(group, TyperGroup)
    root = typer.Context(group, info_name=prefix)
    for name, command in group.commands.items():
        if application is main_app and name in PASSED_ON:
            continue
        context = typer.Context(command, info_name=name, parent=root)
        usage = " ".join(command.collect_usage_pieces(context)).translate(str.maketrans("", "", "{}"))
        yield from ("", f"## {context.command_path}", "")
        yield from (command.help or "", "", f"    {context.command_path} {usage}")
        records = [each.get_help_record(context) for each in command.get_params(context)]
        rows = [(f"`{record[0]}`", " ".join(record[1].split())) for record in records if record]
        rows = [row for row in rows if "--help" not in row[0]]
        if rows:
            yield from ("", *table(HEADING, rows))


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
