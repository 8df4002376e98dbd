"""A real HAProxy as the intent says: what clients and servers see, what takes a reload, and what happens to faults."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

from tests.fakes.tier import (
    Client,
    Rig,
    Server,
    ask,
    by_hand,
    free_port,
    in_loop,
    needs_haproxy,
    pool,
    rig,
    servers,
    until,
)

pytestmark = needs_haproxy


def front(port: int, name: str = "http", to: str = "web", **more: Any) -> dict[str, Any]:
    return {"name": name, "binds": [{"port": port}], "pool": to} | more


async def started(made: Rig, frontends: list[Any], pools: list[Any], **more: Any) -> None:
    """The exit writes the file, then HAProxy is started with it."""
    made.put(frontends, pools, **more)
    made.run()
    for name in made.names:
        await until(made.config(name).exists, "the file")
        made.start(name)
    await made.ready()


@in_loop
async def test_weights_and_servers_change_without_a_reload_and_the_file_says_the_same(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", "s2", "s3") as (s1, s2, s3), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1, s2])])
        made.put([front(port)], [pool("web", [s1, s2, s3], {"s1": 1, "s2": 0, "s3": 3})])
        await made.ready()
        await until(lambda: made.item("hap1", "web", "s3").get("state") == "UP", "s3 is up")
        found = Counter([(await ask(port)).server for _ in range(40)])
        assert found == {"s1": 10, "s3": 30}
        assert "server s3 127.0.0.1" in made.config().read_text()
        made.put([front(port)], [pool("web", [s3])])
        await until(
            lambda: len(made.said("tier_changed")) >= 2 and "web/s1" not in str(made.shown.items), "gone"
        )
        assert {(await ask(port)).server for _ in range(10)} == {"s3"}
        assert not made.said("tier_reloaded")
        await until(lambda: "web/s2 is gone" in str(made.said("tier_changed")), "s2 is deleted")


@in_loop
async def test_what_takes_a_reload_keeps_every_open_connection(tmp_path: Path) -> None:
    port, more = free_port(), free_port()
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1])])
        client = Client(port)
        held = asyncio.create_task(client.ask("/hold"))
        await until(lambda: s1.asked, "the request is at the server")
        made.put([front(port), front(more, "api", "api")], [pool("web", [s1]), pool("api", [s2])])
        await made.ready()
        assert (await ask(more)).server == "s2"
        assert len(made.said("tier_reloaded")) == 1
        await until(
            lambda: made.item("hap1", "web", "s1").get("sessions") == 1, "a former process is counted"
        )
        s1.hold.set()
        assert (await held).server == "s1"
        await client.close()
        await until(lambda: made.item("hap1")["sessions"] == 0, "the former process is empty")


@in_loop
async def test_a_new_process_knows_which_servers_are_down(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1, s2])])
        await s1.stop()
        await until(lambda: made.item("hap1", "web", "s1")["state"] == "DOWN", "s1 is down")
        made.put([front(port)], [pool("web", [s1, s2])], timeouts={"keep_alive": "7s"})
        await until(lambda: made.said("tier_reloaded"), "a reload")
        assert {(await ask(port, method="POST", body=b"x")).server for _ in range(6)} == {"s2"}
        await until(lambda: made.item("hap1", "web", "s2").get("requests"), "they are counted")
        assert made.item("hap1", "web", "s1")["requests"] == made.item("hap1", "web", "s1")["errors"] == 0
        await s1.start()
        await until(lambda: made.item("hap1", "web", "s1")["state"] == "UP", "s1 is up")
        assert "s1" not in Path(f"{made.config()}.state").read_text(), "a later start knows nothing"


@in_loop
async def test_a_bad_line_is_refused_with_haproxys_words_at_its_key_and_the_rest_goes_on(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1])])
        good = made.config().read_text()
        made.put([front(port)], [pool("web", [s1], raw=["frobnicate now"])])
        await until(lambda: made.shown.problem, "it is refused")
        assert "web/hap1: HAProxy refuses the configuration: pools web: raw[0]: " in made.shown.problem
        assert "'frobnicate'" in made.shown.problem
        assert made.config().read_text() == good
        assert (await ask(port)).server == "s1"
        made.put([front(port)], [pool("web", [s1], raw=["http-request set-header x-raw yes"])])
        await made.ready()
        assert (await ask(port)).json["headers"]["x-raw"] == "yes"
        assert len(made.said("tier_problem")) == len(made.said("tier_recovered")) == 2 or made.said(
            "tier_recovered"
        )


@in_loop
async def test_a_file_that_is_no_controllers_is_left_alone(tmp_path: Path) -> None:
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        made.config().write_text("# mine\n")
        made.put([front(free_port())], [pool("web", [s1])])
        made.run()
        await until(
            lambda: made.exit.shown() is not None and "no file of ours" in made.shown.problem, "it is said"
        )
        assert made.config().read_text() == "# mine\n"
        made.config().unlink()
        await until(made.config().exists, "it is written")


@in_loop
async def test_a_process_that_dies_is_said_and_repaired_when_it_is_back(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path, instances=2) as made:
        made.put([front(port) | {"binds": [{"port": port, "address": "127.0.0.1"}]}], [pool("web", [s1])])
        made.run()
        await until(lambda: all(made.config(name).exists() for name in made.names), "the files")
        made.start("hap1")
        await until(lambda: made.item("hap1")["state"] == "serves", "one is there")
        assert made.item("hap2")["state"] == "not reached"
        assert "hap2" in made.shown.problem
        made.kill("hap1")
        await until(lambda: made.item("hap1")["state"] == "not reached", "it is missed")
        made.put([front(port)], [pool("web", [s2])])
        await until(lambda: f":{s2.port} " in made.config("hap1").read_text(), "its file is kept")
        made.start("hap1")
        await until(lambda: made.item("hap1")["state"] == "serves", "it is back")
        assert (await ask(port)).server == "s2"
        assert not made.said("tier_repaired")


@in_loop
async def test_what_others_change_is_put_right(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1, s2])])
        for command in (
            "set server web/s1 state maint",
            "set server web/s2 weight 99",
            "set server web/s2 state drain",
        ):
            await by_hand(made, f"@1 {command}")
        await until(lambda: made.shown.repairs, "a repair")
        await until(lambda: made.item("hap1", "web", "s2").get("state") == "UP", "s2 serves")
        assert {(await ask(port)).server for _ in range(10)} == {"s1", "s2"}
        made.config().write_text("# another\n")
        await until(lambda: "server s1" in made.config().read_text(), "the file is written again")
        other = made.config().read_text().replace("description evenkeel", "description other")
        made.config().write_text(other)
        await by_hand(made, "reload")
        await until(lambda: made.said("tier_reloaded"), "a process made of another file is replaced")
        await made.ready()


@in_loop
async def test_a_process_made_of_nothing_is_replaced_at_once(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1])])
        good = made.config().read_text()
        made.config().write_text("# nothing, which HAProxy takes: it listens nowhere\n")
        await by_hand(made, "reload")
        await until(lambda: made.said("tier_reloaded"), "it is reloaded")
        await made.ready()
        assert made.config().read_text() == good
        assert (await ask(port)).server == "s1"


@in_loop
async def test_a_draining_server_keeps_its_sessions_and_gets_no_new_ones(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1, s2])])
        clients = [Client(port) for _ in range(4)]
        held = [asyncio.create_task(each.ask("/hold")) for each in clients]
        await until(lambda: s1.asked == s2.asked == 2, "both have two")
        of = pool("web", [s1, s2])
        of["servers"][0]["drain"] = True
        made.put([front(port)], [of])
        await made.ready()
        assert {(await ask(port)).server for _ in range(10)} == {"s2"}
        await until(lambda: made.item("hap1", "web", "s1")["note"] == "drains", "it is shown")
        assert made.item("hap1", "web", "s1")["sessions"] == 2
        for each in (s1, s2):
            each.hold.set()
        assert Counter([(await each).server for each in held]) == {"s1": 2, "s2": 2}
        for client in clients:
            await client.close()
        await until(lambda: made.item("hap1", "web", "s1")["note"] == "drained", "it is empty")


@in_loop
async def test_clients_with_a_cookie_come_back_to_a_draining_server_until_its_time_is_over(
    tmp_path: Path,
) -> None:
    port = free_port()
    sticky: dict[str, Any] = {"sticky": {"cookie": "SRV"}, "drain_timeout": "1h"}
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1, s2], **sticky)])
        first = await ask(port)
        cookie, server = {"Cookie": first.cookie}, first.server
        assert {(await ask(port, headers=cookie)).server for _ in range(6)} == {server}
        of = pool("web", [s1, s2], **sticky)
        next(each for each in of["servers"] if each["name"] == server)["drain"] = True
        made.put([front(port)], [of])
        await made.ready()
        assert {(await ask(port)).server for _ in range(6)} == {"s1", "s2"} - {server}
        assert {(await ask(port, headers=cookie)).server for _ in range(6)} == {server}
        made.put([front(port)], [of | {"drain_timeout": "0s"}])
        await until(lambda: made.item("hap1", "web", server)["state"] == "MAINT", "its time is over")
        assert {(await ask(port, headers=cookie)).server for _ in range(6)} == {"s1", "s2"} - {server}


@in_loop
async def test_drained_at_layer_4_clients_are_asked_to_go_and_the_last_one_is_awaited(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1])])
        idle, busy = Client(port), Client(port)
        assert "connection" not in (await idle.ask()).headers
        held = asyncio.create_task(busy.ask("/hold"))
        await until(lambda: made.item("hap1")["sessions"] == 2, "two clients")
        made.front[0]["drain"] = True
        made.put([front(port)], [pool("web", [s1])])
        await made.ready()
        assert made.item("hap1")["state"] == "drains"
        assert (await idle.ask()).headers["connection"] == "close"
        s1.hold.set()
        assert (await held).headers["connection"] == "close"
        await until(lambda: made.item("hap1")["state"] == "drained", "all are gone")
        assert made.said("tier_drained")
        assert not made.said("tier_reloaded")
        made.front[0]["drain"] = False
        made.put([front(port)], [pool("web", [s1])])
        await made.ready()
        assert "connection" not in (await ask(port)).headers


@in_loop
async def test_idempotent_requests_are_sent_again_to_another_server_and_others_are_not(
    tmp_path: Path,
) -> None:
    port = free_port()
    async with servers("s1", "s2") as (s1, s2), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1, s2])])
        s1.ill = True
        answers = [await ask(port) for _ in range(10)]
        assert {(each.status, each.server) for each in answers} == {(200, "s2")}
        assert s1.asked
        posted = [(await ask(port, method="POST", body=b"x")).status for _ in range(10)]
        assert sorted(set(posted)) == [200, 502]
        await until(lambda: made.item("hap1", "web", "s1")["retries"], "it is counted")
        s1.ill = False
        await s1.stop()
        assert {(await ask(port, method="POST", body=b"x")).status for _ in range(10)} == {200}, (
            "nothing was sent yet"
        )


@in_loop
async def test_the_status_port_counts_clients_for_the_switches_scheduler_and_probes(tmp_path: Path) -> None:
    port, status = free_port(), free_port()
    async with servers("s1") as (s1,), rig(tmp_path) as made:
        await started(made, [front(port)], [pool("web", [s1])], status_port=status)
        await until(lambda: made.item("hap1", "web", "s1").get("state") == "UP", "s1 is up")
        assert (await ask(status)).body == b"0"
        clients = [Client(port) for _ in range(3)]
        for each in clients:
            await each.ask()
        assert (await ask(status)).body == b"3"
        await s1.stop()
        await until(lambda: made.item("hap1", "web", "s1")["state"] == "DOWN", "s1 is down")
        assert (await ask(status)).status == 503
        for each in clients:
            await each.close()


@in_loop
async def test_uri_hash_leads_a_path_to_one_server_and_mostly_stays_there(tmp_path: Path) -> None:
    port = free_port()
    async with servers("s1", "s2", "s3", "s4") as them, rig(tmp_path, instances=1) as made:
        *first, last = them

        async def where() -> dict[str, str]:
            return {path: (await ask(port, path)).server for path in (f"/p{n}" for n in range(60))}

        def up(number: int) -> bool:
            return sum(row.get("state") == "UP" for row in made.shown.items.values()) == number

        await started(made, [front(port)], [pool("web", first, balance="uri")])
        await until(lambda: up(3), "three are up")
        before = await where()
        assert await where() == before
        assert set(before.values()) == {"s1", "s2", "s3"}
        made.put([front(port)], [pool("web", them, balance="uri")])
        await until(lambda: up(4), "four are up")
        after = await where()
        assert not made.said("tier_reloaded")
        moved = {path for path in before if after[path] != before[path]}
        assert moved
        assert {after[path] for path in moved} == {"s4"}, "none moves between those that were there"
        made.put([front(port)], [pool("web", [last, *reversed(first)], balance="uri")], hard_stop_after="5m")
        await until(lambda: made.said("tier_reloaded") and up(4), "a reload")
        assert await where() == after, "neither the order in the file nor a reload moves any"


@in_loop
async def test_tcp_pools_pass_octets_and_rdp_cookies_find_their_server(tmp_path: Path) -> None:
    port = free_port()
    async with lines("s1") as a, lines("s2") as b, rig(tmp_path) as made:
        them = [Server("s1", port=a), Server("s2", port=b)]
        health = {"interval": "200ms", "timeout": "200ms"}
        tcp: dict[str, Any] = {"mode": "tcp", "health": health, "balance": "rdp-cookie"}
        await started(made, [front(port, mode="tcp")], [pool("web", them, **tcp)])

        async def who(user: str) -> str:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            cookie = f"Cookie: mstshash={user}\r\n".encode()
            payload = b"\xe0\x00\x00\x00\x00\x00" + cookie
            writer.write(
                b"\x03\x00" + (5 + len(payload)).to_bytes(2, "big") + bytes([len(payload)]) + payload
            )
            found = (await reader.readline()).decode().strip()
            writer.close()
            return found

        users = [f"user{n}" for n in range(12)]
        before = {user: await who(user) for user in users}
        assert set(before.values()) == {"s1", "s2"}
        assert {user: await who(user) for user in users} == before


def lines(name: str) -> Any:
    """A TCP server that says its name at the first octets."""
    import contextlib

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if await reader.read(100):
            writer.write(f"{name}\n".encode())
        writer.close()

    @contextlib.asynccontextmanager
    async def running() -> Any:
        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()

    return running()
