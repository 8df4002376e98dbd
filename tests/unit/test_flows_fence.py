"""Answers behind a fence: the same answers, but a group decides whether they are given."""

from __future__ import annotations

from dataclasses import replace

from controller.spec.switch import SwitchSpec
from controller.spec.types import FenceEnd, Role
from flows import messages
from flows.actions import Resubmit, ToGroup, pack_all
from flows.diff import diff
from flows.entries import ANY, FAST_FAILOVER, SELECT, Bucket, Group, Target
from flows.pipeline import Builder, target
from flows.spec import Here
from flows.stages import respond
from flows.tables import ANNOUNCES, ANSWERS, FENCE_GROUPS, PASSES, Placed, Stage
from tests.fakes.duties import VIPS, lb_duty, switch

HERE = Here.of(switch())
PLACED = HERE.placed
FENCE = (FenceEnd(30, "f0"), FenceEnd(31, "f1"))


def edge(*fence: FenceEnd, roles: tuple[Role, ...] = (Role.EDGE,)) -> SwitchSpec:
    """A switch that answers for VIPs."""
    made = replace(switch(), roles=frozenset(roles), fence=fence)
    return replace(lb_duty(), switch=made, responder=True, pins=())


def without_fence(held: Target) -> Target:
    """What it would hold without one: the entries lead to the answers, and the answers stand there."""
    table = PLACED.table(Stage.ADVERT)
    flows = {
        key: body
        for key, body in held.flows.items()
        if not (key.table == table and key.priority >= 20) and not body.hard
    }
    return replace(held, flows=flows)


def test_every_question_goes_to_the_group_and_every_answer_stands_behind_it() -> None:
    for vip in VIPS:
        plain, fenced = respond.flows(HERE, vip), respond.flows(HERE, vip, fenced=True)
        asks = [each for each in fenced if each.body.hard]
        assert {each.key for each in asks} == {each.key for each in plain if each.body.hard}
        group = pack_all((ToGroup(PLACED.place.groups_from + ANSWERS),))
        assert all(each.body.instructions[8:] == group for each in asks)
        behind = [each for each in fenced if each.key.table == PLACED.table(Stage.ADVERT)]
        answering = [each for each in plain if each.body.hard]
        assert [each.body.instructions for each in behind] == [each.body.instructions for each in answering]
        order = [each.key.priority for each in behind]
        assert sorted(order) == sorted(
            20 + each.key.priority - min(a.key.priority for a in answering) for each in answering
        )


def test_the_group_answers_while_one_of_the_ports_is_live_and_else_hands_over() -> None:
    held = target(edge(*FENCE))
    first = PLACED.place.groups_from
    answers, passes = held.groups[first + ANSWERS], held.groups[first + PASSES]
    there = pack_all((Resubmit(PLACED.table(Stage.ADVERT)),))
    assert answers.type == FAST_FAILOVER
    assert [(b.watch_port, b.watch_group, b.actions) for b in answers.buckets[:2]] == [
        (30, ANY, there),
        (31, ANY, there),
    ]
    last = answers.buckets[2]
    assert (last.watch_port, last.watch_group) == (ANY, first + PASSES)
    assert last.actions == passes.buckets[0].actions != there
    assert (passes.type, passes.buckets[0].watch_port, passes.buckets[0].watch_group) == (SELECT, ANY, ANY)


def test_a_switch_that_also_balances_has_its_other_group_beside_those() -> None:
    both = (Role.EDGE, Role.LB)
    plain, fenced = target(edge(roles=both)), target(edge(*FENCE, roles=both))
    assert plain.groups.items() < fenced.groups.items()
    assert len(fenced.groups) == len(plain.groups) + FENCE_GROUPS


def test_a_fence_that_comes_or_goes_is_followed_and_what_does_not_answer_has_no_groups() -> None:
    builder, steps = Builder(), [edge(), edge(FENCE[0]), edge(*FENCE), edge()]
    for duty in steps:
        made, fresh = builder.target(duty), target(duty)
        assert (made.flows, made.groups) == (fresh.flows, fresh.groups)
    assert target(replace(edge(*FENCE), responder=False)).groups == target(edge()).groups


def test_an_answer_is_there_before_a_question_leads_to_it_and_goes_after() -> None:
    phases = diff(PLACED, target(edge()), target(edge(*FENCE))).phases
    kinds = [{message[1] for message in phase.messages} for phase in phases]
    assert kinds[0] == {messages.GROUP_MOD}
    tables = [{message[24] for message in phase.messages if message[1] == 14} for phase in phases]
    assert tables[1:3] == [{PLACED.table(Stage.ADVERT)}, {PLACED.entry}]
    back = diff(PLACED, target(edge(*FENCE)), target(edge())).phases
    tables = [{message[24] for message in phase.messages if message[1] == 14} for phase in back]
    assert tables[:2] == [{PLACED.entry}, {PLACED.table(Stage.ADVERT)}]
    assert {message[1] for message in back[-1].messages} == {messages.GROUP_MOD}


def test_groups_are_read_back_with_what_their_buckets_watch() -> None:
    made = Group(7, (Bucket(30, b"\0" * 8), Bucket(ANY, b"\1" * 8, watch_group=6)))
    told = messages.group_mod(made, 0)[16:]
    body = (len(told) + 8).to_bytes(2, "big") + b"\x03\0" + (7).to_bytes(4, "big") + told
    assert list(messages.parse_groups(body)) == [made]


def test_other_flows_of_the_switch_are_the_same_with_a_fence_and_without() -> None:
    assert without_fence(target(edge(*FENCE))).flows == without_fence(target(edge())).flows


def test_placed_elsewhere_the_groups_are_there_too() -> None:
    place = replace(PLACED.place, groups_from=500)
    assert set(respond.groups(Placed(place), FENCE)) == {500 + ANNOUNCES, 500 + ANSWERS, 500 + PASSES}
