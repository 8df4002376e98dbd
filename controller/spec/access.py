"""Which sources a listener serves: frozen data."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from controller.spec.addresses import Address, Network

MOST_RULES = 4096
"""Prefixes of one list."""


class Rule(NamedTuple):
    """One prefix."""

    prefix: Network
    allows: bool
    """Its packets are served; else dropped."""


@dataclass(frozen=True)
class Access:
    """Prefixes whose packets are served or dropped: the longest that matches counts; what none names is served."""

    allow: tuple[Network, ...] = ()
    """Sources that are served although a shorter prefix of ``block`` names them."""
    block: tuple[Network, ...] = ()
    """Sources whose packets are dropped: those of established connections as well."""

    @property
    def rules(self) -> Iterator[Rule]:
        """All of them; blocking ones first."""
        yield from (Rule(prefix, False) for prefix in self.block)
        yield from (Rule(prefix, True) for prefix in self.allow)

    def rule_of(self, source: Address) -> Rule | None:
        """The one that counts for a source; None: none names it, so it is served."""
        found = [rule for rule in self.rules if source in rule.prefix]
        return max(found, key=lambda rule: rule.prefix.prefixlen, default=None)

    def __len__(self) -> int:
        return len(self.allow) + len(self.block)


OPEN = Access()
"""All sources are served."""
