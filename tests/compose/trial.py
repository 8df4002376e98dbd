"""``make compose-test``: compose.yaml's fabric under load, an lb container killed and started again.

Judged from the client's and the servers' own logs, as the demo is. 0: no connection broke and all were established;
1: not so; 2: it could not be carried out. Without a container engine it says so and ends with 0.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.compose import engine
from topo.containers import fabric, programs
from topo.demo.ledger import Endpoint, Judgement, Verdict, judge_all
from topo.demo.load import Long, Spec, Target
from topo.demo.ready import Wanted
from topo.demo.records import ClientLog, Connection, read_served, whole_lines
from topo.plan import servers

CLIENT = "c1"
VICTIM = "lb1"
NEIGHBOUR = "edge1"
"""Counts what it sends to the victim, by which it is seen that the victim was used."""
ENDPOINTS = (
    Endpoint("shop", "dr", "10.0.0.100", 7000, 7000),
    Endpoint("api", "nat", "10.0.0.101", 7000, 7002),
    Endpoint("files", "tun", "10.0.0.103", 7000, 7000),
    Endpoint("shop6", "dr", "fd00::100", 7000, 7000),
)
"""fullnat is not among them: its connections end with their lb switch."""
CONNECTIONS = 80
RATE = 5.0
"""Short requests a second."""
BEFORE, AWAY, AFTER = 14.0, 10.0, 12.0
"""Seconds of load until the lb switch is killed, until it is started again, and from then on."""
READY = 180.0
"""Seconds until every server must have answered through every listener."""
_SPEC, _LOG, _WANTED = "/tmp/spec.json", "/tmp/load.jsonl", "/tmp/wanted.json"


@contextmanager
def up() -> Iterator[None]:
    """The fabric in containers, removed again whatever happens."""
    try:
        engine.compose("up", "--detach")
        yield
    except engine.EngineError:
        print(engine.compose("ps"), engine.compose("logs", "--tail", "20"), sep="\n", file=sys.stderr)
        raise
    finally:
        engine.compose("down", "--volumes", "--timeout", "5")


def spec() -> Spec:
    """What the client does."""
    targets = [Target(each.listener, each.address, each.port) for each in ENDPOINTS]
    long = (
        Long(f"{CLIENT}.{n}", targets[n % len(targets)], "chatty", (0.5, 3.0)) for n in range(CONNECTIONS)
    )
    requests = tuple(Target(each.listener, each.address, 80) for each in ENDPOINTS)
    return Spec(CLIENT, seed=1, log=_LOG, connections=tuple(long), requests=requests, rate=RATE)


def await_ready(names: frozenset[str]) -> None:
    """Raises ``EngineError``, having said what is not as it should be."""
    targets = tuple(Target(each.listener, each.address, 80) for each in ENDPOINTS)
    engine.write(CLIENT, _WANTED, Wanted(targets, names, READY).dump())
    inside = ["python", "-m", "topo.demo.ready", _WANTED]
    engine.run(["docker", "exec", engine.container(CLIENT), *inside], seconds=READY + 60.0)


def through_victim() -> int:
    """Packets that were sent to the lb switch so far."""
    return int(engine.read(NEIGHBOUR, f"/sys/class/net/{VICTIM}/statistics/tx_packets"))


def load() -> tuple[float, float]:
    """Load from the client, with the lb switch killed in the middle of it; when that was and when it came back.

    Raises ``EngineError``, also if the lb switch was hardly used.
    """
    idle = through_victim()
    engine.write(CLIENT, _SPEC, spec().dump())
    inside = ["python", "-m", "topo.demo.load", _SPEC]
    command = ["docker", "exec", "--interactive", engine.container(CLIENT), *inside]
    victim = engine.container(VICTIM)
    with subprocess.Popen(command, stdin=subprocess.PIPE) as running:
        time.sleep(BEFORE)
        used = through_victim() - idle
        print(f"{BEFORE:5.0f} s  docker kill {VICTIM}, which had {used} packets to forward", flush=True)
        killed = time.monotonic()
        engine.run(["docker", "kill", "--signal", "KILL", victim])
        time.sleep(AWAY)
        print(f"{BEFORE + AWAY:5.0f} s  docker start {VICTIM}", flush=True)
        engine.run(["docker", "start", victim])
        back = time.monotonic()
        time.sleep(AFTER)
        running.communicate(timeout=60.0)  # the end of its input ends the load
    if used < CONNECTIONS:
        raise engine.EngineError(f"{VICTIM} forwarded next to nothing, so nothing was tried: {used} packets")
    if running.returncode != 0:
        raise engine.EngineError(f"{' '.join(command)}: exit code {running.returncode}")
    return killed, back


def judged(names: frozenset[str]) -> tuple[ClientLog, list[Judgement]]:
    """What became of every connection."""
    client = ClientLog(
        CLIENT,
        {
            each.id: Connection(each.id, CLIENT, each.target.listener, each.kind)
            for each in spec().connections
        },
    )
    for line in whole_lines(engine.read(CLIENT, _LOG)):
        client.feed(line)
    served = [
        one
        for name in names
        for one in read_served(name, whole_lines(engine.read(name, f"{programs.LOGS}/{name}.jsonl")))
    ]
    return client, judge_all(client.connections.values(), served, ENDPOINTS, {})


def tell(client: ClientLog, verdicts: list[Judgement], killed: float, back: float) -> bool:
    """Print what was seen; whether nothing broke."""
    bad = [each for each in verdicts if each.verdict is not Verdict.OK]
    lost = [each for each in client.requests if each.result != "ok"]
    for each in bad:
        print(f"{each.id} to {each.listener} on {each.server}: {each.verdict}: {each.cause}")
    last = max((each.t - killed for each in lost if killed - 0.5 <= each.t < back), default=0.0)
    after = f", the last {last:.1f} s after the kill" if last else ""
    print(f"short requests: {len(client.requests)}, lost {len(lost)}{after}")
    print(f"connections: {len(verdicts)}, proven alive at the end {len(verdicts) - len(bad)}")
    print(f"broken: {sum(each.verdict is Verdict.BROKEN for each in verdicts)}")
    return not bad


def main() -> int:
    """Entry point."""
    reason = engine.missing()
    if reason is not None:
        print(f"skipped: {reason}")
        return 0
    unbuilt = engine.unbuilt()
    if unbuilt:
        print(f"not built: {', '.join(unbuilt)}; do it with: make image", file=sys.stderr)
        return 2
    names = frozenset(each.name for each in servers(fabric.chosen()))
    print(f"compose.yaml on {os.environ.get(fabric.SWITCH) or 'embedded'} switches", flush=True)
    try:
        with up():
            await_ready(names)
            killed, back = load()
            client, verdicts = judged(names)
            return 0 if tell(client, verdicts, killed, back) else 1
    except engine.EngineError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
