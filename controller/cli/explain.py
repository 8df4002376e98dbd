"""``evenkeel explain``: where a connection goes and why, by the running controller and its switches, or by a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from controller.cli.asking import NoAnswer, ask
from controller.cli.codes import Explain
from controller.cli.explaintext import text
from controller.cli.output import Output
from controller.core.control import socket_beside
from controller.core.explaining import WITHIN
from controller.explain import Explanation, explain, listener_of, switches_of
from controller.hashes import SLOT_HASHES
from controller.lbstate import Packet
from controller.model.errors import ConfigErrors
from controller.model.load import load_intent
from controller.plan import spreads
from controller.plan.duty import world_of
from controller.plan.pins import PinBook
from controller.plan.progress import advance
from controller.plan.tables import Tables
from controller.spec.codec import encode
from controller.spec.spread import Spread
from controller.spec.types import Intent
from controller.tuples import BadPacket, packet_of

PRESUMED = "every backend is healthy, no slot has moved, nothing is remembered or pinned, no guard drops"
_ALIKE = ", the pool is new and its lb switches' datapaths hash alike (without FILE the running controller is asked)"


def explain_by_file(
    file: Path,
    source: str,
    target: str,
    udp: bool = False,
    flags: str | None = None,
    output: Output = Output.TEXT,
) -> Explain:
    """Print where a packet from ``source`` to ``target`` (ADDRESS:PORT each) goes by a file. Returns an exit code.

    ``flags``: of TCP, separated by commas; None: the SYN that opens a connection.
    """
    try:
        intent = load_intent(file)
        made = _by_intent(intent, packet_of(source, target, udp, flags))
    except ConfigErrors as errors:
        print(errors, file=sys.stderr)
        return Explain.BAD_INPUT
    except BadPacket as error:
        print(f"evenkeel explain: {error}", file=sys.stderr)
        return Explain.BAD_INPUT
    said = encode(made)
    assert isinstance(said, dict)
    return shown(said, output)


def explain_live(
    state: Path,
    source: str,
    target: str,
    udp: bool = False,
    flags: str | None = None,
    switch: str | None = None,
    output: Output = Output.TEXT,
) -> Explain:
    """The same, asked of the running controller, which asks its switches. Returns an exit code."""
    request = {"command": "explain", "from": source, "to": target, "protocol": "udp" if udp else "tcp"}
    request |= {} if flags is None else {"flags": flags}
    request |= {} if switch is None else {"switch": switch}
    try:
        answer: Mapping[str, Any] = ask(socket_beside(state), request, WITHIN + 5.0)
    except NoAnswer as error:
        hint = f"is a controller running with --state {state}? By a file alone: evenkeel explain FILE ..."
        print(f"{error}; {hint}", file=sys.stderr)
        return Explain.NO_ANSWER
    if answer.get("ok") is not True:
        print(*answer.get("refused", [answer.get("not_stored")]), sep="\n", file=sys.stderr)
        return Explain.BAD_INPUT
    return shown(answer["explanation"], output)


def shown(said: Mapping[str, Any], output: Output) -> Explain:
    """Print an explanation. Returns an exit code."""
    print(json.dumps(said, indent=1) if output is Output.JSON else text(said))
    if said["differences"]:
        return Explain.DIFFERENCES
    decisions = [each for switch in said["switches"] for each in switch["decisions"]]
    gets = bool(decisions) and all(each["backend"] for each in decisions)
    return Explain.BACKEND if gets else Explain.NO_BACKEND


def _by_intent(intent: Intent, packet: Packet) -> Explanation:
    """On one lb switch of the VIP's home: all hold the same tables. Raises BadPacket."""
    found = listener_of(intent, packet)
    switches = switches_of(intent, None if found is None else found[0])
    if not switches:
        raise BadPacket("no lb switch could decide it")
    home = [s for s in switches if found is None or s.site == found[0].owners[0]] or switches
    switch = home[0]
    if switch.hash_name not in SLOT_HASHES:
        raise BadPacket(
            f"switch {switch.name} of kind {switch.kind} hashes by {switch.hash_name}; known here: "
            f"{', '.join(SLOT_HASHES)}"
        )
    tables = advance(Tables(), intent, {}, 0.0, answers=spreads.alike)
    owners = {vip.name: vip.owners[0] for vip in intent.vips}
    world = world_of(intent, tables, PinBook(), frozenset(), owners)
    by_datapath = found is not None and world.state_of(found[1]).spread is Spread.DATAPATH
    return explain(world, packet, [switch], True, PRESUMED + _ALIKE * by_datapath)
