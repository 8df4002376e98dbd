"""TCP in fragments, of listeners that do not remember all: the controller says whose they are.

Pins and the datapath's hash go by ports, which a fragment does not show to the switch's flows.

    first fragment of a connection that is not remembered ─► controller: pin, or slot ─► the switch remembers it
    the same, sent again                                  ─► memory ─► its backend

The switch cannot be given the fragment back: those that belong to it are gone. So it is taught by a segment without
data that the controller makes up, which goes through its conntrack and no further.
"""

from __future__ import annotations

from controller.core.directory import Directory
from controller.frames.packet import TCP
from controller.frames.segment import acknowledgement
from controller.frames.tuple import tuple_of
from controller.plan.duty import slotting
from controller.southbound.driver import Send
from controller.southbound.openflow.driver import OpenFlowPacket
from controller.southbound.openflow.events import PacketIn
from controller.spec.switch import SETTLED
from controller.spec.types import Listener, Switch
from flows.actions import Conntrack, pack_all, whole
from flows.actions import Set as SetField
from flows.tables import CLASS, FOUND, LISTENER, PERIOD, TRACK, ZONE_NOW

_SYN, _ACK = 2, 16


def remembered(
    event: PacketIn, known: Directory, switch: Switch, listener: Listener, pinned: int | None
) -> Send | None:
    """What has ``switch`` remember the connection of a first fragment; ``pinned``: its backend, if it has a pin.

    None where no backend takes it, or where the fragment is not what it should be.
    """
    flow = tuple_of(event.frame)
    zone = event.fields.get(ZONE_NOW.field, 0) >> ZONE_NOW.low & 0xFFFF
    if flow is None or flow.protocol != TCP or not zone:
        return None
    state = known.world.state_of(listener)
    slot = slotting(known.world, switch, listener).slot(flow.source, flow.source_port)
    table, tracking = state.tracked_table, state.tracking
    now = int(table.now[slot])
    former = 0 if flow.flags & (_SYN | _ACK) == _SYN else int(table.base[slot] or table.home[slot])
    backend = pinned or former or now
    if not backend:
        return None
    class_ = int(tracking.class_[slot]) if tracking.tracked[slot] else SETTLED
    label = event.fields.get(LISTENER, 0) | class_ << CLASS[0] | 1 << FOUND[0] | tracking.period << PERIOD[0]
    teach = Conntrack(zone, commit=True, mark=backend << 16 | slot, label=whole(TRACK))
    return Send(
        switch.name, OpenFlowPacket(acknowledgement(*flow[:4]), pack_all((SetField(TRACK, label), teach)))
    )
