"""Plan, Explain and Drill over mutual TLS, and budgets that are set aside: the same as the commands of the machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, get_args, get_type_hints

import grpc
import pytest
from google.protobuf.descriptor import Descriptor

from controller.api.answers import explanation, of_explanation, of_preview, preview
from controller.api.v1 import answers_pb2 as answers
from controller.api.v1 import service_pb2 as api
from controller.client import ApiError
from controller.explain import Explanation
from controller.model.load import load_text
from controller.plan.preview import Preview
from controller.security.certificates import Role
from controller.spec.codec import encode
from controller.spec.policy import Amount, Budget
from controller.spec.types import Intent
from controller.tuples import packet_of
from tests.fakes.api import message, played
from tests.fakes.guarded import PAIR, Fabric, fabric

S1, S2 = "pools/web/backends/s1", "pools/web/backends/s2"
SITES = """\
sites: [{name: east}, {name: west}]
switches:
  - {name: lb1, site: east, kind: ovs, id: 0x21, roles: [edge, lb, leaf], mac: 02:45:56:01:00:21, ports: {1: segment}}
  - {name: lb2, site: west, kind: ovs, id: 0x22, roles: [edge, lb, leaf], mac: 02:45:56:01:00:22, ports: {1: segment}}
pools:
  - {name: web, backends: [{name: s1, address: 10.1.0.11, mac: 02:45:56:02:00:01}]}
vips:
  - name: shop
    address: 10.0.0.100
    mac: 02:45:56:00:01:01
    owners: [east, west]
    listeners: [{protocol: tcp, port: 80, pool: web, mode: dr}]
"""


async def refused(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


def drained(intent: Intent, name: str) -> Intent:
    pools = (
        replace(p, backends=tuple(replace(b, drain=b.name == name) for b in p.backends)) for p in intent.pools
    )
    return replace(intent, pools=tuple(pools))


def steady(said: Any) -> Any:
    """A preview without what time alone changes."""
    for pool in said["pools"]:
        for row in pool["connections"]:
            row["seconds"] = None if row["seconds"] is None else round(row["seconds"] / 10)
    return said


def tight(intent: Intent) -> Intent:
    """Every pool moves few slots."""
    budget = Budget(max_slots_moved_per_minute=Amount(0.01, share=True))
    return replace(intent, pools=tuple(replace(pool, budget=budget) for pool in intent.pools))


def keys(kind: Any, described: Descriptor, path: str = "") -> dict[str, tuple[list[str], list[str]]]:
    """Fields of a dataclass and of its message, by path."""
    hints = get_type_hints(kind)
    found = {path: ([each.name for each in fields(kind)], [each.name for each in described.fields])}
    for each in fields(kind):
        inner = next((k for k in (*get_args(hints[each.name]), hints[each.name]) if is_dataclass(k)), None)
        field = described.fields_by_name.get(each.name)
        if inner is not None and field is not None:
            found |= keys(inner, field.message_type, f"{path}.{each.name}")
    return found


@pytest.mark.parametrize("kind", [Preview, Explanation])
def test_messages_have_the_keys_that_the_commands_print(kind: Any) -> None:
    described = getattr(answers, kind.__name__).DESCRIPTOR
    for path, (own, there) in keys(kind, described).items():
        assert [{"checked": "read"}.get(name, name) for name in own] == there, path


def test_a_plan_over_the_network_is_that_of_the_controller_and_changes_nothing(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("eve", Role.VIEWER) as viewer:
            before = f.face.app.state.revision
            new = drained(PAIR, "s1")
            made = await viewer.plan(message(new), entries=3)
            assert steady(preview(made)) == steady(encode(await f.face.app.previews.preview(new, 3)))
            (pool,) = (each for each in made.pools if each.key == "web/tcp")
            assert {row.backend: row.outcome for row in pool.connections}["s1"] == "drain"
            assert all(each.now != "s1" for each in pool.shifts)
            assert len(made.switches[0].entries) == 3
            one = await viewer.get(S1)
            one.backend.drain = True
            again = preview(await viewer.plan(one))
            assert steady(again | {"switches": []}) == steady(preview(made) | {"switches": []})
            one.backend.mac = "x"
            wrong = await refused(viewer.plan(one))
            assert (wrong.reason, wrong.violations[0][0]) == ("INVALID_DOCUMENT", "pools[0].backends[0].mac")
            assert f.face.app.state.revision == before
            assert f.records()[2:] == [], "nothing is recorded of what only looks"

    played(play)


def test_an_explanation_over_the_network_is_that_of_the_controller(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("eve", Role.VIEWER) as viewer:
            vip = PAIR.vips[0]
            source, target = "192.0.2.7:4001", f"{vip.address}:{vip.listeners[0].port}"
            made = explanation(await viewer.explain(source, target))
            own = encode(await f.face.app.explaining.explain(packet_of(source, target, False, None), False))
            assert made == own
            assert len(made["switches"][0]["decisions"]) == 2
            syn = await viewer.explain(source, target, flags="syn", switch="lb2")
            assert [(s.switch, [d.packet for d in s.decisions]) for s in syn.switches] == [("lb2", ["syn"])]
            away = await refused(viewer.explain(source, target, switch="lb9"))
            assert (away.code, away.reason) == (grpc.StatusCode.NOT_FOUND, "NOT_FOUND")
            assert "those that do: lb1, lb2" in away.message
            assert (await refused(viewer.explain("192.0.2.7", target))).reason == "INVALID_ARGUMENT"

    played(play)


def test_what_is_not_known_of_a_switch_stays_unknown_on_the_way() -> None:
    plan = Preview(7, ("why",), "no", ("loss",), (), (), ())  # type: ignore[arg-type]
    assert preview(answers.Preview.FromString(of_preview(plan).SerializeToString())) == encode(plan)
    nowhere = Explanation("a", "b", "tcp", None, "", "", "", 0, (), "presumed", 3)
    read = answers.Explanation.FromString(of_explanation(nowhere).SerializeToString())
    assert explanation(read) == encode(nowhere)


def test_a_budget_refuses_with_its_numbers_and_an_admin_sets_it_aside_with_a_reason(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            fabric(tmp_path, intent=tight(PAIR)) as f,
            f.client("oscar", Role.OPERATOR) as operator,
            f.client("root", Role.ADMIN) as admin,
        ):
            over = await refused(operator.drain(S1))
            assert (over.code, over.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "OVER_BUDGET")
            ((subject, text), *_) = over.conditions
            assert subject == "document"
            assert "slots would move, and 0 have in the last minute; max_slots_moved_per_minute is 1%" in text
            assert "evenkeel apply --override --reason" in text
            assert (await refused(operator.drain(S1, dry_run=True))).reason == "OVER_BUDGET"
            denied = await refused(operator.because("CHG-1", override=True).drain(S1))
            assert "certificate 'oscar' is an operator, and Override is for an admin" in denied.message
            by = admin.because("CHG-1042: new memory", override=True)
            assert (await by.drain(S1, dry_run=True)).changed == 2
            both = asyncio.gather(by.drain(S1), refused(admin.set_weights({S2: 9})))
            done, still = await both
            assert (done.changed, still.reason) == (2, "OVER_BUDGET"), "it is set aside for one change alone"
            (said,) = f.face.said.of("override")
            assert said["reason"] == "CHG-1042: new memory"
            assert "slots would move" in said["broken"][0]
            rows = f.records()
            (asked,) = [row for row in rows if row["step"] == "asked" and row.get("more")]
            assert (asked["who"], asked["why"]) == ("certificate 'root'", "CHG-1042: new memory")
            assert asked["more"] == {"override": "CHG-1042: new memory"}
            (ended,) = [row for row in rows if row.get("of") == asked["seq"]]
            assert ended["result"].startswith("done, and over budget: pool web/")
            (no,) = [row for row in rows if row["step"] == "refused" and row["who"] == "certificate 'oscar'"]
            assert no["result"].startswith("DENIED")
            with pytest.raises(ValueError, match="give one"):
                admin.because("", override=True)

    played(play)


def test_what_an_override_does_not_set_aside_is_refused_all_the_same(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path, intent=tight(PAIR)) as f, f.client("root", Role.ADMIN) as admin:
            document = message(PAIR)
            del document.vips[:]
            gone = await refused(admin.because("all of it", override=True).apply(document))
            assert (gone.reason, "removes all VIPs" in gone.message) == ("INTENT_REFUSED", True)
            long = await refused(admin.because("x" * 501, override=True).drain(S1))
            assert (long.reason, long.violations[0][0]) == ("INVALID_ARGUMENT", "override")

    played(play)


@asynccontextmanager
async def two_sites(folder: Path) -> AsyncIterator[Fabric]:
    """Two sites, whose switches are silent at once."""
    async with fabric(folder, intent=load_text(SITES, "sites")) as f:
        f.face.app.ownership.silent = lambda *_: True
        yield f


def stages(found: list[api.DrillResponse]) -> list[str]:
    return [api.DrillResponse.Stage.Name(each.stage).removeprefix("STAGE_") for each in found]


def test_a_drill_goes_there_and_back_and_is_recorded(tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sites(tmp_path) as f, f.client("oscar", Role.OPERATOR) as operator:
            found = [each async for each in operator.drill("shop", "west", stay=0.0)]
            assert stages(found) == ["ORDERED", "THERE", "WITHDRAWN", "BACK"]
            assert (list(found[0].vips), found[0].former) == (["shop"], "east")
            assert [(row["site"]) for row in f.face.said.of("ordered")] == ["west", None]
            asked, ended = f.records()[-2:]
            assert (asked["method"].rpartition("/")[2], asked["what"]) == (
                "Drill",
                ["vips/shop", "sites/west"],
            )
            assert (asked["more"]["stay"], ended["result"]) == ("0", "done")
            here = await refused(anext(operator.drill("shop", "east")))
            assert (here.reason, "is at east already" in here.message) == ("ORDER_REFUSED", True)
            for vip, site, name in (("mail", "west", "vips/mail"), ("shop", "north", "sites/north")):
                away = await refused(anext(operator.drill(vip, site)))
                assert (away.reason, away.resource) == ("NOT_FOUND", name)
            async with f.client("eve", Role.VIEWER) as viewer:
                assert (await refused(anext(viewer.drill("shop", "west")))).reason == "DENIED"

    played(play)


def test_a_drill_whose_caller_goes_away_goes_back_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sites(tmp_path) as f:
            owners = f.face.app.state.owners
            async with f.client("oscar", Role.OPERATOR) as operator:
                stream = operator.drill("shop", "west", stay=3000.0)
                async for each in stream:
                    if each.stage == api.DrillResponse.STAGE_THERE:
                        break
                assert owners.value == {"shop": "west"}
                await stream.aclose()
            while owners.value != {"shop": "east"}:
                await asyncio.sleep(0.01)
            while len(f.records()) < 2 or f.records()[-1]["step"] != "done":
                await asyncio.sleep(0.01)
            assert f.records()[-1]["result"].startswith("DRILL_FAILED: the caller went away")

    played(play)


def test_a_controller_that_ends_withdraws_the_order_of_its_drill(tmp_path: Path) -> None:
    async def play() -> None:
        async with two_sites(tmp_path) as f:
            orders = f.face.app.state.orders
            async with f.client("oscar", Role.OPERATOR) as operator:
                stream = operator.drill("shop", "west", stay=3000.0)
                async for each in stream:
                    if each.stage == api.DrillResponse.STAGE_THERE:
                        break
                assert f.face.server._served is not None
                await f.face.server._served.drills.end()
                assert not orders.value.moved
                await stream.aclose()

    played(play)
