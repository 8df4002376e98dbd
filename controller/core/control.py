"""The control socket: commands to a running controller, from the machine it runs on and from its own user alone.

    -> {"command": "failback", "pool": "db"}
    <- {"ok": true, "writer": "db1", "revision": 42}
    <- {"ok": false, "refused": ["pool \"db\" has no backend that is up and does not drain"]}
    <- {"ok": false, "not_stored": "state.db: cannot be written: disk full"}

Any request may have a "reason". With an audit log, each is recorded before it is carried out, with who asked by the
credentials of the peer's process (SO_PEERCRED), and how it ended before it is answered.

A Unix socket beside the state file, mode 0600; one JSON object a line, an answer for each in turn. Lines, clients and
times are bounded; what a client does wrong ends its own connection and nothing else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pwd
import socket
import stat
import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from controller.core.commands import Command, CommandRefused, NotStored, Result
from controller.core.journal import Journal
from controller.security.audit import AuditLog
from controller.security.auditrecord import Change
from controller.security.errors import AuditError

LINE = 4096
"""Octets of a line, at most."""
CLIENTS = 8
"""Connections at a time; further ones are refused."""
IDLE = 10.0
"""Seconds for a client to send a line, or to take an answer."""
ANSWER = 1 << 26
"""Octets of an answer, at most."""
_CREDENTIALS = struct.Struct("iII")
"""Of SO_PEERCRED: process, user, group."""


def socket_beside(state: Path) -> Path:
    """Where the controller with this state file takes commands."""
    return state.with_name(state.name + ".sock")


@contextlib.contextmanager
def reachable(path: Path) -> Iterator[str]:
    """A name for a socket that fits into an address (107 octets), however long its path is. Raises OSError."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)


class ControlSocket:
    """Serves commands."""

    def __init__(
        self, path: Path, commands: Sequence[Command], journal: Journal, audit: AuditLog | None = None
    ) -> None:
        self._path = path
        self._audit = audit
        self.instead: Callable[[], str] = str
        """Why there are no other commands now; empty: there never are. Set by the one who assembles."""
        self._commands = {each.name: each for each in commands}
        self._journal = journal
        self._clients: set[asyncio.Task[None]] = set()
        self._running: set[asyncio.Task[Result]] = set()

    async def run(self) -> None:
        """Until cancelled. Where the socket cannot be made, that is said, and the controller goes on without it."""
        try:
            listening = _listen(self._path)
        except OSError as error:
            self._journal.event("control_failed", file=str(self._path), error=str(error))
            return
        server = await asyncio.start_unix_server(self._accept, sock=listening, limit=LINE)
        try:
            await asyncio.Event().wait()
        finally:
            server.close()
            for task in (*self._clients, *self._running):
                task.cancel()
            self._path.unlink(missing_ok=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._clients) >= CLIENTS:
            writer.write(_line({"ok": False, "refused": [f"{CLIENTS} clients are connected already"]}))
            writer.close()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._clients.add(task)
        task.add_done_callback(self._clients.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        who = _peer(writer.get_extra_info("socket"))
        try:
            while True:
                async with asyncio.timeout(IDLE):
                    line = await reader.readline()
                if not line.endswith(b"\n"):
                    return
                writer.write(_line(await self._answer(line, who)))
                async with asyncio.timeout(IDLE):
                    await writer.drain()
        except ValueError:
            writer.write(_line({"ok": False, "refused": [f"a line is longer than {LINE} octets"]}))
        except OSError:  # also a deadline: the client is gone, or stands still
            pass
        except Exception as error:  # a client must not end what serves the others
            self._journal.failure(error, part="control")
        finally:
            writer.close()

    async def _answer(self, line: bytes, who: str) -> Result:
        name, within, shows = "", 0.0, False
        try:
            name, command, given = self._read(line)
            within, shows = command.within, command.shows
            result = await self._carry_out(command, given, who)
        except CommandRefused as error:
            answer: dict[str, object] = {"ok": False, "refused": list(error.reasons)}
        except NotStored as error:
            answer = {"ok": False, "not_stored": str(error)}
        except TimeoutError:
            answer = {"ok": False, "not_stored": f"not carried out within {within:g} s"}
        except AuditError as error:
            answer = {"ok": False, "refused": [str(error)]}
        except Exception as error:  # a defect in one command
            self._journal.failure(error, part="control", command=name)
            answer = {"ok": False, "refused": [f"{type(error).__name__}: {error}"]}
        else:
            answer = {"ok": True, **result}
        if shows and answer["ok"]:
            self._journal.event("command", command=name, ok=True)
        else:
            self._journal.event("command", command=name, **answer)
        return answer

    def _read(self, line: bytes) -> tuple[str, Command, Mapping[str, object]]:
        try:
            request = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise CommandRefused(f"a line is no JSON: {error}") from error
        if not isinstance(request, dict) or not isinstance(request.get("command"), str):
            raise CommandRefused('a line is no JSON object with "command": NAME')
        name = request.pop("command")
        command = self._commands.get(name)
        if command is None and (why := self.instead()):
            raise CommandRefused(why)
        if command is None:
            raise CommandRefused(f'there is no command "{name}"; there are: {", ".join(self._commands)}')
        return name, command, request

    async def _carry_out(self, command: Command, given: Mapping[str, object], who: str) -> Result:
        """A commit that has begun is not cancelled with who waits for it. Raises TimeoutError too."""
        task = asyncio.ensure_future(self._recorded(command, dict(given), who))
        self._running.add(task)
        task.add_done_callback(self._ended)
        async with asyncio.timeout(command.within):
            return await asyncio.shield(task)

    def _ended(self, task: asyncio.Task[Result]) -> None:
        self._running.discard(task)
        if not task.cancelled():
            task.exception()  # who asked may be gone

    async def _recorded(self, command: Command, given: dict[str, object], who: str) -> Result:
        """Between two records, if there is an audit log. Raises AuditError too."""
        own = any(each.name == "reason" for each in command.parameters)
        why = given.get("reason", "") if own else given.pop("reason", "")
        if not isinstance(why, str):
            raise CommandRefused('"reason" is no string')
        if self._audit is None or command.shows:
            return await command.run(command.arguments(given))
        said = {name: str(value) for name, value in given.items()}
        change = Change(who, command.name, why=why, source="control socket", more=said)
        try:
            arguments = command.arguments(given)
        except CommandRefused as error:
            await self._audit.refused(change, str(error))
            raise
        number = await self._audit.asked(change)
        try:
            result = await command.run(arguments)
        except BaseException as error:
            with contextlib.suppress(AuditError):
                await self._audit.done(number, f"{type(error).__name__}: {error}")
            raise
        revision = result.get("revision")
        await self._audit.done(number, "done", revision if isinstance(revision, int) else None)
        return result


def _peer(connected: socket.socket) -> str:
    """Who is at the other end, as the kernel knows it."""
    octets = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(octets)
    try:
        name = pwd.getpwuid(uid).pw_name
    except KeyError:
        name = str(uid)
    return f"local user {name!r} (uid {uid}, pid {pid})"


def _line(answer: Result) -> bytes:
    return json.dumps(answer).encode() + b"\n"


def _listen(path: Path) -> socket.socket:
    """The socket, for its owner alone from the moment it has a name. Raises OSError.

    One that is there was left by a controller that was killed: the lock of the state file says that none runs.
    """
    if path.exists() and not stat.S_ISSOCK(path.lstat().st_mode):
        raise FileExistsError(f"{path} is no socket; remove it")
    path.unlink(missing_ok=True)
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(made.fileno(), 0o600)
        with reachable(path) as name:
            made.bind(name)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made
