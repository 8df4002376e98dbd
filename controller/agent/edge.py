"""One edge of an agent's site, whatever it speaks: who may answer, and until when."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Set
from typing import Any, NamedTuple

from controller.spec.leasetimes import LeaseTimes
from controller.spec.switch import VipSpec
from controller.spec.types import Switch, Vip

LONGEST = 1.0
"""Seconds slept at most."""


class Wanted(NamedTuple):
    """One VIP that an edge may answer for."""

    spec: VipSpec
    until: float


class Edge(ABC):
    """Of our site. Those that are asked for change what ``run`` does next."""

    switch: Switch
    session: Any = None
    """Its stream, of the kind that it needs; None: it is not here."""
    problem: str = ""
    """What the edge refused last; empty: nothing."""

    drift: float = LeaseTimes.drift
    """By which share a clock may run too fast or too slow."""

    # -- what is asked for ------------------------------------------------------------------------------------

    @abstractmethod
    def connect(self, session: Any) -> None:
        """Its stream is up."""

    @abstractmethod
    def disconnect(self, session: Any) -> None:
        """A stream of it ended."""

    @abstractmethod
    def use(self, switch: Switch) -> None:
        """The switch as the intent has it now."""

    @abstractmethod
    def announce_on(self, ports: tuple[int, ...]) -> None:
        """It announces VIPs on these ports."""

    @abstractmethod
    def want(
        self, wanted: Mapping[int, Wanted], others: Mapping[int, VipSpec], foreign: Set[int], acts: bool
    ) -> None:
        """It may answer for these VIPs until their deadlines. ``others``: the site's other VIPs; ``foreign``: those for
        which it must not answer; ``acts``: whether this agent acts for its site."""

    @abstractmethod
    def wake(self) -> None:
        """Something about its stream has changed."""

    # -- what is known ----------------------------------------------------------------------------------------

    @property
    @abstractmethod
    def standing(self) -> frozenset[int]:
        """VIPs for which it may answer now or when its fence is claimed, as far as this agent knows."""

    @property
    @abstractmethod
    def claimed_until(self) -> float:
        """Until when its fence may be claimed; 0: not at all."""

    @property
    @abstractmethod
    def takes_authority(self) -> bool:
        """Whether it can be given authority, apart from its fence."""

    @abstractmethod
    def is_silent(self, vips: frozenset[int]) -> bool:
        """Whether it is known to answer for none of these, and not to begin to by what was sent before."""

    @abstractmethod
    def announces(self) -> frozenset[int]:
        """VIPs that it may announce now."""

    @abstractmethod
    async def announce(self, vip: Vip) -> None:
        """Have it say where a VIP is; it does so only while it has authority, as far as the switch can tell."""

    # -- how --------------------------------------------------------------------------------------------------

    @abstractmethod
    async def run(self) -> None:
        """Until cancelled. What goes wrong with a stream ends that stream."""
