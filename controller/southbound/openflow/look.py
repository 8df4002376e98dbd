"""The flows of one connection's slot and pin as they stand on a switch, compared with those that should be there."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from controller.southbound.driver import SeenEntry, Spot
from controller.southbound.openflow.session import Session
from flows import slots
from flows.diff import describe
from flows.entries import Flow, Target
from flows.match import Match
from flows.messages import FlowStat
from flows.spec import Here, family
from flows.stages.pin import keys
from flows.tables import LISTENER, POOL, SLOT, Cookie, Kind, Stage


async def look(session: Session, here: Here, want: Target, spot: Spot) -> list[SeenEntry]:
    """Ask for both. Raises SwitchError."""
    placed = here.placed
    place = Match.of(**{POOL: spot.pool, SLOT: spot.slot})
    table = want.slots.get(spot.pool)
    wanted = [] if table is None else slots.flows_at(placed, spot.pool, spot.slot, table)
    seen = [*_compared("slot", wanted, await session.flows(placed.table(Stage.SLOT), place))]
    kin = family(spot.source)
    source = Match.of(
        **{LISTENER: spot.listener, "eth_type": kin.eth_type, "ip_proto": spot.protocol.number},
        **{kin.src: spot.source},
    )
    found = await session.flows(placed.table(Stage.PIN), source)
    places = {
        key for slot in (spot.slot, None) for key in keys(here, spot.listener, spot.source, spot.port, slot)
    }
    pins = [Flow(key, want.flows[key]) for key in places if key in want.flows]
    return [*seen, *_compared("pin", pins, (each for each in found if each.flow.key in places))]


def _compared(what: str, wanted: Iterable[Flow], found: Iterable[FlowStat]) -> Iterator[SeenEntry]:
    there = {stat.flow.key: stat for stat in found}
    for flow in wanted:
        stat = there.pop(flow.key, None)
        if stat is None:
            yield SeenEntry(what, "missing", _words(flow))
        else:
            state = "as planned" if stat.flow.body == flow.body else "modified"
            yield SeenEntry(what, state, _words(flow), stat.packets)
    for stat in there.values():
        yield SeenEntry(what, "unexpected", _words(stat.flow), stat.packets)


def _words(flow: Flow) -> str:
    cookie = Cookie.parse(flow.body.cookie)
    kind = "flow" if cookie is None else Kind(cookie.kind).name.lower()
    return f"{kind} {describe(flow.key)}"
