"""OpenFlow driver on os-ken: accepts switches, turns their streams into sessions and events.

It runs in a process of its own (``serve``) or inside another os-ken process beside other applications (load
``OpenFlowApp``): then it takes only messages that answer it or carry its cookies.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from os_ken import cfg
from os_ken.base.app_manager import AppManager, OSKenApp
from os_ken.controller import controller, ofp_event
from os_ken.controller.handler import DEAD_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

from controller.southbound.openflow import hook
from controller.southbound.openflow.events import (
    Connected,
    Disconnected,
    Event,
    FlowEnded,
    PacketIn,
    PortsChanged,
    Refused,
    Stranger,
)
from controller.southbound.openflow.guests import GuestHub
from controller.southbound.openflow.listener import Guard, Listener, listen
from controller.southbound.openflow.session import Session
from controller.southbound.openflow.tls import TlsStream
from flows import messages
from flows.fields import Malformed
from flows.messages import COOKIE_SHIFT
from flows.readback import known_fields
from flows.tables import Cookie

UNACKNOWLEDGED = 3.0
"""Seconds after which the kernel gives a stream up whose other side acknowledges nothing; we write all the time."""
PROVES = 1.5
"""Seconds in which a switch that connected long ago acknowledges what it is sent. Where there is no way to it any more
the kernel does not even count its attempts."""
STRANGERS = 64
"""Switches that are not ours whose streams are kept, in case the intent names them."""
TWINS = 4
"""Streams of one datapath id that are kept: two switches may have it, and a stream may be there that has died."""
_IDLE_TIMEOUT = 0
_TCP_INFO = struct.Struct("24xI28xI")
"""Of Linux's ``tcp_info``: ``tcpi_unacked``, and ``tcpi_last_ack_recv`` in milliseconds."""
_MATCH_AT = 24
"""In a packet-in."""


class Hub:
    """Where os-ken's threads hand over to the event loop: one per process, bound before os-ken starts."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        on_event: Callable[[Event], None],
        cookies: dict[int, int],
        term: Callable[[], int],
        obey: bool = False,
        impostor: Callable[[int, Mapping[str, object]], str | None] = lambda _id, _shown: None,
    ) -> None:
        """``cookies``: datapath id -> owner part of our cookies, for the switches that are ours; ``term``: ours now.

        ``obey``: whether a newer term is another controller's, which has the switch then. ``impostor``: why a switch
        of ours is not the one that a certificate (``getpeercert``) is of; None: it may be.
        """
        self._loop = loop
        self._on_event = on_event
        self._cookies = cookies
        self._term = term
        self._obey = obey
        self._impostor = impostor
        self._sessions: dict[Any, Session] = {}
        self._strangers: set[Any] = set()
        """Connected switches that are not ours (yet)."""
        hook.install(self._take)

    def close(self) -> None:
        """Leave all messages to os-ken again; sessions end with their streams."""
        hook.remove(self._take)

    def up(self, datapath: Any) -> None:
        """A switch finished its handshake (os-ken's thread)."""
        # os-ken counts from a random number: not among those by which answers to us are known.
        if datapath.xid >> 24 == hook.OWN_XID:
            datapath.xid = 0
        self._loop.call_soon_threadsafe(self._greet, datapath)

    def adopt(self, datapath: Any) -> None:
        """Take a switch over that connected long ago (event loop): it is let go if it acknowledges nothing now."""
        self.up(datapath)
        self._loop.call_later(PROVES, _let_go_unless_heard, datapath.socket)

    def down(self, datapath: Any) -> None:
        """A switch's stream ended (os-ken's thread)."""
        self._loop.call_soon_threadsafe(self._close, datapath)

    def switches_changed(self) -> None:
        """Other switches are ours now: look again at those that are connected (event loop)."""
        waiting, self._strangers = self._strangers, set()
        for datapath in waiting:
            if datapath.id in self._cookies:
                self._on_event(Stranger(datapath.id, address_of(datapath), False))
            self._greet(datapath)
        for session in self._sessions.values():
            session.claim(self._term())

    def _greet(self, datapath: Any) -> None:
        if datapath.id not in self._cookies:
            if len(self._strangers) >= STRANGERS and _refuse(datapath, f"{STRANGERS} {_UNKNOWN}"):
                return
            self._strangers.add(datapath)
            self._on_event(Stranger(datapath.id, address_of(datapath), True))
            return
        why = None
        if isinstance(datapath.socket, TlsStream):
            why = self._impostor(datapath.id, datapath.socket.shown)
        if why is None and sum(each.id == datapath.id for each in self._sessions) >= TWINS:
            why = _TWINS
        if why is None or not _refuse(datapath, why):
            self._open(datapath)

    def _open(self, datapath: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended meanwhile: that is said by the stream
            datapath.socket.setsockopt(
                socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(1000 * UNACKNOWLEDGED)
            )
        session = Session(
            datapath, self._loop, lambda what: self._on_event(Refused(session, what)), self._obey
        )
        self._sessions[datapath] = session
        session.claim(self._term())
        self._on_event(Connected(session))

    def _close(self, datapath: Any) -> None:
        if datapath in self._strangers:
            self._strangers.discard(datapath)
            self._on_event(Stranger(datapath.id, address_of(datapath), False))
        session = self._sessions.pop(datapath, None)
        if session is not None:
            session.close()
            self._on_event(Disconnected(session))

    def _take(self, datapath: Any, kind: int, xid: int, message: bytes) -> bool:
        session = self._sessions.get(datapath)
        if kind == hook.PORT_STATUS:
            if session is not None:
                session.hand(self._on_event, PortsChanged(session))
            return False
        if kind in (hook.PACKET_IN, hook.FLOW_REMOVED):
            cookie = hook.cookie_of(kind, message)
            if cookie >> COOKIE_SHIFT != self._cookies.get(datapath.id):
                return False
            if session is not None:
                session.hand(self._report, session, kind, cookie, message)
            return True
        if session is None:
            return False
        session.take(kind, xid, message)
        return True

    def _report(self, session: Session, kind: int, value: int, message: bytes) -> None:
        cookie = Cookie.parse(value)
        if not session.alive or cookie is None:
            return
        if len(message) < _MATCH_AT:
            raise Malformed(f"a report has {len(message)} octets")
        if kind == hook.FLOW_REMOVED:
            self._on_event(FlowEnded(session, cookie, idle=message[18] == _IDLE_TIMEOUT))
            return
        fields, end = known_fields(message, _MATCH_AT)
        self._on_event(PacketIn(session, cookie, fields, message[end + 2 :]))


class StandbyHub:
    """Holds the streams of switches while another controller leads; nothing is read or written there.

    When this one leads, they are there: an Open vSwitch that finds no controller at an address waits up to 8 s before
    it tries again, and one whose stream ends for a second. All but ``hand_over`` are called by os-ken's threads.
    """

    def __init__(self) -> None:
        self._held: dict[Any, None] = {}
        """The oldest first."""
        self._changing = threading.Lock()
        self._next: Hub | None = None

    def up(self, datapath: Any) -> None:
        """A switch finished its handshake: it has nothing to report here."""
        with self._changing:
            if self._next is not None:
                self._next.up(datapath)
                return
            datapath.send(messages.hear_nothing())
            self._held[datapath] = None

    def down(self, datapath: Any) -> None:
        """A switch's stream ended."""
        with self._changing:
            if self._next is not None:
                self._next.down(datapath)
            self._held.pop(datapath, None)

    def hand_over(self, hub: Hub) -> None:
        """The streams are that hub's from now on. What is still reported here goes there, in order.

        Of one switch the newest counts: older ones have died, and it is not known here yet.
        """
        with self._changing:
            self._next = hub
            held, self._held = self._held, {}
            newest = {datapath.id: datapath for datapath in held}
            for datapath in held:
                if newest[datapath.id] is datapath:
                    datapath.send(messages.hear_usual())
                    hub.adopt(datapath)
                else:
                    with contextlib.suppress(OSError):
                        datapath.socket.shutdown(socket.SHUT_RDWR)


def _let_go_unless_heard(stream: Any) -> None:
    with contextlib.suppress(OSError):  # it has ended meanwhile
        found = stream.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO.size)
        unacknowledged, heard = _TCP_INFO.unpack(found)
        if unacknowledged and heard > 1000 * PROVES / 2:
            stream.shutdown(socket.SHUT_RDWR)


def address_of(datapath: Any) -> str:
    """Where a switch connects from, as people write it."""
    host, port = datapath.address[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


class OpenFlowApp(OSKenApp):  # type: ignore[misc]
    """The os-ken application: tells the hub that is bound about switches."""

    OFP_VERSIONS: ClassVar[list[int]] = [ofproto_v1_3.OFP_VERSION]
    hub: ClassVar[Hub | StandbyHub | GuestHub | None] = None

    @set_ev_cls(ofp_event.EventOFPStateChange, [MAIN_DISPATCHER, DEAD_DISPATCHER])  # type: ignore[untyped-decorator]
    def state_changed(self, event: Any) -> None:
        """A switch came or went."""
        if self.hub is None or event.datapath.id is None:
            return
        if event.state == MAIN_DISPATCHER:
            if _Listening.listener is not None:
                _Listening.listener.finished(event.datapath.socket)
            self.hub.up(event.datapath)
        else:
            self.hub.down(event.datapath)


class _Listening:
    """The listener of this process; os-ken's own where Evenkeel is a guest."""

    listener: ClassVar[Listener | None] = None


_UNKNOWN = "switches that are not in the intent are connected already"
_TWINS = f"{TWINS} switches of its datapath id are connected already"


def _refuse(datapath: Any, why: str) -> bool:
    """End a stream, if it is ours to end: beside other applications it may be theirs."""
    if _Listening.listener is None:
        return False
    _Listening.listener.refuse(datapath.socket, why)
    return True


class _Elsewhere:
    """In place of os-ken's server, which bounds nothing and waits for TLS handshakes without end."""

    def __init__(self, *_: object, **__: object) -> None:
        pass

    def serve_forever(self) -> None:
        """Streams come from our own listener."""


def serve(host: str, port: int, apps: tuple[str, ...] = (), guard: Guard | None = None) -> None:
    """Run os-ken with our application (and others, by module name) in threads of this process.

    Switches can connect once this returns. Raises OSError when the address cannot be listened on.
    """
    listening = listen(host, port)
    cfg.CONF(args=[], project="os_ken", default_config_files=[])
    cfg.CONF.set_override("ofp_tcp_listen_port", port)
    if not apps:
        hook.alone()
        # What ends a stream is reported by the listener, once for each reason; os-ken would write it each time.
        logging.getLogger("os_ken").setLevel(logging.CRITICAL)
    controller.StreamServer = _Elsewhere
    manager = AppManager.get_instance()
    manager.load_apps([__name__, *apps])
    contexts = manager.create_contexts()
    manager.instantiate_apps(**contexts)
    listener = Listener(listening, controller.datapath_connection_factory, guard or Guard())
    _Listening.listener = listener
    threading.Thread(target=listener.run, name="openflow-listener", daemon=True).start()
