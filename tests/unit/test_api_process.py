"""A controller without an intent file, as a process: driven by its API alone, by our client and by another one."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.api.v1 import service_pb2 as api
from controller.cli import codes
from controller.cli.audit import verify
from controller.cli.face import ApiOptions
from controller.cli.failback import failback
from controller.cli.place import Place
from controller.cli.run import run
from controller.cli.stores import Where
from controller.client import ApiError, Client, Tls
from controller.model.load import load_text
from controller.security.certificates import Role
from tests.fakes.api import message
from tests.fakes.certificates import Authority
from tests.fakes.etcd import Cluster
from tests.fakes.openflow import FakeSwitch
from tests.fakes.process import PATIENCE, Running, free_port, quiet_intent

S1, S2 = "pools/web/backends/s1", "pools/web/backends/s2"
IDS = {"edge1": 0x11, "lb1": 0x21, "lb2": 0x22, "leaf1": 0x31}
BUF = Path(sys.executable).with_name("buf")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    address = f"127.0.0.1:{free_port()}"
    with Running(tmp_path_factory.mktemp("api"), None, options=["--api", address]) as process:
        process.wait_event("started")
        yield process


@pytest.fixture
def client(running: Running) -> Iterator[Client]:
    with Client(f"unix:{running.state}.api.sock", timeout=PATIENCE) as made:
        yield made


def synced(client: Client) -> bool:
    shown = client.status()["switches"]
    return shown.keys() == IDS.keys() and all(each["synced"] for each in shown.values())


def test_switches_are_driven_by_what_the_api_is_given(running: Running, client: Client) -> None:
    assert client.get_document().revision == 0
    document = message(load_text(quiet_intent("pair"), "pair"))
    done = client.apply(document, expected=0)
    assert done.changed == 14
    switches = [FakeSwitch(number, running.port) for number in IDS.values()]
    for each in switches:
        each.connect()
    try:
        running.wait(lambda: synced(client), "switches hold what was applied")
        before = client.status()["pools"]["web/tcp"]["backends"]["s1"]["slots"]
        client.drain(S1)
        running.wait(lambda: synced(client), "switches hold it")
        shown = client.status()["pools"]["web/tcp"]["backends"]["s1"]
        assert before > 0
        assert (shown["slots"], shown["state"]) == (0.0, "drain")
        client.undrain(S1)
    finally:
        for each in switches:
            each.hang_up()


def test_what_was_acknowledged_outlives_a_killed_controller(running: Running, client: Client) -> None:
    done = client.set_weights({S1: 11, S2: 12}, request_id="before the end")
    before = client.get_document()
    running.again()
    after = client.get_document()  # the client waits for the next one
    assert after == before
    assert after.revision == done.revision
    assert client.set_weights({S1: 11, S2: 12}, request_id="before the end").repeated_request
    assert client.get(S1).backend.weight == 11


def test_a_watch_goes_on_with_the_next_controller(running: Running, client: Client) -> None:
    stream = client.watch(kinds=[api.KIND_BACKEND])
    while next(stream).WhichOneof("news") != "bookmark":
        pass
    client.set_weights({S1: 21})
    assert next(stream).put.backend.weight == 21
    running.again()
    client.set_weights({S1: 22})
    while (each := next(stream)).put.backend.weight != 22:
        assert each.WhichOneof("news") in ("reset", "put", "bookmark")


def test_an_independent_client_finds_its_way_by_reflection(running: Running, client: Client) -> None:
    client.get_document()
    buf = [
        str(BUF),
        "curl",
        "--protocol",
        "grpc",
        "--http2-prior-knowledge",
        "--unix-socket",
        f"{running.state}.api.sock",
    ]

    def asked(method: str, request: object) -> subprocess.CompletedProcess[str]:
        url = f"http://localhost/evenkeel.v1.IntentService/{method}"
        command = [*buf, "-d", json.dumps(request), url]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=PATIENCE)

    found = asked("Get", {"name": S2})
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["resource"]["backend"]["weight"] == 12
    done = asked("SetWeights", {"weights": [{"backend": S2, "weight": 13}]})
    assert json.loads(done.stdout)["outcome"]["changed"] == 2
    wrong = asked("SetWeights", {"weights": [{"backend": S2, "weight": 70000}]})
    assert wrong.returncode != 0
    assert "is 70000, write a whole number from 0 to 65535" in wrong.stderr


def test_an_address_is_served_too(running: Running) -> None:
    address = running._options[1]
    with Client(address, timeout=PATIENCE) as client:
        assert client.get("sites/east").site.name == "east"
        document = client.get_document().document
        del document.vips[:]
        with pytest.raises(ApiError, match="removes all VIPs"):
            client.apply(document)


def test_an_address_that_others_reach_is_refused_without_certificates(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ApiOptions("0.0.0.0:7450")
    assert run(None, Where(tmp_path / "state.db"), "127.0.0.1:0", api=options) == codes.Run.CANNOT_START
    assert "give --api-cert, --api-key and --api-ca" in capsys.readouterr().err
    assert not (tmp_path / "state.db").exists()


def test_the_file_of_a_running_controller_owns_its_intent(tmp_path: Path) -> None:
    with Running(tmp_path / "file", quiet_intent("pair")) as process:
        process.wait_event("started")
        with Client(f"unix:{process.state}.api.sock", timeout=PATIENCE) as client:
            with pytest.raises(ApiError, match="INTENT_FILE_OWNED"):
                client.set_weights({S1: 1})
            assert client.get(S1).backend.weight == 2
            assert process.stop() == 0
            assert not Path(f"{process.state}.api.sock").exists()


@pytest.mark.long
def test_of_two_controllers_one_serves_and_the_other_names_it_and_takes_over(tmp_path: Path) -> None:
    with Cluster(tmp_path / "etcd", 1) as etcd, contextlib.ExitStack() as stack:
        address = str(etcd.address("/api"))
        one, two = (
            stack.enter_context(Running(tmp_path / name, None, options=["--store", address, "--name", name]))
            for name in ("one", "two")
        )
        sockets = {each: f"unix:{each.state}.api.sock" for each in (one, two)}
        client = stack.enter_context(Client(list(sockets.values()), timeout=PATIENCE))
        client.apply(message(load_text(quiet_intent("pair"), "pair")))
        leads = one if one.status().get("standby") is None else two
        other = two if leads is one else one
        name = leads.folder.name
        with (
            Client(sockets[other], timeout=1.0) as asked,
            pytest.raises(ApiError, match="stands by") as caught,
        ):
            asked.get_document()
        assert (caught.value.reason, caught.value.metadata) == ("NOT_LEADING", {"leader": name})
        identity = client.get(S1).id
        stream = client.watch(kinds=[api.KIND_POOL])
        while next(stream).WhichOneof("news") != "bookmark":
            pass
        done = client.set_weights({S1: 17}, request_id="x")
        leads.process.kill()
        # The next one has it all: the weight, the ids, the revisions, and the request.
        again = client.set_weights({S1: 17}, request_id="x")
        assert again.repeated_request
        found = client.get(S1)
        assert (found.backend.weight, found.id, found.revision) == (17, identity, done.revision)
        assert client.get_document().revision == done.revision
        client.set_weights({S1: 18})
        while next(stream).put.pool.backends[:1] != [client.get(S1).backend]:
            pass


def test_a_controller_as_it_is_run_over_the_network(tmp_path: Path) -> None:
    """Roles by certificates, an audit log that the command finds as written, and a port that is said to be open."""
    authority = Authority(tmp_path / "pki")
    own = authority.sign("ctl1", "127.0.0.1", role=Role.CONTROLLER)
    log, address = tmp_path / "audit.log", f"127.0.0.1:{free_port()}"
    options = ["--api", address, "--api-cert", str(own.cert), "--api-key", str(own.key)]
    options += [
        "--api-ca",
        str(own.ca),
        "--audit",
        str(log),
        "--listen",
        f"0.0.0.0:{free_port()}",
        "--listen-insecure",
    ]
    with Running(tmp_path / "run", None, options=options) as process:
        said = process.wait_event("listen_unprotected")
        assert said["listen"] == options[-2]
        process.wait_event("started")
        shown = {role: authority.sign(role.value, role=role) for role in (Role.OPERATOR, Role.VIEWER)}
        tls = {role: Tls(each.ca, each.cert, each.key) for role, each in shown.items()}
        with Client(f"unix:{process.state}.api.sock", timeout=PATIENCE) as admin:
            admin.apply(message(load_text(quiet_intent("pair"), "pair")))
        with Client(address, tls[Role.OPERATOR], PATIENCE) as operator:
            done = operator.because("slow").set_weights({S1: 5})
        with Client(address, tls[Role.VIEWER], PATIENCE) as viewer, pytest.raises(ApiError, match="DENIED"):
            viewer.set_weights({S1: 6})
        assert failback(Place(process.state), "web", None) == codes.Asked.REFUSED
        assert process.stop() == 0
    assert verify(log, None) == codes.Audit.GOOD
    rows = [json.loads(line) for line in log.read_text().splitlines()]
    steps = ["begun", "asked", "done", "asked", "done", "refused", "asked", "done"]
    assert [row["step"] for row in rows] == steps
    assert (rows[3]["why"], rows[4]["revision"]) == ("slow", done.revision)
    assert rows[6]["source"] == "control socket"


@pytest.mark.parametrize("program", [["run"], ["agent", "--name", "a", "--store", "etcd://127.0.0.1:1/x"]])
def test_switches_are_not_let_in_from_elsewhere_without_tls_unless_that_is_allowed(
    tmp_path: Path, program: list[str]
) -> None:
    argv = [sys.executable, "-m", "controller", *program, "--state", str(tmp_path / "x.db")]
    done = subprocess.run(
        [*argv, "--listen", "0.0.0.0:6653", "--insecure-peers"],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == codes.Run.CANNOT_START
    assert "could pose as a switch without TLS" in done.stderr
    assert "--listen-insecure" in done.stderr
