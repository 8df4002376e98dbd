"""Every program that labs, tests and benchmarks start is installed by a target of the Makefile."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LAB_PROGRAMS

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "arping": "iputils-arping",
    "bridge": "iproute2",
    "conntrack": "conntrack",
    "curl": "curl",
    "delv": "bind9-dnsutils",
    "dig": "bind9-dnsutils",
    "dnsperf": "dnsperf",
    "ethtool": "ethtool",
    "gcc": "gcc",
    "gdnsd": "gdnsd",
    "haproxy": "haproxy",
    "ip": "iproute2",
    "iperf3": "iperf3",
    "iptables": "iptables",
    "knotd": "knot",
    "mandoc": "mandoc",
    "nc": "netcat-openbsd",
    "nft": "nftables",
    "nginx": "nginx-light",
    "openssl": "openssl",
    "ovs-appctl": "openvswitch-switch",
    "ovs-dpctl": "openvswitch-switch",
    "ovs-ofctl": "openvswitch-switch",
    "ovs-vsctl": "openvswitch-switch",
    "ovs-vswitchd": "openvswitch-switch",
    "ovsdb-client": "openvswitch-switch",
    "ovsdb-server": "openvswitch-switch",
    "ovsdb-tool": "openvswitch-switch",
    "ping": "iputils-ping",
    "promtool": "prometheus",
    "ps": "procps",
    "socat": "socat",
    "ss": "iproute2",
    "tc": "iproute2",
    "tcpdump": "tcpdump",
    "traceroute": "traceroute",
    "unbound": "unbound",
    "wrk": "wrk",
}
"""Debian's packages of programs that a bare system lacks."""
EVERYWHERE = {
    "cat",
    "env",
    "false",
    "git",
    "kill",
    "ls",
    "mount",
    "nice",
    "sh",
    "sleep",
    "taskset",
    "true",
    "umount",
    "unshare",
}
"""Of packages that every Debian has, and of what the checkout came with."""
ELSEWHERE = {"docker", "docker-compose", "no-such-program", "p4c-bm2-ss", "prometheus", "simple_switch_grpc"}
"""Tests without these are skipped with a reason."""
_STARTING = {"exec", "popen", "Popen", "run", "create_subprocess_exec", "detach", "start"}


def _installed(variable: str) -> set[str]:
    found = re.search(rf"^{variable} = (.*)$", (ROOT / "Makefile").read_text(), re.M)
    assert found
    return set(found[1].split())


def _first_word(node: ast.expr) -> str | None:
    """The program in ["ping", "-c", ...] or "ping -c ...".split()."""
    if isinstance(node, ast.List | ast.Tuple) and node.elts:
        first = node.elts[0]
        if isinstance(first, ast.Starred):
            return _first_word(first.value)
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return first.value
    return None


def _started(file: Path) -> Iterator[tuple[int, str]]:
    """Line and program: every list that begins with a known program's name, and any that is given to a starter."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.List | ast.Tuple):
            word = _first_word(node)
            if word in PACKAGES:
                yield node.lineno, word
        elif isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            words = [_first_word(each) for each in node.args] if name in _STARTING else []
            yield from ((node.lineno, word) for word in words if word)


def _files(*parts: str) -> list[Path]:
    return [file for part in parts for file in sorted((ROOT / part).rglob("*.py"))]


LAB = _files("topo", "controller", "tests/lab", "tests/conformance", "tests/p4", "tests/unit", "tests/fakes")
BENCH = _files("tests/bench")


@pytest.mark.parametrize(
    ("files", "variables"),
    [(LAB, ["LAB_PACKAGES", "TEST_PACKAGES"]), (BENCH, ["LAB_PACKAGES", "BENCH_PACKAGES"])],
    ids=["labs", "benchmarks"],
)
def test_programs_that_are_started_are_installed(files: list[Path], variables: list[str]) -> None:
    there = {package for variable in variables for package in _installed(variable)}
    missing = {
        f"{file.relative_to(ROOT)}:{line} starts {program}, of {PACKAGES.get(program, 'no package known here')}"
        for file in files
        for line, program in _started(file)
        if program not in EVERYWHERE | ELSEWHERE and PACKAGES.get(program) not in there
    }
    assert not missing, "\n".join(sorted(missing))


def test_lab_tests_are_skipped_without_a_program_that_they_start() -> None:
    started = {program for file in _files("tests/lab") for _, program in _started(file)} & set(PACKAGES)
    assert {"ip", "ping"} <= started, "the search finds nothing"
    assert started <= set(LAB_PROGRAMS)
