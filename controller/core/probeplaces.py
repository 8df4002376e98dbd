"""The places from which servers are probed: what each agent says of them, who of them is heard, and whose word counts.

    streams of agents ─► take ─► views ─► votes on one server
                         silent for HEARD, in doubt of itself ─► no vote

The controller that leads probes too. Its own verdicts have no vote as long as an agent is heard: it is no site's, may
be cut off from servers that serve well, and where it runs is decided by who leads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from controller.clock import Clock
from controller.core.cells import Readable
from controller.core.journal import Journal
from controller.health.places import Seen, View
from controller.health.targets import BackendRef
from controller.spec.types import Intent

HEARD = 3.0
"""Seconds after the last message for which a place counts."""
SETTLED = 4.0
"""Seconds after the start, or after a pause, for which places that were not heard yet are waited for."""
LONELY = 10.0
"""Seconds without any place after which this controller's own probes count."""
OWN = "controller"
"""What this controller's own place is called, where it is named at all."""
SILENT = "it is silent"


@dataclass(frozen=True)
class PlaceStatus:
    """A place, as it is shown."""

    site: str
    """The agent's site."""
    counts: bool
    """Its verdicts count."""
    why: str
    """Why they do not; empty: they do."""
    age: float | None
    """Seconds since it was heard; null: never."""
    verdicts: int
    """Servers of which it has a verdict."""
    differs: Mapping[str, tuple[str, ...]]
    """By pool: servers that it sees otherwise than is decided."""


@dataclass
class _Place:
    site: str
    heard: float | None = None
    view: View | None = None
    """None: nothing whole has come."""
    why: str | None = None
    """Why it does not count, as last said; None: nothing was said yet."""


class ProbePlaces:
    """Agents that the intent names."""

    def __init__(self, intent: Readable[Intent], journal: Journal, clock: Clock) -> None:
        self._intent, self._journal, self._clock = intent, journal, clock
        self._places: dict[str, _Place] = {}
        self._since = self._last = clock.now()
        self._dialled = self._is_settled = self._said_missing = False
        self._sites: dict[str | None, frozenset[str]] = {}
        self.on_change: Callable[[frozenset[BackendRef] | None], None] = lambda _: None
        """Called when a place says something else of these servers (None: of any); set by the one who assembles."""
        self.quiet = False
        """Nothing is said of places: another controller leads."""
        self.on_forget: Callable[[], None] = lambda: None
        """Called when all has to be heard from the beginning; set by the one who dials."""
        self._follow()
        intent.subscribe(self._follow)

    def dial(self) -> None:
        """From now on there is one who dials the agents. Without, there are no places but this controller's own."""
        self._dialled = True
        self._wait()
        self._last = self._since

    @property
    def used(self) -> bool:
        """Whether agents are asked what they see."""
        return self._dialled and bool(self._places)

    def say_missing(self) -> None:
        """Say once that there are agents, and none is asked."""
        if self._places and not self._dialled and not self._said_missing:
            self._said_missing = True
            self._journal.event("agents_not_asked", agents=len(self._places))

    def take(self, agent: str, view: View, changed: frozenset[BackendRef] | None) -> None:
        """A message of an agent came: all that it says now, and of which servers it says something else (None: any)."""
        place = self._places.get(agent)
        if place is None:
            return
        counted = self._counts(place)
        place.view, place.heard = view, self._clock.now()
        if self._counts(place) != counted:
            changed = None
        if self._counts(place):
            self._last = place.heard
        self._say(agent, place)
        if changed is None or changed:
            self.on_change(changed)

    def look(self) -> bool:
        """Whether a place has fallen silent since the last look; it is said."""
        said = [self._say(name, place) for name, place in self._places.items()]
        return any(said)

    def forget(self) -> None:
        """Nothing was heard for a while: what places said before does not count, and is asked for again."""
        for place in self._places.values():
            place.view = None
        self._wait()
        self._last = self._since
        self.on_forget()

    @property
    def settled(self) -> bool:
        """Whether what is not heard by now is not waited for any more."""
        if not self._is_settled:
            heard = all(self._is_heard(place) for place in self._places.values())
            self._is_settled = heard or self._clock.now() >= self._since + SETTLED
        return self._is_settled

    @property
    def lonely(self) -> bool:
        """Whether no place has counted for so long that this controller has to go by what it sees itself."""
        return self._clock.now() >= self._last + LONELY and not any(map(self._counts, self._places.values()))

    def votes(self, ref: BackendRef) -> dict[str, Seen]:
        """What places say of a server, of those that count."""
        return {
            name: seen
            for name, place in self._places.items()
            if place.view is not None
            and (seen := place.view.verdicts.get(ref)) is not None
            and self._counts(place)
        }

    def of_site(self, site: str | None) -> frozenset[str]:
        """Names of a site's places."""
        return self._sites.get(site, frozenset())

    def counting(self) -> Iterator[tuple[str, View]]:
        """Places whose verdicts count, and these."""
        for name, place in self._places.items():
            if place.view is not None and self._counts(place):
                yield name, place.view

    def site(self, name: str) -> str:
        """Site of a place."""
        return self._places[name].site

    def shown(self, differs: Mapping[str, Mapping[str, tuple[str, ...]]]) -> dict[str, PlaceStatus]:
        """All places. ``differs``: by place and pool, servers that it sees otherwise."""
        now = self._clock.now()
        return {
            name: PlaceStatus(
                place.site,
                self._counts(place),
                self._why(place),
                None if place.heard is None else round(now - place.heard, 1),
                0 if place.view is None else len(place.view.verdicts),
                dict(differs.get(name, {})),
            )
            for name, place in (self._places if self._dialled else {}).items()
        }

    # -- how --------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        named = {agent.name: site.name for site in self._intent.value.sites for agent in site.agents}
        known = self._places
        if {name: place.site for name, place in known.items()} == named:
            return
        self._places = {
            name: known[name] if name in known and known[name].site == site else _Place(site)
            for name, site in named.items()
        }
        self._sites = {
            site: frozenset(name for name, of in named.items() if of == site) for site in set(named.values())
        }
        self._wait()

    def _wait(self) -> None:
        """For places that are not heard yet, for a while."""
        self._since, self._is_settled = self._clock.now(), False

    def _is_heard(self, place: _Place) -> bool:
        return place.view is not None and place.heard is not None and self._clock.now() < place.heard + HEARD

    def _counts(self, place: _Place) -> bool:
        return self._is_heard(place) and place.view is not None and not place.view.doubt

    def _why(self, place: _Place) -> str:
        if not self._is_heard(place) or place.view is None:
            return SILENT
        return place.view.doubt

    def _say(self, name: str, place: _Place) -> bool:
        """Say that a place counts, or why it does not, if that is new; one that has just begun is waited for."""
        why = self._why(place)
        if self.quiet or why == place.why or (why == SILENT and not self.settled):
            return False
        if bool(why) != bool(place.why) or place.why is None:
            if why:
                self._journal.event("place_lost", place=name, site=place.site, why=why)
            else:
                self._journal.event("place_heard", place=name, site=place.site)
        place.why = why
        return True
