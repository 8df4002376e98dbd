"""Pools with one writer: never two, whatever happens; who takes over, when, and what a command may do."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.plan import writer
from controller.plan.accept import accept
from controller.plan.edits import breaking
from controller.plan.pool import UNCONFIRMED, Health, PoolState
from controller.plan.progress import advance, deadline
from controller.plan.tables import Tables, later
from controller.plan.writer import HandoverRefused
from controller.spec.health import HealthCheck
from controller.spec.policy import Failback, Failover
from controller.spec.switch import Fate
from controller.spec.types import Backend, Intent, Listener, Mode, Pool, Protocol, Vip
from tests.edits.fabric import restored_tables, stored
from tests.examples import examples

NAMES = ("a", "b", "c")
CHECK = HealthCheck(interval=1.0, rise=2)
SERVES = (Fate.NORMAL, Fate.DRAIN)


def real(name: str) -> Backend:
    return Backend(name, (ip_address(f"10.1.0.{ord(name)}"),), mac="02:00:00:00:00:01")


def db(*names: str, failback: Failback = Failback.MANUAL) -> Pool:
    """A pool of one writer."""
    reals = tuple(real(name) for name in names)
    return Pool("db", reals, 2, CHECK, failover=Failover(failback), drain_timeout=30.0, memory_timeout=60.0)


WEB = Pool("web", tuple(real(name) for name in NAMES), 2, CHECK, drain_timeout=30.0, memory_timeout=60.0)


def intent(pool: Pool, *ports: tuple[int, str]) -> Intent:
    """One VIP with listeners (port, pool)."""
    listeners = tuple(
        Listener("vip", Protocol.TCP, port, name, Mode.NAT, 5432) for port, name in ports or ((80, "db"),)
    )
    vip = Vip("vip", ip_address("10.0.0.1"), "02:00:00:00:01:01", ("east",), listeners)
    return Intent((), (), (pool, WEB), (vip,))


class Life:
    """Tables, and what happens to them."""

    def __init__(self, pool: Pool) -> None:
        self.intent = intent(pool)
        self.health: dict[str, Health] = {}
        self.now = 100.0
        self.tables = Tables()
        self.go()

    @property
    def pool(self) -> Pool:
        return self.intent.pools[0]

    @property
    def writer(self) -> str | None:
        return self.tables.writers.get("db")

    @property
    def state(self) -> PoolState:
        return self.tables.pools["db/tcp"]

    def go(self, seconds: float = 0.0) -> None:
        self.now += seconds
        self.tables = advance(self.tables, self.intent, self._verdicts(), self.now)

    def edit(self, new: Intent) -> None:
        self.tables = accept(self.tables, self.intent, new, self.now)
        self.intent = new
        self.go()

    def judge(self, name: str, up: bool) -> None:
        self.health = {**self.health, name: Health(up, self.now, "" if up else "refused")}
        self.go()

    def command(self, backend: str | None = None) -> str:
        found = writer.handover(self.pool, self.writer, backend, self.health)
        self.tables = replace(self.tables, writers={**self.tables.writers, "db": found})
        self.go()
        return found

    def restart(self, away: float, shift: float) -> None:
        """The store is read ``away`` seconds later, its times moved by ``shift``."""
        self.now += away
        self.tables = later(restored_tables(stored(self.tables)), shift)
        self.health = {n: replace(each, since=each.since + shift) for n, each in self.health.items()}

    def due(self) -> float | None:
        return deadline(self.tables, self.intent, self._verdicts(), self.now)

    def fates(self) -> dict[str, Fate]:
        return {m.backend.name: self.state.fates[m.id] for m in self.state.members}

    def serving(self) -> set[str]:
        return {each.name for each in self.state.serving}

    def _verdicts(self) -> dict[str, dict[str, Health]]:
        return {"db": self.health, "web": {name: Health(True, 0.0) for name in NAMES}}


def judged(pool: Pool, *down: str) -> Life:
    """All have been judged, these to be down."""
    life = Life(pool)
    for each in pool.backends:
        life.judge(each.name, each.name not in down)
    return life


def test_the_first_of_the_lowest_group_serves_alone_and_all_others_are_reset() -> None:
    late = replace(real("a"), group=1)
    life = Life(replace(db(), backends=(late, real("b"), real("c"))))
    assert (life.writer, life.serving()) == ("b", {"b"})
    assert life.fates() == {"a": Fate.RESET, "b": Fate.NORMAL, "c": Fate.RESET}
    assert set(life.state.now) == {next(m.id for m in life.state.members if m.backend.name == "b")}


def test_the_next_living_one_takes_over_and_the_table_is_in_no_transition() -> None:
    life = judged(db("a", "b", "c"), "b")
    life.judge("a", False)
    assert life.writer == "c"
    assert life.fates() == {"a": Fate.RESET, "b": Fate.RESET, "c": Fate.NORMAL}
    assert (life.state.moving, len(life.state.watched), len(life.state.table.young)) == (0, 0, 0)


def test_if_none_lives_the_writer_stays_with_its_connections_and_nothing_else_opens() -> None:
    life = judged(db("a", "b"))
    life.judge("b", False)
    life.judge("a", False)
    life.go(1000.0)
    assert (life.writer, life.serving(), life.state.panicked) == ("a", {"a"}, False)
    assert life.fates() == {"a": Fate.NORMAL, "b": Fate.RESET}


def test_a_backend_without_a_verdict_never_takes_over_from_one_that_is_down() -> None:
    life = Life(db("a", "b"))
    life.judge("a", False)
    assert life.writer == "a"
    life.judge("b", True)
    assert life.writer == "b"


def test_under_manual_a_preferred_one_that_returns_waits_for_a_command() -> None:
    life = judged(db("a", "b"))
    life.judge("a", False)
    life.judge("a", True)
    life.go(1e6)
    assert life.writer == "b"
    assert writer.waiting(life.pool, life.writer, life.health) == "a"
    assert life.command() == "a"
    assert (life.serving(), life.fates()["b"]) == ({"a"}, Fate.RESET)
    assert writer.waiting(life.pool, life.writer, life.health) is None


def test_under_auto_a_preferred_one_takes_over_after_the_hold_and_time_says_when() -> None:
    life = judged(db("a", "b", failback=Failback.AUTO))
    life.judge("a", False)
    life.go(5.0)
    life.judge("a", True)
    assert life.due() == pytest.approx(life.now + writer.HOLD)
    life.go(writer.HOLD - 0.1)
    assert life.writer == "b"
    life.go(0.1)
    assert (life.writer, life.fates()["b"]) == ("a", Fate.RESET)


def test_the_hold_is_as_many_probes_again_as_a_verdict_takes() -> None:
    assert writer.hold(replace(db("a"), health=replace(CHECK, interval=20.0))) == 40.0
    assert writer.hold(db("a")) == writer.HOLD


def test_a_preferred_one_that_flaps_does_not_take_over() -> None:
    life = judged(db("a", "b", failback=Failback.AUTO))
    life.judge("a", False)
    for _ in range(10):
        life.go(writer.HOLD / 2)
        life.judge("a", True)
        life.go(writer.HOLD / 2)
        life.judge("a", False)
        assert life.writer == "b"


@pytest.mark.parametrize("how", ["drain", "weight", "remove"])
def test_a_writer_that_is_drained_or_removed_gives_way_at_once(how: str) -> None:
    life = judged(db("a", "b"))
    changed = {
        "drain": replace(real("a"), drain=True),
        "weight": replace(real("a"), weight=0),
        "remove": None,
    }
    left = tuple(each for each in (changed[how], real("b")) if each is not None)
    life.edit(intent(replace(life.pool, backends=left)))
    assert (life.writer, life.fates()) == ("b", {"a": Fate.RESET, "b": Fate.NORMAL})
    assert life.state.moving == 0


def test_a_pool_whose_backends_all_drain_has_no_writer_and_drops_what_is_new() -> None:
    life = judged(db("a"))
    life.edit(intent(replace(life.pool, backends=(replace(real("a"), drain=True),))))
    assert (life.writer, life.serving(), life.fates()) == (None, set(), {"a": Fate.RESET})
    assert not life.state.now.any()


def test_a_pool_under_another_name_and_a_listener_that_joins_keep_the_writer() -> None:
    life = judged(db("a", "b"))
    life.judge("a", False)
    life.judge("a", True)
    life.edit(intent(life.pool, (80, "db"), (81, "web")))
    life.edit(intent(life.pool, (80, "db"), (81, "db")))
    for key, state in life.tables.pools.items():
        if state.name == "db":
            assert {each.name for each in state.serving} == {"b"}, key
    renamed = replace(life.pool, name="data")
    life.edit(replace(intent(renamed, (80, "data"), (81, "data")), pools=(renamed, WEB)))
    assert life.tables.writers["data"] == "b"


def test_a_listener_that_comes_from_another_pool_brings_no_second_server() -> None:
    life = judged(db("a", "b"))
    life.edit(intent(life.pool, (80, "db"), (81, "web")))
    life.edit(intent(life.pool, (80, "db"), (81, "db")))
    own = life.tables.pools[life.tables.bound["vip/tcp/81"]]
    assert {m.backend.name for m in own.members if own.fates[m.id] in SERVES} == {"a"}
    assert not own.before.any()


def test_a_pool_that_gets_one_writer_ends_at_once_what_leads_to_others() -> None:
    life = judged(replace(db("a", "b", "c"), failover=None))
    heavier = tuple(replace(each, weight=1 + (each.name == "c")) for each in life.pool.backends)
    life.edit(intent(replace(life.pool, backends=heavier)))
    assert life.state.moving
    life.edit(intent(replace(life.pool, failover=Failover())))
    (number,) = (m.id for m in life.state.members if m.backend.name == "a")
    assert life.serving() == {"a"}
    assert set(life.state.before.tolist()) <= {0, number}
    assert set((life.state.watched >> 16).tolist()) <= {number}


def test_an_edit_that_would_reset_other_servers_is_refused_with_its_price() -> None:
    plain = replace(db("a", "b"), failover=None)
    served, wanted = intent(plain), intent(db("a", "b"))
    assert "reset established connections of every server but one" in breaking(served, wanted, Tables())[0]
    (vip,) = wanted.vips
    lossy = replace(vip, listeners=(replace(vip.listeners[0], accept_loss=True),))
    assert breaking(served, replace(wanted, vips=(lossy,)), Tables()) == []
    assert breaking(intent(replace(plain, backends=plain.backends[:1])), wanted, Tables()) == []
    assert breaking(wanted, intent(db("b", "a", failback=Failback.AUTO)), Tables()) == []
    to_web, to_db = (intent(db("a", "b"), (80, "db"), (81, pool)) for pool in ("web", "db"))
    assert "listener vip/tcp/81" in breaking(to_web, to_db, Tables())[0]
    assert breaking(to_db, to_web, Tables()) == []


def test_a_listener_that_leaves_drains_until_the_writer_changes() -> None:
    life = judged(db("a", "b"))
    life.edit(intent(life.pool, (80, "db"), (81, "db")))
    life.edit(intent(life.pool, (80, "db")))
    left = life.tables.bound["vip/tcp/81"]

    def fates() -> dict[str, Fate]:
        state = life.tables.pools[left]
        return {m.backend.name: state.fates[m.id] for m in state.members}

    assert fates() == {"a": Fate.DRAIN, "b": Fate.RESET}
    life.judge("a", False)
    assert fates()["a"] is Fate.RESET


def test_a_listener_that_goes_to_another_pool_takes_its_connections_along_until_the_writer_changes() -> None:
    life = judged(db("x", "y"))
    life.edit(intent(life.pool, (80, "db"), (81, "db")))
    life.edit(intent(life.pool, (80, "db"), (81, "web")))
    own = life.tables.bound["vip/tcp/81"]

    def fate(name: str) -> Fate:
        state = life.tables.pools[own]
        return next(state.fates[m.id] for m in state.members if m.backend.name == name)

    assert fate("x") is Fate.DRAIN
    life.judge("x", False)
    assert (fate("x"), life.writer) == (Fate.RESET, "y")
    assert {each.name for each in life.tables.pools[own].serving} == set(NAMES)


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("b", "is down: refused"),
        ("c", "drains"),
        ("x", "is none of a, b, d"),
        ("d", "has no verdict yet"),
    ],
)
def test_a_command_is_refused_with_the_reason(backend: str, why: str) -> None:
    pool = db("a", "b", "c", "d")
    drained = tuple(replace(r, drain=r.name == "c") for r in pool.backends)
    life = Life(replace(pool, backends=drained))
    life.judge("a", True)
    life.judge("b", False)
    with pytest.raises(HandoverRefused, match=why):
        life.command(backend)
    assert life.writer == "a"


def test_a_command_needs_failover_and_somewhere_to_go_and_is_no_match_for_auto() -> None:
    with pytest.raises(HandoverRefused, match="has no failover"):
        writer.handover(WEB, None, None, {})
    with pytest.raises(HandoverRefused, match="no backend that is up"):
        writer.handover(db("a"), "a", None, {"a": Health(False, 0.0)})
    up = {name: Health(True, 0.0) for name in NAMES}
    with pytest.raises(HandoverRefused, match='drain "a", or write failback: manual'):
        writer.handover(db("a", "b", failback=Failback.AUTO), "a", "b", up)
    assert writer.handover(db("a", "b"), "a", "b", up) == "b"


# -- after any sequence ---------------------------------------------------------------------------------------

name_ = st.sampled_from(NAMES)
HAPPENS = st.one_of(
    st.tuples(st.just("judge"), name_, st.booleans()),
    st.tuples(st.just("judge"), name_, st.booleans()),
    st.tuples(st.just("wait"), st.sampled_from([0.5, 6.0, 11.0, 40.0, 200.0])),
    st.tuples(st.just("drain"), name_, st.booleans()),
    st.tuples(st.just("weight"), name_, st.integers(0, 2)),
    st.tuples(st.just("group"), name_, st.integers(0, 2)),
    st.tuples(st.just("members"), st.permutations(NAMES), st.integers(1, 3)),
    st.tuples(st.just("listeners"), st.lists(st.sampled_from(["db", "web"]), min_size=0, max_size=2)),
    st.tuples(st.just("failback"), st.none() | st.sampled_from(Failback)),
    st.tuples(st.just("command"), st.none() | name_),
    st.tuples(st.just("restart"), st.sampled_from([0.0, 30.0]), st.sampled_from([0.0, 1e6, -50.0])),
)


def _edited(life: Life, what: str, args: tuple[Any, ...]) -> Intent:
    pool, ports = life.pool, [(i.port, i.pool) for i in life.intent.listeners()]
    if what in ("drain", "weight", "group"):
        who, value = args
        more: dict[str, Any] = {what: value}
        changed = (replace(r, **more) if r.name == who else r for r in pool.backends)
        pool = replace(pool, backends=tuple(changed))
    elif what == "members":
        order, count = args
        known = {r.name: r for r in pool.backends}
        pool = replace(pool, backends=tuple(known.get(n, real(n)) for n in order[:count]))
    elif what == "failback":
        pool = replace(pool, failover=None if args[0] is None else Failover(args[0]))
    else:
        ports = [(80, "db"), *((81 + n, name) for n, name in enumerate(args[0]))]
    return intent(pool, *ports)


def _check_one_writer(life: Life) -> None:
    open_to: set[str] = set()
    for key, state in life.tables.pools.items():
        if state.name != "db":
            continue
        name = {m.id: m.backend.name for m in state.members}
        serves = {number for number, fate in state.fates.items() if fate in SERVES}
        named = set(np.unique(np.concatenate([state.now, state.before, state.watched >> 16])).tolist()) - {0}
        assert len(serves) <= 1, f"{key}: connections go to {[name[n] for n in serves]}"
        assert named <= serves, f"{key}: slots name {[name[n] for n in named - serves]}"
        open_to |= {name[number] for number in serves}
    assert len(open_to) <= 1, f"listeners of one pool lead to {sorted(open_to)}"


@settings(max_examples=examples(50, 150), deadline=None)
@given(st.lists(HAPPENS, max_size=25), st.sampled_from(Failback))
def test_there_is_never_a_second_writer_and_none_is_replaced_without_a_cause(
    happens: list[tuple[Any, ...]], failback: Failback
) -> None:
    life = Life(db(*NAMES, failback=failback))
    for what, *args in happens:
        was, commanded, once = life.writer, False, life.pool.failover is not None
        if what == "judge":
            life.judge(*args)
        elif what == "wait":
            life.go(*args)
        elif what == "restart":
            life.restart(*args)
            assert life.writer == was
            life.go()
        elif what == "command":
            try:
                life.command(*args)
                commanded = True
            except HandoverRefused:
                assert life.writer == was
        else:
            life.edit(_edited(life, str(what), tuple(args)))
        if life.pool.failover is None:
            assert life.writer is None
            continue
        _check_one_writer(life)
        assert life.state.panicked is False
        able = [r.name for r in life.pool.backends if r.weight and not r.drain]
        assert (life.writer is None) == (not able)
        lives = was in able and (was not in life.health or life.health[was].up)
        manual = life.pool.failover == Failover(Failback.MANUAL)
        if lives and manual and once and not commanded:
            assert life.writer == was
        if life.writer is not None and life.writer != was and was in able and not lives:
            assert life.health[life.writer].up, "only one that is judged up takes over from one that is down"


def test_a_writer_that_the_store_says_is_down_stays_the_writer_until_a_probe_fails() -> None:
    told = {"a": Health(False, 1.0, "refused", UNCONFIRMED), "b": Health(True, 1.0)}
    assert writer.choose(db("a", "b"), "a", told, 100.0) == "a"
    assert writer.choose(db("a", "b"), "a", told | {"a": replace(told["a"], confirmed=100.0)}, 100.0) == "b"
