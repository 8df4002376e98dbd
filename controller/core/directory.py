"""Who is who in a commit: switches by id, listeners by number, backends by id. Made once for each commit."""

from __future__ import annotations

from controller.core.cells import Readable
from controller.plan.duty import PlanInput
from controller.plan.ids import Space
from controller.spec.switch import Fate
from controller.spec.types import Address, Backend, Listener, Role, Switch, Vip


class Directory:
    """Indexes of one commit."""

    def __init__(self, world: PlanInput) -> None:
        self.world = world
        numbers = world.ids.ids(Space.LISTENER)
        self._listeners = {
            numbers[item.name]: item for item in world.intent.listeners() if item.name in numbers
        }
        self._numbers = {item.name: number for number, item in self._listeners.items()}
        self._by_tuple = {
            (vip.address, item.protocol.number, item.port): item
            for vip in world.intent.vips
            for item in vip.listeners
        }
        vips = world.ids.ids(Space.VIP)
        self._vips = {vips[vip.name]: vip for vip in world.intent.vips if vip.name in vips}
        self._macs = {item.name: vip.mac for vip in world.intent.vips for item in vip.listeners}

    def switch(self, number: int) -> Switch | None:
        """By datapath or device id."""
        return self.world.intent.switch(number)

    def listener(self, number: int) -> Listener | None:
        """By its number on switches."""
        return self._listeners.get(number)

    def vip(self, number: int) -> Vip | None:
        """By its number on switches."""
        return self._vips.get(number)

    def number(self, listener: Listener) -> int:
        """A listener's number on switches."""
        return self._numbers[listener.name]

    def listener_at(self, address: Address, protocol: int, port: int) -> Listener | None:
        """By what packets are addressed to; ``protocol`` is IANA's number."""
        return self._by_tuple.get((address, protocol, port))

    def mac(self, listener: Listener) -> str:
        """The virtual MAC of a listener's VIP."""
        return self._macs[listener.name]

    def backend(self, listener: Listener, number: int) -> Backend | None:
        """A backend that connections of a listener may be on, by id."""
        members = self.world.state_of(listener).members
        return next((m.backend for m in members if m.id == number), None)

    def resets(self, listener: Listener, number: int) -> bool:
        """Whether connections of a listener that are on a backend are reset; of no member of the pool they are.

        A switch may say so of one that has returned: for as long as its flows, or what it caches of them, are old.
        """
        if self.backend(listener, number) is None:
            return True
        return self.world.state_of(listener).fates.get(number, Fate.NORMAL) is Fate.RESET

    def lbs(self, site: str) -> list[Switch]:
        """The lb switches of a site."""
        return [s for s in self.world.intent.switches if Role.LB in s.roles and s.site == site]


class Directories:
    """The directory of the last commit."""

    def __init__(self, committed: Readable[PlanInput | None]) -> None:
        self._committed = committed
        self._made: Directory | None = None

    @property
    def now(self) -> Directory:
        """Of the last commit."""
        world = self._committed.value
        assert world is not None, "nothing is looked up before the first commit"
        if self._made is None or self._made.world is not world:
            self._made = Directory(world)
        return self._made
