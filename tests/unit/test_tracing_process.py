"""``evenkeel run --traces`` as a process: towards a receiver of OTLP, and towards none."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as wire
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as service

from controller.client import Client
from controller.model.load import load_text
from tests.fakes.api import message
from tests.fakes.openflow import FakeSwitch
from tests.fakes.process import PATIENCE, Running, free_port, quiet_intent

S1 = "pools/web/backends/s1"
IDS = {"edge1": 0x11, "lb1": 0x21, "lb2": 0x22, "leaf1": 0x31}


class Receiver(service.TraceServiceServicer):
    """Keeps what it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.about: dict[str, str] = {}

    def Export(self, request: Any, context: Any) -> Any:
        for resource in request.resource_spans:
            self.about |= {each.key: each.value.string_value for each in resource.resource.attributes}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return wire.ExportTraceServiceResponse()

    def switches(self) -> set[str]:
        """Those whose writes were sent."""
        writes = (span for span in self.spans if span.name == "write")
        return {
            a.value.string_value for each in writes for a in each.attributes if a.key == "evenkeel.switch"
        }


@pytest.fixture
def receiver() -> Iterator[tuple[Receiver, str]]:
    made, server = Receiver(), grpc.server(ThreadPoolExecutor(2))
    service.add_TraceServiceServicer_to_server(made, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield made, f"http://127.0.0.1:{port}"
    server.stop(0)


def changed(process: Running) -> None:
    """An intent, and a change of it that all switches take."""
    process.wait_event("started")
    with Client(f"unix:{process.state}.api.sock", timeout=PATIENCE) as client:
        client.apply(message(load_text(quiet_intent("pair"), "pair")))
        switches = [FakeSwitch(number, process.port) for number in IDS.values()]
        for each in switches:
            each.connect()
        try:
            process.wait(lambda: _synced(client), "switches are synced")
            client.drain(S1)
            process.wait(lambda: _synced(client), "switches follow")
        finally:
            for each in switches:
                each.hang_up()


def _synced(client: Client) -> bool:
    shown = client.status()["switches"]
    return shown.keys() == IDS.keys() and all(each["synced"] for each in shown.values())


def test_spans_reach_a_receiver(tmp_path: Path, receiver: tuple[Receiver, str]) -> None:
    it, url = receiver
    with Running(tmp_path, None, options=["--traces", url]) as process:
        changed(process)
        process.wait(lambda: it.switches() >= {"lb1", "lb2"}, "writes of both lb switches were sent")
    names = {span.name for span in it.spans}
    assert names >= {
        "propose",
        "validate",
        "plan",
        "commit",
        "acknowledge",
        "evenkeel.v1.IntentService/Drain",
    }
    assert it.about["service.name"] == "evenkeel"
    assert it.about["service.instance.id"] == str(process.state)


def test_without_a_receiver_nothing_but_spans_is_lost(tmp_path: Path) -> None:
    options = ["--traces", f"http://127.0.0.1:{free_port()}"]
    settings = {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.2", "OTEL_BSP_SCHEDULE_DELAY": "50"}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        with Running(tmp_path, None, options=options) as process:
            changed(process)
            process.wait_event("traces_failed")


def test_what_is_not_asked_for_is_not_loaded() -> None:
    """The controller's program runs where the extra is not installed."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None\n"
        "import controller.cli.run, controller.cli.main, controller.app.assembly, controller.api.server\n"
        "assert not [name for name in sys.modules if name.startswith('opentelemetry.')]\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)


def test_older_messages_of_another_package_are_told_with_what_mends_them(tmp_path: Path) -> None:
    """``xds-protos`` brings some, and may be installed last."""
    code = (
        "import types, sys\n"
        "name = 'opentelemetry.proto.common.v1.common_pb2'\n"
        "sys.modules[name] = types.ModuleType(name)\n"
        "from controller.cli.traces import Traces\n"
        "try:\n    Traces('http://127.0.0.1:1', 'one', None)\n"
        "except ValueError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, timeout=PATIENCE, capture_output=True, text=True
    )
    assert "--traces http://127.0.0.1:1: xds-protos has written older messages" in done.stdout
    assert "pip install --force-reinstall --no-deps opentelemetry-proto" in done.stdout
