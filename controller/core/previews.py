"""What an intent would do if it were proposed now: asked before it is, and changes nothing. Owns nothing.

    loop: cells, pins, counters as they are ─► thread: tables ─► loop: owners ─► thread: each switch's entries

What is computed is computed from frozen values beside the event loop, for one who asks at a time.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from controller.clock import Clock
from controller.core.fleet import Fleet
from controller.core.intents import Intents
from controller.core.judging import frozen
from controller.core.placing import Placing
from controller.core.pools import Pools
from controller.core.state import State
from controller.core.storedcells import Names
from controller.plan import spreads
from controller.plan.accept import accept, switch_renames
from controller.plan.budget import over_budget
from controller.plan.duty import PlanInput, kept_backends, world_of
from controller.plan.edits import breaking
from controller.plan.p4needs import grouped
from controller.plan.pins import PinBook
from controller.plan.preview import (
    Counts,
    EntryChange,
    Preview,
    SwitchChange,
    hitless,
    local_losses,
    pool_changes,
    vip_moves,
)
from controller.plan.progress import Helds, advance
from controller.plan.shutout import shut_out
from controller.plan.tables import Tables, Verdicts, served
from controller.sites.groups import MacGroup, mac_groups
from controller.southbound.driver import Counts as CountsPackets
from controller.southbound.openflow.preview import OpenFlowPreview
from controller.southbound.p4.preview import P4Preview
from controller.southbound.preview import Difference, Planned
from controller.spec.kinds import Protocol as Speaks
from controller.spec.types import Intent, Role, Switch
from p4src.spec import Secret

Refusals = Callable[[Intent, Intent, Tables, float], list[str]]
"""(old, new, tables of old, now) -> why ``new`` may not take the place of ``old``, but for its price."""


@dataclass(frozen=True)
class Present:
    """All that a preview is computed from; nothing of it changes."""

    intent: Intent
    tables: Tables
    verdicts: Verdicts
    owners: Mapping[str, str]
    admitted: Names
    absent: Names
    dead_links: frozenset[tuple[str, int]]
    pins: PinBook
    secret: Secret
    revision: int
    now: float
    helds: Helds
    answers: spreads.Answers
    packets: Counts
    connected: frozenset[int] | None
    """Ids of switches; None: not known."""

    @property
    def world(self) -> PlanInput:
        """What is planned from."""
        return world_of(
            self.intent,
            self.tables,
            self.pins,
            self.admitted,
            self.owners,
            self.absent,
            self.dead_links,
            self.revision,
        )

    def proposed(self, new: Intent, tables: Tables, owners: Mapping[str, str]) -> Present:
        """The same once an intent is in force, and pins have ended that nothing keeps."""
        absent, admitted = (_renamed(cell, self.intent, new) for cell in (self.absent, self.admitted))
        pins = self.pins.copy()
        pins.rename(switch_renames(self.intent, new))
        made = replace(
            self, intent=new, tables=tables, owners=owners, absent=absent, admitted=admitted, pins=pins
        )
        pins.drop(pins.strays(kept_backends(made.world)))
        return made


def _renamed(names: Names, old: Intent, new: Intent) -> Names:
    """Switches of a cell as they are called in another intent, without those that it does not name."""
    renamed = switch_renames(old, new)
    removed = {switch.name for switch in old.switches if new.switch(switch.id) is None}
    return frozenset(renamed.get(name, name) for name in names - removed)


Owned = Callable[[MacGroup, str], str]
"""Where a group of VIPs belongs, by it and the site that owns it now (empty: none does)."""


class Previews:
    """Previews of proposals, one at a time."""

    def __init__(
        self,
        present: Callable[[], Present],
        owned: Owned,
        refusals: Refusals,
        adapted: Callable[[Intent], Intent] = lambda intent: intent,
    ) -> None:
        """``adapted``: a proposal as this controller carries it out."""
        self._present = present
        self._adapted = adapted
        self._owned = owned
        self._refusals = refusals
        self._turn = asyncio.Lock()

    async def preview(self, new: Intent, entries: int = 0) -> Preview:
        """What a proposal would do now. ``entries``: so many of each switch's are listed."""
        async with self._turn:
            present, new = self._present(), self._adapted(new)
            refused, tables = await asyncio.to_thread(would_be, present, new, self._refusals)
            if tables is None:
                return nothing(present.revision, refused)
            owners = owners_after(present, new, tables, self._owned)
            return await asyncio.to_thread(preview, present, new, tables, owners, refused, entries)


def preview_now(present: Present, new: Intent, owned: Owned, refusals: Refusals, entries: int = 0) -> Preview:
    """The same at once, where there is no event loop to hold up."""
    refused, tables = would_be(present, new, refusals)
    if tables is None:
        return nothing(present.revision, refused)
    return preview(present, new, tables, owners_after(present, new, tables, owned), refused, entries)


def nothing(revision: int, refused: tuple[str, ...]) -> Preview:
    """Of an intent that cannot be planned."""
    return Preview(revision, refused, hitless((), ()), (), (), (), ())


def would_be(present: Present, new: Intent, refusals: Refusals) -> tuple[tuple[str, ...], Tables | None]:
    """Why an intent would be refused, and the tables that it would have all the same; None: it has none."""
    try:
        why = refusals(present.intent, new, present.tables, present.now)
        accepted = accept(present.tables, present.intent, new, present.now)
        made = advance(
            accepted, new, present.verdicts, present.now, present.helds, present.answers, whole=True
        )
        # Switches are called otherwise in a step of its own, as when it is accepted.
        made = grouped(made, new, present.now, present.absent, present.dead_links)
        absent = _renamed(present.absent, present.intent, new)
        made = grouped(made, new, present.now, absent, present.dead_links)
        if not why:
            why = over_budget(present.intent, new, present.tables, made, present.verdicts, present.now)
    except Exception as error:  # whatever an intent raises, its proposal would be refused for it
        return (f"it cannot be planned ({type(error).__name__}: {error})",), None
    return tuple(why), made


def owners_after(present: Present, new: Intent, tables: Tables, owned: Owned) -> dict[str, str]:
    """Who owns each VIP once all moves are over."""
    found = {}
    for group in mac_groups(served(new, tables)):
        site = owned(group, present.owners.get(group.vips[0], ""))
        found.update(dict.fromkeys(group.vips, site) if site else {})
    return found


def preview(
    present: Present,
    new: Intent,
    tables: Tables,
    owners: Mapping[str, str],
    refused: tuple[str, ...],
    entries: int,
) -> Preview:
    """From the present to an intent in force."""
    after = present.proposed(new, tables, owners)
    pools = pool_changes(new, present.tables, tables, present.now, present.pins.counts(), present.packets)
    vips = tuple(vip_moves(present.intent, new, present.owners, owners))
    losses = (
        *_broken(present, new),
        *local_losses(present.intent, new, vips),
        *shut_out(present.intent, new),
    )
    switches = tuple(_switches(present, after, entries))
    return Preview(present.revision, refused, hitless(pools, losses), losses, pools, vips, switches)


def _broken(present: Present, new: Intent) -> Iterator[str]:
    """What an edit breaks, whether it is refused for that or ``accept_loss`` lets it."""
    vips = (
        replace(vip, listeners=tuple(replace(item, accept_loss=False) for item in vip.listeners))
        for vip in new.vips
    )
    strict = replace(new, vips=tuple(vips))
    yield from (why.partition(": add ")[0] for why in breaking(present.intent, strict, present.tables))


def _switches(present: Present, after: Present, most: int) -> Iterator[SwitchChange]:
    before, world = present.world, after.world
    for switch in after.intent.switches:
        old = present.intent.switch(switch.id)
        made = _difference(
            switch, None if old is None else Planned(before, old), Planned(world, switch), present
        )
        if old is None or len(made.delta):
            yield _change(switch, made, present, most, joins=old is None)
    for switch in present.intent.switches:
        if after.intent.switch(switch.id) is None:
            made = _difference(switch, Planned(before, switch), None, present)
            yield _change(switch, made, present, most, leaves=True)


def _difference(
    switch: Switch, before: Planned | None, after: Planned | None, present: Present
) -> Difference:
    if switch.of_kind.protocol is Speaks.OPENFLOW:
        return OpenFlowPreview().change(switch, before, after)
    return P4Preview(present.secret).change(switch, before, after)


def _change(
    switch: Switch,
    made: Difference,
    present: Present,
    most: int,
    *,
    joins: bool = False,
    leaves: bool = False,
) -> SwitchChange:
    delta = made.delta
    listed = tuple(EntryChange(*each) for each in islice(made.entries, most))
    left = delta.added + delta.modified + delta.deleted - len(listed) if most else 0
    connected = None if present.connected is None else switch.id in present.connected
    return SwitchChange(
        switch.name, delta.added, delta.modified, delta.deleted, connected, joins, leaves, listed, left
    )


def counted(fleet: Fleet) -> tuple[Counts, frozenset[int]]:
    """Packets by listener and backend, of all lb switches; and the ids of the switches that are connected."""
    total: Counter[tuple[int, int]] = Counter()
    for task in fleet:
        if Role.LB in task.switch.roles and isinstance(task.driver, CountsPackets):
            for pair, (count, _) in task.driver.packets.items():
                total[pair] += count
    return total, frozenset(fleet.ids())


def present_of(
    state: State,
    clock: Clock,
    pins: PinBook,
    helds: Helds,
    answers: spreads.Answers,
    packets: Counts,
    connected: frozenset[int],
) -> Present:
    """The cells as they are."""
    tables = state.tables.value
    return Present(
        state.intent.value,
        tables,
        state.verdicts.value,
        state.owners.value,
        state.admitted.value,
        state.absent.value,
        state.dead_links.value,
        pins.copy(),
        state.secret,
        state.revision,
        clock.now(),
        frozen(helds, tables.pools),
        answers,
        packets,
        connected,
    )


def previews_of(
    state: State,
    clock: Clock,
    pins: PinBook,
    helds: Helds,
    pools: Pools,
    fleet: Fleet,
    placing: Placing,
    intents: Intents,
) -> Previews:
    """The previews of a running controller."""
    return Previews(
        lambda: present_of(state, clock, pins, helds, pools.answers_now(), *counted(fleet)),
        lambda group, owner: placing.decide(group, owner).site,
        intents.reasons,
        intents.adapted,
    )
