"""Prometheus itself beside a controller: it scrapes, its queries find the traffic, and our rules fire."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab
from tests.lab.long_connections import LongConnections
from tests.lab.scrape import OPTIONS, PORT
from topo.lab import Lab
from topo.plan import CONTROLLER

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("prometheus") is None,
        reason="needs Prometheus: apt-get install prometheus (make test-packages)",
    ),
]
RULES = Path(__file__).resolve().parents[2] / "docs" / "monitoring" / "evenkeel.rules.yaml"
WEB = "127.0.0.1:9090"
SETTINGS = f"""
global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}
rule_files: [{RULES}]
scrape_configs: [{{job_name: fabric, static_configs: [{{targets: ["127.0.0.1:{PORT}"]}}]}}]
"""
WITHIN = 120.0
"""Seconds, on a busy machine."""


class Prometheus:
    """One that runs beside the controller."""

    def __init__(self, lab: Lab, folder: Path) -> None:
        self._lab = lab
        settings = folder / "prometheus.yml"
        settings.write_text(SETTINGS, encoding="utf-8")
        command = ["prometheus", f"--config.file={settings}", f"--storage.tsdb.path={folder / 'data'}"]
        with (folder / "prometheus.log").open("wb") as log:
            self._process = lab.popen(
                CONTROLLER, [*command, f"--web.listen-address={WEB}"], stdout=log, stderr=subprocess.STDOUT
            )

    def stop(self) -> None:
        """End it."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(30)

    def asked(self, query: str) -> list[tuple[dict[str, str], float]]:
        """Labels and values; none while it starts."""
        url = f"http://{WEB}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
        try:
            with self._lab.namespace(CONTROLLER), urllib.request.urlopen(url, timeout=10) as answer:
                found = json.load(answer)["data"]["result"]
        except OSError:
            return []
        return [(each["metric"], float(each["value"][1])) for each in found]

    def wait(self, query: str, holds: Callable[[list[tuple[dict[str, str], float]]], object]) -> None:
        """Until an answer is as it should be."""
        end = time.monotonic() + WITHIN
        while not holds(found := self.asked(query)):
            assert time.monotonic() < end, f"{query}: {found}"
            time.sleep(0.5)


@pytest.fixture(scope="module")
def watched(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Lab, Prometheus]]:
    lab = make_lab("pair")
    with ExitStack() as stack:
        stack.enter_context(Balanced(lab, OPTIONS))
        prometheus = Prometheus(lab, tmp_path_factory.mktemp("prometheus"))
        stack.callback(prometheus.stop)
        yield lab, prometheus


def test_prometheus_scrapes_and_sees_traffic(watched: tuple[Lab, Prometheus]) -> None:
    lab, prometheus = watched
    prometheus.wait("up", lambda found: [value for _, value in found] == [1])
    with LongConnections(lab) as long:
        long.open(6, ("dr", "nat"))
        long.talk(pause=0.1)
        rates = "sum by (vip) (rate(evenkeel_backend_packets_total[20s]))"
        prometheus.wait(
            rates, lambda found: {labels["vip"] for labels, rate in found if rate > 1} == {"shop", "api"}
        )
    joined = (
        "sum by (pool) (evenkeel_backend_packets_total"
        " * on (job, instance, listener) group_left (pool) evenkeel_listener_info)"
    )
    assert [labels["pool"] for labels, _ in prometheus.asked(joined)] == ["web"]


def test_an_alert_fires_for_a_switch_that_dies_and_ends_when_it_is_back(
    watched: tuple[Lab, Prometheus],
) -> None:
    lab, prometheus = watched
    firing = 'ALERTS{alertname="EvenkeelSwitchAway",alertstate="firing"}'
    prometheus.wait("evenkeel_switch_connected", lambda found: found and all(up for _, up in found))
    assert prometheus.asked(firing) == []
    lab.fail("lb2")
    prometheus.wait(firing, lambda found: [labels["switch"] for labels, _ in found] == ["lb2"])
    lab.heal("lb2")
    prometheus.wait(firing, lambda found: not found)
