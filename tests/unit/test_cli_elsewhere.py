"""plan, explain, drill, and changes with a reason, over contexts: with certificates, and with a token."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.cli import codes
from controller.cli.face import ApiOptions
from controller.cli.main import app
from controller.cli.place import VARIABLE
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.model.load import load_text
from controller.security.certificates import Role
from controller.security.rolesfile import add_token
from controller.spec.types import Intent
from tests.fakes.api import played, served
from tests.fakes.certificates import Authority
from tests.fakes.core import Said, intent_file
from tests.fakes.guarded import PAIR, Fabric, fabric
from tests.fakes.process import PATIENCE, ROOT
from tests.unit.test_api_asking import SITES, tight

VIP = f"{PAIR.vips[0].address}:{PAIR.vips[0].listeners[0].port}"


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No contexts but the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)


def ek(*arguments: str, code: int = 0) -> str:
    """What a command printed, on both outputs."""
    run = CliRunner().invoke(app, arguments)
    assert run.exit_code == code, run.output
    return str(run.output)


def context(f: Fabric, name: str, role: Role) -> None:
    """Make one whose certificate has this name and role, the current one."""
    shown = f.authority.sign(name, role=role)
    tls = ("--ca", str(shown.ca), "--cert", str(shown.cert), "--key", str(shown.key))
    ek("context", "set", name, "--server", f"127.0.0.1:{f.face.server.port}", *tls)
    ek("context", "use", name)


def test_a_file_is_planned_and_applied_elsewhere(tmp_path: Path) -> None:
    intent_file(whole := tmp_path / "pair.yaml")
    one = tmp_path / "s1.yaml"

    def test(f: Fabric) -> None:
        context(f, "eve", Role.VIEWER)
        assert "nothing would change" in ek("plan", str(whole))
        printed = ek("get", "backends", "web/s1", "-o", "yaml")
        one.write_text(printed.replace("drain: false", "drain: true"))
        text = ek("plan", "-f", str(one))
        assert f"{one}: would be accepted (compared with change 2)" in text
        assert "established connections drain" in text
        said = json.loads(ek("plan", "-f", str(one), "-o", "json", "--entries", "1"))
        assert [len(each["entries"]) for each in said["switches"]] == [1] * len(said["switches"])
        one.write_text(printed.replace("weight: 2", "weight: two"))
        assert f"{one}:" in ek("plan", "-f", str(one), code=2)
        one.write_text(printed.replace("mac: ", "mac: x"))
        assert f"{one}:" in ek("plan", "-f", str(one), code=2)
        ek("plan", code=2)
        ek("plan", str(whole), "-f", str(one), code=2)
        ek("plan", str(whole), "--offline", "--context", "eve", code=2)

    run(tmp_path, test)


def test_a_connection_is_explained_elsewhere(tmp_path: Path) -> None:
    def test(f: Fabric) -> None:
        context(f, "eve", Role.VIEWER)
        packet = ("--from", "192.0.2.7:4001", "--to", VIP)
        assert f"192.0.2.7:4001 -> {VIP} tcp" in ek("explain", *packet, code=1)
        said = json.loads(ek("explain", *packet, "--flags", "syn", "--switch", "lb1", "-o", "json", code=1))
        assert [each["switch"] for each in said["switches"]] == ["lb1"]
        assert "no lb switch" in ek("explain", *packet, "--switch", "lb9", code=2)
        assert 'no context "gone"' in ek("explain", *packet, "--context", "gone", code=2)

    run(tmp_path, test)


def test_a_budget_is_set_aside_with_a_reason(tmp_path: Path) -> None:
    def test(f: Fabric) -> None:
        context(f, "oscar", Role.OPERATOR)
        assert "max_slots_moved_per_minute is 1%" in ek("drain", "web/s1", code=1)
        assert "say why with --reason" in ek("drain", "web/s1", "--override", code=2)
        denied = ek("drain", "web/s1", "--override", "--reason", "CHG-1", code=1)
        assert "Override is for an admin" in denied
        context(f, "root", Role.ADMIN)
        assert "modified" in ek("drain", "web/s1", "--override", "--reason", "CHG-1")
        assert "modified" in ek("undrain", "web/s1", "--reason", "over", "--override")
        asked = [row for row in f.records() if row["step"] == "asked" and row["who"] == "certificate 'root'"]
        assert [(row["why"], row["more"]) for row in asked] == [
            ("CHG-1", {"override": "CHG-1"}),
            ("over", {"override": "over"}),
        ]

    run(tmp_path, test, tight(PAIR))


def drill(*arguments: str) -> subprocess.Popen[str]:
    """The command as a process: it takes signals."""
    return subprocess.Popen(
        [sys.executable, "-m", "controller", "drill", *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_drill_elsewhere_prints_its_stages_and_its_timeline(tmp_path: Path) -> None:
    def test(f: Fabric) -> None:
        f.face.app.ownership.silent = lambda *_: True
        context(f, "oscar", Role.OPERATOR)
        assert ek("drill", "shop", "west", "--stay", "soon", code=2).startswith("--stay soon:")
        with drill("shop", "west", "--stay", "0s") as done:
            out, err = done.communicate(timeout=PATIENCE)
        assert (done.returncode, err.splitlines()) == (
            codes.Drill.DONE,
            [
                "shop: ordered to west",
                "shop: at west",
                "shop: the order is withdrawn",
                "shop: back at east",
            ],
        )
        assert "shop" in out.splitlines()[-1]
        with drill("shop", "east") as refused:
            _, err = refused.communicate(timeout=PATIENCE)
        assert (refused.returncode, "is at east already" in err) == (codes.Drill.FAILED, True)

    run(tmp_path, test, load_text(SITES, "sites"))


def test_a_drill_that_is_interrupted_leaves_no_order(tmp_path: Path) -> None:
    def test(f: Fabric) -> None:
        f.face.app.ownership.silent = lambda *_: True
        context(f, "oscar", Role.OPERATOR)
        with drill("shop", "west", "--stay", "50m") as stopped:
            assert stopped.stderr is not None
            while stopped.stderr.readline() != "shop: at west\n":
                pass
            stopped.send_signal(signal.SIGINT)
            stopped.communicate(timeout=PATIENCE)
        assert stopped.returncode == codes.Drill.INTERRUPTED
        assert not f.face.app.state.orders.value.moved

    run(tmp_path, test, load_text(SITES, "sites"))


def test_a_token_in_a_file_is_as_good_as_a_certificate(tmp_path: Path) -> None:
    roles, tokens, mine = (tmp_path / name for name in ("roles.yaml", "tokens", "mine"))
    roles.write_text("tokens: [{name: robot, role: operator}]\n")
    mine.write_text(f"{add_token(tokens, 'robot')}\n")
    mine.chmod(0o600)

    async def play() -> None:
        own = Authority(tmp_path / "pki").sign("api", "127.0.0.1", role=Role.SERVER)
        options = ApiOptions("127.0.0.1:0", own.cert, own.key, None, roles, tokens)
        made = options.made(tmp_path / "state.db", Journal(Said()), SystemClock())
        async with served(tmp_path, guard=made.api._guard, where=made.api._where, intent=PAIR) as face:
            address = f"127.0.0.1:{face.server.port}"

            def test() -> None:
                ek("context", "set", "robot", "--server", address, "--ca", str(own.ca), "--token", str(mine))
                assert f"token {mine}" in ek("context", "list")
                assert "modified" in ek("weight", "web/s1=7", "--context", "robot")
                assert "weight: 7" in ek("get", "backends", "web/s1", "-o", "yaml", "--context", "robot")
                mine.write_text("ek_wrong")
                assert "the token is not known" in ek("get", "pools", "--context", "robot", code=1)

            await asyncio.to_thread(test)

    played(play)


def run(folder: Path, test: Callable[[Fabric], None], intent: Intent = PAIR) -> None:
    """Beside a controller that is reached by mutual TLS."""

    async def play() -> None:
        async with fabric(folder, intent=intent) as f:
            await asyncio.to_thread(test, f)

    played(play)
