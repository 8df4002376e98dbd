"""The lab's real server: HTTP, TCP echo and UDP echo that answer with its name and log every connection.

Run as a script; it imports nothing but the standard library and, with ``--pid-file``, goes to the
background as soon as all its ports are open. The log is one JSON object per line:

    event   "open" | "close" (TCP), "datagram" (first one of each UDP peer and local port), "start", "stop"
    host    the server's name
    id      number of the connection on this server
    service "http" | "echo" | "udp"
    peer, local   [address, port]; ``local`` is the address the client used, so a VIP in modes dr and tun
    time, mono    CLOCK_REALTIME and CLOCK_MONOTONIC, seconds
    reason  close only: "eof" (the client ended it), "reset" (an error did), "shutdown" (the server did)
    octets  close only: received

SIGTERM closes everything and ends; SIGUSR1 makes /healthz answer 503, SIGUSR2 makes it answer 200 again.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import socket
import struct
import sys
import time
from typing import cast

MOST_OCTETS = 1 << 26
"""Largest answer of /size/N."""
_BACKLOG = 4096
_HEADER_LIMIT = 16384
_CHUNK = b"x" * 65536
_IPV6_PKTINFO = 50
_IPV6_RECVPKTINFO = 49
_IP_PKTINFO = 8

Pair = tuple[str, int]


class Journal:
    """The connection log: every line is written whole and at once."""

    def __init__(self, path: str | None, host: str) -> None:
        self.host = host
        self._file = (
            os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644) if path else 1
        )

    def write(self, event: str, **fields: object) -> None:
        """Append one event with both clocks."""
        line = {"event": event, "host": self.host, "time": time.time(), "mono": time.monotonic(), **fields}
        os.write(self._file, json.dumps(line, separators=(",", ":")).encode() + b"\n")


class Server:
    """What all connections of this process share."""

    def __init__(self, name: str, journal: Journal) -> None:
        self.name = name
        self.journal = journal
        self.healthy = True
        self.open: set[Connection] = set()
        self.count = 0


class Connection(asyncio.Protocol):
    """A logged TCP connection."""

    service = ""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.reason: str | None = None
        self.octets = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Log the opening."""
        self.transport = cast(asyncio.Transport, transport)
        self.server.count += 1
        self.fields: dict[str, object] = {
            "id": self.server.count,
            "service": self.service,
            "peer": list((transport.get_extra_info("peername") or ("?", 0))[:2]),
            "local": list((transport.get_extra_info("sockname") or ("?", 0))[:2]),
        }
        self.server.open.add(self)
        self.server.journal.write("open", **self.fields)

    def eof_received(self) -> bool:
        """The client is done: close."""
        self.reason = self.reason or "eof"
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Log the end and why."""
        self.server.open.discard(self)
        reason = "reset" if exc is not None else self.reason or "shutdown"
        error = {} if exc is None else {"error": str(exc)}
        self.server.journal.write("close", **self.fields, reason=reason, octets=self.octets, **error)


class Echo(Connection):
    """Sends every line back with the server's name before it."""

    service = "echo"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with an empty line."""
        super().connection_made(transport)
        self.pending = b""

    def data_received(self, data: bytes) -> None:
        """Answer the lines that are complete."""
        self.octets += len(data)
        *lines, self.pending = (self.pending + data).split(b"\n")
        name = self.server.name.encode()
        self.transport.write(b"".join(name + b" " + line + b"\n" for line in lines))


class Http(Connection):
    """GET and HEAD of /, /healthz, /connections (open ones but this) and /size/N; keep-alive as the client asks."""

    service = "http"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start with an empty request."""
        super().connection_made(transport)
        self.pending = b""
        self.remaining = 0
        self.paused = False
        self.last = False

    def data_received(self, data: bytes) -> None:
        """Answer the requests that are complete."""
        self.octets += len(data)
        self.pending += data
        self._serve()

    def _serve(self) -> None:
        while not self.remaining and not self.last:
            head, end, rest = self.pending.partition(b"\r\n\r\n")
            if not end:
                if len(head) > _HEADER_LIMIT:
                    self._answer(431, b"request header too long\n", close=True)
                return
            self.pending = rest
            self._request(head.decode("latin-1"))

    def _request(self, head: str) -> None:
        first, _, headers = head.partition("\r\n")
        words = first.split()
        if len(words) != 3 or words[0] not in ("GET", "HEAD"):
            self._answer(400, b"only GET and HEAD\n", close=True)
            return
        method, path, version = words
        said = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in headers.split("\r\n"))
        }
        wish = said.get("connection", "").lower()
        close = wish == "close" or (version == "HTTP/1.0" and wish != "keep-alive")
        only_head = method == "HEAD"
        size = path.removeprefix("/size/")
        if path == "/":
            self._answer(200, self.server.name.encode() + b"\n", close, only_head)
        elif path == "/healthz":
            if self.server.healthy:
                self._answer(200, b"ok\n", close, only_head)
            else:
                self._answer(503, b"ill\n", close, only_head)
        elif path == "/connections":
            self._answer(200, b"%d\n" % (len(self.server.open) - 1), close, only_head)
        elif path == "/client":
            source = said.get("x-forwarded-for", "none").encode("latin-1")
            self._answer(200, self.server.name.encode() + b" " + source + b"\n", close, only_head)
        elif size != path and size.isdecimal() and int(size) <= MOST_OCTETS:
            self._answer(200, int(size), close, only_head)
        else:
            self._answer(404, b"try /, /client, /healthz, /connections or /size/N\n", close, only_head)

    def _answer(self, status: int, body: bytes | int, close: bool, only_head: bool = False) -> None:
        length = body if isinstance(body, int) else len(body)
        reason = {200: "OK", 400: "Bad Request", 404: "Not Found", 503: "Service Unavailable"}.get(
            status, "Error"
        )
        head = (
            f"HTTP/1.1 {status} {reason}\r\nServer: {self.server.name}\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {length}\r\nConnection: {'close' if close else 'keep-alive'}\r\n\r\n"
        ).encode()
        self.last = close
        self.transport.write(head if only_head or isinstance(body, int) else head + body)
        if isinstance(body, int) and not only_head:
            self.remaining = body
        self._pump()

    def _pump(self) -> None:
        while self.remaining and not self.paused:
            chunk = _CHUNK[: self.remaining]
            self.remaining -= len(chunk)
            self.transport.write(chunk)
        if self.last and not self.remaining:
            self.transport.close()

    def pause_writing(self) -> None:
        """The client is slower than we are."""
        self.paused = True

    def resume_writing(self) -> None:
        """Go on with a long answer, then with the next request."""
        self.paused = False
        if self.remaining:
            self._pump()
            self._serve()


class UdpEcho:
    """Answers ``name payload`` from the very address that was asked, which a VIP on lo needs."""

    def __init__(self, server: Server, port: socket.socket) -> None:
        self.server = server
        self.socket = port
        self.seen: set[tuple[Pair, Pair]] = set()

    def readable(self) -> None:
        """Answer what has arrived."""
        for _ in range(64):
            try:
                payload, control, _, peer = self.socket.recvmsg(65536, 256)
            except OSError:
                return  # nothing left, or an ICMP error about an earlier answer
            self._answer(payload, control, peer)

    def _answer(self, payload: bytes, control: list[tuple[int, int, bytes]], peer: tuple[str, int]) -> None:
        source: list[tuple[int, int, bytes]] = []
        address = "?"
        for level, kind, data in control:
            if (level, kind) == (socket.IPPROTO_IP, _IP_PKTINFO):
                address = socket.inet_ntop(socket.AF_INET, data[8:12])
                source = [(level, kind, struct.pack("I4s4s", 0, data[8:12], bytes(4)))]
            elif (level, kind) == (socket.IPPROTO_IPV6, _IPV6_PKTINFO):
                address = socket.inet_ntop(socket.AF_INET6, data[:16])
                source = [(level, kind, struct.pack("16sI", data[:16], 0))]
        local = (address, int(self.socket.getsockname()[1]))
        flow = ((peer[0], peer[1]), local)
        if flow not in self.seen:
            if len(self.seen) >= 65536:
                self.seen.clear()
            self.seen.add(flow)
            self.server.count += 1
            self.server.journal.write(
                "datagram", id=self.server.count, service="udp", peer=list(flow[0]), local=list(local)
            )
        try:
            self.socket.sendmsg([self.server.name.encode() + b" " + payload], source, 0, peer)
        except OSError as error:
            self.server.journal.write(
                "lost", service="udp", peer=list(flow[0]), local=list(local), error=str(error)
            )


def listening(kind: socket.SocketKind, port: int) -> list[socket.socket]:
    """An IPv4 and an IPv6 socket on every address."""
    result = []
    for family, anywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):
        one = socket.socket(family, kind)
        one.setblocking(False)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_DGRAM:
            if family == socket.AF_INET:
                one.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)
            else:
                one.setsockopt(socket.IPPROTO_IPV6, _IPV6_RECVPKTINFO, 1)
        one.bind((anywhere, port))
        if kind == socket.SOCK_STREAM:
            one.listen(_BACKLOG)
        result.append(one)
    return result


async def serve(
    server: Server, http: list[socket.socket], echo: list[socket.socket], udp: list[socket.socket]
) -> None:
    """Serve until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGUSR1, setattr, server, "healthy", False)
    loop.add_signal_handler(signal.SIGUSR2, setattr, server, "healthy", True)
    for one in udp:
        loop.add_reader(one, UdpEcho(server, one).readable)
    for one in http:
        await loop.create_server(lambda: Http(server), sock=one, backlog=_BACKLOG)
    for one in echo:
        await loop.create_server(lambda: Echo(server), sock=one, backlog=_BACKLOG)
    server.journal.write("start", pid=os.getpid())
    await stop.wait()
    for connection in list(server.open):
        connection.reason = "shutdown"
        connection.transport.close()
    await asyncio.sleep(0)
    server.journal.write("stop", pid=os.getpid())


def to_background(pid_file: str) -> None:
    """Leave a child that owns the open ports; the caller's wait for us ends now that they are open."""
    pid = os.fork()
    if pid:
        with open(pid_file, "w") as file:
            file.write(f"{pid}\n")
        os._exit(0)
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nothing, stream)


def main(arguments: list[str]) -> None:
    """Parse flags, open the ports, serve."""
    parser = argparse.ArgumentParser(description="HTTP, TCP echo and UDP echo that answer with their name.")
    parser.add_argument("name")
    for service in ("http", "echo", "udp"):
        parser.add_argument(f"--{service}", type=int, action="append", default=[], metavar="PORT")
    parser.add_argument("--log", metavar="FILE", help="default: standard output")
    parser.add_argument("--pid-file", metavar="FILE", help="go to the background and write the pid here")
    options = parser.parse_args(arguments)
    http, echo = (
        [one for port in ports for one in listening(socket.SOCK_STREAM, port)]
        for ports in (options.http, options.echo)
    )
    udp = [one for port in options.udp for one in listening(socket.SOCK_DGRAM, port)]
    journal = Journal(options.log, options.name)
    if options.pid_file:
        to_background(options.pid_file)
    asyncio.run(serve(Server(options.name, journal), http, echo, udp))


if __name__ == "__main__":
    main(sys.argv[1:])
