"""Commands to a running controller: carried out and stored before the answer, bounded, and no danger to the rest."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import socket
import stat
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from controller.app.assembly import App
from controller.app.beginning import open_file
from controller.cli import codes
from controller.cli.asking import NoAnswer, ask
from controller.cli.failback import failback
from controller.cli.place import Place
from controller.clock import SystemClock
from controller.core import control
from controller.core.commands import Arguments, Command, NotStored, Parameter, Result
from controller.core.control import ControlSocket, socket_beside
from controller.core.journal import Journal
from controller.core.state import State
from controller.health.judge import Verdict
from controller.health.prober import ProberStats
from controller.health.service import HealthService
from controller.plan.pins import PinBook
from controller.security import auditfile
from controller.security.audit import AuditLog
from controller.security.auditverify import verify
from controller.sites.base import ANY, COMMIT, Batch, Guard, StoreError
from controller.sites.store import SqliteStore

INTENT = """
sites: [{name: east}]
switches:
  - {name: lb1, site: east, kind: ovs, id: 0x21, roles: [lb, edge, leaf], mac: 02:45:56:01:00:21, ports: {1: segment}}
pools:
  - name: db
    health: {type: tcp}
    failover: {writer: one}
    backends:
      - {name: db1, address: 10.1.0.11, mac: 02:45:56:02:00:01}
      - {name: db2, address: 10.1.0.12, mac: 02:45:56:02:00:02}
      - {name: db3, address: 10.1.0.13, mac: 02:45:56:02:00:03, drain: true}
vips:
  - name: data
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    owners: [east]
    listeners: [{protocol: tcp, port: 5432, pool: db, mode: nat}]
"""
SECONDS = 20.0
"""For what does not come, not a measure of speed."""


class Lines:
    """A journal's lines."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def write(self, text: str) -> None:
        self.rows.append(json.loads(text))

    def of(self, event: str) -> list[dict[str, Any]]:
        return [row for row in self.rows if row["event"] == event]


class _NoProbes:
    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    def set_probes(self, probes: object) -> None: ...

    def stats(self) -> ProberStats:
        return ProberStats(0, 0.0, 0.0, 0, 0, 0, 0.0, None)


class Judged(HealthService):
    """Verdicts as a test wants them."""

    def __init__(self, take: Callable[[list[Verdict]], None]) -> None:
        super().__init__(take, now=SystemClock().now, prober=lambda results, problem: _NoProbes())
        self._said: dict[tuple[str, str], Verdict] = {}

    def seed(self, verdicts: Any) -> None:
        self._said = {(v.pool, v.backend): v for v in verdicts}

    def set_targets(self, targets: object) -> None: ...

    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        return self._said

    def judge(self, backend: str, up: bool) -> None:
        said = Verdict("db", backend, up, 0.0, "" if up else "refused")
        self._said = {**self._said, ("db", backend): said}
        self._on_verdicts([said])


class FullStore(SqliteStore):
    """A disk that may be full."""

    full = False

    async def commit(self, batch: Batch, guard: Guard = ANY, within: float = COMMIT) -> int:
        if self.full:
            raise StoreError("state.db: cannot be written: disk full")
        return await super().commit(batch, guard, within)


class Running:
    """A controller that runs, without switches."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state.db"
        (folder / "intent.yaml").write_text(INTENT)
        self.lines = Lines()
        self.store = FullStore(self.state)
        made: list[Judged] = []

        def health(take: Callable[[list[Verdict]], None]) -> HealthService:
            made.append(Judged(take))
            return made[0]

        self.app = App(
            open_file(folder / "intent.yaml"),
            self.store,
            self.store.read(),
            Journal(self.lines),
            SystemClock(),
            health,
        )
        self.health = made[0]

    def shown(self) -> tuple[str | None, str | None]:
        """As shown: the writer, and who waits for a command."""
        pool = self.app.snapshot().pools["db/tcp"]
        return pool.writer, pool.waits_for_command

    async def command(self, pool: str, backend: str | None = None) -> int:
        """As an operator gives it."""
        return await asyncio.to_thread(failback, Place(self.state), pool, backend)


@contextlib.asynccontextmanager
async def running(folder: Path) -> AsyncIterator[Running]:
    made = Running(folder)
    await made.app.begin()
    task = asyncio.create_task(made.app.run(None, socket_beside(made.state)))
    try:
        await until(lambda: socket_beside(made.state).exists() or task.done())
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        made.store.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():
            await asyncio.sleep(0.01)


def stored_writer(path: Path) -> str | None:
    store = SqliteStore(path)
    try:
        return State(
            store, store.read(), SystemClock(), Journal(Lines()), PinBook()
        ).tables.value.writers.get("db")
    finally:
        store.close()


def test_the_writer_waits_for_a_command_which_is_stored_when_it_is_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def body() -> None:
        async with running(tmp_path) as one:
            assert one.shown() == ("db1", None)
            one.health.judge("db2", True)
            one.health.judge("db1", False)
            await one.app.state.commit()
            assert one.shown() == ("db2", None)
            one.health.judge("db1", True)
            await one.app.state.commit()
            assert one.shown() == ("db2", "db1")
            revision = one.app.state.revision
            assert await one.command("db") == codes.Asked.DONE
            assert one.app.state.revision == revision + 1
            assert one.shown() == ("db1", None)
            changes = [(row["former"], row["backend"]) for row in one.lines.of("writer")]
            assert changes == [(None, "db1"), ("db1", "db2"), ("db2", "db1")]
            assert one.lines.of("command")[0]["ok"] is True
            assert await one.command("db", "db2") == codes.Asked.DONE

    asyncio.run(body())
    assert "db2 is the writer" in capsys.readouterr().out
    assert stored_writer(tmp_path / "state.db") == "db2"

    async def again() -> None:
        async with running(tmp_path) as one:
            assert one.shown() == ("db2", "db1")
            assert one.lines.of("writer") == []

    asyncio.run(again())


@pytest.mark.parametrize(
    ("pool", "backend", "why"),
    [
        ("db", "db2", "is down: refused"),
        ("db", "db3", "drains"),
        ("db", "other", "is none of db1, db2"),
        ("web", None, 'there is no pool "web"; pools with failover: db'),
    ],
)
def test_a_refused_command_says_why_and_changes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], pool: str, backend: str | None, why: str
) -> None:
    async def body() -> None:
        async with running(tmp_path) as one:
            one.health.judge("db1", True)
            one.health.judge("db2", False)
            await one.app.state.commit()
            revision = one.app.state.revision
            assert await one.command(pool, backend) == codes.Asked.REFUSED
            assert (one.app.state.revision, one.shown()) == (revision, ("db1", None))

    asyncio.run(body())
    assert why in capsys.readouterr().err


def test_a_command_that_cannot_be_stored_is_no_success_and_takes_effect_later(tmp_path: Path) -> None:
    async def body() -> None:
        async with running(tmp_path) as one:
            one.health.judge("db2", True)
            await one.app.state.commit()
            one.store.full = True
            assert await one.command("db", "db2") == codes.Asked.NOT_STORED
            assert one.app.state.committed.value is not None
            pools = one.app.state.committed.value.pools
            assert {each.name for each in pools["db/tcp"].serving} == {"db1"}
            one.store.full = False
            await until(
                lambda: (
                    one.app.state.committed.value is not None
                    and {each.name for each in one.app.state.committed.value.pools["db/tcp"].serving}
                    == {"db2"}
                )
            )

    asyncio.run(body())


def test_without_a_controller_the_command_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert failback(Place(tmp_path / "state.db"), "db", None) == codes.Asked.NO_ANSWER
    assert "is a controller running" in capsys.readouterr().err


# -- the socket alone -----------------------------------------------------------------------------------------


async def _echo(given: Arguments) -> Result:
    if given["word"] == "fail":
        raise RuntimeError("a defect")
    if given["word"] == "full":
        raise NotStored("disk full")
    return {"word": given["word"]}


ECHO = Command(
    "echo", "Says it again.", (Parameter("word", "what to say"), Parameter("more", "", True)), _echo
)


def served(
    path: Path,
    body: Callable[[Lines], Awaitable[None]],
    command: Command = ECHO,
    audit: AuditLog | None = None,
) -> Lines:
    """Serve the command while ``body`` runs."""
    lines = Lines()

    async def whole() -> None:
        task = asyncio.create_task(ControlSocket(path, (command,), Journal(lines), audit).run())
        await until(lambda: task.done() or (path.exists() and not path.is_file()))
        try:
            await body(lines)
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    asyncio.run(whole())
    return lines


@pytest.mark.parametrize(
    ("line", "answer"),
    [
        (b'{"command": "echo", "word": "hi"}', {"ok": True, "word": "hi"}),
        (b"nonsense", "is no JSON"),
        (b"[" * 2000, "is no JSON"),
        (b"[1]", 'with "command": NAME'),
        (b'{"command": "reboot"}', 'there is no command "reboot"; there are: echo'),
        (b'{"command": "echo"}', 'echo needs "word": what to say'),
        (b'{"command": "echo", "word": 5}', '"word" of echo is no string'),
        (b'{"command": "echo", "word": "a", "x": "b"}', '"x" is no argument of echo'),
        (b'{"command": "echo", "word": "fail"}', "RuntimeError: a defect"),
        (b'{"command": "echo", "word": "full"}', {"ok": False, "not_stored": "disk full"}),
        (b"x" * (2 * control.LINE), f"longer than {control.LINE} octets"),
    ],
)
def test_every_line_is_answered(tmp_path: Path, line: bytes, answer: object) -> None:
    path = tmp_path / "s.sock"

    async def body(lines: Lines) -> None:
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(line + b"\n")
        async with asyncio.timeout(SECONDS):
            found = json.loads(await reader.readline())
        writer.close()
        if isinstance(answer, str):
            assert found["ok"] is False
            assert answer in found["refused"][0]
        else:
            assert found == answer
        assert await asyncio.to_thread(ask, path, {"command": "echo", "word": "on"}) == {
            "ok": True,
            "word": "on",
        }

    served(path, body)


def test_the_socket_is_its_owners_alone_however_long_its_path_and_replaces_a_stale_one(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("d" * 100)
    folder.mkdir()
    path = folder / "s.sock"
    with socket.socket(socket.AF_UNIX) as stale, control.reachable(path) as name:
        stale.bind(name)

    async def body(lines: Lines) -> None:
        await until(lambda: stat.S_IMODE(path.stat().st_mode) == 0o600)
        answer = await asyncio.to_thread(ask, path, {"command": "echo", "word": "on"})
        assert answer["ok"] is True

    served(path, body)
    assert not path.exists()


def test_where_the_socket_cannot_be_made_that_is_said_and_nothing_else_happens(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    path.write_text("precious")

    async def body(lines: Lines) -> None:
        await until(lambda: lines.of("control_failed"))

    assert "is no socket; remove it" in served(path, body).of("control_failed")[0]["error"]
    assert path.read_text() == "precious"


def test_clients_are_bounded_and_those_that_stand_still_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control, "CLIENTS", 2)
    path = tmp_path / "s.sock"

    async def body(lines: Lines) -> None:
        idle = [await asyncio.open_unix_connection(str(path)) for _ in range(2)]
        answer = await asyncio.to_thread(ask, path, {"command": "echo", "word": "on"})
        assert answer == {"ok": False, "refused": ["2 clients are connected already"]}
        monkeypatch.setattr(control, "IDLE", 0.1)
        for _, writer in idle:
            writer.write(b'{"command": "echo", "word": "first"}\n')
        for reader, _ in idle:
            async with asyncio.timeout(SECONDS):
                assert json.loads(await reader.readline())["ok"] is True
                assert await reader.read() == b""
        # The next one may be slow to speak, and the places are free a moment after both were left.
        monkeypatch.setattr(control, "IDLE", SECONDS)
        async with asyncio.timeout(SECONDS):
            while answer["ok"] is not True:
                answer = await asyncio.to_thread(ask, path, {"command": "echo", "word": "on"})

    served(path, body)


def test_an_answer_that_came_before_the_request_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A controller with too many clients says so at once and closes."""
    path, closed, dumps = tmp_path / "s.sock", threading.Event(), json.dumps

    def late(request: object) -> str:
        assert closed.wait(SECONDS)
        return dumps(request)

    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as at:
        at.bind(str(path))
        at.listen()

        def refuse() -> None:
            with at.accept()[0] as to:
                to.sendall(b'{"ok": false, "refused": ["full"]}\n')
            closed.set()

        thread = threading.Thread(target=refuse)
        thread.start()
        monkeypatch.setattr(json, "dumps", late)
        assert ask(path, {"command": "echo"}) == {"ok": False, "refused": ["full"]}
        thread.join()


def test_a_command_that_takes_too_long_is_said_and_not_cancelled(tmp_path: Path) -> None:
    path, go, done = tmp_path / "s.sock", asyncio.Event(), []

    async def slow(given: Arguments) -> Result:
        await go.wait()
        done.append(True)
        return {}

    async def body(lines: Lines) -> None:
        answer = await asyncio.to_thread(ask, path, {"command": "slow"})
        assert answer["not_stored"] == "not carried out within 0.1 s"
        go.set()
        await until(lambda: done)

    served(path, body, Command("slow", "Takes its time.", (), slow, within=0.1))


def test_a_controller_that_ends_without_an_answer_is_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "s.sock"
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()

        async def body() -> None:
            asked = asyncio.create_task(asyncio.to_thread(ask, path, {"command": "echo"}))
            (await asyncio.to_thread(listening.accept))[0].close()
            with pytest.raises(NoAnswer):
                await asked

        asyncio.run(body())


def test_a_command_is_recorded_with_the_user_of_the_process_that_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, file = tmp_path / "s.sock", tmp_path / "audit.log"
    audit = AuditLog(file, SystemClock())

    async def body(lines: Lines) -> None:
        async def asked(**request: str) -> dict[str, Any]:
            return await asyncio.to_thread(ask, path, {"command": "echo", **request})

        assert (await asked(word="on", reason="a drill"))["ok"] is True
        assert (await asked(word="full"))["ok"] is False
        assert (await asked(other="x"))["ok"] is False
        audit._file._room = 0
        with monkeypatch.context() as full:
            full.setattr(auditfile, "allocate", lambda *_: errno.ENOSPC)
            assert "free some space. Changes are refused" in (await asked(word="on"))["refused"][0]
        assert lines.of("command")[-1]["refused"]

    try:
        served(path, body, audit=audit)
    finally:
        audit.close()
    verify(file)
    _, asked, done, full, not_stored, refused = (json.loads(line) for line in file.read_text().splitlines())
    assert f"(uid {os.getuid()}, pid {os.getpid()})" in asked["who"]
    assert (asked["method"], asked["why"], asked["more"]) == ("echo", "a drill", {"word": "on"})
    assert (done["of"], done["result"]) == (asked["seq"], "done")
    assert (full["more"], not_stored["result"]) == ({"word": "full"}, "NotStored: disk full")
    assert (refused["step"], "needs" in refused["result"]) == ("refused", True)
