"""The master socket: prompts are what ends an answer, however they arrive; one that never comes is survived."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.exits.tier import master
from controller.exits.tier.master import MasterError, MasterSocket
from tests.fakes.tier import in_loop

PROMPT = b"\n41(x)> "


@contextlib.asynccontextmanager
async def speaking(path: Path, script: dict[str, list[bytes]]) -> AsyncIterator[str]:
    """A master that answers each command with these pieces; an empty one ends the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            for piece in script[line.decode().strip()]:
                if not piece:
                    writer.close()
                    return
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
        writer.close()

    server = await asyncio.start_unix_server(serve, path)
    try:
        yield f"unix:{path}"
    finally:
        server.close()


@in_loop
async def test_answers_end_with_a_prompt_wherever_it_is_cut(tmp_path: Path) -> None:
    script = {"prompt": [b"mas", b"ter> "], "one": [b"a > b\n12", b"\n4", b"1(x)", b"> "], "two": [PROMPT]}
    async with speaking(tmp_path / "m", script) as address:
        socket = await MasterSocket.open(address)
        assert await socket.all(["one", "two"]) == ["a > b\n12", ""]
        await socket.close()


@in_loop
async def test_a_whole_answer_without_its_prompt_is_taken_and_the_connection_is_spent(tmp_path: Path) -> None:
    script = {"prompt": [b"\nmaster> "], "show stat": [b"# pxname,\n", b"a,\n\n"]}
    async with speaking(tmp_path / "m", script) as address:
        socket = await MasterSocket.open(address)
        assert await socket.ask("show stat") == "# pxname,\na,"
        assert socket.spent
        with pytest.raises(MasterError, match="'show info' is asked of a connection that is spent"):
            await socket.ask("show info")
        await socket.close()


@in_loop
async def test_no_answer_half_an_answer_and_an_end_are_errors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master, "DEADLINE", 0.3)
    script = {"prompt": [b"master> "], "none": [], "half": [b"a\n"], "end": [b"a\n", b""], "reload": [b""]}
    async with speaking(tmp_path / "m", script) as address:
        for command, why in (
            ("none", "none within 0.3 s"),
            ("half", "none within"),
            ("end", "closed the connection"),
        ):
            socket = await MasterSocket.open(address)
            with pytest.raises(MasterError, match=f"'{command}' has no answer: .*{why}"):
                await socket.ask(command)
            await socket.close()
        socket = await MasterSocket.open(address)
        await socket.tell("reload")
        await socket.close()


@in_loop
async def test_a_master_that_starts_itself_again_is_awaited(tmp_path: Path) -> None:
    path = tmp_path / "m"
    async with speaking(path, {"prompt": [b"master> "]}):
        pass
    # What listened is gone, and its socket file is there: connections are refused.
    opening = asyncio.create_task(MasterSocket.open(f"unix:{path}"))
    await asyncio.sleep(0.1)
    path.unlink(missing_ok=True)
    async with speaking(path, {"prompt": [b"master> "]}):
        with contextlib.suppress(MasterError):
            await (await opening).close()
    with pytest.raises(MasterError, match="No such file"):
        await MasterSocket.open(f"unix:{tmp_path / 'none'}")
