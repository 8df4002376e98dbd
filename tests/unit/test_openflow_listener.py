"""The port for OpenFlow: TLS, and what a peer can cost. What one does never holds up another."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from controller.cli.switchtls import _why_no_switch
from controller.security.certificates import Role, Subject
from controller.security.credentials import Credentials, Paths
from controller.security.pki import Pki
from controller.southbound.openflow import listener as module
from controller.southbound.openflow.listener import Guard, Listener, listen
from tests.fakes.process import PATIENCE

HELLO = bytes.fromhex("0400000800000001")
AMOUNT = 1 << 20


class Port:
    """A listener whose streams are echoed until they end; or served as ``handle`` does."""

    def __init__(
        self, guard: Guard, handle: Callable[[Any, Any], object] | None = None, **bounds: Any
    ) -> None:
        self.reports: list[tuple[str, str, int]] = []
        self.served: list[Any] = []
        made = Guard(
            guard.context,
            guard.why_not,
            guard.now,
            lambda host, why, count: self.reports.append((host, why, count)),
        )
        self._listening = listen("127.0.0.1", 0)
        self.port: int = self._listening.getsockname()[1]
        self.listener = Listener(self._listening, handle or self._echo, made, **bounds)
        self._thread = threading.Thread(target=self.listener.run, daemon=True)
        self._thread.start()

    def _echo(self, stream: Any, _address: Any) -> None:
        self.served.append(stream)
        stream.settimeout(PATIENCE)
        while data := stream.recv(65536):
            stream.sendall(data)

    def dial(self, source: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE, (source, 0))

    def close(self) -> None:
        self._listening.close()
        self._thread.join(PATIENCE)

    def reported(self, count: int) -> list[tuple[str, str, int]]:
        until(lambda: len(self.reports) >= count, f"{count} reports: {self.reports}")
        return self.reports


def until(holds: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.01)


class Certificates:
    """Of a controller, of switches and others, and of another authority."""

    def __init__(self, folder: Path) -> None:
        now = datetime.now(UTC)
        self.ours, self.theirs = Pki(folder / "ours", now), Pki(folder / "theirs", now)
        for pki in (self.ours, self.theirs):
            pki.init("evenkeel")
            pki.issue(Subject("ctl", Role.CONTROLLER, ("127.0.0.1",)))
            pki.issue(Subject("lb1", Role.SWITCH))
            pki.issue(Subject("alice", Role.ADMIN))

    def credentials(self, name: str, pki: Pki | None = None, trusts: Pki | None = None) -> Credentials:
        pki = pki or self.ours
        ca = (trusts or pki).folder / "ca.pem"
        return Credentials(Paths(pki.folder / f"{name}.pem", pki.folder / f"{name}.key", ca))

    def guard(self) -> Guard:
        return Guard(self.credentials("ctl").fresh_server_context, _why_no_switch)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def ports() -> Iterator[Callable[..., Port]]:
    made: list[Port] = []

    def make(*arguments: Any, **bounds: Any) -> Port:
        made.append(Port(*arguments, **bounds))
        return made[-1]

    yield make
    for port in made:
        port.close()


@contextlib.contextmanager
def dialled(port: Port, shows: Credentials) -> Iterator[ssl.SSLSocket]:
    with (
        port.dial() as plain,
        shows.client_context().wrap_socket(plain, server_hostname="127.0.0.1") as stream,
    ):
        yield stream


Ports = Callable[..., Port]


def echoed(stream: socket.socket) -> bool:
    stream.sendall(HELLO)
    return stream.recv(8) == HELLO


def ended(stream: socket.socket) -> bool:
    """Whether the other side ended it, in whatever way."""
    stream.settimeout(PATIENCE)
    try:
        return stream.recv(1) == b""
    except (ConnectionError, ssl.SSLError):
        return True


def test_a_switch_of_our_authority_is_served_by_tls(ports: Ports, certificates: Certificates) -> None:
    port = ports(certificates.guard())
    with dialled(port, certificates.credentials("lb1")) as stream:
        assert echoed(stream)
        assert stream.version() == "TLSv1.3"
    assert not port.reports


def test_a_plain_switch_is_served_without_tls(ports: Ports) -> None:
    port = ports(Guard())
    with port.dial() as stream:
        assert echoed(stream)
    assert not port.reports


def test_both_directions_at_once_by_tls_lose_and_mix_nothing(
    ports: Ports, certificates: Certificates
) -> None:
    """os-ken reads and writes in two threads."""
    there, back = bytes(range(251)) * (AMOUNT // 251), bytes(range(241)) * (AMOUNT // 241)
    got: list[bytes] = []

    def both(stream: Any, _address: Any) -> None:
        stream.settimeout(PATIENCE)
        sender = threading.Thread(target=stream.sendall, args=(back,))
        sender.start()
        got.append(_received(stream, len(there)))
        sender.join()

    port = ports(certificates.guard(), both)
    with dialled(port, certificates.credentials("lb1")) as stream:
        # The fake's own socket has Python's limits too: it sends in this thread, and reads when it can write no more.
        stream.settimeout(0.0)
        sent, received = 0, bytearray()
        end = time.monotonic() + PATIENCE
        while (sent < len(there) or len(received) < len(back)) and time.monotonic() < end:
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                sent += stream.send(there[sent : sent + 10_000]) if sent < len(there) else 0
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLWantWriteError):
                received += stream.recv(100_000)
        assert bytes(received) == back
        until(lambda: got, "all has arrived")
    assert got == [there]


def _received(stream: Any, count: int) -> bytes:
    data = bytearray()
    while len(data) < count and (more := stream.recv(8192)):
        data += more
    return bytes(data)


def _shows(how: str, port: Port, certificates: Certificates) -> None:
    """Dial the TLS port as a bad peer."""
    ours, theirs = certificates.ours, certificates.theirs
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        match how:
            case "plain":
                with port.dial() as stream:
                    stream.sendall(HELLO)
                    assert ended(stream)
            case "http":
                with port.dial() as stream:
                    stream.sendall(b"GET / HTTP/1.1\r\n\r\n")
                    assert ended(stream)
            case "other authority":
                with dialled(port, certificates.credentials("lb1", theirs, ours)) as stream:
                    ended(stream)
            case "no certificate":
                context = ssl.create_default_context(cafile=ours.folder / "ca.pem")
                with port.dial() as plain, context.wrap_socket(plain, server_hostname="127.0.0.1") as stream:
                    ended(stream)
            case "a person's":
                with dialled(port, certificates.credentials("alice")) as stream:
                    ended(stream)
            case "does not trust us":
                with dialled(port, certificates.credentials("lb1", ours, theirs)):
                    pass


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("plain", "it does not speak TLS; have the switch dial ssl:ADDRESS:PORT, with a certificate and key"),
        ("http", "it does not speak TLS, but HTTP"),
        ("other authority", "its certificate is of an authority that --switch-ca does not hold"),
        ("no certificate", "it shows no certificate; give the switch one, and its key"),
        ("a person's", "its certificate is of admin 'alice', and none of a switch"),
        ("does not trust us", "it does not know the authority of --switch-cert"),
    ],
)
def test_one_message_says_why_a_peer_is_refused(
    ports: Ports, certificates: Certificates, how: str, says: str
) -> None:
    port = ports(certificates.guard())
    for _ in range(3):
        _shows(how, port, certificates)
    ((host, why, count),) = port.reported(1)
    assert (host, count) == ("127.0.0.1", 1)
    assert why.startswith(says)
    assert not port.served


def test_who_speaks_something_else_to_a_plain_port_is_told_what_it_is(ports: Ports) -> None:
    port = ports(Guard())
    for first in (b"\x16\x03\x01\x02\x00", b"GET / HTTP/1.1\r\n"):
        with port.dial() as stream:
            stream.sendall(first)
            assert ended(stream)
    with port.dial() as stream:
        stream.shutdown(socket.SHUT_WR)  # a look whether somebody listens
        assert ended(stream)
    assert [why for _, why, _ in port.reported(2)] == [
        "it speaks TLS, and this controller has no certificate: give run --switch-cert",
        "it does not speak OpenFlow: its first octet is 0x47",
    ]


def test_what_was_reported_is_counted_and_not_repeated(ports: Ports) -> None:
    now = [0.0]
    port = ports(Guard(now=lambda: now[0]))
    for _ in range(5):
        with port.dial() as stream:
            stream.sendall(b"GET /")
            assert ended(stream)
    now[0] = module.REPEAT
    assert [count for _, _, count in port.reported(2)] == [1, 4]


def test_half_open_handshakes_hold_nobody_up_and_end(ports: Ports, certificates: Certificates) -> None:
    port = ports(certificates.guard(), handshake=1.5)
    threads = threading.active_count()
    with contextlib.ExitStack() as held:
        silent = [held.enter_context(port.dial()) for _ in range(60)]
        for stream in silent[::2]:
            stream.sendall(b"\x16\x03\x01\x02\x00\x01")  # the beginning of a hello
        assert threading.active_count() == threads
        with dialled(port, certificates.credentials("lb1")) as good:
            assert echoed(good)
            port.listener.finished(port.served[0])
            assert not port.reports, "none had to end for it"
            assert all(ended(stream) for stream in silent)
            assert echoed(good), "it has finished, so no deadline concerns it"
    assert {why for _, why, _ in port.reports} == {"it did not finish the TLS handshake within 1.5 s"}


def test_a_stream_that_does_not_finish_the_openflow_handshake_ends(ports: Ports) -> None:
    port = ports(Guard(), handshake=0.5)
    with port.dial() as stream:
        assert echoed(stream)
        assert ended(stream)
    ((_, why, _),) = port.reported(1)
    assert why == "it did not finish the OpenFlow handshake within 0.5 s"


def test_who_opens_many_pushes_out_their_own(ports: Ports) -> None:
    port = ports(Guard(), unfinished=20)
    with contextlib.ExitStack() as held:
        slow = held.enter_context(port.dial("127.0.0.2"))
        many = [held.enter_context(port.dial("127.0.0.3")) for _ in range(100)]
        until(lambda: sum(count for *_, count in port.reports) >= 1, "some were ended")
        assert ended(many[0])
        late = held.enter_context(port.dial("127.0.0.2"))
        for stream in (slow, late):
            assert echoed(stream)
    assert {(host, why) for host, why, _ in port.reports} == {
        ("127.0.0.3", "more than 20 connections did not finish their handshakes")
    }


def test_no_more_streams_than_there_may_be_and_room_for_one_that_ends_is_used(ports: Ports) -> None:
    port = ports(Guard(), streams=5)
    with contextlib.ExitStack() as held:
        streams = [held.enter_context(port.dial()) for _ in range(5)]
        assert all(echoed(stream) for stream in streams)
        with port.dial() as more:
            assert ended(more)
        assert port.reported(1)[0][1] == "5 switches are connected already"
        streams[0].close()

        def room() -> bool:
            with port.dial() as stream, contextlib.suppress(ConnectionError):
                return echoed(stream)
            return False

        until(room, "there is room again")


def test_a_handler_that_fails_ends_its_stream_and_no_other(ports: Ports) -> None:
    def fails(stream: Any, _address: Any) -> None:
        raise ValueError("a message without a length")

    port = ports(Guard(), fails)
    for _ in range(2):
        with port.dial() as stream:
            stream.sendall(HELLO)
            assert ended(stream)
    assert port.reported(1) == [("127.0.0.1", "its stream ended: ValueError: a message without a length", 1)]


def test_a_renewed_certificate_is_shown_from_the_next_handshake_on(ports: Ports, tmp_path: Path) -> None:
    made = Certificates(tmp_path)
    port = ports(made.guard())
    with dialled(port, made.credentials("lb1")) as old:
        before = old.getpeercert(binary_form=True)
        made.ours.renew("ctl", new_key=True)
        with dialled(port, made.credentials("lb1")) as new:
            assert new.getpeercert(binary_form=True) != before
            assert echoed(new)
        assert echoed(old)
