"""``evenkeel decide FILE``: which backend a connection would get by an intent file, and why."""

from __future__ import annotations

import json
import re
import sys
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from controller.cli import codes
from controller.decision import Decision
from controller.decision import decide as decide_packet
from controller.hashes import SLOT_HASHES
from controller.lbstate import LbState, Packet
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.plan import spreads
from controller.plan.duty import switch_spec_without_pins, world_of
from controller.plan.ids import Space
from controller.plan.pins import PinBook
from controller.plan.progress import advance
from controller.plan.tables import Tables
from controller.spec.spread import Spread
from controller.spec.types import Address, Intent, Listener, Protocol, Role, Switch

TCP_FLAGS = ("fin", "syn", "rst", "psh", "ack", "urg", "ece", "cwr", "ns")
PRESUMED = "every backend is healthy, no slot has moved, nothing is remembered or pinned, no guard drops"
_ALIKE = (
    ", the pool is new and its lb switches' datapaths hash alike (status says what a pool in service goes by)"
)
_ENDPOINT = re.compile(r"(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[^:\[\]]+)):(?P<port>\d{1,5})")


class _Answer(NamedTuple):
    """What becomes of a packet."""

    decision: Decision
    listener: Listener | None
    """That claims it."""
    backend: str | None
    """By name."""
    presumed: str


class _WrongError(Exception):
    """What was asked for makes no sense; the text says why."""


def decide(
    config: Path,
    source: str,
    target: str,
    udp: bool = False,
    flags: str | None = None,
    json_out: bool = False,
) -> int:
    """Print the backend that a packet from ``source`` to ``target`` (ADDRESS:PORT each) gets, and why.

    ``flags`` are TCP flags separated by commas; None: the SYN that opens a connection. With ``json_out``
    standard output is one JSON object. Returns 0, 1 when the packet goes to no backend, or 2 when the file or
    the packet is wrong.
    """
    try:
        intent = load_intent(config)
        packet = _packet(source, target, udp, flags)
        answer = _decide(intent, packet)
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return codes.Decide.BAD_INPUT
    except _WrongError as error:
        print(f"evenkeel decide: {error}", file=sys.stderr)
        return codes.Decide.BAD_INPUT
    backend = answer.backend
    if json_out:
        print(json.dumps(_as_json(packet, *answer)))
    else:
        print(_as_text(packet, *answer))
    return codes.Decide.BACKEND if backend is not None else codes.Decide.NO_BACKEND


def _packet(source: str, target: str, udp: bool, flags: str | None) -> Packet:
    protocol = Protocol.UDP if udp else Protocol.TCP
    if udp and flags is not None:
        raise _WrongError("--flags goes with TCP only; leave out --flags or --udp")
    given = {flag.strip().lower() for flag in (flags or "").split(",")} - {""}
    unknown = sorted(given - set(TCP_FLAGS))
    if unknown:
        raise _WrongError(f"--flags {flags}: {unknown[0]!r} is no TCP flag; there are {', '.join(TCP_FLAGS)}")
    opens = protocol is Protocol.TCP and (flags is None or ("syn" in given and "ack" not in given))
    from_address, from_port = _endpoint("--from", source)
    to_address, to_port = _endpoint("--to", target)
    if from_address.version != to_address.version:
        raise _WrongError(f"--from {source} and --to {target}: give two addresses of one IP version")
    return Packet(from_address, from_port, to_address, to_port, protocol, opens)


def _endpoint(option: str, text: str) -> tuple[Address, int]:
    wrong = _WrongError(f"{option} {text}: give ADDRESS:PORT, like 10.0.0.11:40000 or [fd00::11]:40000")
    found = _ENDPOINT.fullmatch(text)
    if found is None:
        raise wrong
    try:
        address = ip_address(found["v6"] or found["v4"])
    except ValueError:
        raise wrong from None
    port = int(found["port"])
    if address.version != (6 if found["v6"] else 4) or port > 65_535:
        raise wrong
    return address, port


def _decide(intent: Intent, packet: Packet) -> _Answer:
    listener = _listener(intent, packet)
    switch = _switch(intent, listener)
    tables = advance(Tables(), intent, {}, 0.0, answers=spreads.alike)
    owners = {vip.name: switch.site for vip in intent.vips}
    plan = switch_spec_without_pins(world_of(intent, tables, PinBook(), frozenset(), owners), switch)
    names = {number: name for name, number in tables.ids.ids(Space.BACKEND).items()}
    decision = decide_packet(packet, LbState.fresh(plan, names))
    by_datapath = any(
        item.spread is Spread.DATAPATH
        and (item.port, item.vip.address) == (packet.destination_port, packet.destination)
        for item in plan.listeners
    )
    backend = None if decision.backend is None else names[decision.backend]
    return _Answer(decision, listener, backend, PRESUMED + _ALIKE * by_datapath)


def _listener(intent: Intent, packet: Packet) -> Listener | None:
    for vip in intent.vips:
        if vip.address == packet.destination:
            for listener in vip.listeners:
                if (listener.protocol, listener.port) == (packet.protocol, packet.destination_port):
                    return listener
    return None


def _switch(intent: Intent, listener: Listener | None) -> Switch:
    """A lb switch of the listener's home site; all of them hold the same tables."""
    homes = {vip.owners[0] for vip in intent.vips if listener is None or vip.name == listener.vip}
    able = [s for s in intent.switches if Role.LB in s.roles and (s.site in homes or not homes)]
    if not able:
        raise _WrongError(f"no lb switch at {', '.join(sorted(homes)) or 'any site'} could decide it")
    switch = able[0]
    if switch.hash_name not in SLOT_HASHES:
        raise _WrongError(
            f"switch {switch.name} of kind {switch.kind} hashes by {switch.hash_name}; "
            f"known here: {', '.join(SLOT_HASHES)}"
        )
    return switch


def _as_json(
    packet: Packet, decision: Decision, listener: Listener | None, backend: str | None, presumed: str
) -> dict[str, object]:
    return {
        "from": _joined(packet.source, packet.source_port),
        "to": _joined(packet.destination, packet.destination_port),
        "protocol": str(packet.protocol),
        "syn": packet.syn,
        "listener": None if listener is None else listener.name,
        "pool": None if listener is None else listener.pool,
        "backend": backend,
        "stage": str(decision.by),
        "slot": decision.slot,
        "reasons": list(decision.reasons),
        "presumed": presumed,
    }


def _as_text(
    packet: Packet, decision: Decision, listener: Listener | None, backend: str | None, presumed: str
) -> str:
    where = f" of pool {listener.pool}, by {decision.by}" if listener else ""
    source = _joined(packet.source, packet.source_port)
    target = _joined(packet.destination, packet.destination_port)
    kind = f"{packet.protocol} syn" if packet.syn else str(packet.protocol)
    verdict = f"{backend}{where}" if backend else f"no backend: {decision.by}"
    name = f"  {listener.name}" if listener else ""
    return "\n".join(
        [
            f"{source} -> {target} {kind}{name}: {verdict}",
            *(f"  {reason}" for reason in decision.reasons),
            f"presumed: {presumed}",
        ]
    )


def _joined(address: Address, port: int) -> str:
    return f"{address}:{port}" if address.version == 4 else f"[{address}]:{port}"
