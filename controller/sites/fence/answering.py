"""For which VIPs one switch may answer, and until when its fence may be claimed. Pure.

A fence is one for all VIPs of a switch, and sites own VIPs one by one. So the claim holds until the first deadline
among the VIPs for which the switch may have flows, and a VIP that is lost leaves the claim to the others as soon as the
switch has acknowledged that its flows are gone. If that does not come before its deadline, all of the switch is silent.
"""

from __future__ import annotations

from collections.abc import Mapping, Set


class Answering:
    """One switch, as far as its controller knows."""

    def __init__(self) -> None:
        self._standing: frozenset[int] = frozenset()
        self._deadlines: dict[int, float] = {}

    @property
    def standing(self) -> frozenset[int]:
        """VIPs, by id, for which the switch may have flows: written, and not acknowledged as deleted."""
        return self._standing

    def written(self, vips: Set[int]) -> None:
        """Flows for these are on their way, or were found."""
        self._standing |= vips

    def acknowledged(self, vips: Set[int]) -> None:
        """The switch holds flows for these and for no others."""
        self._standing = frozenset(vips)

    def renew(self, until: Mapping[int, float]) -> None:
        """Authority for these VIPs lasts until then; for others it ends when it was to end."""
        kept = {vip: end for vip, end in self._deadlines.items() if vip in self._standing}
        self._deadlines = kept | dict(until)

    @property
    def until(self) -> float:
        """Until when the fence may be claimed; 0: not at all."""
        return min((self._deadlines.get(vip, 0.0) for vip in self._standing), default=0.0)
