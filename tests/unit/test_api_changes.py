"""Changes of the intent through the API: validated, coalesced, durable, answered once, and refused with a reason."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from controller.api.v1 import resources_pb2 as resources
from controller.api.v1 import service_pb2 as api
from controller.client import ApiError
from controller.core.intents import BESIDE
from controller.core.judging import Basis
from controller.model.load import load_text
from controller.plan.ids import Space
from controller.plan.pool import Health
from controller.spec.types import Intent
from tests.fakes import core
from tests.fakes.api import message, played, served
from tests.fakes.stores import MemoryStore

PAIR = core.loaded("pair")
S1, S2 = "pools/web/backends/s1", "pools/web/backends/s2"


def weight(app_intent: Intent, backend: str) -> int:
    return next(real.weight for real in app_intent.pool("web").backends if real.name == backend)


def test_an_empty_controller_takes_its_intent_from_the_api(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path) as face:
            empty = await face.client.get_document()
            assert (empty.revision, list(empty.document.switches)) == (0, [])
            done = await face.client.apply(message(PAIR), expected=0)
            assert face.app.state.intent.value == PAIR
            assert face.app.state.stored is face.app.state.intent.value
            assert done.changed == 14
            assert {each.action for each in done.changes} == {api.Change.ACTION_ADDED}
            found = await face.client.get_document()
            assert found.document == message(PAIR)
            assert found.revision == done.revision == face.app.state.revision

    played(play)


def test_the_same_document_again_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            before = await face.client.get_document()
            again = await face.client.apply(message(PAIR))
            assert (again.changed, again.repeated_request) == (0, False)
            assert await face.client.get_document() == before

    played(play)


def test_a_resource_is_applied_alone(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            pool = await face.client.get("pools/web")
            vip = await face.client.get("vips/shop")
            pool.pool.transition = "5s"
            done = await face.client.apply(pool, expected=pool.revision)
            assert [(each.name, each.action) for each in done.changes] == [
                ("pools/web", api.Change.ACTION_MODIFIED)
            ]
            assert face.app.state.intent.value.pool("web").transition == 5.0
            after = await face.client.get("pools/web")
            assert (after.revision, after.id) == (done.revision, pool.id)
            assert await face.client.get("vips/shop") == vip
            new = resources.Backend(
                name="s9", addresses=["10.1.0.99", "fd00:0:0:1::99"], mac="02:45:56:02:00:99"
            )
            added = await face.client.apply(
                api.Resource(name="pools/web/backends/s9", backend=new), expected=0
            )
            assert ("pools/web/backends/s9", api.Change.ACTION_ADDED) in [
                (each.name, each.action) for each in added.changes
            ]
            assert (await face.client.get("pools/web/backends/s9")).id == f"{pool.id}/s9"

    played(play)


def test_errors_name_the_path_in_the_document(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            wrong = message(PAIR)
            wrong.pools[0].backends[1].weight = 70000
            wrong.vips[0].listeners[0].mode = "natt"
            with pytest.raises(ApiError) as caught:
                await face.client.apply(wrong)
            assert (caught.value.code, caught.value.reason) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_DOCUMENT",
            )
            paths = dict(caught.value.violations)
            assert paths["pools[0].backends[1].weight"] == (
                "weight is 70000, write a whole number from 0 to 65535"
            )
            assert paths["vips[0].listeners[0].mode"].startswith('mode is "natt", write dr, nat')
            assert face.app.state.intent.value == PAIR

    played(play)


async def _refused(call: object) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call  # type: ignore[misc]
    return caught.value


def test_an_expected_revision_guards_against_changes_by_others(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            client = face.client
            pool = await client.get("pools/web")
            await client.set_weights({S1: 7})
            late = await _refused(client.apply(pool, expected=pool.revision))
            assert (late.code, late.reason) == (grpc.StatusCode.ABORTED, "REVISION_MISMATCH")
            now = await client.get("pools/web")
            assert late.metadata == {"revision": str(now.revision)}
            there = await _refused(client.apply(pool, expected=0))
            assert there.reason == "REVISION_MISMATCH"
            gone = await _refused(client.apply(message(PAIR), expected=1))
            assert gone.resource == "document"
            # Of two that read the same revision one is first, although both are in one proposal.
            now.pool.transition = "9s"
            both = await asyncio.gather(
                client.apply(now, expected=now.revision),
                client.apply(now, expected=now.revision),
                return_exceptions=True,
            )
            assert sorted(isinstance(each, ApiError) for each in both) == [False, True]

    played(play)


def test_a_dry_run_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with served(tmp_path, store, intent=PAIR) as face:
            tried = await face.client.set_weights({S1: 9}, dry_run=True)
            assert [each.name for each in tried.changes] == ["pools/web", S1]
            none = replace(PAIR, vips=())
            error = await _refused(face.client.apply(message(none), dry_run=True))
            assert error.reason == "INTENT_REFUSED"
            assert "removes all VIPs" in error.conditions[0][1]
            assert face.app.state.intent.value == face.app.state.stored == PAIR

    played(play)


def test_a_resource_that_others_need_is_not_deleted(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            error = await _refused(face.client.delete("pools/web"))
            assert (error.code, error.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INTENT_REFUSED")
            assert 'names the pool "web", which does not exist' in error.conditions[0][1]
            done = await face.client.delete(S2)
            assert (S2, api.Change.ACTION_DELETED) in [(each.name, each.action) for each in done.changes]
            missing = await _refused(face.client.delete(S2))
            assert (missing.code, missing.reason, missing.resource) == (
                grpc.StatusCode.NOT_FOUND,
                "NOT_FOUND",
                S2,
            )

    played(play)


def test_backends_drain_and_serve_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            await face.client.drain(S1, S2)
            drains = {real.name for real in face.app.state.stored.pool("web").backends if real.drain}
            assert drains == {"s1", "s2"}
            await face.client.undrain(S1, S2)
            assert face.app.state.stored == PAIR

    played(play)


def test_weights_are_set_all_or_none(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            error = await _refused(face.client.set_weights({S1: 3, "pools/web/backends/s0": 4}))
            assert (error.reason, error.resource) == ("NOT_FOUND", "pools/web/backends/s0")
            error = await _refused(face.client.set_weights({S1: 3, S2: 65536}))
            assert error.violations[0][0] == "weights[1].weight"
            assert face.app.state.stored == PAIR
            await face.client.set_weights({S1: 3, S2: 0})
            assert [weight(face.app.state.stored, name) for name in ("s1", "s2")] == [3, 0]

    played(play)


def test_many_changes_become_few_proposals_and_each_is_answered_when_it_is_durable(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with served(tmp_path, store, intent=PAIR) as face:
            proposals = face.server._served.proposals  # type: ignore[union-attr]
            before = proposals.proposed

            async def one(number: int) -> int:
                done = await face.client.set_weights({S1: number})
                assert face.app.state.revision >= done.revision
                return int(done.revision)

            revisions = await asyncio.gather(*(one(number) for number in range(1, 301)))
            assert proposals.proposed - before < 60
            assert len(set(revisions)) <= proposals.proposed - before
            assert store.revision >= max(revisions)

    played(play)


def test_a_bad_change_does_not_refuse_others_of_its_proposal(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            client = face.client
            none = message(replace(PAIR, vips=()))  # well written, and refused as a proposal
            answers = await asyncio.gather(
                *(client.set_weights({S1: number}) for number in range(2, 12)),
                client.apply(none),
                client.set_weights({"pools/none/backends/s1": 1}),
                client.set_weights({S2: 77}),
                return_exceptions=True,
            )
            refused = [each for each in answers if isinstance(each, ApiError)]
            assert sorted(each.reason for each in refused) == ["INTENT_REFUSED", "NOT_FOUND"]
            assert weight(face.app.state.stored, "s2") == 77

    played(play)


def test_a_request_that_comes_again_is_answered_and_not_carried_out_again(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with served(tmp_path, store, intent=PAIR) as face:
            first = await face.client.set_weights({S1: 5}, request_id="one")
            await face.client.set_weights({S1: 6})
            again = await face.client.set_weights({S1: 5}, request_id="one")
            assert (again.repeated_request, again.changes) == (True, first.changes)
            assert weight(face.app.state.stored, "s1") == 6
            error = await _refused(face.client.set_weights({S1: 8}, request_id="one"))
            assert (error.code, error.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
            both = await asyncio.gather(
                *(face.client.set_weights({S1: 9}, request_id="two") for _ in range(2))
            )
            assert sorted(each.repeated_request for each in both) == [False, True]
        async with served(tmp_path, MemoryStore(store.values)) as face:
            again = await face.client.set_weights({S1: 5}, request_id="one")
            assert (again.repeated_request, again.changes) == (True, first.changes)
            assert weight(face.app.state.stored, "s1") == 9

    played(play)


def test_a_refused_request_may_come_again_with_its_id(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            new = "pools/web/backends/s9"
            assert (await _refused(face.client.set_weights({new: 1}, request_id="x"))).reason == "NOT_FOUND"
            added = resources.Backend(
                name="s9", addresses=["10.1.0.99", "fd00:0:0:1::99"], mac="02:45:56:02:00:99"
            )
            await face.client.apply(api.Resource(name=new, backend=added))
            assert not (await face.client.set_weights({new: 2}, request_id="x")).repeated_request

    played(play)


def test_what_cannot_be_stored_is_said_and_found_again_with_the_request_id(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with served(tmp_path, store, intent=PAIR) as face:
            store.fails = "state.db: cannot be written: disk full"
            error = await _refused(face.client.set_weights({S1: 5}, request_id="one", timeout=0.5))
            assert (error.code, error.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_STORED")
            assert "disk full" in error.message
            assert face.app.state.stored == PAIR
            store.fails = ""
            done = await face.client.set_weights({S1: 5}, request_id="one")
            assert done.repeated_request
            assert weight(face.app.state.stored, "s1") == 5
            assert done.revision <= store.revision

    played(play)


def test_a_file_owns_the_intent_and_orders_are_taken_all_the_same(tmp_path: Path) -> None:
    async def play() -> None:
        file = core.intent_file(tmp_path / "intent.yaml", "two-site")
        async with served(tmp_path, file=file) as face:
            owned = await _refused(face.client.set_weights({S1: 5}))
            assert (owned.code, owned.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INTENT_FILE_OWNED")
            assert owned.metadata == {"file": str(file.path)}
            assert (await face.client.get_document()).document.sites[0].name
            east = face.app.state.intent.value.sites[0].name
            done = await face.client.drain_site(east, request_id="d")
            assert face.app.state.orders.value.drained == {east}
            assert done.revision == face.app.state.revision
            assert (await face.client.drain_site(east, request_id="d")).repeated_request
            moved = await face.client.move_vip(face.app.state.intent.value.vips[0].name)
            assert face.app.state.intent.value.vips[0].name in moved.vips
            await face.client.undrain_site(east)
            again = await _refused(face.client.undrain_site(east))
            assert (again.code, again.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "ORDER_REFUSED")
            nowhere = await _refused(face.client.drain_site("nowhere"))
            assert (nowhere.code, nowhere.resource) == (grpc.StatusCode.NOT_FOUND, "sites/nowhere")
            unconfirmed = await _refused(face.client.claim_without_quorum())
            assert "nothing has to be claimed" in unconfirmed.conditions[0][1]

    played(play)


def test_a_renamed_vip_keeps_its_id(tmp_path: Path) -> None:
    async def play() -> None:
        store = MemoryStore()
        async with served(tmp_path, store, intent=PAIR) as face:
            before = await face.client.get("vips/shop")
            text = core.text("pair").replace("name: shop\n", "name: store\n")
            await face.client.apply(message(load_text(text, "f")))
            assert (await face.client.get("vips/store")).id == before.id
            assert (await _refused(face.client.get("vips/shop"))).reason == "NOT_FOUND"
            pool = await face.client.get("pools/web")
        async with served(tmp_path, MemoryStore(store.values)) as face:
            assert (await face.client.get("vips/store")).id == before.id
            assert (await face.client.get("pools/web")).id == pool.id

    played(play)


def test_what_a_dry_run_planned_is_planned_again_when_it_is_meant(tmp_path: Path) -> None:
    """Groups of next hops have ids of the plan that is taken, not of one that was only tried."""

    async def play() -> None:
        one, other = tmp_path / "one", tmp_path / "other"
        one.mkdir()
        other.mkdir()
        intent = core.loaded("pair", "embedded")
        async with served(one) as tried, served(other) as plain:
            await tried.client.apply(message(intent), dry_run=True)
            for face in (tried, plain):
                await face.client.apply(message(intent))
            found, wanted = (face.app.state.tables.value.ids for face in (tried, plain))
            assert found.ids(Space.GROUP) == wanted.ids(Space.GROUP)
            assert wanted.ids(Space.GROUP)

    played(play)


def test_tables_are_made_beside_the_event_loop_and_again_when_health_changes_meanwhile(
    tmp_path: Path,
) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            app, loop, rounds = face.app, asyncio.get_running_loop(), []
            down = {"web": {"s1": Health(False, 0.0, "refused")}}
            judged = app.intents._judged

            def slow(new: Intent, basis: Basis) -> object:
                rounds.append(basis.verdicts)
                if len(rounds) == 1:  # the loop goes on: else this would wait forever
                    done = threading.Event()
                    loop.call_soon_threadsafe(app.state.verdicts.put, down)
                    loop.call_soon_threadsafe(done.set)
                    assert done.wait(30.0)
                return judged(new, basis)

            app.intents._judged = slow  # type: ignore[method-assign, assignment]
            await face.client.set_weights({S2: 3})
            assert rounds[1:] == [down], "judged once more, by what is known now"
            assert weight(app.state.stored, "s2") == 3

    played(play)


def test_a_proposal_that_cannot_be_judged_in_peace_is_judged_in_the_loop(tmp_path: Path) -> None:
    async def play() -> None:
        async with served(tmp_path, intent=PAIR) as face:
            app, loop, threads = face.app, asyncio.get_running_loop(), []
            judged, here = app.intents._judged, threading.get_ident()

            def disturbed(new: Intent, basis: Basis) -> object:
                threads.append(threading.get_ident() == here)
                if not threads[-1]:
                    done, reason = threading.Event(), f"probe {len(threads)}"
                    verdicts = {"web": {"s1": Health(True, 0.0, reason)}}
                    loop.call_soon_threadsafe(app.state.verdicts.put, verdicts)
                    loop.call_soon_threadsafe(done.set)
                    assert done.wait(30.0)
                return judged(new, basis)

            app.intents._judged = disturbed  # type: ignore[method-assign, assignment]
            await face.client.set_weights({S2: 3})
            assert threads == [False] * BESIDE + [True]
            assert weight(app.state.stored, "s2") == 3

    played(play)
