"""Clients that never stop asking, and someone who changes everything about their tier meanwhile."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

from tests.fakes.tier import Client, Plain, Rig, Server, by_hand, pool, until

PAUSE = 0.01
"""Seconds between two requests of a client: the machine is to have time for changes."""
BETWEEN = 0.2
"""Seconds between two changes."""


class Load:
    """Clients, some with a connection for each request; each failure is kept."""

    def __init__(self, ports: list[int], clients: int) -> None:
        self.failures: list[str] = []
        self.answers: Counter[str] = Counter()
        self._tasks = [
            asyncio.get_running_loop().create_task(self._run(number, ports[number % len(ports)]))
            for number in range(clients)
        ]

    async def end(self) -> None:
        """No client asks any more."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    @property
    def total(self) -> int:
        """Good answers."""
        return sum(self.answers.values())

    async def _run(self, number: int, port: int) -> None:
        client = Client(port)
        keeps, posts = number % 2 == 0, number % 4 == 3
        count = 0
        while True:
            count += 1
            # What may not be sent twice goes to servers that are never cut off.
            path, method = (f"/steady/{count}", "POST") if posts else (f"/c{number}/{count}", "GET")
            try:
                answer = await client.ask(path, method, b"x" if posts else b"")
                if answer.status == 200 and answer.json["path"] == path:
                    self.answers[answer.server] += 1
                else:
                    self.failures.append(f"{method} {path}: {answer.status} {answer.body[:80]!r}")
            except (OSError, EOFError) as error:
                self.failures.append(f"{method} {path}: {error!r}")
                await client.close()
            if not keeps:
                await client.close()
            await asyncio.sleep(PAUSE)


class Changer:
    """Changes a tier, one thing after the other, at random and reproducibly."""

    def __init__(self, made: Rig, port: int, mortal: list[Server], steady: list[Server], seed: int) -> None:
        self.made, self.port, self.mortal, self.steady = made, port, mortal, steady
        self.random = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.weights = {each.name: 10 for each in (*mortal, *steady)}
        self.there = list(mortal)
        self.drained: set[str] = set()
        self.balance, self.sticky, self.raw = "roundrobin", False, ""
        self.interval, self.routes, self.keep_alive = 2000, 1, 60

    def put(self, more: Plain | None = None) -> None:
        """The present intent."""
        extra: Plain = {"raw": [f"http-request set-header x-raw {self.raw}"]} if self.raw else {}
        extra |= {"sticky": {"cookie": "SRV"}} if self.sticky else {}
        web = pool("web", self.there, self.weights, balance=self.balance, **extra)
        steady = pool("steady", self.steady, self.weights)
        # Probes are slow to judge: servers, clients and the exit share one process here, which may stand still.
        for each in (web, steady):
            each["health"] |= {"interval": f"{self.interval}ms", "timeout": "2s", "fall": 5}
        for each in (*web["servers"], *steady["servers"]):
            each["drain"] = each["name"] in self.drained
        routes = [{"paths": ["/steady/*"], "pool": "steady"}]
        routes += [{"hosts": [f"h{n}.example.org"], "pool": "web"} for n in range(self.routes)]
        frontend = {"name": "http", "binds": [{"port": self.port}], "pool": "web", "routes": routes}
        self.made.put(
            [frontend], [web | (more or {}), steady], timeouts={"keep_alive": f"{self.keep_alive}s"}
        )

    async def run(self, seconds: float) -> None:
        """Each change is awaited, most of the time."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        steps = self._order()
        while loop.time() < end or len(self.done) < len(STEPS):
            name = next(steps)
            await getattr(self, f"_{name}")()
            self.done[name] += 1
            if self.random.random() < 0.7:
                await self.made.ready()
            await asyncio.sleep(BETWEEN)
        await self.made.ready()

    def _order(self) -> Iterator[str]:
        """Every step before any comes again."""
        while True:
            steps = list(STEPS)
            self.random.shuffle(steps)
            yield from steps

    async def _weigh(self) -> None:
        for name in self.weights:
            self.weights[name] = self.random.randint(1, 256)
        self.put()

    async def _add_or_remove(self) -> None:
        gone = [each for each in self.mortal if each not in self.there]
        if gone:
            self.there.append(gone[0])
        else:
            self.there.remove(self.random.choice(self.there[1:]))
        self.put()

    async def _drain(self) -> None:
        name = self.random.choice([self.mortal[1].name, self.steady[0].name])
        self.drained ^= {name}
        self.put()

    async def _cut(self) -> None:
        """A server dies with its connections, and comes back later."""
        victim = self.mortal[0]
        if len(self._serving()) < 2:
            return
        await victim.stop()
        await asyncio.sleep(2 * BETWEEN)
        await victim.start()

    def _serving(self) -> list[Server]:
        return [each for each in self.there if each.name not in self.drained]

    async def _balance(self) -> None:
        self.balance = self.random.choice(["roundrobin", "leastconn", "uri", "random", "source"])
        self.put()

    async def _stick(self) -> None:
        self.sticky = not self.sticky
        self.put()

    async def _raw(self) -> None:
        self.raw = f"r{self.random.randint(1, 99)}"
        self.put()

    async def _probe(self) -> None:
        self.interval = self.random.choice([2000, 2500, 3000])
        self.put()

    async def _route(self) -> None:
        self.routes = self.routes % 5 + 1
        self.put()

    async def _wait_otherwise(self) -> None:
        self.keep_alive += 1
        self.put()

    async def _refused(self) -> None:
        self.put({"raw": ["nonsense"]})
        await until(lambda: "nonsense" in self.made.shown.problem, "it is refused")
        self.put()

    async def _leave(self) -> None:
        """The instance drains at layer 4, which does not hold clients off here, and comes back."""
        self.made.front[0]["drain"] = not self.made.front[0].get("drain", False)
        self.put()

    async def _by_hand(self) -> None:
        command = self.random.choice(
            ["reload", "@1 set server web/m1 weight 77", "@1 set server steady/t3 state drain"]
        )
        await by_hand(self.made, command)

    async def _spoil(self) -> None:
        """The file is written over, by one that HAProxy takes: a program may read it before it is put right."""
        path = self.made.config()
        path.write_text(f"{path.read_text()}# by hand\n")

    async def _restart(self) -> None:
        """The exit starts again, and knows nothing."""
        await self.made.again()


STEPS: tuple[Any, ...] = tuple(
    name[1:]
    for name in vars(Changer)
    if name.startswith("_") and not name.startswith("__") and name not in ("_order", "_serving")
)
