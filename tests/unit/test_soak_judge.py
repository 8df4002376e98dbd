"""The soak's judge: which ends a stated fate explains, which were at risk, and that all others are broken."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.soaking import (
    DR,
    FULLNAT,
    NAT,
    TUN,
    Edits,
    connection,
    done,
    judge,
    served,
    stage_address,
    tables,
    young,
)
from topo.demo.records import Connection, Echo, Failure
from topo.soak.editor import Done
from topo.soak.judge import Judged
from topo.soak.signals import TableChange
from topo.soak.stage import DRAIN_TIMEOUT, MEMORY_TIMEOUT
from topo.soak.unheard import REPORT_WINDOW


def proven(server: str = "s1") -> dict[str, Any]:
    return {"failure": None, "proof": Echo(45.0, 0.01, server), "closed": 45.1}


# -- nothing explains it


def test_a_connection_that_was_proven_is_ok() -> None:
    assert judge(connection(**proven())).verdict == "ok"


@pytest.mark.parametrize("kind", ["reset", "eof", "timeout", "garbled", "unreachable"])
def test_an_end_that_nothing_explains_is_broken(kind: str) -> None:
    judged = judge(connection(failure=Failure(40.0, kind, "echo")))
    assert (judged.verdict, judged.reason) == ("broken", "")


@pytest.mark.parametrize("listener", [DR, NAT, TUN])
def test_another_servers_answer_is_broken(listener: str) -> None:
    one = connection(listener, failure=None, closed=45.1, proof=Echo(45.0, 0.01, "s2"))
    judged = judge(one, records=(served(listener),))
    assert (judged.verdict, judged.cause) == ("broken", "misdirected: accepted by s1, answered by s2")


def test_a_misdirected_one_is_broken_although_its_server_had_died() -> None:
    one = connection(failure=Failure(40.0, "misdirected", "echo"))
    assert judge(one, done("server", "kill", "s1", 35.0)).verdict == "broken"


def test_a_broken_one_names_what_happened_meanwhile_the_latest_first() -> None:
    edits = Edits()(31.0, "weight", "web/s2", "5")(38.0, "transition", "web", "9s")
    judged = judge(connection(), done("clock", "step", "controller", 35.0, "1800"), *edits.done)
    assert judged.suspects == (
        "2.0 s before: weights: transition of web to 9s",
        "5.0 s before: clock: the controller's clock by 1800 s",
        "9.0 s before: weights: weight of web/s2 to 5",
    )


def test_a_weight_a_clock_step_or_a_controllers_death_explains_nothing() -> None:
    edits = Edits()(20.0, "weight", "web/s1", "5")(31.0, "rename_vip", "10.0.0.100", "shopx")
    edits(33.0, "affinity", DR, "source")(34.0, "memory_timeout", "web", "40s")
    others = [
        done("clock", "step", "controller", 35.0, "1800"),
        done("controller", "kill", "controller", 31.0),
        done("controller", "start", "controller", 36.0),
        done("pause", "pause", "controller", 37.0, "2", end=39.0),
    ]
    assert judge(connection(), *edits.done, *others, tables=tables("web", 20.3)).verdict == "broken"


def test_a_connection_that_was_never_open_is_not_broken() -> None:
    one = connection(opened=None, echoes=[], failure=Failure(15.0, "timeout", "connect"))
    assert judge(one).verdict == "not_opened"


def test_a_log_that_stops_proves_nothing() -> None:
    assert judge(connection(failure=None)).verdict == "unproven"


# -- servers


def test_a_connection_may_end_when_its_server_was_killed() -> None:
    assert judge(connection(), done("server", "kill", "s1", 39.9)).verdict == "server_died"


@pytest.mark.parametrize(
    ("server", "t"), [("s2", 39.0), ("s1", 5.0), ("s1", 41.0)], ids=["other server", "before", "after"]
)
def test_other_deaths_explain_nothing(server: str, t: float) -> None:
    steps = [done("server", "kill", server, t), done("server", "heal", server, t + 1)]
    assert judge(connection(), *steps).verdict == "broken"


def test_a_server_that_was_cut_off_for_longer_than_it_is_kept_may_lose_its_connections() -> None:
    cut = [done("cable", "cut", "s1-leaf1", 31.0), done("cable", "mend", "s1-leaf1", 42.0)]
    assert judge(connection(), *cut, probe=(0.5, 2, 2)).verdict == "server_unreachable"


@pytest.mark.parametrize(
    ("killed", "healed", "verdict"),
    [(26.0, 38.5, "server_unreachable"), (38.0, 38.5, "broken"), (20.0, 31.0, "broken")],
    ids=["dead for long, back for a moment", "dead for a moment", "back for long"],
)
def test_a_server_that_was_dead_for_long_and_is_not_yet_found_to_live_may_lose_new_connections(
    killed: float, healed: float, verdict: str
) -> None:
    one = connection(begin=38.9, opened=39.0, echoes=[Echo(39.0, 0.01, "s1")])
    steps = [done("server", "kill", "s1", killed), done("server", "heal", "s1", healed)]
    records = (served(opened=38.95),)
    assert judge(one, *steps, probe=(0.5, 2, 2), records=records).verdict == verdict


@pytest.mark.parametrize(
    ("written", "verdict"), [(39.0, "drained"), (33.0, "broken")], ids=["written late", "written at once"]
)
def test_an_edit_is_in_force_when_the_slowest_lb_switch_has_been_written(
    written: float, verdict: str
) -> None:
    """s5 was out of the pool beyond ``drain_timeout``, and came back shortly before it ended."""
    edits = Edits()(5.0, "remove", "app/s5")(32.0, "restore", "app/s5").done
    one = connection(NAT, "s5", echoes=[Echo(t, 0.01, "s5") for t in (10.0, 30.0, 38.5)])
    changed = (TableChange("app", 32.5, written),)
    assert judge(one, *edits, tables=changed).verdict == verdict


def test_a_server_that_was_cut_off_for_a_moment_may_not() -> None:
    cut = [done("cable", "cut", "s1-leaf1", 31.0), done("cable", "mend", "s1-leaf1", 32.0)]
    assert judge(connection(), *cut, probe=(0.5, 2, 2)).verdict == "broken"


def test_another_servers_cable_explains_nothing() -> None:
    cut = [done("cable", "cut", "s2-leaf1", 20.0), done("cable", "mend", "s2-leaf1", 39.0)]
    assert judge(connection(), *cut, probe=(0.5, 2, 2)).verdict == "broken"


# -- edits


def app(t: float = 40.0, **changes: object) -> object:
    return connection(NAT, "s5", failure=Failure(t, "reset", "echo"), **changes)


def test_draining_with_reset_may_end_a_connection_after_drain_timeout_and_not_before() -> None:
    early = Edits()(40.0 - DRAIN_TIMEOUT + 0.5, "drain", "app/s5", "on").done
    late = Edits()(40.0 - DRAIN_TIMEOUT - 0.5, "drain", "app/s5", "on").done
    one = connection(NAT, "s5")
    assert judge(one, *early).verdict == "broken"
    assert judge(one, *late).verdict == "drained"


def test_draining_with_keep_never_ends_a_connection() -> None:
    assert judge(connection(), *Edits()(10.5, "drain", "web/s1", "on").done).verdict == "broken"


def test_draining_by_weight_0_is_draining() -> None:
    one = connection(NAT, "s5")
    assert judge(one, *Edits()(28.0, "weight", "app/s5", "0").done).verdict == "drained"


def test_a_drain_that_ended_before_the_connection_last_spoke_explains_nothing() -> None:
    edits = Edits()(12.0, "drain", "app/s5", "on")(25.0, "drain", "app/s5", "off")
    assert judge(connection(NAT, "s5"), *edits.done).verdict == "broken"


def test_a_removed_backend_is_kept_for_memory_timeout_longer_where_it_keeps_what_drains() -> None:
    beyond = 40.0 - DRAIN_TIMEOUT - MEMORY_TIMEOUT
    one = connection()
    assert judge(one, *Edits()(beyond + 0.5, "remove", "web/s1").done).verdict == "broken"
    assert judge(one, *Edits()(beyond - 0.5, "remove", "web/s1").done).verdict == "drained"
    assert judge(connection(NAT, "s5"), *Edits()(29.0, "remove", "app/s5").done).verdict == "drained"


def test_another_pools_backend_of_that_name_explains_nothing() -> None:
    one = connection(server="s3")
    assert judge(one, *Edits()(11.0, "remove", "app/s3").done).verdict == "broken"


def test_a_listener_with_another_pool_drains_those_that_only_the_old_one_has() -> None:
    edits = Edits()(29.0, "repool", DR, "app").done
    assert judge(connection(), *edits).verdict == "drained"
    assert judge(connection(server="s3"), *edits).verdict == "broken"
    assert judge(connection(), *Edits()(31.0, "repool", DR, "app").done).verdict == "broken"


@pytest.mark.parametrize(("action", "target"), [("vip_off", "10.0.0.100"), ("listener_off", DR)])
def test_a_service_that_is_off_may_lose_its_connections_after_drain_timeout(action: str, target: str) -> None:
    assert judge(connection(), *Edits()(29.0, action, target).done).verdict == "service_removed"
    assert judge(connection(), *Edits()(31.0, action, target).done).verdict == "broken"


def test_a_service_that_is_back_in_time_may_not() -> None:
    edits = Edits()(31.0, "vip_off", "10.0.0.100")(34.0, "vip_on", "10.0.0.100")
    assert judge(connection(failure=Failure(44.0, "reset", "echo")), *edits.done).verdict == "broken"


def test_what_a_service_gave_up_while_it_was_off_may_end_later() -> None:
    edits = Edits()(11.0, "vip_off", "10.0.0.100")(22.0, "vip_on", "10.0.0.100")
    assert judge(connection(), *edits.done).verdict == "service_removed"
    opened_later = connection(opened=29.0, echoes=[Echo(30.0, 0.01, "s1")])
    assert judge(opened_later, *edits.done).verdict == "broken"


def test_an_edit_that_was_refused_changes_nothing() -> None:
    edits = Edits()(20.0, "drain", "app/s5", "on", outcome="refused")
    assert judge(connection(NAT, "s5"), *edits.done).verdict == "broken"


def test_what_no_answer_came_to_is_not_explained_by_what_began_when_tcp_had_given_up() -> None:
    off = Edits()(28.0, "vip_off", "10.0.0.100").done
    assert judge(connection(failure=Failure(42.0, "timeout", "echo")), *off).verdict == "broken"
    assert judge(connection(failure=Failure(46.0, "timeout", "echo")), *off).verdict == "service_removed"


# -- risks


KILL = done("lb", "kill", "lb1", 35.0)


def judged_young(one: Connection, *steps: Done, **evidence: Any) -> Judged:
    """A connection that was opened late."""
    opened = one.opened or 0.0
    return judge(one, *steps, records=(served(server=one.server or "s1", opened=opened - 0.05),), **evidence)


def test_one_that_was_opened_on_the_new_table_and_not_heard_before_its_lb_switch_died_was_at_risk() -> None:
    judged = judged_young(young(), KILL, tables=tables("web", 32.0))
    assert judged.verdict == "at_risk"
    assert judged.reason.startswith(
        "unheard: kill -9 lb1 0.2 s after its last answer, opened 2.8 s after pool web changed"
    )


def test_one_that_is_older_than_the_table_was_not() -> None:
    assert judge(connection(), KILL, tables=tables("web", 32.0)).verdict == "broken"
    assert judge(connection(), KILL, tables=tables("web", 25.0)).verdict == "broken"


def test_another_pools_table_is_no_risk() -> None:
    assert judged_young(young(), KILL, tables=tables("app", 32.0)).verdict == "broken"


@pytest.mark.parametrize(
    ("pool", "vip", "port", "before", "verdict"),
    [
        ("app", "shop", 7000, (("repool", DR, "app"),), "at_risk"),
        ("web", "shop", 7000, (("repool", DR, "app"),), "at_risk"),
        ("app", "shopx", 7000, (("rename_vip", "10.0.0.100", "shopx"), ("repool", DR, "app")), "at_risk"),
        ("app", "shop", 80, (("repool", DR, "app"),), "broken"),
        ("app", "api", 7000, (("repool", DR, "app"),), "broken"),
        ("app", "shop", 7000, (), "broken"),
        ("web", "shop", 80, (("vip_off", "10.0.0.100", ""), ("vip_on", "10.0.0.100", "")), "at_risk"),
        ("web", "shop", 80, (), "broken"),
    ],
    ids=[
        "new pool",
        "former pool",
        "under its name of that time",
        "another listener's",
        "another VIP's",
        "never its pool",
        "the VIP was off",
        "another listener's, and none was off",
    ],
)
def test_a_table_that_a_listener_has_to_itself_counts_as_its_pools(
    pool: str, vip: str, port: int, before: tuple[tuple[str, str, str], ...], verdict: str
) -> None:
    edits = Edits()
    for number, (action, target, value) in enumerate(before):
        edits(31.0 + number / 10, action, target, value)
    changed = (TableChange(pool, 31.5, 31.5, vip, port),)
    one = young(36.7, server="s3", failure=Failure(40.5, "reset", "echo"))
    late = done("lb", "kill", "lb1", 36.9)
    assert judged_young(one, late, *edits.done, tables=changed).verdict == verdict
    assert judged_young(one, *edits.done, tables=changed).verdict == "broken"


def test_a_death_before_its_last_answer_is_no_risk() -> None:
    assert (
        judge(connection(), done("lb", "kill", "lb1", 28.0), tables=tables("web", 26.0)).verdict == "broken"
    )


def test_a_new_table_alone_is_no_risk() -> None:
    assert judge(connection(), tables=tables("web", 32.0)).verdict == "broken"


def test_a_connection_that_was_reported_just_before_the_death_was_at_risk() -> None:
    one = young(34.0, 35.0 - REPORT_WINDOW / 2)
    assert judged_young(one, KILL, tables=tables("web", 33.5)).verdict == "at_risk"


def test_on_a_machine_that_is_late_reports_are_late_too() -> None:
    one, changed = young(32.0, 33.2), tables("web", 31.5)
    assert judged_young(one, KILL, tables=changed).verdict == "broken"
    assert judged_young(one, KILL, tables=changed, lag=1.0).verdict == "at_risk"


def test_one_that_was_opened_on_a_moving_slot_and_heard_since_was_not() -> None:
    assert judged_young(young(33.0, 34.0), KILL, tables=tables("web", 31.5)).verdict == "broken"


def test_slots_do_not_settle_while_there_is_no_controller() -> None:
    one, late = young(79.8, failure=Failure(82.0, "reset", "echo")), done("lb", "kill", "lb1", 80.0)
    old = tables("web", 78.0 - 3 * MEMORY_TIMEOUT)
    assert judged_young(one, late, tables=old).verdict == "broken"
    assert judged_young(one, late, tables=old, away=((70.0, 81.0),)).verdict == "at_risk"
    assert judged_young(one, late, tables=old, away=((5.0, 15.0),)).verdict == "broken"


def test_no_switch_gets_a_pin_before_the_controller_that_came_has_written_it() -> None:
    one, away = young(30.2, 33.3), ((30.0, 31.0),)
    seen = {"tables": tables("web", 29.5), "away": away, "connected": ((31.2, "lb1"), (31.3, "lb2x"))}
    assert judged_young(one, KILL, **seen, synced=((31.4, "lb1"), (31.5, "lb2x"))).verdict == "broken"
    assert judged_young(one, KILL, **seen, synced=((31.4, "lb1"), (33.0, "lb2x"))).verdict == "at_risk"


def test_a_switch_that_a_controller_never_got_to_write_gets_no_pin() -> None:
    one, away = young(31.2, 34.0), ((31.0, 32.0),)
    seen = {"tables": tables("web", 30.5), "connected": ((32.5, "lb1"), (32.6, "lb2x"))}
    assert judged_young(one, KILL, **seen, synced=((32.8, "lb1"),), away=away).verdict == "at_risk"


def test_a_controller_that_the_machine_had_no_time_for_took_no_reports() -> None:
    one, changed = young(31.2, 32.0), tables("web", 30.5)
    assert judged_young(one, KILL, tables=changed).verdict == "broken"
    assert judged_young(one, KILL, tables=changed, starved=((31.0, 34.0),)).verdict == "at_risk"


def test_what_was_heard_before_the_table_was_written_was_not_heard_on_it() -> None:
    one = young(30.5, 33.0)
    late = (TableChange("web", 30.0, 33.5),)
    assert judged_young(one, KILL, tables=tables("web", 30.0)).verdict == "broken"
    assert judged_young(one, KILL, tables=late).verdict == "at_risk"


def test_what_was_heard_while_no_controller_took_reports_was_not_heard() -> None:
    one, changed = young(31.2, 32.0), tables("web", 30.5)
    stopped = done("pause", "pause", "controller", 31.0, "3", end=34.0)
    assert judged_young(one, KILL, tables=changed).verdict == "broken"
    assert judged_young(one, KILL, tables=changed, away=((31.0, 34.0),)).verdict == "at_risk"
    assert judged_young(one, KILL, stopped, tables=changed).verdict == "at_risk"


def test_a_proven_fullnat_connection_is_found_in_its_servers_log() -> None:
    one = connection(FULLNAT, **proven())
    record = served(FULLNAT, peer=(stage_address("lb1"), 41000))
    assert judge(one, records=(record,)).verdict == "ok"
    assert judge(one, records=()).verdict == "broken"
    closed = served(FULLNAT, peer=(stage_address("lb2"), 41001), closed=20.0, reason="eof")
    assert judge(one, records=(closed, record)).verdict == "ok"


def test_one_that_was_silent_for_longer_than_memory_lasts_was_at_risk() -> None:
    quiet = [Echo(10.0, 0.01, "s1"), Echo(10.1 + MEMORY_TIMEOUT + 0.5, 0.01, "s1")]
    assert judge(connection(echoes=quiet)).reason.startswith("too_silent")
