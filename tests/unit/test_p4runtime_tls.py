"""P4Runtime by TLS between our driver and ``evenkeel switch`` as a process, with certificates of ``evenkeel pki``."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from controller.security.certificates import Role, Subject
from controller.security.credentials import Credentials, Paths
from controller.security.pki import Pki
from controller.southbound.p4.connections import P4Runtime
from controller.southbound.p4.events import Connected, Unreachable
from controller.southbound.p4.guests import Guest, Guests, Place
from controller.southbound.p4.pipeline import balancer
from tests.fakes.p4driven import SECONDS, Driven
from tests.fakes.p4switches import CPU_PORT, DEVICE
from tests.fakes.process import free_port


class Parties:
    """Two authorities; of each a controller, and switches at two addresses."""

    def __init__(self, folder: Path) -> None:
        self.ours, self.theirs = (Pki(folder / name, datetime.now(UTC)) for name in ("ours", "theirs"))
        for pki in (self.ours, self.theirs):
            pki.init("evenkeel")
            pki.issue(Subject("ctl", Role.CONTROLLER, ("127.0.0.1",)))
            pki.issue(Subject("lb1", Role.SWITCH, ("127.0.0.1",)))
            pki.issue(Subject("lb2", Role.SWITCH, ("192.0.2.1",)))

    def controller(self) -> Credentials:
        own = self.ours.folder
        return Credentials(Paths(own / "ctl.pem", own / "ctl.key", own / "ca.pem"))

    def flags(self, pki: Pki, name: str = "lb1", trusts: Pki | None = None) -> list[str]:
        own, ca = pki.folder, (trusts or pki).folder / "ca.pem"
        pair = ["--grpc-server-cert", f"{own}/{name}.pem", "--grpc-server-key", f"{own}/{name}.key"]
        return ["--grpc-server-ssl", *pair, "--grpc-server-cacert", str(ca), "--grpc-server-with-client-auth"]


@pytest.fixture(scope="module")
def parties(tmp_path_factory: pytest.TempPathFactory) -> Parties:
    return Parties(tmp_path_factory.mktemp("tls"))


@contextmanager
def switch(flags: Sequence[str]) -> Iterator[str]:
    """Its address, once it serves."""
    address = f"127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "topo.p4switch", "--no-p4", "--device-id", str(DEVICE), "--"]
    command += ["--grpc-server-addr", address, "--cpu-port", str(CPU_PORT), *flags]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("ready"), "it serves"
            yield address
        finally:
            process.kill()


def driven(credentials: Credentials | None) -> Driven:
    made = Driven(balancer())
    channel = None if credentials is None else credentials.grpc_channel
    made.driver = P4Runtime(made.events.put_nowait, balancer(), channel)
    return made


def test_a_switch_is_ours_by_tls(parties: Parties) -> None:
    async def body(address: str) -> None:
        made = driven(parties.controller())
        made.driver.connect("lb1", address, DEVICE, 7)
        await made.next(Connected)
        await made.driver.close()

    with switch(parties.flags(parties.ours)) as address:
        asyncio.run(body(address))


def test_an_agent_has_its_role_by_tls(parties: Parties) -> None:
    async def body(address: str) -> None:
        made = driven(parties.controller())
        made.driver.connect("lb1", address, DEVICE, 7)
        await made.next(Connected)
        seen: asyncio.Queue[Guest] = asyncio.Queue()
        guests = Guests(seen.put_nowait, lambda _: None, lambda: None, lambda *_: None, lambda: 0.0)
        guests.credentials = parties.controller().grpc_channel
        guests.use({DEVICE: Place("lb1", address, True)})
        running = asyncio.create_task(guests.run())
        async with asyncio.timeout(SECONDS):
            guest = await seen.get()
        assert guest.primary, "of our role, the first"
        assert not guest.refused
        running.cancel()
        await asyncio.wait([running])
        await made.driver.close()

    with switch(parties.flags(parties.ours)) as address:
        asyncio.run(body(address))


def _problems(credentials: Credentials | None, flags: Sequence[str]) -> list[str]:
    """What is said of a switch, a new problem each."""

    async def body(address: str) -> list[str]:
        made = driven(credentials)
        made.driver.connect("lb1", address, DEVICE, 7)
        said = [await made.next(Unreachable) for _ in range(3)]
        await made.driver.close()
        return [each.why for each in said if each.new]

    with switch(flags) as address:
        return asyncio.run(body(address))


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("another authority", "its certificate is of an authority that --switch-ca does not hold"),
        ("another address", "its certificate does not name the address that is dialled"),
        ("plain", "it does not speak TLS; give it a certificate, or run without --switch-cert"),
    ],
)
def test_one_message_says_why_a_switch_is_not_taken(parties: Parties, how: str, says: str) -> None:
    flags = {
        "another authority": parties.flags(parties.theirs, trusts=parties.ours),
        "another address": parties.flags(parties.ours, "lb2"),
        "plain": [],
    }[how]
    (problem,) = _problems(parties.controller(), flags)
    assert problem.endswith(says)


@pytest.mark.parametrize("shows", ["nothing", "another authority"])
def test_a_switch_that_wants_certificates_takes_none_but_ours(parties: Parties, shows: str) -> None:
    trusting = parties.flags(parties.ours, trusts=parties.theirs)
    credentials = None if shows == "nothing" else parties.controller()
    (problem, *_) = _problems(credentials, trusting)
    assert problem.startswith("switch lb1 is gone")
