"""``evenkeel apply``, ``delete``, ``drain``, ``undrain``, ``weight`` and ``edit``: changes of the intent by the API."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import grpc

from controller.api.messages import plain
from controller.api.names import Kind
from controller.api.v1 import service_pb2 as api
from controller.cli import resourcefiles
from controller.cli.batches import Step, carry_out, places
from controller.cli.codes import Verb
from controller.cli.contexts import BadPlace
from controller.cli.getting import plain_of, yaml_of
from controller.cli.kinds import asked, full, said
from controller.cli.place import Chosen
from controller.cli.reaching import failed, opened
from controller.cli.resourcefiles import One, Whole
from controller.cli.spans import seconds
from controller.client import ApiError, Client
from controller.model.errors import ConfigErrors

_DONE = {
    api.Change.ACTION_ADDED: "added",
    api.Change.ACTION_MODIFIED: "modified",
    api.Change.ACTION_DELETED: "deleted",
}
MOST_WEIGHT = 65535


class How(NamedTuple):
    """What the options say of a change."""

    dry_run: bool = False
    revision: int | None = None
    """That the resource, or the intent, must have."""
    output: str = "table"
    """``table``, ``json`` or ``name``."""
    reason: str = ""
    """Why, for the audit log."""
    override: bool = False
    """Disruption budgets are set aside for that reason."""

    def of(self, client: Client) -> Client:
        """The client that asks so. Raises BadPlace."""
        reason = self.reason.strip()
        if self.override and not reason:
            raise BadPlace("--override: say why with --reason TEXT; the audit log has it")
        return client.because(reason, self.override) if reason else client


def apply(chosen: Chosen, file: Path, how: How) -> int:
    """Make resources, or the whole intent, what a file says. Returns an exit code."""
    try:
        found = resourcefiles.read(file)
        if isinstance(found, list) and how.revision is not None and len(found) > 1:
            raise BadPlace("--revision is of one resource: write the revision of each in the file")
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return Verb.BAD_INPUT
    except Exception as error:
        return failed(error)
    return _applied(chosen, found, how)


def _applied(chosen: Chosen, found: Whole | list[One], how: How) -> int:
    if isinstance(found, Whole):
        document = found.document
        return _change(
            chosen,
            how,
            lambda client: client.apply(document, expected=how.revision, dry_run=how.dry_run),
            lambda _: found.where,
        )
    steps = [Step(each.name, each.resource, _expected(each, how)) for each in found]
    where = {each.name: each.where for each in found}
    return _change(
        chosen,
        how,
        lambda client: carry_out(client, steps, how.dry_run, seconds("--timeout", chosen.timeout)),
        lambda client: places(client, steps, where),
    )


def _expected(one: One, how: How) -> int | None:
    return one.expected if how.revision is None else how.revision


def delete(chosen: Chosen, kind: str, names: Sequence[str], how: How) -> int:
    """Take resources away. Returns an exit code."""
    try:
        steps = [Step(name, None, how.revision) for each in asked(kind, list(names)) for name in each.names]
        if not steps:
            raise BadPlace(f"evenkeel delete {kind}: name what goes; nothing deletes all of a kind")
        if how.revision is not None and len(steps) > 1:
            raise BadPlace("--revision is of one resource")
    except BadPlace as error:
        return failed(error)
    return _change(
        chosen,
        how,
        lambda client: carry_out(client, steps, how.dry_run, seconds("--timeout", chosen.timeout)),
        lambda _: _unplaced,  # paths are those of the document without them, which people do not see
    )


def _unplaced(_: str) -> str:
    return ""


def drain(chosen: Chosen, names: Sequence[str], pool: str, how: How, undrain: bool = False) -> int:
    """Let backends take no new connections, or take them again. Returns an exit code."""

    def change(client: Client) -> api.Outcome:
        backends = [_backend(client, each, pool) for each in names]
        call = client.undrain if undrain else client.drain
        return call(*backends, dry_run=how.dry_run)

    return _change(chosen, how, change)


def weight(chosen: Chosen, given: Sequence[str], pool: str, how: How) -> int:
    """Weights of backends, all in one commit. Returns an exit code."""

    try:
        numbers = _weights(given)
    except BadPlace as error:
        return failed(error)

    def change(client: Client) -> api.Outcome:
        found: dict[str, int] = {}
        for name, number in numbers:
            backend = _backend(client, name, pool)
            if backend in found:
                raise BadPlace(f'"{name}={number}": {backend} has a weight already; give one')
            found[backend] = number
        return client.set_weights(found, dry_run=how.dry_run)

    return _change(chosen, how, change)


def _weights(given: Sequence[str]) -> list[tuple[str, int]]:
    """Raises BadPlace."""
    found = []
    for each in given:
        name, _, number = each.rpartition("=")
        if not name or not number.isdecimal() or not number.isascii() or int(number) > MOST_WEIGHT:
            raise BadPlace(f'"{each}": write POOL/BACKEND=N, N from 0 to {MOST_WEIGHT}, such as web/s1=3')
        found.append((name, int(number)))
    return found


def _backend(client: Client, name: str, pool: str) -> str:
    """The full name of ``POOL/BACKEND``, of ``BACKEND`` with ``--pool``, or of the only backend of that name."""
    if "/" in name:
        found = full(Kind.BACKEND, name.removeprefix("pools/"))
        if pool and found.split("/")[1] != pool:
            raise BadPlace(f'"{name}" is not in the pool "{pool}" that --pool names')
        return found
    if pool:
        return full(Kind.BACKEND, f"{pool}/{name}")
    if any(each in name for each in "*?,=!") or not name:
        raise BadPlace(f'"{name}": write POOL/BACKEND')
    known = [each.name for each in client.list(api.KIND_BACKEND, f"name={name}")]
    if len(known) == 1:
        return str(known[0])
    if not known:
        raise ApiError(grpc.StatusCode.NOT_FOUND, "NOT_FOUND", f'no pool has a backend "{name}"')
    pools = ", ".join(each.split("/")[1] for each in known)
    raise BadPlace(f'"{name}" is in the pools {pools}: write --pool, or POOL/{name}')


def edit(chosen: Chosen, kind: str, name: str | None) -> int:
    """Open a resource in the user's editor, and apply what becomes of it. Returns an exit code."""
    try:
        names = [each for found in asked(kind, [name] if name else []) for each in found.names]
        if len(names) != 1:
            raise BadPlace("evenkeel edit: name one resource, such as pools web")
        with opened(chosen) as client:
            before = yaml_of(plain_of(client.get(names[0])))
    except Exception as error:
        return failed(error)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml", prefix="evenkeel-", delete=False) as to:
        to.write(before)
    path = Path(to.name)
    code = _edited(chosen, path, before)
    if code == Verb.DONE or path.read_text(encoding="utf-8") == before:
        path.unlink(missing_ok=True)
    else:
        print(f"what you wrote is kept: evenkeel apply -f {path}", file=sys.stderr)
    return code


def _edited(chosen: Chosen, path: Path, before: str) -> int:
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        code = subprocess.run([*shlex.split(editor), str(path)], check=False).returncode
    except (OSError, ValueError) as error:
        print(f"{editor}: {error}; name an editor in EDITOR", file=sys.stderr)
        return Verb.BAD_INPUT
    if code:
        print(f"{editor} ended with {code}: nothing is changed", file=sys.stderr)
        return Verb.BAD_INPUT
    if path.read_text(encoding="utf-8") == before:
        print("nothing changed")
        return Verb.DONE
    return apply(chosen, path, How())


def _change(
    chosen: Chosen,
    how: How,
    change: Callable[[Client], api.Outcome],
    places_of: Callable[[Client], Callable[[str], str]] = lambda _: str,
) -> int:
    """Have it carried out, and print what became of it."""
    try:
        with opened(chosen) as client:
            try:
                outcome = change(how.of(client))
            except ApiError as error:
                return failed(error, places_of(client) if error.reason == "INVALID_DOCUMENT" else str)
    except Exception as error:
        return failed(error)
    _show(outcome, how)
    return Verb.DONE


def _show(outcome: api.Outcome, how: How) -> None:
    if how.output == "json":
        made = said(outcome)
        rows = [{**plain(each), "action": _DONE.get(each.action, "")} for each in outcome.changes]
        print(
            json.dumps(
                {**made, "changes": rows, "changed": outcome.changed, "dry_run": how.dry_run}, indent=2
            )
        )
        return
    if how.output == "name":
        print(*(each.name for each in outcome.changes), sep="\n", end="\n" if outcome.changes else "")
        return
    for each in outcome.changes:
        print(f"{each.name} {_DONE.get(each.action, 'changed')}")
    if outcome.changed > len(outcome.changes):
        print(f"and {outcome.changed - len(outcome.changes)} more")
    if not outcome.changed:
        print("nothing to change")
    print(
        f"dry run on revision {outcome.revision}: nothing is changed"
        if how.dry_run
        else f"revision {outcome.revision}"
    )
