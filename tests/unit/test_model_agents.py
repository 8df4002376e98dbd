"""What ``check`` says of agents and leases."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from controller.model.errors import ConfigErrors
from controller.model.load import load_text
from controller.spec.types import Intent
from topo import model
from topo.intent import dump, intent
from topo.plan import plan

Edit = Callable[[Any], None]


def loaded(edit: Edit, kind: model.SwitchKind = "ovs") -> Intent:
    """The intent of two sites with agents, edited."""
    document = intent(plan(model.load("two-site-small").with_agents().of_kind(kind)))
    edit(document)
    return load_text(dump(document), "intent.yaml")


def errors(edit: Edit, kind: model.SwitchKind = "ovs") -> list[str]:
    with pytest.raises(ConfigErrors) as caught:
        loaded(edit, kind)
    return [str(each) for each in caught.value.errors]


def nothing(_: Any) -> None:
    """No edit."""


def test_agents_of_a_lab_are_accepted_and_their_times_follow_from_fences() -> None:
    made = loaded(nothing)
    assert made.by_agents
    assert [each.name for site in made.sites for each in site.agents] == ["ctl", "ctl2", "ctl3", "ctl4"]
    assert (made.lease_times.authority, made.lease_times.fence) == (0.8, 0.2)
    plain = loaded(lambda document: document["switches"][0].pop("fence"))
    assert (plain.lease_times.authority, plain.lease_times.fence) == (2.6, 2.0)
    longer = loaded(lambda document: document.update(lease={"renew": "300ms", "authority": "1.5s"}))
    assert (longer.lease_times.renew, longer.lease_times.authority) == (0.3, 1.5)


def test_p4_edges_keep_deadlines_themselves_and_need_no_fence() -> None:
    made = loaded(nothing, "embedded")
    assert made.by_agents
    assert not any(each.fence for each in made.switches)
    assert (made.lease_times.authority, made.lease_times.fence) == (0.8, 0.2)


def _rename(document: Any) -> None:
    document["sites"][1]["agents"][0]["name"] = "ctl"


def _address(document: Any) -> None:
    document["sites"][1]["agents"][0]["peers"] = ["172.31.0.1:7654"]


def _hostname(document: Any) -> None:
    document["sites"][1]["agents"][0]["peers"] = ["ctl3:7654"]


def _unbracketed(document: Any) -> None:
    document["sites"][1]["agents"][0]["peers"] = ["fd00::1:7654"]


def _alone(document: Any) -> None:
    del document["sites"][1]["agents"]


def _none(document: Any) -> None:
    for site in document["sites"]:
        del site["agents"]
    document["lease"] = {"renew": "150ms"}


def _many(document: Any) -> None:
    agents = [{"name": f"a{n}", "peers": [f"192.0.2.{n}:7654"]} for n in range(1, 8)]
    document["sites"][0]["agents"] = agents


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_rename, 'two agents are called "ctl", give each a name of its own among all sites'),
        (_address, '172.31.0.1:7654 is given for agent "ctl" of site "east" already'),
        (_hostname, "write ADDRESS:PORT, such as 192.0.2.1:7654 or [2001:db8::1]:7654"),
        (_unbracketed, "write ADDRESS:PORT, such as 192.0.2.1:7654 or [2001:db8::1]:7654"),
        (_alone, 'site "west" has no agents, and other sites have, add agents: [{name: west-a'),
        (_none, "there is a lease, but no site has agents"),
        (_many, "there are 9 agents, use 8 at most"),
        (
            lambda document: document.update(lease={"authority": "400ms"}),
            "lease.authority 400 ms less the 200 ms that a switch needs to fall silent leaves 200 ms",
        ),
        (lambda document: document.update(lease={"drift": "20%"}), "lease.drift is 0.2"),
        (lambda document: document.update(lease={"renewal": "1s"}), 'did you mean "renew"?'),
    ],
)
def test_what_does_not_go_together_is_refused(edit: Edit, said: str) -> None:
    found = errors(edit)
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].startswith("intent.yaml:")


def test_edges_that_no_agent_can_give_authority_are_refused() -> None:
    found = errors(nothing, "bmv2")
    assert len(found) == 2
    assert 'the bmv2 edge "edgee" cannot be given authority by an agent' in found[0]
