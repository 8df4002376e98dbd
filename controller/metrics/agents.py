"""What an agent shows: its figures become text, and the answers about life and readiness."""

from __future__ import annotations

from collections.abc import Callable

from controller.agent.figures import AgentFigures, GroupRole
from controller.core.agentevents import AGENTS
from controller.metrics import families as all_of
from controller.metrics.figures import AgentShown, Standing
from controller.metrics.observations import Observations
from controller.metrics.process import process_figures, program_version
from controller.metrics.series import of_events, of_process
from controller.metrics.text import Text, labels


class AgentExposed:
    """All that an agent's metrics are made from."""

    def __init__(
        self, take: Callable[[], AgentFigures], observations: Observations, dropped: Callable[[], int]
    ) -> None:
        """``take``: its figures now. ``dropped``: events that the journal's reader was too slow for."""
        self.observations = observations
        self._take, self._dropped = take, dropped
        self._version = program_version()

    def figures(self) -> AgentShown:
        """Everything, as it is now. Call it in the event loop."""
        observed, process = self.observations.taken(), process_figures()
        return AgentShown(self._version, self._take(), observed, process, self._dropped())

    def standing(self) -> Standing:
        """Whether it could act for its site."""
        found = self._take().itself
        if found.problem:
            why = f"the store does not answer: {found.problem}"
        elif not found.site:
            why = "no site of the intent names it"
        elif not found.ready:
            why = "starts"
        else:
            why = f"acts for {found.site}" if found.acts else f"stands by for {found.site}"
        ready = found.ready and bool(found.site) and not found.problem
        return Standing(found.acts, ready, why, not found.problem, found.name)

    @staticmethod
    def text(figures: AgentShown, plain: bool) -> bytes:
        """All metrics as text."""
        text = Text(plain)
        _process(text, figures)
        _itself(text, figures.agent)
        _groups(text, figures.agent)
        _around(text, figures.agent)
        return text.whole()


def _process(text: Text, of: AgentShown) -> None:
    text.rows(all_of.BUILD, [(labels(version=of.version), 1)])
    text.histograms(all_of.LAG, [("", of.observed.lag)])
    of_events(text, AGENTS, of.observed.events)
    text.value(all_of.DROPPED, of.dropped)
    of_process(text, of.process)
    text.value(all_of.STORE, int(not of.agent.itself.problem))


def _itself(text: Text, of: AgentFigures) -> None:
    itself, named = of.itself, labels(site=of.itself.site)
    text.rows(all_of.AGENT, [(labels(agent=itself.name, site=itself.site), 1)])
    text.rows(all_of.AGENT_READY, [(named, int(itself.ready))])
    text.rows(all_of.AGENT_ACTS, [(named, int(itself.acts))])
    text.histograms(all_of.RENEWALS, [("", itself.renewals)])
    text.value(all_of.OBSERVED, of.servers)
    text.value(all_of.OBSERVED_PENDING, of.pending)
    text.value(all_of.OBSERVERS, of.controllers)
    text.value(all_of.OBSERVATIONS, of.sent)


def _groups(text: Text, of: AgentFigures) -> None:
    rows = [(mac, each) for mac, each in sorted(of.groups.items())]
    text.rows(all_of.GROUP_LEFT, ((labels(mac=mac), round(each.left, 3)) for mac, each in rows))
    text.rows(all_of.GROUP_EPOCH, ((labels(mac=mac), each.epoch) for mac, each in rows))
    text.rows(
        all_of.GROUP_ROLE,
        ((labels(mac=mac, role=role), int(each.role is role)) for mac, each in rows for role in GroupRole),
    )


def _around(text: Text, of: AgentFigures) -> None:
    text.rows(
        all_of.PATH,
        ((labels(agent=agent, path=path), int(up)) for (agent, path), up in sorted(of.paths.items())),
    )
    edges = [(labels(switch=name), each) for name, each in sorted(of.edges.items())]
    text.rows(all_of.EDGE, ((name, int(each.connected)) for name, each in edges))
    text.rows(all_of.EDGE_ANSWERS, ((name, each.answers) for name, each in edges))
    text.rows(all_of.EDGE_PROBLEM, ((name, int(each.problem)) for name, each in edges))
    fences = [
        (labels(switch=switch, interface=interface), each)
        for (switch, interface), each in sorted(of.fences.items())
    ]
    text.rows(all_of.AGENT_FENCE_UP, ((name, int(each.up)) for name, each in fences))
    text.rows(all_of.AGENT_FENCE, ((name, int(each.claim)) for name, each in fences))
