"""Clients of a discovery server, each with a connection of its own: ``python -m tests.bench.xdsclients ADDRESS``.

One line of standard input is one thing to do, and one line of standard output says that it is done and when, in seconds
of the monotonic clock: ``connect CLIENTS NAMES...`` (each asks for one of the names, in turn), ``whole CLIENTS
NAMES...`` (each asks for all), ``expect N`` (so many responses since the last line), ``leave``. Clients that come back
say which version they have.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from typing import Any

import grpc
from envoy.service.discovery.v3 import discovery_pb2 as wire

from controller.exits.xds.kinds import Kind
from controller.exits.xds.wire import SERVICE

METHOD = f"/{SERVICE}/StreamAggregatedResources"
AT_ONCE = 100
"""Clients that connect at a time."""
OPTIONS = (("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 1 << 26))


class Flock:
    """All clients of a process."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._versions: dict[tuple[int, str], str] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self.count = self.octets = 0
        self.last = 0.0
        self.came = asyncio.Event()

    async def connect(self, clients: int, asked: list[list[str]]) -> None:
        """Have clients ask; ``asked``: names of services, taken in turn."""
        places = asyncio.Semaphore(AT_ONCE)
        for number in range(clients):
            task = asyncio.create_task(self._client(number, asked[number % len(asked)], places))
            self._tasks.append(task)

    async def _client(self, number: int, names: list[str], places: asyncio.Semaphore) -> None:
        async with grpc.aio.insecure_channel(self._address, OPTIONS) as channel:
            call = channel.stream_stream(METHOD)()
            async with places:
                await channel.channel_ready()
                for kind in Kind:
                    asked = [
                        f"{name}/{name}" if kind in (Kind.CLUSTERS, Kind.ENDPOINTS) else name
                        for name in names
                    ]
                    version = self._versions.get((number, kind.value), "")
                    node = {"id": f"bench-{number}", "locality": {"region": ("east", "west")[number % 2]}}
                    await self._write(call, kind.value, asked, version, "", node)
            await self._follow(call, number, names)

    async def _follow(self, call: Any, number: int, names: list[str]) -> None:
        while True:
            octets = await call.read()
            if octets is grpc.aio.EOF:
                return
            self.count, self.octets, self.last = self.count + 1, self.octets + len(octets), time.monotonic()
            self.came.set()
            found = wire.DiscoveryResponse.FromString(octets)
            self._versions[number, found.type_url] = found.version_info
            of_clusters = found.type_url in (Kind.CLUSTERS.value, Kind.ENDPOINTS.value)
            asked = [f"{name}/{name}" if of_clusters else name for name in names]
            await self._write(call, found.type_url, asked, found.version_info, found.nonce, None)

    @staticmethod
    async def _write(call: Any, kind: str, names: list[str], version: str, nonce: str, node: Any) -> None:
        asked = wire.DiscoveryRequest(
            type_url=kind, resource_names=names, version_info=version, response_nonce=nonce, node=node
        )
        await call.write(asked.SerializeToString())

    async def expect(self, count: int) -> None:
        """So many responses since the last time."""
        while self.count < count:
            self.came.clear()
            await self.came.wait()

    async def leave(self) -> None:
        """End all."""
        for task in self._tasks:
            task.cancel()
        await asyncio.wait(self._tasks)
        self._tasks = []


async def main(address: str) -> None:
    """Until standard input ends."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    flock = Flock(address)
    while line := (await asyncio.to_thread(sys.stdin.readline)).split():
        word, *rest = line
        if word == "connect":
            await flock.connect(int(rest[0]), [[name] for name in rest[1:]])
        elif word == "whole":
            await flock.connect(int(rest[0]), [rest[1:]])
        elif word == "expect":
            await flock.expect(int(rest[0]))
        else:
            await flock.leave()
        print(json.dumps({"at": flock.last, "octets": flock.octets, "count": flock.count}), flush=True)
        if word == "expect":
            flock.count = flock.octets = 0


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
