"""What an agent takes from the store: the intent as it is carried out, orders, and the numbers of VIPs. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from controller.plan.ids import IdAllocator, Space
from controller.plan.tables import Retained, Tables, served
from controller.sites.orders import Orders
from controller.spec.codec import decode
from controller.spec.types import Intent, Role, Switch

NAMES = frozenset({"intent", "ids", "retained", "orders"})
"""Values of the store that facts are made of."""
NOTHING = Intent((), (), (), ())


@dataclass(frozen=True)
class Facts:
    """As of one commit."""

    intent: Intent = NOTHING
    """With the listeners that drain: a VIP that leaves is answered for until it has."""
    orders: Orders = field(default_factory=Orders)
    numbers: Mapping[str, int] = field(default_factory=dict)
    """VIP -> the number in its flows' cookies; one without has not been planned for yet."""

    def switches(self, site: str, role: Role) -> tuple[Switch, ...]:
        """Those of a site that have a role."""
        return tuple(each for each in self.intent.switches if each.site == site and role in each.roles)

    def site_of(self, agent: str) -> str | None:
        """The site whose agent that is; None: the intent names none of that name."""
        sites = (site.name for site in self.intent.sites if any(each.name == agent for each in site.agents))
        return next(sites, None)

    def names_of(self, site: str) -> tuple[str, ...]:
        """Of a site's agents."""
        found = (each.agents for each in self.intent.sites if each.name == site)
        return tuple(agent.name for agents in found for agent in agents)


def facts_of(values: Mapping[str, bytes]) -> Facts:
    """What the store holds. Raises ValueError naming what is damaged."""
    try:
        intent = decode(Intent, json.loads(values["intent"])) if "intent" in values else NOTHING
        ids = IdAllocator.load(values["ids"].decode()) if "ids" in values else IdAllocator()
        given = json.loads(values.get("retained", b"{}"))
        retained = {name: decode(Retained, each) for name, each in given.items()}
        orders = decode(Orders, json.loads(values["orders"])) if "orders" in values else Orders()
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"the stored intent cannot be read: {error}") from error
    whole = served(intent, Tables(retained=retained))
    numbers = {vip.name: number for vip in whole.vips if (number := ids.find(Space.VIP, vip.name))}
    return Facts(whole, orders, numbers)
