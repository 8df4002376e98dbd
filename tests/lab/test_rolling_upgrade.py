"""The example of a rolling upgrade against a fabric under load: every server is restarted, and nothing breaks."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.client import Client
from docs.examples.rolling_upgrade import roll, tables
from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from tests.lab.long_connections import MODES, Connection, LongConnections
from tests.lab.tuned import TRIO, pool, tune
from topo.lab import Lab

pytestmark = [pytest.mark.lab, pytest.mark.long]

WORDS, PAUSE = 5, 0.3
"""What a visitor says, and seconds between two words."""
ECHO = "( sport = :7000 or sport = :7002 or sport = :7003 )"


class Visitors:
    """In each mode one visitor after the other: each opens connections, talks for a while, and closes them."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self.all: list[Connection] = []

    @contextmanager
    def coming(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._come, args=(mode,), daemon=True) for mode in MODES]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stop.set()
            for each in threads:
                each.join()

    def _come(self, mode: str) -> None:
        while not self._stop.is_set():
            with LongConnections(self._lab) as visit:
                made = visit.open(3, [mode])
                for _ in range(WORDS):
                    time.sleep(PAUSE)
                    visit.speak()
                with self._lock:
                    self.all += made


def connections(lab: Lab, server: str) -> int:
    """Established ones, as the server's kernel counts them."""
    argv = ["ss", "-Htn", "state", "established", ECHO]
    return len(lab.exec(server, argv, capture_output=True, text=True, check=True).stdout.splitlines())


def without_file(served: Balanced) -> None:
    """Start the controller again on what it stored: the API changes the intent from now on."""
    controller = served._controller
    argv = [each for each in controller.argv() if each != str(served.lab.intent_path)]
    served.kill_controller()
    controller.argv = lambda: argv  # type: ignore[method-assign]
    served.start_controller()
    served.wait_event("started", 60.0)
    served.wait_ready()


def test_every_server_is_upgraded_under_load_and_no_connection_breaks(make_lab: MakeLab) -> None:
    lab = make_lab(TRIO)
    tune(lab, pool(drain_timeout="120s"))
    visitors, upgraded = Visitors(lab), []
    with Balanced(lab) as served:
        without_file(served)
        state = Path(served._controller.state)

        def upgrade(server: str) -> None:
            assert connections(lab, server) == 0
            lab.fail(server)
            with Client(f"unix:{state}.api.sock") as asked:
                eventually(
                    lambda: all(table[server]["up"] is False for table in tables(asked.status(), "web")),
                    f"{server} is seen to be down",
                    30.0,
                )
            lab.heal(server)
            upgraded.append(server)

        with Client(f"unix:{state}.api.sock", timeout=60.0) as client, visitors.coming():
            eventually(lambda: len({one.server for one in visitors.all}) == 3, "all servers are in use", 60.0)
            said = list(roll(client, "web", upgrade, lambda server: connections(lab, server), 90.0))
            seen = len(visitors.all)
            eventually(lambda: len(visitors.all) > seen + 40, "visitors come as before", 60.0)
    assert said == [f"{name}: {what}" for name in ("s1", "s2", "s3") for what in ("drained", "upgraded")]
    assert upgraded == ["s1", "s2", "s3"]
    broken = [one for one in visitors.all if one.problem]
    assert broken == []
    assert {one.server for one in visitors.all[seen:]} == {"s1", "s2", "s3"}
    print(f"{len(visitors.all)} connections")
