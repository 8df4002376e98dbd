"""What the controller knows, in memory and in the store. Saved before it reaches a switch."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict
from typing import NamedTuple

from controller.health.judge import Verdict
from controller.plan import history
from controller.plan.demand import demand, shortages
from controller.plan.duty import World, memory_timeout, pool_key
from controller.plan.ids import Numbers, Space
from controller.plan.pins import PinBook
from controller.plan.pool import Health, PoolState, fates, next_change, step
from controller.sites.store import SqliteStore
from controller.spec.switch import Fate
from controller.spec.types import Intent, Role, Switch
from p4src.spec import Secret

_POOL = "pool/"
REST = 3
"""Numbers rest for this many memory timeouts before somebody else gets them."""


class Changed(NamedTuple):
    """Which pools have a new table, and which a new size that is refused."""

    pools: list[str]
    resized: list[str]


class State:
    """Intent, numbers, pools, verdicts, pins and admission, kept together."""

    def __init__(self, store: SqliteStore) -> None:
        self._store = store
        self.intent = Intent((), (), (), ())
        self.numbers = _numbers(store)
        self.pools = {p.key: p for p in map(history.load, store.under(_POOL).values())}
        self.verdicts = [Verdict(**row) for row in json.loads(store.get("verdicts") or b"[]")]
        self.admitted = frozenset(json.loads(store.get("admitted") or b"[]"))
        self.secret = _secret(store)
        """What P4 switches key their memory's digests with."""
        self.absent = frozenset(json.loads(store.get("absent") or b"[]"))
        """Switches that are gone, or not yet what they should be: P4 switches send nothing there. One that we have
        only just begun to wait for is not among them, one that was gone before we restarted is."""
        self.dead_links = frozenset(
            (name, port) for name, port in json.loads(store.get("dead_links") or b"[]")
        )
        """Ports (switch, number) to other P4 switches behind which hellos get lost."""
        self.pins = PinBook()
        self.health: dict[str, dict[str, Health]] = {}
        self.take_verdicts(self.verdicts)

    def next_term(self, unix: float) -> int:
        """A term greater than any before."""
        term = max(int(self._store.get("term") or b"0") + 1, int(unix))
        self._store.put({"term": str(term).encode()})
        return term

    def take_verdicts(self, verdicts: list[Verdict]) -> None:
        """Remember what is believed of backends."""
        by_member = {(v.pool, v.backend): v for v in [*self.verdicts, *verdicts]}
        self.verdicts = list(by_member.values())
        self.health = {}
        for v in self.verdicts:
            self.health.setdefault(v.pool, {})[v.backend] = Health(v.up, v.since, v.reason)

    def keep_verdicts(self, verdicts: list[Verdict]) -> None:
        """These are all that are still believed."""
        self.verdicts = []
        self.take_verdicts(verdicts)

    def world(self, now: float) -> World:
        """What planning needs."""
        return World(
            self.intent,
            self.numbers,
            self.pools,
            self.health,
            self.pins,
            self.admitted,
            self.owners(),
            now,
            self.absent,
            self.dead_links,
        )

    def refusal(self, intent: Intent, now: float) -> list[str]:
        """Why this intent cannot be carried out now, though it is well written; empty: it can."""
        return shortages(intent, self.numbers, now)

    def owners(self) -> dict[str, str]:
        """The site that owns each VIP: its home, as long as no store decides otherwise."""
        return {vip.name: vip.owners[0] for vip in self.intent.vips}

    def step(self, now: float) -> Changed:
        """Advance every pool to ``now``, and save what changed."""
        changed, resized, save = [], [], {}
        wanted = {pool_key(item): item for item in self.intent.listeners()}
        for key, item in wanted.items():
            pool = self.intent.pool(item.pool)
            old = self.pools.get(key) or PoolState.new(pool.name, item.protocol, pool.slots)
            if len(old.now) != pool.slots:
                resized.append(key)
            new = step(
                old, pool, self.health.get(pool.name, {}), self.numbers, now, self._generation(pool.name)
            )
            if key in self.pools and _same(old, new):
                continue
            if new.revision != old.revision:
                changed.append(key)
            self.pools[key] = new
            save[_POOL + key] = history.dump(new)
        gone = [key for key in self.pools if key not in wanted]
        for key in gone:
            del self.pools[key]
            save[_POOL + key] = b""
        self._end_pins(now)
        self._give_back(now)
        self._save({name: data or None for name, data in save.items()})
        return Changed(changed, resized)

    def next_change(self, now: float) -> float | None:
        """When time alone will change a pool."""
        times = []
        for state in self.pools.values():
            pool = self.intent.pool(state.name)
            health = self.health.get(state.name, {})
            times.append(next_change(state, pool, health, now, self._generation(state.name)))
        return min((t for t in times if t is not None), default=None)

    def _generation(self, pool: str) -> float:
        """Seconds of the longest generation in which switches remember connections of a pool."""
        vips = (vip for vip in self.intent.vips if any(item.pool == pool for item in vip.listeners))
        return max((memory_timeout(self.intent, vip) for vip in vips), default=0.0)

    def admit(self, switches: frozenset[str]) -> None:
        """Say which lb switches edges may use."""
        self.admitted = switches
        self._save({})

    def miss(self, switches: frozenset[str]) -> bool:
        """Say which switches are absent; whether that is news."""
        if switches == self.absent:
            return False
        self.absent = switches
        self._save({})
        return True

    def lose(self, links: frozenset[tuple[str, int]]) -> bool:
        """Say behind which ports (switch, number) nothing gets through; whether that is news."""
        if links == self.dead_links:
            return False
        self.dead_links = links
        self._save({})
        return True

    def _end_pins(self, now: float) -> None:
        known: dict[int, bool] = {}
        for state in self.pools.values():
            pool = self.intent.pool(state.name)
            for number, fate in fates(state, pool, self.health.get(state.name, {}), now).items():
                known[number] = known.get(number, False) or fate in (Fate.NORMAL, Fate.DRAIN)
        pinned = {pin.backend for pin in self.pins.pins.values()}
        self.pins.forget_backends({number for number in pinned if not known.get(number, False)})

    def _give_back(self, now: float) -> None:
        longest = max((p.memory_timeout for p in self.intent.pools), default=900.0)
        rest_until = now + REST * longest
        switches = {s.name for s in self.intent.switches}
        names = {
            **demand(self.intent),
            Space.BACKEND: {m.backend.name for p in self.pools.values() for m in p.members},
            # A group is called after its switch first.
            Space.GROUP: {n for n in self.numbers.given.get(Space.GROUP, {}) if n.split(" ")[0] in switches},
        }
        for space, alive in names.items():
            self.numbers.keep_only(space, alive, rest_until)
        alive_listeners = set(self.numbers.given.get(Space.LISTENER, {}).values())
        self.pins.keep_listeners(alive_listeners)

    def _save(self, values: dict[str, bytes | None]) -> None:
        verdicts = json.dumps([asdict(v) for v in self.verdicts]).encode()
        self._store.put(
            {
                **values,
                "numbers": self.numbers.dump().encode(),
                "verdicts": verdicts,
                "admitted": json.dumps(sorted(self.admitted)).encode(),
                "absent": json.dumps(sorted(self.absent)).encode(),
                "dead_links": json.dumps(sorted(self.dead_links)).encode(),
            }
        )


def _same(old: PoolState, new: PoolState) -> bool:
    if old is new:
        return True
    return (
        old.members == new.members
        and old.now is new.now
        and old.before is new.before
        and (old.watched is new.watched and old.panicked == new.panicked and old.serving == new.serving)
    )


def _secret(store: SqliteStore) -> Secret:
    octets = store.get("secret")
    if octets is None:
        octets = secrets.token_bytes(20)
        store.put({"secret": octets})
    return Secret.of(octets)


def _numbers(store: SqliteStore) -> Numbers:
    text = store.get("numbers")
    return Numbers() if text is None else Numbers.load(text.decode())


def lbs(intent: Intent, site: str | None = None) -> list[Switch]:
    """The lb switches, of one site if named."""
    return [s for s in intent.switches if Role.LB in s.roles and site in (None, s.site)]
