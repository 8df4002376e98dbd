"""What an agent shows: each declared metric with the values that it was made from, by the controllers' own server."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from controller.agent.agent import Agent
from controller.agent.figures import AgentFigures, EdgeFigures, FenceFigures, GroupFigures, GroupRole, Itself
from controller.metrics.agents import AgentExposed
from controller.metrics.families import OF_AGENTS
from controller.metrics.histogram import Histogram
from controller.metrics.observations import Observations
from controller.metrics.server import served
from tests.fakes.core import SetClock, journal
from tests.fakes.stores import MemoryStore

MAC = "02:45:56:00:01:01"


def itself(site: str = "east", acts: bool = True, ready: bool = True, problem: str = "") -> Itself:
    renewals = Histogram()
    renewals.observe(0.004)
    return Itself("east-a", site, acts, ready, problem, renewals.taken())


def figures(of: Itself | None = None) -> AgentFigures:
    return AgentFigures(
        of or itself(),
        {MAC: GroupFigures(GroupRole.HOLDS, 0.7251, 4)},
        {("east-b", "192.0.2.1:7654"): True, ("west-a", "192.0.2.1:7654"): False},
        {"edge1": EdgeFigures(True, 3, False), "edge2": EdgeFigures(False, 0, True)},
        {("edge1", "f0"): FenceFigures(True, True), ("edge2", "f1"): FenceFigures(False, False)},
        servers=9,
        pending=2,
        controllers=1,
        sent=40,
    )


def shown(of: AgentFigures, plain: bool = False) -> dict[str, dict[str, float]]:
    """Name -> labels as text -> value."""
    exposed = AgentExposed(lambda: of, Observations(), lambda: 5)
    found: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(exposed.text(exposed.figures(), plain).decode()):
        for each in family.samples:
            labels = ",".join(f"{name}={value}" for name, value in each.labels.items())
            found.setdefault(each.name, {})[labels] = each.value
    return found


def test_every_metric_of_agents_is_shown_with_its_value() -> None:
    now = shown(figures())
    assert {name for family in OF_AGENTS for name in family.samples} <= now.keys()
    assert now["evenkeel_agent_info"] == {"agent=east-a,site=east": 1}
    assert now["evenkeel_agent_authority_remaining_seconds"] == {f"mac={MAC}": 0.725}
    assert now["evenkeel_agent_group_role"] == {
        f"mac={MAC},role={role}": int(role == "holds") for role in ("holds", "behind", "away", "none")
    }
    assert now["evenkeel_agent_lease_renew_seconds_sum"] == {"": 0.004}
    assert now["evenkeel_agent_path_up"] == {
        "agent=east-b,path=192.0.2.1:7654": 1,
        "agent=west-a,path=192.0.2.1:7654": 0,
    }
    assert now["evenkeel_agent_edge_connected"] == {"switch=edge1": 1, "switch=edge2": 0}
    assert now["evenkeel_agent_edge_answers"] == {"switch=edge1": 3, "switch=edge2": 0}
    assert now["evenkeel_agent_fence_up"] == {"switch=edge1,interface=f0": 1, "switch=edge2,interface=f1": 0}
    assert now["evenkeel_agent_observations_sent_total"] == {"": 40}
    assert now["evenkeel_events_dropped_total"] == {"": 5}
    assert now["evenkeel_events_total"]["event=path_silent"] == 0


@pytest.mark.parametrize(
    ("of", "ready", "why"),
    [
        (itself(), True, "acts for east"),
        (itself(acts=False), True, "stands by for east"),
        (itself(ready=False), False, "starts"),
        (itself(site=""), False, "no site of the intent names it"),
        (itself(problem="no quorum"), False, "the store does not answer: no quorum"),
    ],
)
def test_it_is_ready_when_it_could_act(of: Itself, ready: bool, why: str) -> None:
    standing = AgentExposed(lambda: figures(of), Observations(), lambda: 0).standing()
    assert (standing.ready, standing.why) == (ready, why)


def test_a_real_agent_is_scraped() -> None:
    async def body() -> tuple[int, str, int]:
        book, _ = journal()
        made = Agent(MemoryStore(), "east-a", SetClock(), book, None, "here")
        exposed = AgentExposed(made.figures, Observations(), lambda: 0)
        async with (
            served(exposed, book, ("127.0.0.1", 0)) as port,
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as client,
            client.get("/metrics") as answer,
            client.get("/readyz") as ready,
        ):
            return answer.status, await answer.text(), ready.status

    status, text, ready = asyncio.run(body())
    assert (status, ready) == (200, 503)
    assert 'evenkeel_agent_info{agent="east-a"} 1' in text
    assert "evenkeel_agent_servers 0" in text
