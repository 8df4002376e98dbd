"""The master socket of one HAProxy: questions and commands to its master and workers, every one with a deadline."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress

DEADLINE = 5.0
"""Seconds for an answer."""
QUIET = 0.3
"""Seconds of silence after which an answer that has its empty line is whole."""
MOST_OCTETS = 64 << 20
"""Of one answer."""
REFUSALS, REFUSED = 10, 0.05
"""Times that a connection may be refused, and seconds between them."""
_PROMPT = re.compile(rb"(?:\A|\n)(?:master|\d+)(?:\([a-z]+\))?> ")
_CHUNK = 1 << 16


class MasterError(OSError):
    """The socket cannot be reached, or says nothing sensible; the text says what."""


class MasterSocket:
    """One connection. While it is at a worker, that cannot end: close it soon."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str) -> None:
        self._reader, self._writer, self._name = reader, writer, name
        self._left = b""
        self.spent = False
        """The last answer was whole, and its prompt did not come: nothing can be asked by this connection any more."""

    @staticmethod
    async def open(address: str) -> MasterSocket:
        """``unix:PATH`` or ``tcp:ADDRESS:PORT``. Raises MasterError."""
        try:
            async with asyncio.timeout(DEADLINE):
                streams = await _connected(address)
        except OSError as error:  # TimeoutError is one
            raise MasterError(f"{address}: {_words(error)}") from None
        made = MasterSocket(*streams, address)
        try:
            await made.ask("prompt")
        except MasterError:
            await made.close()
            raise
        return made

    async def ask(self, command: str) -> str:
        """The answer to one command. Raises MasterError."""
        if self.spent:
            raise MasterError(f"{self._name}: {command!r} is asked of a connection that is spent")
        try:
            async with asyncio.timeout(DEADLINE):
                self._writer.write(f"{command}\n".encode())
                await self._writer.drain()
                return await self._answer()
        except OSError as error:
            raise MasterError(f"{self._name}: {command!r} has no answer: {_words(error)}") from None

    async def all(self, commands: Iterable[str]) -> list[str]:
        """Answers to commands, in order. Raises MasterError.

        One after the other: of commands sent together, HAProxy 2.6's master now and then leaves one without its prompt.
        """
        return [await self.ask(command) for command in commands]

    async def tell(self, command: str) -> None:
        """Send a command that is not answered: a reload ends the connection. Raises MasterError."""
        try:
            async with asyncio.timeout(DEADLINE):
                self._writer.write(f"{command}\n".encode())
                await self._writer.drain()
                while await self._reader.read(_CHUNK):
                    pass
        except ConnectionError:
            return
        except OSError as error:
            raise MasterError(f"{self._name}: {command} has no end: {_words(error)}") from None

    async def close(self) -> None:
        """End it."""
        self._writer.close()
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(DEADLINE):
                await self._writer.wait_closed()

    async def _answer(self) -> str:
        while (end := _PROMPT.search(self._left)) is None:
            if len(self._left) > MOST_OCTETS:
                raise MasterError(f"an answer is longer than {MOST_OCTETS} octets")
            more = await self._more()
            if more is None:
                self.spent = True
                answer, self._left = self._left, b""
                return answer.decode(errors="replace").strip("\n")
            if not more:
                raise MasterError("it closed the connection")
            self._left += more
        answer, self._left = self._left[: end.start()], self._left[end.end() :]
        return answer.decode(errors="replace").strip("\n")

    async def _more(self) -> bytes | None:
        """What is read next; None: an answer has ended with its empty line, and nothing follows.

        HAProxy 2.6's master leaves out a prompt now and then, after long answers.
        """
        try:
            async with asyncio.timeout(QUIET if self._left.endswith(b"\n\n") else DEADLINE):
                return await self._reader.read(_CHUNK)
        except TimeoutError:
            if not self._left.endswith(b"\n\n"):
                raise
            return None


async def _connected(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A master that starts itself again, as it does at a reload, refuses connections for a moment."""
    kind, _, rest = address.partition(":")
    host, _, port = rest.rpartition(":")
    for _ in range(REFUSALS):
        try:
            if kind == "unix":
                return await asyncio.open_unix_connection(rest)
            return await asyncio.open_connection(host.strip("[]"), int(port))
        except ConnectionRefusedError as error:
            refused = error
            await asyncio.sleep(REFUSED)
    raise refused


def _words(error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return f"none within {DEADLINE:g} s"
    return error.strerror or str(error) or type(error).__name__
