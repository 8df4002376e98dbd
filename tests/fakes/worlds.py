"""What plans are made from, without a controller: an intent, its tables, and nothing that is broken."""

from __future__ import annotations

from controller.plan.accept import accept
from controller.plan.duty import PlanInput, world_of
from controller.plan.p4needs import group_names
from controller.plan.pins import PinBook
from controller.plan.progress import advance, with_groups
from controller.plan.spreads import Answers, unlike
from controller.plan.tables import Tables, Verdicts
from controller.spec.types import Intent, Role

NOTHING = Intent((), (), (), ())


def world(intent: Intent, tables: Tables, pins: PinBook, admitted: frozenset[str] | None = None) -> PlanInput:
    """The world of these tables, every VIP with its first owner; ``admitted`` None: all lb switches are."""
    if admitted is None:
        admitted = frozenset(s.name for s in intent.switches if Role.LB in s.roles)
    return world_of(intent, tables, pins, admitted, {vip.name: vip.owners[0] for vip in intent.vips})


def step(
    tables: Tables,
    old: Intent,
    new: Intent,
    verdicts: Verdicts,
    now: float,
    answers: Answers = unlike,
) -> Tables:
    """The tables at ``now``, once ``new`` took the place of ``old``, with ids for the groups of P4 switches."""
    made = tables if old is new else accept(tables, old, new, now)
    made = advance(made, new, verdicts, now, answers=answers)
    return with_groups(made, group_names(world(new, made, PinBook())), now)
