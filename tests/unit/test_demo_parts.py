"""The demo's smaller parts: editing the intent, choosing load and victim, waiting, and the pictures."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from rich.console import Console
from ruamel.yaml import YAML

from topo import intent, model
from topo.demo import live, ready, sabotage, scoreboard
from topo.demo.actors import LoadPlan, Tail, write_specs
from topo.demo.events import FULL, Fleet, Happened, write_script
from topo.demo.intentfile import MODES, IntentError, IntentFile
from topo.demo.ledger import Endpoint
from topo.demo.load import Target
from topo.demo.outcome import Observed, conclude
from topo.demo.records import ClientLog, Connection, Echo, Request
from topo.demo.scale import OVS
from topo.plan import plan

FABRIC = plan(model.load("demo"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "intent.yaml"
    file.write_text(intent.dump(intent.intent(FABRIC)))
    return file


def backends(path: Path) -> dict[str, dict[str, object]]:
    document = YAML(typ="safe", pure=True).load(path.read_text())
    return {one["name"]: one for one in document["pools"][0]["backends"]}


# -- the intent file


def test_the_demos_topology_has_what_the_demo_needs(path: Path) -> None:
    file = IntentFile(path)
    for port in (80, 7000):
        assert [one.mode for one in file.endpoints(port)] == list(MODES)
    weights = {name: one.weight for name, one in file.servers().items()}
    assert write_script(1, weights, file.switches("lb")).steps
    assert file.verdict_seconds() == pytest.approx(1.3)
    assert [host.name for host in FABRIC.hosts.values() if host.kind == "client"] == ["c1", "c2"]


def test_a_backend_left_out_comes_back_as_it_was(path: Path) -> None:
    before = backends(path)
    file = IntentFile(path)
    file.leave_out("s3")
    assert set(backends(path)) == set(before) - {"s3"}
    file.add("s3")
    assert backends(path) == before


def test_weights_and_drains_change_one_backend_only(path: Path) -> None:
    before = backends(path)
    file = IntentFile(path)
    file.set_weight("s2", 5)
    file.drain("s4")
    after = backends(path)
    assert (after["s2"]["weight"], after["s4"]["drain"]) == (5, True)
    assert {name: one for name, one in after.items() if name not in ("s2", "s4")} == {
        name: one for name, one in before.items() if name not in ("s2", "s4")
    }


def test_an_edit_replaces_the_file_and_leaves_nothing_beside_it(path: Path) -> None:
    inode = path.stat().st_ino
    IntentFile(path).set_weight("s2", 5)
    assert path.stat().st_ino != inode
    assert list(path.parent.iterdir()) == [path]


def test_what_is_missing_in_the_intent_is_named(path: Path) -> None:
    file = IntentFile(path)
    with pytest.raises(IntentError, match=r"pools\[0\]\.backends: there should be a backend 's9'"):
        file.drain("s9")
    with pytest.raises(IntentError, match="there should be a TCP listener on 81 in dr, nat, tun"):
        file.endpoints(81)
    with pytest.raises(IntentError, match="lb1 should have a port to s1"):
        file.port("lb1", "s1")
    with pytest.raises(IntentError, match="was not left out before"):
        file.add("s1")


# -- the load


def test_connections_are_shared_out_evenly_and_half_of_them_are_silent(path: Path, tmp_path: Path) -> None:
    file = IntentFile(path)
    load = LoadPlan(360, 40.0, 1)
    specs = write_specs(load, ["c1", "c2"], file.endpoints(7000), file.endpoints(80), tmp_path)
    everything = [one for spec in specs for one in spec.connections]
    assert len({one.id for one in everything}) == 360
    for client in specs:
        for endpoint in file.endpoints(7000):
            mine = [one for one in client.connections if one.target.listener == endpoint.listener]
            assert len(mine) == 60
            assert sum(1 for one in mine if one.kind == "silent") == 30
    assert min(one.period[0] for one in everything if one.kind == "silent") > FULL.silence
    assert [one.listener for one in specs[0].requests] == ["shop/tcp/80", "api/tcp/80", "files/tcp/80"]


def test_silent_connections_speak_once_in_every_transition_window() -> None:
    document = intent.intent(FABRIC)
    assert document["pools"][0]["transition"] == "48s"
    assert FULL.silent[1] < 48.0


def test_a_tail_gives_whole_lines_once(tmp_path: Path) -> None:
    file = tmp_path / "log"
    tail = Tail(file)
    assert tail.lines() == []
    file.write_bytes(b"one\ntw")
    assert tail.lines() == ["one"]
    with file.open("ab") as out:
        out.write(b"o\nthree\n")
    assert tail.lines() == ["two", "three"]
    assert tail.lines() == []


# -- sabotage


def living(number: int, server: str, listener: str = "shop/tcp/7000", kind: str = "active") -> Connection:
    return Connection(
        f"c1-{number}",
        "c1",
        listener,
        kind,
        begin=1.0,
        opened=1.1,
        local=("10.0.0.11", 40000 + number),
        echoes=[Echo(1.2, 0.1, server)],
    )


def test_the_victim_is_an_active_dr_connection_and_goes_to_another_serving_server(path: Path) -> None:
    file = IntentFile(path)
    candidates = [
        living(1, "s1", kind="silent"),
        living(2, "s1", listener="api/tcp/7000"),
        living(3, "s6"),
        living(4, "s1"),
    ]
    targets = set()
    for seed in range(20):
        victim, to = sabotage.choose(candidates, file.endpoints(7000), file.servers(), {"s6", "s5"}, seed)
        assert victim.id == "c1-4"
        targets.add(to.name)
    assert targets == {"s2", "s3", "s4"}


def test_no_fit_victim_is_an_error_not_a_silent_pass(path: Path) -> None:
    file = IntentFile(path)
    with pytest.raises(sabotage.NoVictimError, match="no active connection in mode dr could be moved"):
        sabotage.choose([living(3, "s6")], file.endpoints(7000), file.servers(), {"s6"}, 1)


def test_the_flow_takes_one_connection_and_nothing_else(path: Path) -> None:
    file = IntentFile(path)
    to = file.servers()["s5"]
    endpoint = file.endpoints(7000)[0]
    text = sabotage.flow(living(4, "s1"), endpoint, to, file.port("lb2", "leaf2"))
    assert text == (
        "table=0,priority=65535,cookie=0x5ab0,tcp,nw_src=10.0.0.11,nw_dst=10.0.0.100,tp_src=40004,tp_dst=7000,"
        f"actions=mod_dl_dst:{to.mac},output:4"
    )


# -- waiting


class Named(BaseHTTPRequestHandler):
    """Answers with one name after another."""

    names: Iterator[str]

    def do_GET(self) -> None:
        body = next(self.names).encode()
        self.send_response(200)
        self.end_headers()
        self.wfile.write(body + b"\n")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


def wait_for(names: list[str], servers: set[str], within: float) -> str:
    class Handler(Named):
        pass

    Handler.names = iter(names + [names[-1]] * 10_000)
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            target = Target("shop/tcp/80", "127.0.0.1", server.server_address[1])
            return ready.wait(ready.Wanted((target,), frozenset(servers), within))
        finally:
            server.shutdown()
            thread.join()


def test_ready_once_every_server_in_service_has_answered() -> None:
    assert wait_for(["s1"] * 12 + ["s2"], {"s1", "s2"}, 5.0) == ""


@pytest.mark.parametrize(
    ("names", "servers", "said"),
    [
        (["s1"], {"s1", "s2"}, "shop/tcp/80: no new connection reaches s2"),
        (["s1", "s9"], {"s1"}, "shop/tcp/80 is answered by 's9', not by one of s1"),
    ],
)
def test_what_keeps_the_fabric_from_being_ready_is_said(
    names: list[str], servers: set[str], said: str
) -> None:
    assert wait_for(names, servers, 0.05) == said


def test_a_listener_that_does_not_answer_is_named() -> None:
    target = Target("api/tcp/80", "127.0.0.1", 1)
    said = ready.wait(ready.Wanted((target,), frozenset({"s1"}), 0.0))
    assert said.startswith("api/tcp/80 (127.0.0.1:1) does not answer: ")


def test_what_is_waited_for_survives_the_way_to_the_program() -> None:
    wanted = ready.Wanted((Target("a", "10.0.0.100", 80),), frozenset({"s1", "s2"}), 60.0)
    assert ready.Wanted.parse(wanted.dump()) == wanted


# -- pictures


def some_run() -> tuple[live.View, ClientLog]:
    weights = {f"s{n}": 1 for n in range(1, 7)}
    script = write_script(1, weights, ["lb1", "lb2"])
    log = ClientLog("c1", {"c1-1": living(1, "s1"), "c1-2": living(2, "s1")})
    log.requests = [Request(98.0, 0.001, 0.002, "c1", "shop/tcp/80", 1, "s1", "ok")]
    view = live.View(script, Fleet(weights, frozenset({script.late})), 1.3, OVS, [log], 70.0)
    return view, log


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_the_live_picture_shows_backends_events_and_what_the_controller_says() -> None:
    view, _ = some_run()
    view.happened = [Happened(step, 70.0 + step.at) for step in view.script.steps[:3]]
    view.said = [(99.0, "repaired  switch=lb1")]
    view.status = {"pools": {"web": {"unsynced": 7}}}
    console = Console(file=io.StringIO(), width=120)
    console.print(live.render(view, 100.0))
    text = printed(console)
    assert all(step.title in text for step in view.script.steps)
    assert all(word in text for word in ("draining", "added", "100.0%", "unsynced 7", "repaired  switch=lb1"))


def test_the_live_picture_needs_nothing_from_the_controller() -> None:
    view, _ = some_run()
    console = Console(file=io.StringIO(), width=120)
    console.print(live.render(view, 71.0))
    assert "not yet" in printed(console)


def test_the_scoreboard_names_the_broken_and_fits_a_terminal() -> None:
    view, log = some_run()
    steps = view.script.steps
    seen = Observed(
        seed=1,
        sabotage=True,
        steps=len(steps),
        fleet=view.fleet,
        start=70.0,
        end=220.0,
        happened=tuple(Happened(step, 70.0 + step.at) for step in steps),
        endpoints=(Endpoint("shop/tcp/7000", "dr", "10.0.0.100", 7000, 7000),),
        clients=(log,),
        served=(),
        verdict_seconds=1.3,
        scale=OVS,
    )
    log.connections["c1-1"].proof = Echo(210.0, 0.1, "s2")
    console = Console(file=io.StringIO(), width=90)
    scoreboard.show(console, conclude(seen))
    text = printed(console)
    assert "broken c1-1 shop/tcp/7000 on s1 at 140.0 s: no server logged it" in text
    assert "the sabotage was found" in text
    assert all(step.title in text for step in steps)
