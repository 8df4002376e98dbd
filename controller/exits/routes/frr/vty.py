"""A daemon of FRR through its vty socket, as FRR's own shell speaks to it.

A command and an octet 0 go in; its output comes back, then three octets 0 and one that says how it went. Each command
is answered before the next one is read.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from controller.exits.routes.frr.config import LEAVE, Edit, Tree, commands, hidden, opens, parse

DEADLINE = 5.0
"""Seconds until a command is answered."""
MOST_OUTPUT = 64 * 2**20
"""Octets of an answer."""
_MARK = b"\0\0\0"
_GOOD = 0


class EngineError(Exception):
    """A daemon is not there, does not answer, or refuses a command; the message names it."""


class Refused(EngineError):
    """A daemon refuses a command."""


class _Ends(asyncio.StreamReaderProtocol):
    """Tells at once that the other end has closed, also while nothing is read."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        super().__init__(reader)
        self.ended = asyncio.Event()

    def eof_received(self) -> bool:
        super().eof_received()
        self.ended.set()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.ended.set()


class Vty:
    """One connection. Not for several tasks at once."""

    def __init__(
        self, path: Path, reader: asyncio.StreamReader, transport: asyncio.Transport, ends: _Ends
    ) -> None:
        self.name = path.stem
        self.ended = ends.ended
        """Set once the daemon, or we, have closed it."""
        self._path = path
        self._reader = reader
        self._writer = asyncio.StreamWriter(transport, ends, reader, asyncio.get_running_loop())

    @classmethod
    async def connect(cls, path: Path) -> Vty:
        """Raises EngineError."""
        try:
            async with asyncio.timeout(DEADLINE):
                reader = asyncio.StreamReader(limit=MOST_OUTPUT)
                loop = asyncio.get_running_loop()
                transport, ends = await loop.create_unix_connection(lambda: _Ends(reader), str(path))
        except (OSError, TimeoutError) as error:
            raise EngineError(f"{path}: {_words(error)}") from error
        vty = cls(path, reader, transport, ends)
        await vty.ask("enable")
        return vty

    def close(self) -> None:
        """End it; what is under way is lost."""
        self._writer.close()

    async def ask(self, command: str) -> str:
        """The output of one command. Raises EngineError; Refused if the daemon answers that it will not."""
        try:
            async with asyncio.timeout(DEADLINE):
                self._writer.write(command.encode() + b"\0")
                await self._writer.drain()
                output, code = await self._answer()
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise EngineError(f"{self._path}: {_words(error)}") from error
        if code != _GOOD:
            said = " ".join(output.split()) or f"code {code}"
            raise Refused(f"{self.name} refuses {hidden(command)!r}: {said[:300]}")
        return output

    async def _answer(self) -> tuple[str, int]:
        """Output never holds an octet 0."""
        try:
            output = await self._reader.readuntil(_MARK)
        except asyncio.LimitOverrunError:
            raise OSError(f"an answer of more than {MOST_OUTPUT} octets") from None
        code = await self._reader.readexactly(1)
        return output[: -len(_MARK)].decode(errors="replace"), code[0]

    async def running(self) -> Tree:
        """What is configured. Raises EngineError."""
        return parse(await self.ask("show running-config"))

    async def json(self, command: str) -> Any:
        """The output of a command that answers in JSON. Raises EngineError."""
        text = await self.ask(command)
        try:
            return json.loads(text) if text.strip() else {}
        except ValueError as error:
            raise EngineError(f"{self.name} answers {command!r} with what is no JSON: {error}") from error

    async def configure(self, edits: Iterable[Edit]) -> list[str]:
        """Carry out all edits; why some were refused. Raises EngineError when the daemon is gone."""
        refused: list[str] = []
        await self.ask("configure terminal")
        stays = False
        for command, edit in commands(list(edits)):
            if stays and command == LEAVE:
                stays = False  # the way in was refused
                continue
            try:
                await self.ask(command)
            except Refused as error:
                refused.append(str(error))
                if edit is None:
                    break
                stays = opens(command)
        await self.ask("end")
        return refused


def _words(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {DEADLINE:g} s"
    if isinstance(error, EOFError):
        return "the daemon has ended"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
