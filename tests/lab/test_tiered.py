"""Clients, a VIP of each mode, a tier of real HAProxy processes and servers: served, drained and failed as one."""

from __future__ import annotations

import contextlib
import functools
import shutil
import threading
import time
from collections.abc import Iterator
from ipaddress import IPv4Network, ip_address
from typing import Any

import pytest

from tests.lab.balanced import Balanced
from tests.lab.conftest import MakeLab, eventually
from topo.lab import Lab

pytestmark = [
    pytest.mark.lab,
    pytest.mark.long,
    pytest.mark.skipif(
        shutil.which("haproxy") is None, reason="needs the program haproxy: apt-get install haproxy"
    ),
]

VIPS = {"dr": "10.0.0.100", "nat": "10.0.0.101", "fullnat": "10.0.0.102"}
LOCAL = IPv4Network("10.3.0.0/16")
CLIENT = "10.0.0.11"
WITHIN = 60.0


@pytest.fixture(scope="module")
def tiered(make_lab: MakeLab) -> Iterator[Balanced]:
    with Balanced(make_lab("tiered")) as made:
        synced(made)
        yield made


class Asker:
    """One connection of a client to a VIP."""

    def __init__(self, lab: Lab, vip: str) -> None:
        self._lab, self._vip = lab, vip
        self._open()

    def _open(self) -> None:
        self._one = self._lab.socket("c1")
        self._one.settimeout(10)
        self._one.connect((self._vip, 80))

    def ask(self, path: str, host: str = "shop.example.org") -> tuple[str, bool]:
        """The body, and whether the connection is to end."""
        self._one.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        raw = b""
        while b"\r\n\r\n" not in raw:
            more = self._one.recv(65536)
            assert more, raw
            raw += more
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), raw
        fields = dict(line.lower().split(b": ", 1) for line in head.splitlines()[1:])
        while len(body) < int(fields[b"content-length"]):
            more = self._one.recv(65536)
            assert more, raw
            body += more
        return body.decode().strip(), fields.get(b"connection") == b"close"

    def again(self) -> None:
        """Another connection."""
        self.close()
        self._open()

    def close(self) -> None:
        self._one.close()


def ask(lab: Lab, vip: str, path: str = "/client", host: str = "shop.example.org") -> str:
    one = Asker(lab, vip)
    try:
        return one.ask(path, host)[0]
    finally:
        one.close()


class Crowd(threading.Thread):
    """Clients that keep their connections as long as they may; what fails is kept."""

    def __init__(self, lab: Lab, count: int = 6) -> None:
        super().__init__(daemon=True)
        vips = list(VIPS.values())
        self._askers = [Asker(lab, vips[n % len(vips)]) for n in range(count)]
        self._ends = threading.Event()
        self.answers = 0
        self.failures: list[str] = []

    def run(self) -> None:
        while not self._ends.wait(0.02):
            for one in self._askers:
                try:
                    _, ends = one.ask("/client")
                    self.answers += 1
                    if ends:
                        one.again()
                except (OSError, AssertionError) as error:
                    self.failures.append(repr(error))
                    with contextlib.suppress(OSError):
                        one.again()

    def __enter__(self) -> Crowd:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self.join()
        for one in self._askers:
            one.close()


def all_served(lab: Lab) -> bool:
    """Whether requests one after the other reach both servers, and none fails."""
    try:
        return {ask(lab, VIPS["dr"]).split()[0] for _ in range(16)} == {"w1", "w2"}
    except OSError:
        return False


def item(status: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = status.get("exits", {}).get("tier", {}).get("items", {}).get(name, {})
    return found


def state(made: Balanced, name: str, wanted: str) -> None:
    made.wait_status(lambda status: item(status, name).get("state") == wanted, f"{name} {wanted}", WITHIN)


def has_note(status: dict[str, Any], name: str, note: str) -> bool:
    return bool(item(status, name).get("note") == note)


def synced(made: Balanced) -> None:
    made.wait_status(lambda status: status["exits"]["tier"]["synced"], "the tier is synced", WITHIN)


def of_pool(document: Any, pool: str, name: str) -> Any:
    tier = document["tiers"][0]
    servers = next(each for each in tier["pools"] if each["name"] == pool)["servers"]
    return next(each for each in servers if each["name"] == name)


def drain(document: Any, name: str, value: bool) -> None:
    backends = document["pools"][0]["backends"]
    next(each for each in backends if each["name"] == name)["drain"] = value


@pytest.mark.parametrize("mode", VIPS)
def test_each_mode_leads_through_the_tier_and_servers_read_whom_it_knows(tiered: Balanced, mode: str) -> None:
    lab, vip = tiered.lab, VIPS[mode]
    answers = [ask(lab, vip).split() for _ in range(12)]
    assert {server for server, _ in answers} == {"w1", "w2"}
    sources = {source for _, source in answers}
    if mode == "fullnat":
        assert all(ip_address(source) in LOCAL for source in sources), (
            "the switch's address is all that it knows"
        )
    else:
        assert sources == {CLIENT}
    assert ask(lab, vip, host="api.example.org").split()[0] == "w3"


def test_the_switches_and_the_tier_are_drained_as_one(tiered: Balanced) -> None:
    tiered.wait_status(
        lambda status: all(
            (each["agent"] or {}).get("connections") is not None
            for each in status["pools"]["front/tcp"]["backends"].values()
        ),
        "connections of both are known to the switches' scheduler",
        WITHIN,
    )
    with Crowd(tiered.lab) as crowd:
        for name, other in (("h1", "h2"), ("h2", "h1")):
            tiered.edit_intent(functools.partial(drain, name=name, value=True))
            state(tiered, f"web/{name}", "drained")
            state(tiered, f"web/{other}", "serves")
            tiered.edit_intent(functools.partial(drain, name=name, value=False))
            state(tiered, f"web/{name}", "serves")
            tiered.wait_ready()

        def drain_server(document: Any) -> None:
            of_pool(document, "site", "w1")["drain"] = True

        tiered.edit_intent(drain_server)
        for name in ("h1", "h2"):
            tiered.wait_status(
                functools.partial(has_note, name=f"web/{name}/site/w1", note="drained"),
                f"w1 is drained at {name}",
                WITHIN,
            )
        assert {ask(tiered.lab, VIPS["nat"]).split()[0] for _ in range(8)} == {"w2"}
        more = crowd.answers
        end = time.monotonic() + WITHIN
        while crowd.answers < more + 50:
            assert time.monotonic() < end
            time.sleep(0.05)
    assert not crowd.failures
    assert crowd.answers > 100

    def undrain(document: Any) -> None:
        of_pool(document, "site", "w1")["drain"] = False

    tiered.edit_intent(undrain)
    synced(tiered)


def test_a_haproxy_that_dies_is_left_out_and_is_as_it_should_be_when_it_is_back(tiered: Balanced) -> None:
    lab = tiered.lab
    lab.fail("h1")
    state(tiered, "web/h1", "not reached")
    tiered.wait_status(
        lambda status: status["pools"]["front/tcp"]["backends"]["h1"]["up"] is False, "h1 is down", WITHIN
    )
    eventually(lambda: all_served(lab), "no client is led to h1 any more", WITHIN)

    def weigh(document: Any) -> None:
        of_pool(document, "site", "w1")["weight"] = 7

    tiered.edit_intent(weigh)
    tiered.wait_status(lambda status: item(status, "web/h2/site/w1")["weight"] == 7, "h2 goes on", WITHIN)
    lab.heal("h1")
    synced(tiered)
    tiered.wait_ready()
    assert "weight 7" in (lab.path / "tier" / "h1.cfg").read_text()
    assert not any(event["event"] == "failure" for event in tiered.events)
