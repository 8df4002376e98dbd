"""A controller that stands by gets ready for what a takeover must not wait for."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from controller import maglev
from controller.cli.standby import Ending, Waiting, led
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.core.leadership import Leadership
from controller.model.reload import IntentFile
from controller.sites.base import ABSENT, Guard
from controller.sites.leading import KEY, Leader
from controller.spec.leasetimes import LeaseTimes
from tests.fakes.core import Said
from tests.fakes.stores import MemoryStore

QUICK = LeaseTimes(renew=0.02, authority=0.3, margin=0.02, fence=0.0)


def test_it_can_build_tables_before_it_leads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    warm, served = threading.Event(), []
    monkeypatch.setattr(maglev, "warm", warm.set)
    file = tmp_path / "intent.yaml"
    file.write_text("", encoding="utf-8")

    async def serve(_ending: Ending) -> None:
        served.append(warm.is_set())

    async def body() -> None:
        store, journal, clock = MemoryStore(), Journal(Said()), SystemClock()
        other = Leader("east", "life", 1, 3600.0)
        await store.registers.commit({KEY: other.encode()}, Guard(keys={KEY: ABSENT}))
        lead = Leadership(store.registers, "west", clock, journal, QUICK)
        await lead.begin()
        waiting = Waiting(IntentFile(file), tmp_path / "status.json", clock, journal)
        following = asyncio.create_task(led(lead, store, waiting, serve))
        async with asyncio.timeout(30):
            await asyncio.to_thread(warm.wait, 30)
            found = (await store.registers.load()).values[KEY]
            await store.registers.commit({KEY: None}, Guard(keys={KEY: found.revision}))
            await following

    asyncio.run(body())
    assert served == [True]
