"""What the P4 benchmark balances: one VIP with listeners for each mode, ten servers behind port 2.

Of each mode there are three: one that remembers all connections, one whose slots have settled, and one all of whose
slots are tracked.
"""

from __future__ import annotations

from ipaddress import IPv4Address, ip_address, ip_network

import numpy as np

from controller import maglev
from controller.spec.slots import SlotTable
from controller.spec.switch import (
    BackendSpec,
    HeldPin,
    ListenerSpec,
    PinRole,
    PinSpec,
    PoolSpec,
    SwitchSpec,
    VipSpec,
)
from controller.spec.types import Mode, Protocol, Role, Switch
from p4src.ids import Reason
from p4src.pipeline import target as target_of
from p4src.spec import Group, P4Needs, Secret
from p4src.target import P4Target, Rate

POOL = 1
GROUP = 5
VIP = ip_address("10.0.0.100")
MODES = {mode: 8000 + n for n, mode in enumerate(Mode)}
"""The port of each mode's listener that remembers all connections."""
TRACKED_POOL = 2
_SETTLED, _TRACKED = 100, 200
"""What is added to that port, and to the listener's number, for those that do not."""
_SERVERS = tuple(range(1, 11))
_SLOTS = 4096


def ways(mode: Mode) -> dict[str, int]:
    """The ports of a mode's listeners by how their connections are known; those of fullnat are always remembered."""
    port = MODES[mode]
    if mode is Mode.FULLNAT:
        return {"remembered": port}
    return {"settled": port + _SETTLED, "tracked": port + _TRACKED}


def source(number: int) -> tuple[IPv4Address, int]:
    """Address and port of a connection's client."""
    return IPv4Address(0x0A000101 + number % 250), 1024 + number


def target(pinned: int = 0, cells: int = 1 << 16, tracked: float = 1.0) -> P4Target:
    """What the switch holds; reports are not limited. ``cells`` of each way of its memory are used, a power of two.

    ``tracked``: the share of slots that are, of listeners that do not remember all and whose slots have moved.

    ``pinned`` connections of the first listener, from ``source(n)``, are pinned as another switch's: each of their
    packets is reported.
    """
    switch = Switch(
        "lb1", "embedded", 1, "east", frozenset({Role.LB}), "02:45:56:01:00:21", local=(ip_network("10.3.1.0/28"),)
    )  # fmt: skip
    vip = VipSpec(1, VIP, "02:45:56:00:01:01", 30)
    listeners = tuple(
        ListenerSpec(
            n + more, vip, Protocol.TCP, port + more, 8080, pool, mode, sticky=False, remembers=not more
        )
        for more, pool in ((0, POOL), (_SETTLED, POOL), (_TRACKED, TRACKED_POOL))
        for n, (mode, port) in enumerate(MODES.items(), 1)
    )
    now = maglev.build([maglev.WeightedBackend(f"s{n}", n, 1) for n in _SERVERS], _SLOTS)
    nothing = np.zeros(_SLOTS, np.uint16)
    class_ = (np.arange(_SLOTS) < tracked * _SLOTS).astype(np.uint16)
    pools = {
        POOL: _pool(POOL, SlotTable(now, nothing)),
        TRACKED_POOL: _pool(TRACKED_POOL, SlotTable(now, nothing, class_=class_, home=now * class_)),
    }
    pins = tuple(
        HeldPin(PinSpec(n, 1, Protocol.TCP, *source(n), _SERVERS[n % 10]), PinRole.SIBLING, 0)
        for n in range(pinned)
    )
    duty = SwitchSpec(switch, (vip,), listeners, pools, pins=pins)
    needs = P4Needs(
        Secret(1 << 100 | 12345, 777),
        (Group(GROUP, (2,)),),
        ways={(2,): GROUP},
        keep=dict.fromkeys(pools, 900.0),
        cells_mask=cells - 1,
        transition=dict.fromkeys(pools, 120.0),
    )
    made = target_of(duty, needs)
    limits = {**made.limits, **{int(reason): Rate(1_000_000, 1_000_000) for reason in Reason}}
    return P4Target(made.entries, made.configuration, limits, made.slots)


def _pool(number: int, table: SlotTable) -> PoolSpec:
    servers = tuple(
        BackendSpec(n, number, (ip_address(f"10.1.0.{n}"),), f"02:00:00:00:01:{n:02x}", (2,))
        for n in _SERVERS
    )
    return PoolSpec(number, _SLOTS, servers, table)
