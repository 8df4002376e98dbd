"""The controller's intent file, read for the demo's needs and edited as an operator would."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from controller.model.units import parse_duration
from topo.demo.ledger import Endpoint

MODES = ("dr", "nat", "tun")
DEFAULT_INTERVAL, DEFAULT_TIMEOUT, DEFAULT_FALL = 1.0, 0.5, 3


def _seconds(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else parse_duration(str(value))


class IntentError(Exception):
    """The intent file does not hold what the demo needs; the message says what it should hold."""


@dataclass(frozen=True)
class Server:
    """A backend as the file has it."""

    name: str
    weight: int
    mac: str | None
    at: str | None


class IntentFile:
    """One intent file with one pool under test."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._yaml = YAML()
        self._yaml.preserve_quotes = True
        self._document: Any = self._yaml.load(path.read_text(encoding="utf-8"))
        self._left_out: dict[str, Any] = {}
        pools = self._document.get("pools") or []
        if len(pools) != 1:
            raise IntentError(f"{path}: pools: the demo balances one pool, not {len(pools)}")
        self._pool = pools[0]

    def _backend(self, name: str) -> Any:
        for backend in self._pool["backends"]:
            if backend["name"] == name:
                return backend
        raise IntentError(f"{self._path}: pools[0].backends: there should be a backend {name!r}")

    def _save(self) -> None:
        text = io.StringIO()
        self._yaml.dump(self._document, text)
        draft = self._path.with_name(f".{self._path.name}.new")
        draft.write_text(text.getvalue(), encoding="utf-8")
        draft.replace(self._path)

    # -- reading

    def servers(self) -> dict[str, Server]:
        """Backends by name."""
        return {
            str(one["name"]): Server(
                str(one["name"]), int(one.get("weight", 1)), one.get("mac"), one.get("at")
            )
            for one in self._pool["backends"]
        }

    def endpoints(self, port: int) -> list[Endpoint]:
        """TCP listeners on ``port`` of IPv4 VIPs whose servers see the client's address (dr, nat, tun)."""
        found = []
        for vip in self._document.get("vips") or []:
            for listener in vip["listeners"]:
                wanted = listener.get("protocol", "tcp") == "tcp" and int(listener["port"]) == port
                if wanted and listener["mode"] in MODES and ":" not in vip["address"]:
                    name = f"{vip['name']}/tcp/{port}"
                    behind = int(listener.get("backend_port", port))
                    found.append(Endpoint(name, str(listener["mode"]), str(vip["address"]), port, behind))
        missing = sorted(set(MODES) - {one.mode for one in found})
        if missing:
            raise IntentError(
                f"{self._path}: vips: there should be a TCP listener on {port} in {', '.join(missing)}"
            )
        return found

    def switches(self, role: str) -> list[str]:
        """Names of the switches with that role."""
        switches = self._document.get("switches") or []
        return [str(one["name"]) for one in switches if role in one.get("roles", [])]

    def port(self, switch: str, neighbour: str) -> int:
        """OpenFlow number of the port of ``switch`` towards ``neighbour``."""
        for one in self._document["switches"]:
            if one["name"] == switch:
                for number, name in one["ports"].items():
                    if name == neighbour:
                        return int(number)
        raise IntentError(f"{self._path}: switches: {switch} should have a port to {neighbour}")

    def p4runtime(self, switch: str) -> tuple[str, int] | None:
        """gRPC address and device id of a P4 switch; None of another one."""
        for one in self._document["switches"]:
            if one["name"] == switch and "p4runtime" in one:
                return str(one["p4runtime"]), int(one["id"])
        return None

    def verdict_seconds(self) -> float:
        """interval x fall + timeout of the pool's health check."""
        health = self._pool.get("health") or {}
        interval = _seconds(health.get("interval", DEFAULT_INTERVAL))
        timeout = _seconds(health.get("timeout", DEFAULT_TIMEOUT))
        return interval * int(health.get("fall", DEFAULT_FALL)) + timeout

    # -- editing

    def leave_out(self, name: str) -> None:
        """Take a backend out of the file, to be added later."""
        backend = self._backend(name)
        self._left_out[name] = backend
        self._pool["backends"].remove(backend)
        self._save()

    def add(self, name: str) -> None:
        """Put a backend back that was left out."""
        if name not in self._left_out:
            raise IntentError(f"{self._path}: backend {name!r} was not left out before")
        self._pool["backends"].append(self._left_out.pop(name))
        self._save()

    def set_weight(self, name: str, weight: int) -> None:
        """Change a backend's weight."""
        self._backend(name)["weight"] = weight
        self._save()

    def set_probe(self, seconds: float) -> None:
        """Probe the pool's backends so often, and give each probe as long."""
        health = self._pool.setdefault("health", {})
        health["interval"] = health["timeout"] = seconds
        self._save()

    def drain(self, name: str) -> None:
        """Drain a backend."""
        self._backend(name)["drain"] = True
        self._save()
