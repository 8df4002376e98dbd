"""Who may change what over the API, and what the audit log has of it."""

from __future__ import annotations

import asyncio
import errno
from pathlib import Path
from typing import Any

import grpc
import pytest

from controller.api.v1 import service_pb2 as api
from controller.cli.face import ApiOptions
from controller.client import ApiError, AsyncClient, Tls
from controller.clock import SystemClock
from controller.core.journal import Journal
from controller.security import auditfile
from controller.security.certificates import Role
from controller.security.errors import CredentialsError, SecurityError
from controller.security.rolesfile import add_token
from tests.fakes import core
from tests.fakes.api import message, played, served
from tests.fakes.certificates import Authority
from tests.fakes.core import Said
from tests.fakes.guarded import fabric

PAIR = core.loaded("pair")
S1, S2 = "pools/web/backends/s1", "pools/web/backends/s2"
ROLES = """\
certificates:
  - name: ci
    role: operator
    only: [{kinds: [pool, backend], names: ["web", "web/s1"]}]
tokens:
  - {name: grafana, role: viewer}
  - {name: robot, role: operator}
"""


async def refused(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


def test_without_a_roles_file_a_certificate_has_the_role_that_it_was_issued_for(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f:
            async with f.client("eve", Role.VIEWER) as viewer:
                assert (await viewer.get("pools/web")).pool.name == "web"
                denied = await refused(viewer.set_weights({S1: 1}))
                assert (denied.code, denied.reason) == (grpc.StatusCode.PERMISSION_DENIED, "DENIED")
                assert "certificate 'eve' is a viewer, and SetWeights is for an operator" in denied.message
            async with f.client("oscar", Role.OPERATOR) as operator:
                assert (await operator.set_weights({S1: 7})).changed == 2
                assert (await refused(operator.drain_site("east"))).reason == "DENIED"
            async with f.client("lb1", Role.SWITCH) as switch:
                assert "has no role" in (await refused(switch.get("pools/web"))).message
                watch = switch.watch(resume=False)
                assert (await refused(anext(watch))).reason == "DENIED"
            async with f.client("root", Role.ADMIN) as admin:
                assert (await refused(admin.claim_without_quorum())).reason == "ORDER_REFUSED"

    played(play)


def test_an_operator_changes_no_switch_by_way_of_a_document(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("oscar", Role.OPERATOR) as operator:
            found = (await operator.get_document()).document
            found.pools[0].backends[0].weight = 9
            assert (await operator.apply(found)).changed == 2
            found.switches[0].mac = "02:45:56:01:00:99"
            denied = await refused(operator.apply(found))
            assert (denied.reason, "switch" in denied.message) == ("DENIED", True)
            assert (await refused(operator.apply(found, dry_run=True))).reason == "DENIED"
            switch = await operator.get(f"switches/{found.switches[0].name}")
            assert switch.switch.mac != "02:45:56:01:00:99"
            switch.switch.mac = "02:45:56:01:00:99"
            assert (await refused(operator.apply(switch))).reason == "DENIED"
            assert (await refused(operator.delete(switch.name))).reason == "DENIED"

    played(play)


def test_one_that_is_restricted_changes_what_its_scopes_cover(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path, ROLES) as f, f.client("ci", Role.VIEWER) as ci:
            await ci.drain(S1)
            pool = await ci.get("pools/web")
            await ci.apply(pool)
            for call in (ci.drain(S1, S2), ci.set_weights({S2: 1}), ci.delete("vips/shop")):
                assert "may change some resources only" in (await refused(call)).message
            assert "not about single ones" in (await refused(ci.apply(message(PAIR)))).message
            assert (await refused(ci.move_vip("shop"))).reason == "DENIED"

    played(play)


def test_a_role_that_is_taken_away_is_gone_at_once(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path, ROLES) as f, f.client("oscar", Role.OPERATOR) as operator:
            await operator.drain(S1)
            (tmp_path / "roles.yaml").write_text("certificates: [{name: oscar, role: none}]\n")
            assert "has no role" in (await refused(operator.undrain(S1))).message

    played(play)


def test_a_change_is_recorded_with_who_what_why_and_digests_that_chain(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f:
            async with f.client("oscar", Role.OPERATOR) as operator:
                because = operator.because("s1 is slow: 7 ms at ½ load")
                done = await because.set_weights({S1: 7}, request_id="r1")
                await because.set_weights({S1: 7}, request_id="r1")  # not carried out again
                await operator.set_weights({S1: 8})
                await operator.set_weights({S1: 9}, dry_run=True)  # changes nothing
                await operator.get(S1)
            async with f.client("eve", Role.VIEWER) as viewer:
                await refused(viewer.because("let me").drain(S2))
            applied, _, first, first_done, second, second_done, denied = f.records()
            assert (applied["who"], applied["what"][0], "before" in applied) == ("local", "sites/east", False)
            assert first["method"] == "/evenkeel.v1.IntentService/SetWeights"
            assert (first["who"], first["what"], first["request"]) == ("certificate 'oscar'", [S1], "r1")
            assert (first["why"], first["source"][:14]) == ("s1 is slow: 7 ms at ½ load", "ipv4:127.0.0.1")
            assert first_done["of"] == first["seq"]
            assert (first_done["result"], first_done["revision"]) == ("done", done.revision)
            assert first["before"] != first["after"] == second["before"] != second["after"]
            assert second_done["of"] == second["seq"]
            assert (denied["step"], denied["who"], denied["what"]) == ("refused", "certificate 'eve'", [S2])
            assert denied["why"] == "let me"
            assert denied["result"].startswith("DENIED: certificate 'eve' is a viewer")

    played(play)


def test_what_is_refused_with_others_is_recorded_as_refused_and_the_others_as_done(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as admin:
            bad = (await admin.get_document()).document
            del bad.vips[:]  # well written, and refused
            calls = (admin.set_weights({S1: 5}), admin.apply(bad), admin.set_weights({S2: 6}))
            results = await asyncio.gather(*calls, return_exceptions=True)
            assert [isinstance(each, ApiError) for each in results] == [False, True, False]
            rows = f.records()
            last = {row["of"]: row["result"] for row in rows if row["step"] == "done"}
            asked = {row["seq"]: row for row in rows if row["step"] == "asked"}
            assert last.keys() == asked.keys()
            ends = [last[number] for number, row in asked.items() if row["method"].endswith("SetWeights")]
            assert ends.count("done") == 2
            assert any(each.startswith("INTENT_REFUSED") for each in last.values())
            # The digests that count are those of what was carried out.
            final = [row for number, row in asked.items() if last[number] == "done"]
            assert len({row["after"] for row in final}) == len(final)

    played(play)


def test_a_change_that_cannot_be_recorded_is_refused_and_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as admin:
            before = await admin.get(S1)
            with monkeypatch.context() as full:
                full.setattr(auditfile, "_AHEAD", 0)
                full.setattr(auditfile, "allocate", lambda *_: errno.ENOSPC)
                f.face.server._guard._audit._file._room = 0  # type: ignore[union-attr]
                failed = await refused(admin.set_weights({S1: 77}, timeout=0.3))
                assert (failed.code, failed.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_RECORDED")
                assert "Nothing was changed" in failed.message
                order = await refused(admin.failback("web", timeout=0.3))
                assert order.reason == "NOT_RECORDED"
                assert await admin.get(S1) == before
            assert (await admin.set_weights({S1: 77})).changed == 2

    played(play)


def test_an_order_is_recorded_with_how_it_ended(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as admin:
            await refused(admin.rehash("web", api.RehashRequest.ACTION_PLAN))  # changes nothing
            await admin.move_vip("shop", "east")
            await refused(admin.failback("web"))
            begun, ended, failback, why = f.records()[2:]
            assert (begun["what"], begun["more"]) == (
                ["vips/shop", "sites/east"],
                {"vip": "shop", "site": "east"},
            )
            assert ended["result"] == "done"
            assert ended["revision"] > 0
            assert (failback["what"], failback["more"]) == (["pools/web"], {"pool": "web"})
            assert why["result"].startswith("ORDER_REFUSED: ")

    played(play)


def tokens(folder: Path) -> tuple[str, str]:
    path = folder / "tokens"
    return add_token(path, "grafana"), add_token(path, "robot")


def test_tokens_stand_for_certificates_where_none_are_asked_for(tmp_path: Path) -> None:
    async def play() -> None:
        authority = Authority(tmp_path / "pki")
        own = authority.sign("api", "127.0.0.1", role=Role.SERVER)
        grafana, robot = tokens(tmp_path)
        (tmp_path / "roles.yaml").write_text(ROLES)
        options = ApiOptions(
            "127.0.0.1:0", own.cert, own.key, None, tmp_path / "roles.yaml", tmp_path / "tokens"
        )
        made = options.made(tmp_path / "state.db", Journal(Said()), SystemClock())
        where, guard = made.api._where, made.api._guard
        async with served(tmp_path, guard=guard, where=where, intent=PAIR) as face:
            address, tls = f"127.0.0.1:{face.server.port}", Tls(own.ca)
            async with AsyncClient(address, tls, token=grafana) as client:
                assert (await client.get("pools/web")).pool.name == "web"
                assert "token 'grafana' is a viewer" in (await refused(client.drain(S1))).message
            async with AsyncClient(address, tls, token=robot) as client:
                assert (await client.because("as planned").drain(S1)).changed == 2
            for wrong in ("", "ek_guessed"):
                async with AsyncClient(address, tls, token=wrong) as client:
                    unknown = await refused(client.get("pools/web"))
                    assert (unknown.code, unknown.reason) == (
                        grpc.StatusCode.UNAUTHENTICATED,
                        "UNKNOWN_PEER",
                    )

    played(play)


def test_without_tls_on_loopback_a_roles_file_ends_that_everyone_is_an_admin(tmp_path: Path) -> None:
    async def play() -> None:
        grafana, _ = tokens(tmp_path)
        (tmp_path / "roles.yaml").write_text(ROLES)
        for roles, held in ((None, None), (tmp_path / "roles.yaml", tmp_path / "tokens")):
            options = ApiOptions("127.0.0.1:0", roles=roles, tokens=held)
            made = options.made(tmp_path / "state.db", Journal(Said()), SystemClock())
            where, guard = made.api._where, made.api._guard
            async with served(tmp_path, guard=guard, where=where, intent=PAIR) as face:
                address = f"127.0.0.1:{face.server.port}"
                async with AsyncClient(address) as client:
                    if roles is None:
                        assert (await client.drain(S1)).changed == 2
                    else:
                        assert (await refused(client.get(S1))).reason == "UNKNOWN_PEER"
                async with AsyncClient(address, token=grafana) as client:
                    if roles is not None:
                        assert (await client.get(S1)).backend.drain is False

    played(play)


@pytest.mark.parametrize(
    ("options", "error", "text"),
    [
        (ApiOptions(cert=Path("c")), CredentialsError, "--api-key, --api-ca: missing"),
        (ApiOptions(tokens=Path("t")), ValueError, "give --api-roles too"),
        (ApiOptions("10.0.0.1:7450"), ValueError, "give --api-cert, --api-key and --api-ca"),
        (ApiOptions(audit=Path("/nowhere/audit.log")), SecurityError, "/nowhere/audit.log: cannot be opened"),
    ],
)
def test_options_that_do_not_fit_are_refused_at_the_start(
    tmp_path: Path, options: ApiOptions, error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        options.made(tmp_path / "state.db", Journal(Said()), SystemClock())
