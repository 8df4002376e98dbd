"""What was found wrong in what the controller keeps and decides, each row failing before it was mended.

The controller is whole, but for its prober, which answers as a test says, and its switches.
"""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from controller.app.assembly import App
from controller.core.journal import Journal
from controller.core.judging import Basis
from controller.health.prober import ProberStats
from controller.health.result import Outcome, ProbeResult
from controller.health.service import HealthService
from controller.health.targets import Probe
from controller.model.load import load_text
from controller.model.reload import IntentFile
from controller.plan.duty import listener_number
from controller.plan.pins import PinKey
from controller.southbound.driver import FoundPin
from controller.spec.switch import Fate
from controller.spec.types import Intent, Listener, Mode, Pool, Protocol
from tests.fakes.core import Said, SetClock, play, text, until
from tests.fakes.stores import MemoryStore

CLIENT = ip_address("192.0.2.1")
KEEP_FOR = 10.0
"""Seconds that TCP connections stay with a server that is down, if nothing else is said."""
SOON = 2.0


class Prober:
    """Asks nobody; ``answer`` says what a server's probes would have found."""

    def __init__(self, take: Callable[[list[ProbeResult]], None]) -> None:
        self._take = take
        self._probes: list[Probe] = []

    async def start(self) -> None:
        """Nothing begins."""

    async def stop(self) -> None:
        """Nothing ends."""

    def set_probes(self, probes: Iterable[Probe]) -> None:
        """Whom to ask."""
        self._probes = list(probes)

    def stats(self) -> ProberStats:
        """Nothing was asked."""
        return ProberStats(0, 0.0, 0.0, 0, 0, 0, 0, 1)

    def answer(self, address: str, passed: bool, at: float, times: int = 1) -> None:
        """So many answers of a server, a second apart; ``at``: seconds, of the last one."""
        outcome, reason = (Outcome.PASS, "") if passed else (Outcome.FAIL, "connect refused")
        for n in range(times):
            when = at - times + 1 + n
            mine = [probe for probe in self._probes if str(probe.address) == address]
            self._take([ProbeResult(probe, outcome, reason, when, when) for probe in mine])


class Core:
    """A controller, and what it is surrounded by."""

    def __init__(self, path: Path, document: str) -> None:
        path.write_text(document, encoding="utf-8")
        self._path = path
        self.said, self.store, self.clock = Said(), MemoryStore(), SetClock()
        self.prober: Prober
        self.start()
        self.pass_all()

    def start(self) -> None:
        """A controller begins, with what is stored; one that was there before is gone."""
        file = IntentFile(self._path)
        file.poll()

        def make(take: Any) -> HealthService:
            return HealthService(take, now=self.clock.now, prober=self._prober)

        self.app = App(
            file, self.store, self.store.loaded(), Journal(self.said, self.clock.wall), self.clock, make
        )
        asyncio.run(self.app.begin())

    def _prober(self, take: Callable[[list[ProbeResult]], None], problem: object) -> Prober:
        self.prober = Prober(take)
        return self.prober

    @property
    def intent(self) -> Intent:
        return self.app.state.intent.value

    def pool(self) -> Pool:
        return self.intent.pools[0]

    def address(self, server: str) -> str:
        real = next(each for each in self.pool().backends if each.name == server)
        return str(real.addresses[0])

    def pass_all(self) -> None:
        for real in self.pool().backends:
            self.prober.answer(str(real.addresses[0]), True, self.clock.time, 3)
        self.commit()

    def commit(self) -> None:
        """Bring all up to now, and store it."""
        self.app.pools.step()
        asyncio.run(self.app.state.commit())

    def propose(self, backends: Iterable[str]) -> None:
        """The pool with these servers alone."""
        names = set(backends)
        pool = replace(self.pool(), backends=tuple(b for b in self.pool().backends if b.name in names))
        assert self.app.intents.propose(replace(self.intent, pools=(pool,))) == []
        self.commit()

    def fate(self, server: str, key: str = "web/tcp") -> Fate:
        state = self.app.targets.world.pools[key]
        return state.fates[next(m.id for m in state.members if m.backend.name == server)]

    def serving(self, key: str = "web/tcp") -> set[str]:
        return {each.name for each in self.app.targets.world.pools[key].serving}


def _document(change: Callable[[Any], object] = lambda document: None) -> str:
    """Probes of IPv4 alone, and no panic."""
    yaml = YAML()
    document = yaml.load(text("pair"))
    document["pools"][0].update(panic_threshold=1.0)
    document["pools"][0].pop("on_down")
    for real in document["pools"][0]["backends"]:
        real["addresses"] = real["addresses"][:1]
    document["vips"] = [vip for vip in document["vips"] if ":" not in vip["address"]]
    change(document)
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


@pytest.fixture
def core(tmp_path: Path) -> Core:
    return Core(tmp_path / "intent.yaml", _document())


@pytest.mark.parametrize("step", [-3600.0, 360.0])
def test_a_dead_servers_grace_ends_in_time_whatever_the_wall_clock_does(core: Core, step: float) -> None:
    """FAULTS 1.2: clock back 1 h kept its connections for an hour; forward 6 min ended their grace at once."""
    core.prober.answer(core.address("s3"), False, core.clock.time, 3)
    core.commit()
    core.clock.unix += step
    core.clock.time += KEEP_FOR - 1
    core.commit()
    assert core.fate("s3") is Fate.DRAIN
    core.clock.time += 2
    core.commit()
    assert core.fate("s3") is Fate.MOVE


def test_a_server_that_came_back_while_no_controller_ran_keeps_its_connections(core: Core) -> None:
    """Fails on 2ad1e45: its grace ended meanwhile, and a living server's connections were given away."""
    core.prober.answer(core.address("s3"), False, core.clock.time, 3)
    core.commit()
    assert core.fate("s3") is Fate.DRAIN
    core.clock.time += 2 * KEEP_FOR
    core.start()
    assert core.fate("s3") is Fate.DRAIN
    core.prober.answer(core.address("s3"), True, core.clock.time, 2)
    core.commit()
    assert core.fate("s3") is Fate.NORMAL
    assert core.said.of("verdict")[-1]["up"] is True


def test_a_server_that_is_still_down_after_a_restart_has_its_grace_from_the_first_failure(core: Core) -> None:
    core.prober.answer(core.address("s3"), False, core.clock.time, 3)
    core.commit()
    core.clock.time += 2 * KEEP_FOR
    core.start()
    said = len(core.said.of("verdict"))
    core.prober.answer(core.address("s3"), False, core.clock.time)
    core.clock.time += KEEP_FOR - 0.1
    core.commit()
    assert core.fate("s3") is Fate.DRAIN
    core.clock.time += 0.2
    core.commit()
    assert core.fate("s3") is Fate.MOVE
    assert len(core.said.of("verdict")) == said, "nothing changed"
    core.start()
    assert core.fate("s3") is Fate.MOVE, "what was given away stays so"


def test_a_deadline_that_came_while_the_state_was_touched_is_not_lost(core: Core) -> None:
    """FAULTS 1.3: only later times were looked for, so 1,041 slots moved on after the window's end."""
    core.propose({"s1", "s2"})
    state = core.app.targets.world.pools["web/tcp"]
    assert state.moving
    core.clock.time = float(state.until.max()) + 0.02
    core.app.state.absent.put(frozenset({"lb1"}))  # something else is decided just then
    asyncio.run(core.app.state.commit())

    async def over() -> None:
        await until(lambda: not core.app.targets.world.pools["web/tcp"].moving, "the window ends")

    play(over, core.app.timers.run, core.app.state.run)


def test_a_removal_that_is_taken_back_finds_the_server_as_it_was(core: Core) -> None:
    """FAULTS 3.2: it began unproven, so down: UDP moved at once."""
    core.propose({"s1", "s2"})
    core.clock.time += 2
    assert core.app.intents.propose(load_text(_document(), "intent.yaml")) == []
    core.commit()
    assert "s3" in core.serving()
    assert core.fate("s3") is core.fate("s3", "web/udp") is Fate.NORMAL


def test_a_dead_server_that_is_removed_stays_dead(core: Core) -> None:
    """FAULTS 3.3: its verdict went with it, and its connections drained: to a server that does not answer."""
    core.prober.answer(core.address("s3"), False, core.clock.time, 3)
    core.clock.time += KEEP_FOR + 1
    core.commit()
    assert core.fate("s3") is Fate.MOVE
    core.propose({"s1", "s2"})
    assert core.fate("s3") is Fate.MOVE
    core.clock.time += 60
    core.commit()
    assert core.fate("s3") is Fate.MOVE


def _pin(core: Core, item: Listener, server: str, port: int) -> PinKey:
    world = core.app.targets.world
    key = PinKey(listener_number(world, item), CLIENT, port)
    number = next(m.id for m in world.state_of(item).members if m.backend.name == server)
    core.app.pinning.exception("lb1", key, item.protocol, number)
    return key


def test_pins_end_where_their_own_listeners_server_gives_connections_away_and_nowhere_else(
    core: Core,
) -> None:
    """FAULTS 4.2: a server was judged across protocols, so pins stayed that should have ended, or the reverse."""
    items = core.intent.listeners()
    tcp = next(i for i in items if i.protocol is Protocol.TCP and i.mode is Mode.DR)
    udp = next(i for i in items if i.protocol is Protocol.UDP and i.mode is Mode.DR)
    dead = [_pin(core, item, "s3", 1000) for item in (tcp, udp)]
    others = [_pin(core, item, "s1", 2000) for item in (tcp, udp)]
    core.prober.answer(core.address("s3"), False, core.clock.time, 3)
    core.commit()
    assert core.fate("s3") is Fate.DRAIN
    assert core.fate("s3", "web/udp") is Fate.MOVE, "UDP moves at once"
    pinned = core.app.pinning.backend
    assert [pinned(key) is not None for key in dead] == [True, False]
    core.clock.time += KEEP_FOR + 1
    core.commit()
    assert [pinned(key) is not None for key in (*dead, *others)] == [False, False, True, True]


def test_a_switch_that_connects_again_brings_no_pin_back(core: Core) -> None:
    """FAULTS 4.3: pins that had ended while it was away rose again on all its siblings."""
    item = next(i for i in core.intent.listeners() if i.mode is Mode.DR)
    number = listener_number(core.app.targets.world, item)
    backend = core.app.targets.world.state_of(item).members[0].id
    found = [FoundPin(7, number, CLIENT, 1000, backend, True)]
    core.app.pinning.adopt("lb1", found)
    assert core.app.pinning.count == 1
    core.app.pinning.idle("lb1", 7, core.clock.now())
    assert core.app.pinning.count == 0
    core.app.pinning.adopt("lb1", found)
    assert core.app.pinning.count == 0


def test_a_pin_whose_connection_spoke_elsewhere_while_no_controller_ran_does_not_end(core: Core) -> None:
    """Fails on 2ad1e45: another switch had seen it and could not say so, and the reporter's timer ended it.

    Found by the soak, on both kinds of switch.
    """
    item = next(i for i in core.intent.listeners() if i.mode is Mode.DR)
    number = listener_number(core.app.targets.world, item)
    memory = core.app.targets.world.memory[core.app.targets.world.state_key(item)]
    backend = core.app.targets.world.state_of(item).members[0].id
    key = PinKey(number, CLIENT, 1000)
    core.app.pinning.adopt("lb1", [FoundPin(7, number, CLIENT, 1000, backend, True)])
    pinning, up = core.app.pinning, core.clock.now()
    pinning.heard_since = lambda: {"lb1": up, "lb2": up}
    pinning.idle("lb1", 7, up + memory - 1)
    assert pinning.backend(key) == backend
    pinning.idle("lb2", 7, up + 2 * memory - 1)
    assert pinning.backend(key) is None, "lb2 was heard, and had not seen it for as long"


def test_a_dead_server_leaves_soon_after_the_store_can_be_written_again(core: Core) -> None:
    """FAULTS 6.4: the verdict that could not be stored was swallowed, and the dead server served on."""
    began: list[float] = []

    async def story() -> None:
        core.store.fails = "the disk is full"
        core.prober.answer(core.address("s3"), False, core.clock.time, 3)
        await until(lambda: "store_failed" in core.said.names(), "it is said")
        assert "s3" in core.serving(), "nothing is carried out that could not be stored"
        assert core.app.snapshot().store
        core.store.fails = ""
        began.append(time.monotonic())
        await until(lambda: "s3" not in core.serving(), "it leaves")

    play(story, core.app.state.run)
    assert time.monotonic() - began[0] < SOON
    assert core.app.snapshot().store == ""


def test_an_intent_that_makes_planning_fail_is_refused_and_the_last_good_one_stays(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FAULTS 6.3: what check let pass and a later part could not bear ended the controller, again at every start."""

    def bears_no(_: Basis, intent: Intent, __: object) -> None:
        raise RuntimeError(f"no more than {len(intent.pools)} pools")

    before = core.intent
    monkeypatch.setattr(Basis, "tables_with", bears_no)
    (why,) = core.app.intents.propose(replace(core.intent, pools=(core.pool(),)))
    assert "no more than 1 pools" in why
    assert core.intent is before
    assert core.app.snapshot().intent_errors == (why,)
    (failure,) = core.said.of("failure")
    assert failure["place"].startswith("test_faults_core.py:"), "where it arose"
