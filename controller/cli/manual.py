"""``evenkeel man``: a manual page of each command, made from the command line itself."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from enum import IntEnum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import wrap
from typing import NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

from controller.cli.codes import COMMANDS
from controller.cli.fielddocs import field_docs

SECTION, WIDTH = 1, 72
_CODE = re.compile(r"`(?:evenkeel )?([a-z -]+?)(?: [A-Z]+)?`")
"""How a command is named where codes are described."""


class Page(NamedTuple):
    """One manual page."""

    name: str
    """Such as ``evenkeel-context-set``."""
    text: str
    """As man(7) has it."""


def pages(group: TyperGroup) -> list[Page]:
    """Of the program and all of its commands."""
    return list(_group(group, typer.Context(group, info_name="evenkeel")))


def write(group: TyperGroup, folder: Path) -> int:
    """How many pages were written. Raises OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    made = pages(group)
    for name, text in made:
        (folder / f"{name}.{SECTION}").write_text(text, encoding="ascii")
    return len(made)


def _group(group: TyperGroup, context: typer.Context) -> Iterator[Page]:
    below: list[tuple[TyperCommand | TyperGroup, typer.Context]] = []
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert isinstance(command, TyperCommand | TyperGroup)
        below.append((command, typer.Context(command, info_name=name, parent=context)))
    yield _page(group, context, [each for _, each in below])
    for each, within in below:
        if isinstance(each, TyperGroup):
            yield from _group(each, within)
        else:
            yield _page(each, within, [])


def _page(command: TyperCommand | TyperGroup, context: typer.Context, below: Iterable[typer.Context]) -> Page:
    name = _name(context)
    first, *more = (command.help or context.command_path).split("\n\n")
    lines = [
        f'.TH "{_text(name.upper())}" {SECTION} "" "evenkeel {_version()}" "Evenkeel"',
        ".SH NAME",
        f"{_text(name)} \\- {_text(_one_line(first)).rstrip('.')}",
        ".SH SYNOPSIS",
        f".B {_text(context.command_path)}",
        _text(_usage(command, context)),
        ".SH DESCRIPTION",
        *_paragraphs([first, *more]),
        *_options(command, context),
        *_commands(below),
        *_codes(context.command_path.removeprefix("evenkeel").strip()),
        *_examples(command.epilog or ""),
        *_see(context),
    ]
    return Page(name, "\n".join(lines) + "\n")


def _name(context: typer.Context) -> str:
    return context.command_path.replace(" ", "-")


def _usage(command: TyperCommand | TyperGroup, context: typer.Context) -> str:
    usage = " ".join(command.collect_usage_pieces(context)).translate(str.maketrans("", "", "{}"))
    return usage.replace("[[", "[").replace("]]", "]")


def _options(command: TyperCommand | TyperGroup, context: typer.Context) -> Iterator[str]:
    records = [each.get_help_record(context) for each in command.get_params(context)]
    rows = [record for record in records if record]
    if rows:
        yield ".SH OPTIONS"
    for names, meaning in rows:
        yield from (".TP", f".B {_text(names)}", *_lines(meaning))


def _commands(below: Iterable[typer.Context]) -> Iterator[str]:
    rows = list(below)
    if rows:
        yield ".SH COMMANDS"
    for each in rows:
        first = (each.command.help or "").split("\n\n")[0]
        yield from (".TP", f".BR {_text(_name(each))} ({SECTION})", *_lines(first))


def _codes(command: str) -> Iterator[str]:
    kind = _of_commands().get(command) or _of_commands().get(command.partition(" ")[0])
    if kind is None:
        return
    docs = field_docs(kind)
    yield ".SH EXIT STATUS"
    for code in kind:
        yield from (".TP", f".B {int(code)}", *_lines(docs[code.name].replace("`", "")))


def _of_commands() -> Mapping[str, type[IntEnum]]:
    """Whose codes they are, as their descriptions say."""
    found: dict[str, type[IntEnum]] = {}
    for kind in COMMANDS:
        for name in _CODE.findall(inspect.getdoc(kind) or ""):
            found.setdefault(name, kind)
    return found


def _examples(epilog: str) -> Iterator[str]:
    rows = [row.strip() for row in epilog.split("\n\n")[1:]]
    if rows:
        yield from (".SH EXAMPLES", ".nf", *(_line(row) for row in rows), ".fi")


def _see(context: typer.Context) -> Iterator[str]:
    if isinstance(context.parent, typer.Context):
        yield from (".SH SEE ALSO", f".BR {_text(_name(context.parent))} ({SECTION})")


def _paragraphs(texts: Iterable[str]) -> Iterator[str]:
    for number, text in enumerate(texts):
        if number:
            yield ".PP"
        yield from _lines(text)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _lines(text: str) -> list[str]:
    """Text that is filled again where it is read."""
    return [_line(each) for each in wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]


def _line(text: str) -> str:
    """A line of text, which is no request."""
    made = _text(text)
    return f"\\&{made}" if made.startswith((".", "'")) else made


def _text(text: str) -> str:
    """What roff shows as it is: hyphens can be copied as such, and nothing is beyond ASCII."""
    plain = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace('"', "\\(dq")
    plain = plain.replace("`", "\\(ga").replace("^", "\\(ha").replace("~", "\\(ti")
    return "".join(each if ord(each) < 128 else f"\\[u{ord(each):04X}]" for each in plain)


def _version() -> str:
    try:
        return version("evenkeel")
    except PackageNotFoundError:  # a checkout that was not installed
        return "unknown"
