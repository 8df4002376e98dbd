"""How long the conntrack zones of an OpenFlow switch have to remember."""

from __future__ import annotations

from controller.plan.duty import PlanInput, vips_of
from controller.plan.ids import Space
from controller.spec.switch import Timeouts
from controller.spec.types import Switch
from flows import zones
from flows.tables import Placed


def zone_timeouts(world: PlanInput, switch: Switch) -> list[Timeouts]:
    """What conntrack has to be told: for how long a generation's zone remembers."""
    placed = Placed(switch.placement)
    out = []
    for vip in vips_of(world, switch):
        number = world.ids.id(Space.VIP, vip.name)
        out.append(Timeouts(zones.lasting(placed, number), int(world.entry_lives[vip.name])))
    return out
