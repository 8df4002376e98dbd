"""How what is for all hosts crosses from one site's clients to those of another, over the fabric between. Pure.

    clients ─► edge ─► one lb ─► one leaf ─► one stretch link ═► leaf ─► one lb ─► every edge ─► clients

A frame goes up (edge, lb, leaf: by the highest role of a switch), crosses at most one link to another site, and from
then on goes down only: what came from above or from another site never goes up again, whatever a switch believes of
others. So there is no loop, not even while switches hold plans of different moments; and each switch picks one way up,
and down to every edge one, so there is one copy. Of several links to one site the first that lives carries, the others
stand by; the same is true of lb switches and leaves on the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from controller.spec.types import Intent, Port, Role, Switch

_HEIGHTS = {Role.EDGE: 0, Role.LB: 1, Role.LEAF: 2}


class Stretch:
    """The ways between sites as far as they are known to live."""

    def __init__(
        self,
        intent: Intent,
        absent: frozenset[str] = frozenset(),
        dead_links: frozenset[tuple[str, int]] = frozenset(),
    ) -> None:
        """``absent``: switches that are gone; ``dead_links``: ports whose cables carry nothing."""
        self._intent = intent
        self._absent = absent
        self._dead = dead_links
        self._joined = cache(self._joins)

    def links(self, switch: Switch) -> list[Port]:
        """Ports that lead to a switch of another site."""
        return [port for port, other in self._neighbours(switch) if other.site != switch.site]

    def above(self, switch: Switch) -> list[Port]:
        """Ports that lead to higher switches of the site behind which is another site, living or not.

        None where the switch leads to another site itself.
        """
        if self.links(switch):
            return []
        return [port for port, other in self._higher(switch) if self._joined(other.name)]

    def below(self, switch: Switch) -> list[Port]:
        """Ports that lead to lower switches with edges, if there is another site to be reached from here."""
        if not self._joined(switch.name):
            return []
        return [port for port, other in self._lower(switch) if self._edges(other, living=False)]

    def ways_up(self, switch: Switch) -> list[list[Port]]:
        """Ports by which a frame leaves for other sites, alive or not: of each list one, the first that leads there.

        A list for each site that the switch leads to itself; else one list, of higher switches.
        """
        sites: dict[str, list[Port]] = {}
        for port in self.links(switch):
            sites.setdefault(self._at(port).site, []).append(port)
        return list(sites.values()) or list(filter(None, [self.above(switch)]))

    def ways_down(self, switch: Switch, came: int | None = None) -> list[list[Port]]:
        """Ports by which a frame reaches every edge, alive or not: of each list one. ``came``: see ``down``."""
        behind = {port: self._edges(self._at(port), living=False) for port in self.below(switch)}
        known = next((edges for port, edges in behind.items() if port.number == came), frozenset())
        lists: dict[frozenset[str], list[Port]] = {}
        for port, edges in behind.items():
            if not edges <= known:
                lists.setdefault(edges, []).append(port)
        return list(lists.values())

    def up(self, switch: Switch) -> list[int]:
        """Ports by which a frame leaves for other sites, as far as is known: one to each, or one to a higher switch."""
        out = []
        for ways in self.ways_up(switch):
            living = [port for port in ways if self._carries(switch, port)]
            leading = [port for port in living if self._leads(self._at(port), switch.site)]
            out.append((leading or living or ways)[0].number)
        return out

    def down(self, switch: Switch, came: int | None = None) -> list[int]:
        """Ports by which a frame reaches every edge once; ``came``: but for those behind this port."""
        ports = self.below(switch)
        behind = {port.number: self._edges(self._at(port)) for port in ports if self._carries(switch, port)}
        # Not over what lives: a frame must not come back to its sender because a switch takes a cable for dead.
        sender = next((port for port in ports if port.number == came), None)
        reached = frozenset() if sender is None else self._edges(self._at(sender), living=False)
        out = []
        for port in sorted(behind, key=lambda number: (-len(behind[number]), number)):
            if port != came and not behind[port] <= reached:
                out.append(port)
                reached |= behind[port]
        return out

    # -- what is behind a port ----------------------------------------------------------------------------------

    def _neighbours(self, switch: Switch) -> Iterator[tuple[Port, Switch]]:
        for port in switch.ports:
            other = self._intent.switch_named(port.to)
            if other is not None and other.name != switch.name:
                yield port, other

    def _higher(self, switch: Switch) -> list[tuple[Port, Switch]]:
        return [
            (p, o)
            for p, o in self._neighbours(switch)
            if o.site == switch.site and _height(o) > _height(switch)
        ]

    def _lower(self, switch: Switch) -> list[tuple[Port, Switch]]:
        return [
            (p, o)
            for p, o in self._neighbours(switch)
            if o.site == switch.site and _height(o) < _height(switch)
        ]

    def _joins(self, name: str) -> bool:
        """Whether another site is behind a switch or those above it, living or not."""
        switch = self._intent.switch_named(name)
        assert switch is not None, f"no switch {name}"
        return bool(self.links(switch)) or any(self._joined(other.name) for _, other in self._higher(switch))

    def _leads(self, switch: Switch, site: str) -> bool:
        """Whether a switch is at another site than this, or one is behind it or those above it, over what lives."""
        if switch.site != site:
            return True
        links = self.links(switch)
        if links:
            return any(self._carries(switch, port) for port in links)
        return any(self._carries(switch, p) and self._leads(o, site) for p, o in self._higher(switch))

    def _edges(self, switch: Switch, living: bool = True) -> frozenset[str]:
        """Edges at or below a switch, over what lives or over all cables."""
        own = frozenset({switch.name}) if Role.EDGE in switch.roles else frozenset()
        lower = (o for p, o in self._lower(switch) if not living or self._carries(switch, p))
        return own.union(*(self._edges(other, living) for other in lower))

    def _carries(self, switch: Switch, port: Port) -> bool:
        return (switch.name, port.number) not in self._dead and port.to not in self._absent

    def _at(self, port: Port) -> Switch:
        found = self._intent.switch_named(port.to)
        assert found is not None, f"no switch {port.to}"
        return found


def _height(switch: Switch) -> int:
    return max(_HEIGHTS[role] for role in switch.roles)
