"""Labels over mutual TLS: resources are found by them, roles are given by them, and they change nothing else."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from controller.api.v1 import resources_pb2 as resources
from controller.api.v1 import service_pb2 as api
from controller.cli.main import app
from controller.cli.place import VARIABLE
from controller.client import ApiError
from controller.security.certificates import Role
from tests.fakes.api import message, played
from tests.fakes.guarded import PAIR, fabric

S1, S2, S3 = (f"pools/web/backends/s{n}" for n in (1, 2, 3))
ROLES = """\
certificates:
  - name: blue
    role: operator
    only: [{labels: {team: blue}}]
"""


async def refused(call: Any) -> ApiError:
    with pytest.raises(ApiError) as caught:
        await call
    return caught.value


async def found(client: Any, kind: Any, labels: str, **more: Any) -> list[str]:
    return [each.name async for each in client.list(kind, labels=labels, **more)]


def labelled() -> Any:
    """The intent, with labels."""
    document = message(PAIR)
    document.vips[0].labels["team"] = "red"
    for number, team in enumerate(("blue", "red", "red")):
        document.pools[0].backends[number].labels.update({"team": team, "rack": str(number)})
    return document


def test_resources_are_found_by_labels(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as client:
            assert (await client.apply(labelled())).changed > 0
            assert (await client.get(S1)).backend.labels == {"team": "blue", "rack": "0"}
            backends = api.KIND_BACKEND
            assert await found(client, backends, "team=blue") == [S1]
            assert await found(client, backends, "team in (blue, red),rack!=1") == [S1, S3]
            assert await found(client, backends, "team=red", page_size=1) == [S2, S3]
            assert await found(client, backends, "team=red", where="name=s3") == [S3]
            assert await found(client, backends, "!team") == []
            assert await found(client, api.KIND_VIP, "team") == [f"vips/{PAIR.vips[0].name}"]
            wrong = await refused(anext(client.list(backends, labels="team>3")))
            assert (wrong.reason, wrong.violations[0][0]) == ("INVALID_ARGUMENT", "label_selector")
            none = await refused(anext(client.list(api.KIND_SITE, labels="team")))
            assert "a site has no labels; vips, pools, backends and zones have" in none.message
            one = await client.get(S1)
            one.backend.labels["team"] = "a b"
            bad = await refused(client.apply(one))
            assert (bad.reason, bad.violations[0][0]) == (
                "INVALID_DOCUMENT",
                "pools[0].backends[0].labels.team",
            )

    played(play)


def test_labels_change_nothing_but_themselves(tmp_path: Path) -> None:
    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as client:
            made = await client.plan(labelled())
            assert (list(made.pools), list(made.switches), made.hitless) == ([], [], "yes")
            tables = f.face.app.state.tables.value.pools["web/tcp"]
            done = await client.apply(labelled())
            after = f.face.app.state.tables.value.pools["web/tcp"]
            assert (after.revision, after.now is tables.now) == (tables.revision, True)
            assert S1 in [each.name for each in done.changes]

    played(play)


def test_a_role_is_given_by_labels_and_a_label_takes_nothing_over(tmp_path: Path) -> None:
    async def play() -> None:
        async with (
            fabric(tmp_path, ROLES) as f,
            f.client("root", Role.ADMIN) as root,
            f.client("blue", Role.OPERATOR) as blue,
        ):
            await root.apply(labelled())
            assert (await blue.drain(S1)).changed == 2
            for call in (blue.drain(S1, S2), blue.set_weights({S2: 1}), blue.delete(S2)):
                assert "backend 'web/s2' is not among them" in (await refused(call)).message
            mine, theirs = await blue.get(S1), await blue.get(S2)
            mine.backend.weight = 7
            assert (await blue.apply(mine)).changed == 2
            theirs.backend.labels["team"] = "blue"
            assert (await refused(blue.apply(theirs))).reason == "DENIED", "it is not theirs yet"
            mine.backend.labels["team"] = "red"
            assert (await refused(blue.apply(mine))).reason == "DENIED", "it would not be theirs any more"
            assert (await refused(blue.move_vip(PAIR.vips[0].name))).reason == "DENIED"
            pool = await root.get("pools/web")
            pool.pool.labels["team"] = "blue"
            await root.apply(pool)
            del pool.pool.backends[0].labels["team"]
            await root.apply(pool)
            assert (await blue.undrain(S1)).changed == 2, "a backend has the labels of its pool"
            assert (await refused(blue.drain(S2))).reason == "DENIED", "and its own before them"
            pool = await blue.get("pools/web")
            pool.pool.transition = "5s"
            assert (await blue.apply(pool)).changed == 1
            pool.pool.backends[1].weight = 9
            assert "backend 'web/s2'" in (await refused(blue.apply(pool))).message
            own = resources.Pool(name="own", backends=[theirs.backend], labels={"team": "blue"})
            own.backends[0].name, own.backends[0].addresses[:] = "own1", ["10.1.0.77"]
            assert (await blue.apply(api.Resource(pool=own), expected=0)).changed == 1
            own.labels["team"], own.name = "red", "other"
            assert (await refused(blue.apply(api.Resource(pool=own)))).reason == "DENIED"

    played(play)


def test_get_takes_a_selector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)

    def ek(*arguments: str, code: int = 0) -> str:
        run = CliRunner().invoke(app, arguments)
        assert run.exit_code == code, run.output
        return str(run.output)

    async def play() -> None:
        async with fabric(tmp_path) as f, f.client("root", Role.ADMIN) as client:
            await client.apply(labelled())
            shown = f.authority.sign("eve", role=Role.VIEWER)
            tls = ("--ca", str(shown.ca), "--cert", str(shown.cert), "--key", str(shown.key))

            def test() -> None:
                ek("context", "set", "eve", "--server", f"127.0.0.1:{f.face.server.port}", *tls)
                ek("context", "use", "eve")
                assert ek("get", "backends", "-l", "team in (red),rack!=2", "-o", "name") == f"{S2}\n"
                assert "team: blue" in ek("get", "backends", "-l", "team=blue", "-o", "yaml")
                printed = ek("get", "intent", "-o", "json")
                file = tmp_path / "intent.json"
                file.write_text(printed)
                assert "nothing would change" in ek("plan", "-f", str(file))
                assert "label_selector" in ek("get", "pools", "-l", "team>3", code=1)
                assert "give no names" in ek("get", "pools", "web", "-l", "team", code=2)

            await asyncio.to_thread(test)

    played(play)
