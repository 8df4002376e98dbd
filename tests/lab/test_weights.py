"""On real switches with real servers: weights that follow connections even them out, and servers' own words count."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.tuned import Change, pool, tune, weights
from topo import model
from topo.demo.actors import ROOT
from topo.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]

KEY, VIP = "web/tcp", ("10.0.0.100", 7000)
SERVERS = ("s1", "s2", "s3")
RATE, HOLD, SLOW = 60.0, 6.0, 3.0
"""New connections a second; seconds that each is held; how many times as long at s1."""
ANSWER_WITHIN = 5.0
ECHO = "( sport = :7000 )"
GAUGE = {"type": "http", "port": 80, "path": "/connections", "interval": "1s", "timeout": "500ms"}
QUICK = {"interval": "3s", "smoothing": "3s", "lasting": "20s"}
AGENT = """
import socket, sys
listening = socket.create_server(("0.0.0.0", 9999))
print("listens", flush=True)
while True:
    one = listening.accept()[0]
    one.sendall(open(sys.argv[1], "rb").read())
    one.close()
"""


class Crowd:
    """Clients come at a steady rate, say a word, stay the longer the slower their server is, say one more, and go."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self.served = 0
        self.problems: list[str] = []

    @contextmanager
    def coming(self) -> Iterator[None]:
        thread = threading.Thread(target=self._come, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._stop.set()
            thread.join()

    def has_served(self, count: int) -> bool:
        """Whether so many connections ended as they should."""
        return self.served >= count

    def _come(self) -> None:
        staying: dict[str, deque[tuple[float, Any]]] = {name: deque() for name in SERVERS}
        following = time.monotonic()
        while not self._stop.wait(max(0.0, following - time.monotonic())):
            following += 1 / RATE
            try:
                one = self._lab.socket("c1")
                one.settimeout(ANSWER_WITHIN)
                one.connect(VIP)
                server = self._word(one)
                hold = HOLD * (SLOW if server == "s1" else 1.0)
                staying[server].append((time.monotonic() + hold, one))
                self._leave(staying)
            except OSError as error:
                self.problems.append(f"{type(error).__name__}: {error}")
        for queue in staying.values():
            for _, one in queue:
                one.close()

    def _leave(self, staying: dict[str, deque[tuple[float, Any]]]) -> None:
        now = time.monotonic()
        for server, queue in staying.items():
            while queue and queue[0][0] <= now:
                one = queue.popleft()[1]
                if self._word(one) != server:
                    self.problems.append(f"a connection of {server} reached another server")
                one.close()
                self.served += 1

    @staticmethod
    def _word(one: Any) -> str:
        one.sendall(b"word\n")
        heard = b""
        while not heard.endswith(b"\n"):
            part = one.recv(100)
            if not part:
                raise ConnectionResetError("closed by the server")
            heard += part
        return str(heard.split()[0].decode())


def told(served: Balanced) -> dict[str, float]:
    """Connections, as agents told the controller last, or without agents as switches count them."""
    status = served.status()
    agents = {name: status["pools"][KEY]["backends"][name]["agent"] for name in SERVERS}
    counts = [row["backends"] for row in status["listeners"].values() if row["pool"] == KEY]
    return {
        name: sum((row.get(name, {}).get("connections") or {}).get("live", 0.0) for row in counts)
        if agent is None
        else agent.get("connections") or 0
        for name, agent in agents.items()
    }


def counted(lab: Lab, server: str) -> int:
    """The same by the server's kernel."""
    argv = ["ss", "-Htn", "state", "established", ECHO]
    return len(lab.exec(server, argv, capture_output=True, text=True, check=True).stdout.splitlines())


def uneven(served: Balanced) -> float:
    """Connections of the slow server over the average."""
    now = told(served)
    return now["s1"] * len(SERVERS) / max(1, sum(now.values()))


def agrees(lab: Lab, served: Balanced) -> bool:
    """Whether the controller knows of as many connections as there are, but for a few."""
    return all(
        known == pytest.approx(counted(lab, name), rel=0.15, abs=10) for name, known in told(served).items()
    )


def watched(served: Balanced, seconds: float) -> list[float]:
    """How uneven it is, for a while."""
    seen: list[float] = []
    end = time.monotonic() + seconds

    def over() -> bool:
        seen.append(uneven(served))
        return time.monotonic() > end

    eventually(over, f"{seconds:g} s pass", 2 * seconds)
    return seen


def status_text(served: Balanced) -> str:
    return command("status", "--state", str(served.state))


def command(*words: str) -> str:
    """What a command prints."""
    argv = [sys.executable, "-m", "controller", *words]
    return subprocess.run(argv, cwd=ROOT, timeout=60, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("agent", [{"agent": GAUGE}, {}], ids=["by agents", "by switches"])
def test_least_connections_evens_out_servers_and_breaks_no_connection(
    make_lab: MakeLab, agent: dict[str, Any]
) -> None:
    lab = make_lab(model.load("pair").of_kind("ovs"))
    tune(lab, weights("web", s1=1))
    tune(lab, pool(memory_timeout="25s", transition="5s", budget={"max_tracked_share": "20%"}, **agent))
    crowd = Crowd(lab)
    with Balanced(lab) as served, crowd.coming():
        eventually(lambda: uneven(served) > 1.5, "the slow server has more than its part", 60.0)
        # What is told and what is counted are a second or two apart, and meanwhile connections come and go.
        eventually(lambda: agrees(lab, served), "what is told is what servers' kernels count", 60.0)
        served.edit_intent(pool(scheduler="least-connections", adaptive=QUICK))
        served.wait_event("weights_adapted", 60.0)
        eventually(lambda: uneven(served) < 1.2, "connections are even", 180.0)
        print(status_text(served))
        seen = watched(served, 20.0)
        served.wait_event("weights_adapted")
        factors = [each["factors"] for each in served.since_mark() if each["event"] == "weights_adapted"]
        row = served.status()["pools"][KEY]["backends"]["s1"]
    print(f"{crowd.served} connections; {factors}")
    assert max(seen) < 1.35, "and stay so"
    assert row["factor"] < 0.75
    assert crowd.problems == []


def subsets(stable: int, canary: int) -> Change:
    """The pool split: s1 is the canary."""

    def change(document: Any) -> None:
        web = next(each for each in document["pools"] if each["name"] == "web")
        web["split"] = [{"name": "stable", "weight": stable}, {"name": "canary", "weight": canary}]
        for each in web["backends"]:
            each["subset"] = "canary" if each["name"] == "s1" else "stable"

    return change


def shares(served: Balanced) -> dict[str, float]:
    """Of slots, by subset."""
    return {name: row["share"] for name, row in served.status()["pools"][KEY]["split"].items()}


def splits(served: Balanced, canary: float) -> bool:
    """Whether the canary takes this share."""
    return shares(served)["canary"] == pytest.approx(canary, abs=1e-3)


def test_a_canary_is_promoted_and_taken_back_in_one_edit_each(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(model.load("pair").of_kind("ovs"))
    tune(lab, subsets(90, 10))
    crowd = Crowd(lab)
    with Balanced(lab) as served, crowd.coming():
        assert shares(served) == {
            "stable": pytest.approx(0.9, abs=1e-3),
            "canary": pytest.approx(0.1, abs=1e-3),
        }
        print(command("check", str(lab.intent_path)))
        draft = tmp_path / "draft.yaml"
        draft.write_bytes(lab.intent_path.read_bytes())
        text = (
            draft.read_text(encoding="utf-8")
            .replace("weight: 90", "weight: 0")
            .replace("weight: 10", "weight: 100")
        )
        draft.write_text(text, encoding="utf-8")
        print(command("plan", str(draft), "--state", str(served.state)))
        for stable, canary in ((0, 100), (90, 10)):
            served.edit_intent(subsets(stable, canary))
            # Under load something is always written: what is waited for here is the table alone.
            eventually(partial(splits, served, canary / (stable + canary)), "the table is there", 30.0)
            print(status_text(served))
            enough = crowd.served + 300
            eventually(partial(crowd.has_served, enough), "connections go on", 60.0)
    assert crowd.problems == []


def test_a_servers_own_words_count(make_lab: MakeLab, tmp_path: Path) -> None:
    lab = make_lab(model.load("pair").of_kind("ovs"))
    agent = {"port": 9999, "interval": "500ms", "timeout": "300ms"}
    tune(lab, pool(agent=agent, slow_start="10s"))
    tune(lab, weights("web", s1=1))
    says = {name: tmp_path / name for name in SERVERS}
    processes: list[subprocess.Popen[str]] = []
    try:
        for name in SERVERS:
            says[name].write_text("ready up 100%\n", encoding="utf-8")
            argv = [sys.executable, "-c", AGENT, str(says[name])]
            processes.append(lab.popen(name, argv, stdout=subprocess.PIPE, text=True))
            out = processes[-1].stdout
            assert out is not None
            assert out.readline() == "listens\n"
        with Balanced(lab) as served:
            said(served, says["s1"], "50%")
            said(served, says["s2"], "drain")
            said(served, says["s3"], "down # disk full")
            print(status_text(served))
            rows = served.status()["pools"][KEY]["backends"]
            assert (rows["s2"]["state"], rows["s2"]["slots"], rows["s2"]["up"]) == ("drain", 0, True)
            assert (rows["s3"]["up"], rows["s3"]["reason"]) == (False, "its agent says down: disk full")
            assert rows["s1"]["slots"] == 4096
            said(served, says["s2"], "ready")
            assert served.wait_event("slow_start", backend="s2")["seconds"] == 10.0
            processes[0].kill()
            served.wait_event("server_silent", 15.0, backend="s1")
            print(status_text(served))
            rows = served.status()["pools"][KEY]["backends"]
            assert (rows["s1"]["agent"]["silent"], rows["s1"]["agent"]["says"]) == (True, "50%")
            eventually(
                lambda: served.status()["pools"][KEY]["backends"]["s2"]["factor"] == 1.0,
                "the slow start is over",
                30.0,
            )
    finally:
        for each in processes:
            each.kill()
            each.wait()


def said(served: Balanced, file: Path, words: str) -> None:
    """A server says something else, and the table that follows is on all switches."""
    served.mark()
    file.write_text(f"{words}\n", encoding="utf-8")
    served.wait_event("server_says", 15.0, backend=file.name)
    served.wait_event("table", 15.0, pool=KEY)
    served.settle()
