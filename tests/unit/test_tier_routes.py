"""Routes lead where the reference says, TLS ends at the tier, and names asked by TLS lead connections."""

from __future__ import annotations

import asyncio
import random
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from controller.exits.tier import filecheck, master
from controller.exits.tier.routing import Request, chosen, matches
from controller.spec import tier as t
from tests.fakes.tier import (
    Answer,
    Client,
    Rig,
    ask,
    free_port,
    in_loop,
    needs_haproxy,
    pool,
    rig,
    servers,
    until,
)

HOSTS = [
    "api.example.org",
    "shop.example.org",
    "a.b.example.org",
    "example.org",
    "xexample.org",
    "API.example.org",
]
PATHS = ["/", "/api", "/api/", "/api/v1?x=/login", "/login", "/Login", "/a+b", "/aab", "/a.b/c", "/axb/c"]
ROUTES: list[dict[str, Any]] = [
    {"hosts": ["*.b.example.org", "example.org"], "paths": ["/login"], "pool": "p0"},
    {"hosts": ["api.example.org"], "paths": ["/api/*", "/a+b"], "pool": "p1"},
    {"paths": ["/a.b/*", "/login"], "cookies": [{"name": "beta", "value": "yes"}], "pool": "p2"},
    {"headers": [{"name": "X-Version", "value": "can ary"}], "pool": "p3"},
    {"hosts": ["*.example.org"], "paths": ["/api/*", "/api/v2/*"], "pool": "p4"},
    {"headers": [{"name": "x-a", "value": "-i"}, {"name": "x-version", "value": "{ 1 }"}], "pool": "p5"},
]


def frontend(port: int) -> dict[str, Any]:
    return {"name": "http", "binds": [{"port": port}], "routes": ROUTES, "pool": "rest"}


def requests(seed: int, count: int) -> list[Request]:
    rolls = random.Random(seed)
    found = []
    for _ in range(count):
        headers = {}
        if rolls.random() < 0.5:
            headers["x-version"] = rolls.choice(["can ary", "stable, can ary", "{ 1 }", "can"])
        if rolls.random() < 0.5:
            headers["X-A"] = rolls.choice(["-i", "i"])
        cookies = {"beta": rolls.choice(["yes", "no"])} if rolls.random() < 0.5 else {}
        found.append(Request(rolls.choice(HOSTS), rolls.choice(PATHS), headers, cookies))
    return found


async def sent(client: Client, request: Request) -> Answer:
    headers = {"Host": f"{request.host}:8080", **request.headers}
    if request.cookies:
        headers["Cookie"] = "; ".join(
            f"{name}={value}" for name, value in ({"a": "b"} | dict(request.cookies)).items()
        )
    return await client.ask(request.path, headers=headers)


@needs_haproxy
@in_loop
async def test_haproxy_leads_requests_where_the_reference_does(tmp_path: Path) -> None:
    port = free_port()
    names = [*(f"p{n}" for n in range(len(ROUTES))), "rest"]
    async with servers(*names) as them, rig(tmp_path) as made:
        await started(made, [frontend(port)], [pool(each.name, [each]) for each in them])
        of = made.tier.frontends[0]
        client, seen = Client(port), set()
        for request in requests(1, 600):
            wanted, _ = chosen(of, request)
            seen.add(wanted)
            assert (await sent(client, request)).server == wanted, request
        await client.close()
        assert seen == set(names)


async def started(made: Rig, frontends: list[Any], pools: list[Any], **more: Any) -> None:
    made.put(frontends, pools, **more)
    made.run()
    await until(made.config().exists, "the file")
    made.start()
    await made.ready()


def test_the_first_route_that_matches_is_said() -> None:
    of = t.Frontend(
        "http", (), routes=(t.TierRoute("a", paths=("/a/*",)), t.TierRoute("b", hosts=("b.org",))), pool="c"
    )
    assert chosen(of, Request("b.org", "/a/1")) == ("a", "routes[0] matches")
    assert chosen(of, Request("B.org", "/b")) == ("b", "routes[1] matches")
    assert chosen(of, Request("c.org", "/b")) == ("c", "no route matches")
    assert chosen(t.Frontend("http", (), pool=None), Request()) == (None, "there is no route")
    assert not matches(t.TierRoute("a", cookies=(t.Match("x", "1"),)), Request(cookies={"x": "2"}))


def pem(folder: Path, name: str) -> tuple[Path, ssl.SSLContext]:
    """A file as HAProxy reads it, and a client that trusts it."""
    key, cert = folder / f"{name}.key", folder / f"{name}.crt"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run([*command, "-keyout", key, "-out", cert], check=True, capture_output=True)
    both = folder / f"{name}.pem"
    both.write_text(cert.read_text() + key.read_text())
    context = ssl.create_default_context(cafile=str(cert))
    return both, context


def plain(port: int) -> dict[str, Any]:
    return {"name": "http", "binds": [{"port": port}], "pool": "web"}


@pytest.mark.parametrize("kind", ["replace", "append", "none"])
@needs_haproxy
@in_loop
async def test_servers_read_the_clients_address(tmp_path: Path, kind: str) -> None:
    port = free_port()
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        await started(made, [plain(port) | {"forwarded_for": kind}], [pool("web", [s1])])
        headers = (await ask(port, headers={"X-Forwarded-For": "192.0.2.9"})).json["headers"]
        # Of several headers the last is kept by the server here.
        assert headers["x-forwarded-for"] == ("192.0.2.9" if kind == "none" else "127.0.0.1")
        assert headers.get("x-forwarded-proto") == (None if kind == "none" else "http")


@needs_haproxy
@in_loop
async def test_the_proxy_protocol_is_read_and_sent(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", proxy=True) as (s1,), rig(tmp_path) as made:
        binds = [{"port": port, "accept_proxy": True}]
        await started(made, [plain(port) | {"binds": binds}], [pool("web", [s1], send_proxy="v2")])
        await until(lambda: made.item("hap1", "web", "s1").get("state") == "UP", "probes send it too")
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(
            b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        )
        said = await reader.read()
        writer.close()
        assert b'"source": "192.0.2.7"' in said
        assert b'"x-forwarded-for": "192.0.2.7"' in said


@needs_haproxy
@in_loop
async def test_tls_ends_at_the_tier_and_servers_are_told(tmp_path: Path) -> None:
    port = free_port()
    path, context = pem(tmp_path, "shop.example.org")
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        binds = [{"port": port, "certificates": [str(path)]}]
        await started(made, [{"name": "https", "binds": binds, "pool": "web"}], [pool("web", [s1])])
        client = Client(port, context)
        answer = await client.ask("/x")
        assert (answer.server, answer.json["headers"]["x-forwarded-proto"]) == ("s1", "https")
        await client.close()
        path.unlink()
        made.put([{"name": "https", "binds": binds, "pool": "web", "raw": ["# 2"]}], [pool("web", [s1])])
        await until(lambda: made.shown.problem, "a certificate that is not there is refused")
        assert "frontends https: binds[0]:" in made.shown.problem
        assert str(path) in made.shown.problem
        assert (await Client(port, context).ask("/y")).server == "s1", "what runs goes on"


@needs_haproxy
@in_loop
async def test_connections_are_led_by_the_name_that_tls_asks_for(tmp_path: Path) -> None:
    port, tls = free_port(), {}
    listening = []
    for name in ("a.example.org", "b.example.org"):
        path, context = pem(tmp_path, name)
        at = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        at.load_cert_chain(path)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name) -> None:
            await reader.readline()
            writer.write(name.encode())
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=at)
        listening.append(server)
        tls[name] = context, server.sockets[0].getsockname()[1]
    pools = [
        {"name": name[0], "mode": "tcp", "servers": [{"name": "s", "address": "127.0.0.1", "port": at}]}
        for name, (_, at) in tls.items()
    ]
    routes = [{"hosts": ["b.example.org"], "pool": "b"}]
    async with rig(tmp_path) as made:
        front = {"name": "tls", "mode": "tcp", "binds": [{"port": port}], "routes": routes, "pool": "a"}
        await started(made, [front], pools)
        for name, (context, _) in tls.items():
            reader, writer = await asyncio.open_connection(
                "127.0.0.1", port, ssl=context, server_hostname=name
            )
            writer.write(b"hello\n")
            assert (await reader.read()).decode() == name
            writer.close()
    for server in listening:
        server.close()


@needs_haproxy
@in_loop
async def test_a_master_socket_is_reached_by_tcp_too(tmp_path: Path) -> None:
    port, other = free_port(), free_port()
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        made.masters["hap1"] = f"tcp:127.0.0.1:{other}"
        await started(made, [{"name": "http", "binds": [{"port": port}], "pool": "web"}], [pool("web", [s1])])
        made.put(
            [{"name": "http", "binds": [{"port": port}], "pool": "web"}], [pool("web", [s1], {"s1": 77})]
        )
        await made.ready()
        assert made.item("hap1", "web", "s1")["weight"] == 77


@needs_haproxy
@in_loop
async def test_without_a_program_to_check_it_no_file_is_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filecheck, "PROGRAM", "no-such-program")
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        http = {"name": "http", "binds": [{"port": free_port()}], "pool": "web"}
        made.put([http], [pool("web", [s1])])
        made.run()
        await until(
            lambda: made.exit.shown() is not None and "cannot be run here" in made.shown.problem, "it is said"
        )
        assert "no-such-program" in made.shown.problem
        assert not made.config().exists()


@needs_haproxy
@in_loop
async def test_a_socket_that_says_nothing_costs_its_deadline_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master, "DEADLINE", 0.2)
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(made.master().removeprefix("unix:"))
            mute.listen()
            made.put([{"name": "http", "binds": [{"port": free_port()}], "pool": "web"}], [pool("web", [s1])])
            made.run()
            await until(
                lambda: made.exit.shown() is not None and "within 0.2 s" in made.shown.problem, "it is said"
            )
