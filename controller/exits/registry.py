"""All exits there are, and how they see the controller's state."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from controller.clock import Clock
from controller.core.commands import Command
from controller.core.journal import Journal
from controller.core.servers import Servers
from controller.core.sessions import Sessions
from controller.core.state import State
from controller.exits.base import Around, Exits, Make, Seen
from controller.exits.names.commands import name_commands
from controller.exits.names.exit import NamesExit
from controller.exits.routes.exit import RoutesExit
from controller.exits.tier.exit import TierExit
from controller.exits.xds.commands import discovery_commands
from controller.exits.xds.exit import DiscoveryExit
from controller.sites.placement import SiteState

EXITS: tuple[Make, ...] = (NamesExit, RoutesExit, TierExit, DiscoveryExit)
"""Makers of all exits. What is costly to import is imported when the intent has something for it."""


def around(
    state: State,
    sites: Callable[[], Mapping[str, SiteState] | None],
    journal: Journal,
    clock: Clock,
    servers: Servers,
    sessions: Sessions,
) -> Around:
    """What exits are handed. ``sites``: how fit each is; None where nothing judges that."""
    cells = (state.intent, state.tables, state.verdicts, state.owners)
    others = (state.admitted, state.absent, state.orders, state.committed)

    def see() -> Seen:
        return Seen(
            state.revision,
            state.intent.value,
            state.tables.value,
            state.verdicts.value,
            state.owners.value,
            state.admitted.value,
            state.absent.value,
            frozenset(state.orders.value.drained),
            sites(),
        )

    def subscribe(wake: Callable[[], None]) -> None:
        for cell in cells:
            cell.subscribe(wake)
        for other in others:
            other.subscribe(wake)

    def connections(pool: str, backend: str) -> int | None:
        heard = servers.heard((pool, backend))
        if heard is not None and not heard.silent and heard.connections is not None:
            return heard.connections
        counted = sessions.of_backend((pool, backend))
        return None if counted is None or not counted.tells else round(counted.live)

    return Around(see, subscribe, journal, clock, connections)


def exit_commands(exits: Exits) -> tuple[Command, ...]:
    """What exits take by the control socket."""
    discovery = exits.exit(DiscoveryExit.name)
    assert isinstance(discovery, DiscoveryExit)
    return (*name_commands(names_exit(exits)), *discovery_commands(discovery))


def names_exit(exits: Exits) -> NamesExit:
    """The exit to names."""
    found = exits.exit(NamesExit.name)
    assert isinstance(found, NamesExit)
    return found
