"""The controller, two name servers that follow it, and real clients: dig, delv, and a resolver with its cache."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from controller.security.certificates import Role
from tests.fakes.certificates import Authority
from tests.fakes.process import PATIENCE, ROOT, Running, free_port, quiet_intent
from tests.lab.nameservers import (
    Process,
    awaited,
    delv,
    dig,
    free_domain_port,
    nameserver,
    needs,
    shown,
    unbound,
)

pytestmark = [pytest.mark.lab, needs("dig"), needs("delv"), needs("unbound")]

ZONE, EAST, WEST = "example.net", "127.0.0.1", "127.0.0.2"
NAMES = 40
"""Services, so that the resolver can be asked for one that it has not in its cache."""
RESOLVED = 3.0
"""Seconds within which a resolver answers although one site's name servers died."""


def zones(*addresses: str) -> list[dict[str, Any]]:
    """One signed zone, each of its services with these addresses."""
    candidates = [{"address": each, "site": "east"} for each in addresses]
    services = [
        {
            "name": f"s{number}",
            "ttl": 600 if number == 0 else 1,
            "answers": "all",
            "candidates": candidates,
            "policies": ["round-robin"],
        }
        for number in range(NAMES)
    ]
    servers = [
        {"name": "ns1", "addresses": ["192.0.2.1"], "site": "east"},
        {"name": "ns2", "addresses": ["192.0.2.2"]},
    ]
    return [{"name": ZONE, "signed": True, "servers": servers, "services": services}]


def intent(*addresses: str) -> str:
    """With that zone."""
    return quiet_intent("pair", lambda document: document.update(zones=zones(*addresses)))


@dataclass
class Fabric:
    """What runs."""

    folder: Path
    port: int
    ds: str
    anchor: Path
    controller: Running
    east: Process
    west: Process

    def ask(self, server: str, name: str, *words: str) -> list[str]:
        """Lines of dig's short answer, in order."""
        return sorted(dig(server, self.port, "+short", f"{name}.{ZONE}", *words).split("\n"))[1:]

    def both(self, name: str, *answer: str) -> None:
        """Wait until both name servers answer so."""
        for server in (EAST, WEST):
            awaited(lambda at=server: self.ask(at, name) == sorted(answer), f"{server}: {name} is {answer}")  # type: ignore[misc]


def keys(folder: Path) -> tuple[str, Path]:
    """Keys by the command: the DS, and a trust anchor for delv."""
    argv = [sys.executable, "-m", "controller", "dns", "keys"]

    def run(*words: str) -> list[str]:
        done = subprocess.run(
            [*argv, *words], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
        )
        return done.stdout.splitlines()

    ds = run("new", str(folder / "keys"), ZONE)[-1]
    words = ds.split()
    anchor = folder / "anchor"
    digest = " ".join(f'"{each}"' if at == 3 else each for at, each in enumerate(words[3:]))
    anchor.write_text(f"trust-anchors {{ {ZONE}. static-ds {digest}; }};\n")
    assert ds in run("list", str(folder / "keys"))
    return ds, anchor


def context(folder: Path, api: str) -> dict[str, str]:
    """A context with a name server's certificate, and the environment in which it is the current one."""
    authority = Authority(folder / "pki")
    served = authority.sign("api", EAST, role=Role.CONTROLLER)
    own = authority.sign("ns", role=Role.NAMESERVER)
    home = folder / "home"
    (home / "evenkeel").mkdir(parents=True)
    servers = f"[127.0.0.1:1, '{api}']"
    known = f"{{servers: {servers}, ca: {own.ca}, cert: {own.cert}, key: {own.key}}}"
    (home / "evenkeel" / "contexts.yaml").write_text(f"current: lab\ncontexts:\n  lab: {known}\n")
    return {
        "XDG_CONFIG_HOME": str(home),
        "served": f"--api {api} --api-cert {served.cert} --api-key {served.key} --api-ca {served.ca}",
    }


@pytest.fixture(scope="module")
def fabric(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fabric]:
    folder = tmp_path_factory.mktemp("names")
    ds, anchor = keys(folder)
    env = context(folder, f"127.0.0.1:{free_port()}")
    options, port = env.pop("served").split(), free_domain_port()
    more = ("--keys", str(folder / "keys"))
    with (
        Running(folder / "run", intent("198.51.100.1", "198.51.100.2"), options=options) as controller,
        nameserver(folder / "east", f"{EAST}:{port}", *more, "--site", "east", env=env) as east,
        nameserver(folder / "west", f"{WEST}:{port}", *more, "--state", str(controller.state)) as west,
    ):
        made = Fabric(folder, port, ds, anchor, controller, east, west)
        made.both("s1", "198.51.100.1", "198.51.100.2")
        yield made


def test_both_name_servers_answer_as_the_intent_says_and_follow_it(fabric: Fabric) -> None:
    assert "REFUSED" in dig(EAST, fabric.port, "example.org")
    assert "Transfer failed" in dig(EAST, fabric.port, ZONE, "AXFR")
    assert "status: NXDOMAIN" in dig(EAST, fabric.port, f"none.{ZONE}")
    assert fabric.ask(EAST, "s1", "+tcp") == ["198.51.100.1", "198.51.100.2"]
    assert "/0" in dig(EAST, fabric.port, f"s1.{ZONE}", "+subnet=203.0.113.0/24")
    cookie = dig(EAST, fabric.port, f"s1.{ZONE}")
    assert "COOKIE" in cookie
    assert "(good)" in cookie
    fabric.controller.intent.write_text(intent("198.51.100.7"))
    fabric.both("s1", "198.51.100.7")
    fabric.controller.intent.write_text(intent("198.51.100.1", "198.51.100.2"))
    fabric.both("s1", "198.51.100.1", "198.51.100.2")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["s1.example.net", "A"], "; fully validated"),
        (["example.net", "SOA"], "; fully validated"),
        (["example.net", "DNSKEY"], "; fully validated"),
        (["none.example.net", "A"], "; negative response, fully validated"),
        (["s1.example.net", "AAAA"], "; negative response, fully validated"),
        (["x.s1.example.net", "A"], "; negative response, fully validated"),
    ],
)
def test_delv_proves_what_they_say(fabric: Fabric, words: list[str], said: str) -> None:
    found = delv(WEST, fabric.port, fabric.anchor, ZONE, *words)
    assert said in found, found


def test_with_another_anchor_delv_believes_nothing(fabric: Fabric, tmp_path: Path) -> None:
    wrong = tmp_path / "anchor"
    text = fabric.anchor.read_text()
    digest = text.rpartition('"')[0].rpartition('"')[2]
    wrong.write_text(text.replace(digest, digest[::-1]))
    found = delv(WEST, fabric.port, wrong, ZONE, f"s1.{ZONE}", "A")
    assert "resolution failed" in found


def test_a_resolver_answers_within_three_seconds_when_one_sites_name_servers_die(fabric: Fabric) -> None:
    servers = [f"{each}@{fabric.port}" for each in (EAST, WEST)]
    port = free_domain_port()
    with unbound(fabric.folder / "unbound", port, ZONE, fabric.ds, servers):

        def asked(name: str) -> str:
            return dig(EAST, port, f"{name}.{ZONE}", "+dnssec")

        awaited(lambda: "198.51.100.1" in asked("s0"), "the resolver answers")
        assert " ad;" in asked("s0").replace(" ad ", " ad; "), "the resolver has validated"
        for number in range(1, 12):
            assert "198.51.100.1" in asked(f"s{number}")
        fabric.east.kill()
        try:
            worst = 0.0
            for number in range(12, NAMES):
                began = time.monotonic()
                answer = dig(EAST, port, f"s{number}.{ZONE}", "+time=10")
                worst = max(worst, time.monotonic() - began)
                assert "198.51.100.1" in answer, answer
            assert worst < RESOLVED
            assert "198.51.100.1" in asked("s0"), "what it has in its cache too"
        finally:
            fabric.east.again()
    fabric.both("s1", "198.51.100.1", "198.51.100.2")


@pytest.mark.long
def test_they_go_on_without_the_controller_and_begin_again_without_it(fabric: Fabric) -> None:
    fabric.controller.process.kill()
    fabric.controller.process.wait(PATIENCE)
    assert fabric.ask(EAST, "s1") == ["198.51.100.1", "198.51.100.2"]
    fabric.west.kill()
    fabric.west.again()
    fabric.both("s1", "198.51.100.1", "198.51.100.2")
    awaited(lambda: shown(fabric.folder / "west").get("controller") is False, "it says that it is alone")
    awaited(lambda: shown(fabric.folder / "west")["heard"] is not None, "and since when")
    fabric.controller.again()
    fabric.controller.intent.write_text(intent("198.51.100.8"))
    fabric.both("s1", "198.51.100.8")
    awaited(lambda: shown(fabric.folder / "west")["controller"], "it is not alone any more")
