"""Real etcd on loopback: members that can be killed, stopped and started again, and end with the test."""

from __future__ import annotations

import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest

from controller.sites.etcd.address import Address, Tls

PROGRAM = "etcd"
HEARTBEAT, ELECTION = 20, 200
"""Milliseconds."""
PATIENCE = 60.0
END_WITH_PARENT = ("setpriv", "--pdeathsig", "KILL")
"""Members do not outlive a killed test. No ``preexec_fn``: to fork beside gRPC's threads may hang both processes."""

needs_etcd = pytest.mark.skipif(
    shutil.which(PROGRAM) is None, reason="needs etcd: apt-get install etcd-server (make lab-packages)"
)


@dataclass(frozen=True)
class Files:
    """Of one party's TLS."""

    ca: Path
    cert: Path
    key: Path

    def tls(self) -> Tls:
        """As a client has it."""
        return Tls(self.ca.read_bytes(), self.cert.read_bytes(), self.key.read_bytes())


class Member:
    """One process."""

    def __init__(self, name: str, folder: Path, argv: list[str], client: str) -> None:
        self.name, self.endpoint = name, client
        self.folder = folder
        self._argv = argv
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, again with what it has stored."""
        assert self.process is None
        with (self.folder / f"{self.name}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*END_WITH_PARENT, *self._argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )

    def signal(self, number: int) -> None:
        """SIGSTOP, SIGCONT."""
        assert self.process is not None
        self.process.send_signal(number)

    def kill(self) -> None:
        """As a loss of power, for the process."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(PATIENCE)
            self.process = None

    def log(self) -> str:
        """What it said last."""
        return (self.folder / f"{self.name}.log").read_text(errors="replace")[-3000:]


class Cluster:
    """Members of one etcd; as a context manager they are killed at the end."""

    def __init__(
        self,
        folder: Path,
        members: int = 3,
        options: Sequence[str] = (),
        server: Files | None = None,
        fsync: bool = False,
    ) -> None:
        """``fsync``: what is acknowledged survives a loss of power, as in service; no test here takes power away."""
        folder.mkdir(parents=True, exist_ok=True)
        scheme = "https" if server else "http"
        ports = free_ports(2 * members)
        clients = [f"127.0.0.1:{port}" for port in ports[:members]]
        peers = [f"http://127.0.0.1:{port}" for port in ports[members:]]
        names = [f"m{number}" for number in range(members)]
        initial = ",".join(f"{name}={peer}" for name, peer in zip(names, peers, strict=True))
        self.members = []
        for name, client, peer in zip(names, clients, peers, strict=True):
            argv = [PROGRAM, "--name", name, "--data-dir", str(folder / name), "--logger", "zap"]
            argv += ["--listen-client-urls", f"{scheme}://{client}"]
            argv += ["--advertise-client-urls", f"{scheme}://{client}"]
            argv += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
            argv += ["--initial-cluster", initial, "--initial-cluster-state", "new", "--log-level", "error"]
            argv += ["--heartbeat-interval", str(HEARTBEAT), "--election-timeout", str(ELECTION)]
            argv += ["--auto-compaction-mode", "revision", "--auto-compaction-retention", "10000"]
            argv += [] if fsync else ["--unsafe-no-fsync"]
            if server:
                argv += ["--cert-file", str(server.cert), "--key-file", str(server.key)]
                argv += ["--trusted-ca-file", str(server.ca), "--client-cert-auth"]
            self.members.append(Member(name, folder, [*argv, *options], client))

    def __enter__(self) -> Cluster:
        with ExitStack() as stack:
            stack.callback(self.close)
            for member in self.members:
                member.start()
            for member in self.members:
                self._listening(member)
            stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Kill all."""
        for member in self.members:
            member.kill()

    def address(self, prefix: str, tls: Tls | None = None, order: Sequence[int] | None = None) -> Address:
        """All members, the one to be asked first at the head."""
        chosen = range(len(self.members)) if order is None else order
        return Address(tuple(self.members[number].endpoint for number in chosen), prefix, tls)

    def _listening(self, member: Member) -> None:
        end = time.monotonic() + PATIENCE
        host, port = member.endpoint.split(":")
        while True:
            try:
                socket.create_connection((host, int(port)), 1.0).close()
                return
            except OSError:
                process = member.process
                if process is None or process.poll() is not None or time.monotonic() > end:
                    raise AssertionError(f"etcd {member.name} does not listen: {member.log()}") from None
                time.sleep(0.02)


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with ExitStack() as stack:
        made = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in made:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in made]


# -- what no client of the product asks for -------------------------------------------------------------------------


def leader(cluster: Cluster) -> Member:
    """The member that leads, once there is one."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        for member in cluster.members:
            if member.process is not None and _leads(member):
                return member
        time.sleep(0.05)
    raise AssertionError("there is no leader")


def _leads(member: Member) -> bool:
    try:
        with urllib.request.urlopen(f"http://{member.endpoint}/metrics", timeout=2.0) as answer:
            text = answer.read().decode()
    except OSError:
        return False
    return "\netcd_server_is_leader 1" in text and "\netcd_server_has_leader 1" in text


def ask(member: Member, path: str, body: Mapping[str, object], files: Files | None = None) -> dict[str, Any]:
    """A call in JSON, as ``etcdctl`` would make it."""
    context = None
    if files is not None:
        context = ssl.create_default_context(cafile=str(files.ca))
        context.load_cert_chain(files.cert, files.key)
    url = f"{'https' if files else 'http'}://{member.endpoint}/v3/{path}"
    request = urllib.request.Request(url, json.dumps(body).encode(), method="POST")
    with urllib.request.urlopen(request, timeout=PATIENCE, context=context) as answer:
        found: dict[str, Any] = json.loads(answer.read())
    return found
