"""What a name server shows: its figures become text, and the answers about life and readiness."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from controller.core.nameserverevents import NAMESERVERS
from controller.exits.names.serve.counters import Counters
from controller.exits.names.serve.wire import Rcode
from controller.metrics import families as all_of
from controller.metrics.figures import ProcessFigures, Standing
from controller.metrics.histogram import Distribution
from controller.metrics.observations import Observations, Observed
from controller.metrics.process import process_figures, program_version
from controller.metrics.series import of_events, of_process
from controller.metrics.text import Text, labels


@dataclass(frozen=True)
class NameServerFigures:
    """Of a name server, at one moment."""

    name: str
    site: str
    heard: float | None
    """Seconds since a controller was heard; None: none was."""
    age: float | None
    """Seconds for which the tables have been the same; None: there are none yet."""
    expired: bool
    names: Mapping[str, int]
    """By zone."""
    problems: tuple[str, ...]
    counters: Counters
    """A copy."""
    signatures: int
    seconds: Distribution


@dataclass(frozen=True)
class Shown:
    """All that is shown."""

    version: str
    itself: NameServerFigures
    observed: Observed
    process: ProcessFigures
    dropped: int
    """Events that the journal's reader was too slow for."""


class NameServerExposed:
    """All that its metrics are made from."""

    def __init__(
        self, take: Callable[[], NameServerFigures], observations: Observations, dropped: Callable[[], int]
    ) -> None:
        """``take``: its figures now. ``dropped``: events that the journal's reader was too slow for."""
        self.observations = observations
        self._take, self._dropped = take, dropped
        self._version = program_version()

    def figures(self) -> Shown:
        """Everything, as it is now. Call it in the event loop."""
        observed, process = self.observations.taken(), process_figures()
        return Shown(self._version, self._take(), observed, process, self._dropped())

    def standing(self) -> Standing:
        """Whether it answers."""
        found = self._take()
        if found.expired:
            ready, why = False, "no controller was heard for too long: nothing is answered"
        elif found.age is None:
            ready, why = False, "starts: no controller was heard yet"
        else:
            ready, why = True, f"answers for {len(found.names)} zones"
        return Standing(False, ready, why, True, found.name)

    @staticmethod
    def text(figures: Shown, plain: bool) -> bytes:
        """All metrics as text."""
        text = Text(plain)
        text.rows(all_of.BUILD, [(labels(version=figures.version), 1)])
        text.histograms(all_of.LAG, [("", figures.observed.lag)])
        of_events(text, NAMESERVERS, figures.observed.events)
        text.value(all_of.DROPPED, figures.dropped)
        of_process(text, figures.process)
        _served(text, figures.itself)
        _counted(text, figures.itself.counters)
        return text.whole()


def _served(text: Text, of: NameServerFigures) -> None:
    text.rows(all_of.NAME_SERVER, [(labels(nameserver=of.name, site=of.site), 1)])
    text.value(all_of.NAME_HEARD, of.heard)
    text.value(all_of.NAME_AGE, of.age)
    text.value(all_of.NAME_EXPIRED, int(of.expired))
    text.rows(all_of.NAME_NAMES, ((labels(zone=zone), count) for zone, count in of.names.items()))
    text.value(all_of.NAME_PROBLEMS, len(of.problems))
    text.value(all_of.NAME_SIGNATURES, of.signatures)
    text.histograms(all_of.NAME_SECONDS, [("", of.seconds)])


def _counted(text: Text, of: Counters) -> None:
    queries = (("udp", of.udp), ("tcp", of.tcp))
    text.rows(all_of.NAME_QUERIES, ((labels(protocol=name), count) for name, count in queries))
    text.rows(
        all_of.NAME_ANSWERS,
        ((labels(rcode=Rcode(each).name), count) for each, count in sorted(of.rcodes.items())),
    )
    limited = (("drop", of.dropped), ("slip", of.slipped))
    text.rows(all_of.NAME_LIMITED, ((labels(how=how), count) for how, count in limited))
    for family, count in (
        (all_of.NAME_TRUNCATED, of.truncated),
        (all_of.NAME_IGNORED, of.ignored),
        (all_of.NAME_UNSENT, of.unsent),
        (all_of.NAME_FAILED, of.failed),
        (all_of.NAME_SUBNETS, of.subnets),
        (all_of.NAME_COOKIES, of.cookies),
        (all_of.NAME_CONNECTIONS, of.connections),
        (all_of.NAME_CLOSED, of.refused),
    ):
        text.value(family, count)
