"""Questions to a name server, by UDP and TCP: what reads them, and all that is made in answer."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import dns.edns
import dns.message
import dns.rcode

from controller.exits.names.serve.keys import new_key
from controller.exits.names.serve.limiting import Limits
from controller.exits.names.serve.responder import STREAM
from controller.exits.names.serve.wire import LARGEST
from tests.fuzz.target import Target
from tests.unit.zones import CLIENT, ORIGIN, content, question, responder, tables

NAMES = ("www", "alias", "none", "x.wild", "x.walias", "x.sub", "safe", "big", "a.b.deep", "", "loop1", ".")
TYPES = ("A", "AAAA", "TXT", "ANY", "DS", "NSEC", "AXFR", "SOA")


class Names(Target):
    """A responder of a signed zone with everything in it."""

    name = "names"
    modules = ("controller/exits/names/serve",)
    tokens = (
        b"\0\0\x29",
        b"\0\x08",
        b"\0\x0a",
        b"\x03www",
        b"\x07example",
        b"\xc0\x0c",
        b"\0\xff\0\1",
        b"\0\xfc\0\1",
    )

    def begin(self) -> None:
        """Another responder."""
        with TemporaryDirectory() as folder:
            keys = (new_key(Path(folder), ORIGIN),)
        self._server = responder(tables(content(signed=True), keys), Limits(20, 2))
        self._time = 0.0

    def seeds(self) -> list[bytes]:
        """Questions of every kind."""
        options: list[dns.edns.Option] = [
            dns.edns.ECSOption("10.1.2.0", 24),
            dns.edns.ECSOption("2001:db8::", 48),
            dns.edns.CookieOption(b"12345678", b""),
            dns.edns.CookieOption(b"12345678", bytes(16)),
        ]
        plain = [question(name, kind) for name in NAMES for kind in TYPES]
        proved = [question(name, want_dnssec=True, payload=4096) for name in NAMES]
        more = [question("www", use_edns=0, options=[each]) for each in options]
        return [each.to_wire() for each in (*plain, *proved, *more)]

    def feed(self, data: bytes) -> str:
        """Ask it both ways, and read what it says."""
        self._time += 0.01
        self._server.tick(self._time)
        by_udp, by_tcp = self._server.datagram(data, CLIENT), self._server.message(data, CLIENT)
        assert self._server.counters.failed == 0
        said = [_read(data, each, most) for each, most in ((by_udp, LARGEST), (by_tcp, STREAM))]
        return " ".join(said)


def _read(data: bytes, answer: bytes | None, most: int) -> str:
    if answer is None:
        return "silent"
    assert len(answer) <= most
    assert answer[:2] == data[:2]
    assert answer[2] & 0x80
    found = dns.message.from_wire(answer)
    return f"{dns.rcode.to_text(found.rcode())}.{min(len(found.answer), 2)}.{min(len(found.authority), 3)}"
