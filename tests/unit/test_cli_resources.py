"""Commands on resources, against a controller without switches that serves its API: what they print and return."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from controller.api.listening import Where
from controller.api.v1 import resources_pb2 as messages
from controller.api.v1 import service_pb2 as api
from controller.cli import contexts
from controller.cli.batches import Step, carry_out, place_of
from controller.cli.contexts import Context, Contexts
from controller.cli.main import app
from controller.cli.place import VARIABLE
from controller.client import ApiError, Client
from tests.fakes import core
from tests.fakes.api import Face, message, played, served
from tests.fakes.process import PATIENCE, quiet_intent

PAIR = core.loaded("pair")
S1 = "pools/web/backends/s1"
Ek = Callable[..., str]


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No contexts but the test's own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv(VARIABLE, raising=False)


def play(
    folder: Path, test: Callable[[Face, Ek], None], empty: bool = False, state: str = "state.db"
) -> None:
    """Run a test beside a controller; ``ek``: run a command there, which must end with ``code``, and what it said."""
    where = Where(folder / f"{state}.api.sock")

    def ek(*arguments: str, code: int = 0, given: str | None = None) -> str:
        options = (
            () if any(each in arguments for each in ("--context", "--state")) else ("--state", folder / state)
        )
        run = CliRunner().invoke(app, [*arguments, *map(str, options)], input=given)
        assert run.exit_code == code, run.output
        return str(run.output)

    async def run() -> None:
        async with served(folder, intent=None if empty else PAIR, where=where) as face:
            await asyncio.to_thread(test, face, ek)

    played(run)


def rows(text: str) -> list[list[str]]:
    """The cells of a table."""
    return [line.split() for line in text.splitlines()]


def test_an_intent_is_applied_tried_and_shown(tmp_path: Path) -> None:
    file = tmp_path / "pair.yaml"
    file.write_text(quiet_intent("pair"))

    def test(face: Face, ek: Ek) -> None:
        tried = ek("apply", "-f", str(file), "--dry-run").splitlines()
        assert (tried[0], len(tried)) == ("sites/east added", 15)
        assert tried[-1].startswith("dry run on revision ")
        assert rows(ek("get", "pools")) == [rows("NAME  BACKENDS  UP  DOWN  DRAINING  HEALTH  MOVING")[0]]
        ek("apply", "-f", str(file), "--revision", "0")
        assert "nothing to change" in ek("apply", "-f", str(file))
        assert "has the revision" in ek("apply", "-f", str(file), "--revision", "0", code=6)
        printed = ek("get", "intent", "-o", "yaml")
        assert "nothing to change" in ek("apply", "-f", "-", given=printed)
        assert "nothing to change" in ek("apply", "-f", "-", given=ek("get", "intent", "-o", "json"))
        file.write_text(file.read_text().replace("  - name: s1\n", "  - name: s1\n    wight: 3\n"))
        assert f"{file}:" in (said := ek("apply", "-f", str(file), code=2))
        assert 'unknown key "wight"' in said

    play(tmp_path, test, empty=True)


def test_resources_are_listed_for_people_and_for_programs(tmp_path: Path) -> None:
    def test(face: Face, ek: Ek) -> None:
        assert rows(ek("get", "backends"))[:2] == [
            ["NAME", "ADDRESS", "WEIGHT", "STATE", "HEALTH", "FOR"],
            ["web/s1", "10.1.0.11,fd00:0:0:1::11", "2", "normal", "unknown", "-"],
        ]
        assert rows(ek("get", "switches"))[1] == ["edge1", "east", "ovs", "edge", "away", "0"]
        wide = rows(ek("get", "pool", "web", "-o", "wide"))
        assert wide[0][-5:] == ["SLOTS", "TRACKED", "PANIC", "MEMORY", "REVISION"]
        assert wide[1][0] == "web"
        assert rows(ek("get", "sites"))[1][:2] == ["east", "8"]
        assert ek("get", "switches", "-o", "name").split()[:2] == ["switches/edge1", "switches/lb1"]
        one = json.loads(ek("get", "backends", "web/s1", "-o", "json"))
        assert (one["name"], one["backend"]["weight"]) == (S1, 2)
        several = json.loads(ek("get", "pools/web", "vips/shop", S1, "-o", "json"))
        assert [each["name"] for each in several] == ["pools/web", "vips/shop", S1]
        assert json.loads(ek("get", "pools", "-o", "json"))[0]["name"] == "pools/web"
        assert len(rows(ek("get", "backends", "--filter", "weight=2"))) == 2
        both = ek("get", "pools/web", "vips/shop")
        assert "\n\nNAME" in both
        assert ek("get", "vips", "nope", code=5) == 'there is no "vips/nope"\n'
        assert "is no kind of resource" in ek("get", "foo", code=2)
        assert 'a backend has no field "nme"' in ek("get", "backends", "--filter", "nme=x", code=1)
        assert "give no names" in ek("get", "pools", "web", "--filter", "name=web", code=2)
        assert "write POOL/BACKEND" in ek("get", "backends", "s1", code=2)

    play(tmp_path, test)


def test_backends_drain_and_are_weighed(tmp_path: Path) -> None:
    def test(face: Face, ek: Ek) -> None:
        said = ek("drain", "s1", "web/s2").splitlines()
        assert said[:3] == ["pools/web modified", f"{S1} modified", "pools/web/backends/s2 modified"]
        assert [row[3] for row in rows(ek("get", "backends"))[1:]] == ["drain", "drain", "normal"]
        ek("undrain", "s1", "s2", "--pool", "web")
        made = json.loads(ek("weight", "web/s1=7", "s2=9", "-o", "json"))
        assert (made["changed"], made["changes"][0]) == (3, {"name": "pools/web", "action": "modified"})
        assert [row[2] for row in rows(ek("get", "backends"))[1:]] == ["7", "9", "1"]
        assert ek("weight", "web/s1=8", "--dry-run", "-o", "name") == f"pools/web\n{S1}\n"
        assert "nothing to change" in ek("weight", "web/s1=7")
        assert "no pool has a backend" in ek("drain", "s99", code=5)
        assert "there is no" in ek("drain", "web/s99", code=5)
        assert "--pool names" in ek("drain", "web/s1", "--pool", "api", code=2)
        for wrong in ("web/s1", "web/s1=70000", "web/s1=-1", "=3"):
            assert "write POOL/BACKEND=N" in ek("weight", wrong, code=2)
        assert "has a weight already" in ek("weight", "s1=1", "web/s1=2", code=2)

    play(tmp_path, test)


def test_several_resources_are_one_commit_or_none(tmp_path: Path) -> None:
    def test(face: Face, ek: Ek) -> None:
        pool = ek("get", "pools", "web", "-o", "yaml").replace("name: pools/web", "name: pools/new")
        pool = pool.replace("pool:\n  name: web", "pool:\n  name: new").replace(
            "revision: ", "revision: 0 # "
        )
        vip = ek("get", "vips", "shop", "-o", "yaml").replace("pool: web", "pool: new")
        said = ek("apply", "-f", "-", given=f"{vip}---\n{pool}")
        assert ("pools/new added" in said, "vips/shop modified" in said) == (True, True)
        made = json.loads(ek("get", "pools/new", "vips/shop", "-o", "json"))
        assert len({each["revision"] for each in made}) == 1
        again = ek("apply", "-f", "-", given=f"{vip}---\n{pool}", code=6)
        assert "vips/shop has the revision" in again
        assert "names the pool" in ek("delete", "pools", "new", code=1)
        assert 'there is no "vips/nope"' in ek("delete", "vips/shop", "vips/nope", code=5)
        assert "dry run" in ek("delete", "vips/shop", "pools/new", "--dry-run")
        said = ek("delete", "vips/shop", "pools/new")
        assert ("vips/shop deleted" in said, "pools/new deleted" in said) == (True, True)
        assert "name what goes" in ek("delete", "vips", code=2)

    play(tmp_path, test)


def test_what_the_controller_refuses_is_shown_at_its_line(tmp_path: Path) -> None:
    file = tmp_path / "two.yaml"

    def test(face: Face, ek: Ek) -> None:
        text = ek("get", "pools", "web", "-o", "yaml").replace("transition: 2m", "transition: 2x")
        file.write_text(text)
        line = next(i for i, each in enumerate(text.splitlines(), 1) if "transition" in each)
        assert ek("apply", "-f", str(file), code=1).startswith(f'{file}:{line}:15: transition is "2x"')
        real = "name: pools/web/backends/{0}\nbackend:\n  name: {0}\n  weight: {1}\n"
        file.write_text("---\n".join((real.format("s8", 1), real.format("s9", 70000))))
        said = ek("apply", "-f", str(file), code=1).splitlines()
        assert f"{file}:9:11: weight is 70000, write a whole number from 0 to 65535" in said
        assert not [each for each in said if not each.startswith(f"{file}:")]
        assert "write the revision of each" in ek("apply", "-f", str(file), "--revision", "1", code=2)

    play(tmp_path, test)


def test_changes_by_others_are_borne_or_refused(tmp_path: Path) -> None:
    async def run() -> None:
        where = Where(tmp_path / "api.sock")
        async with served(tmp_path, intent=PAIR, where=where) as face:
            await asyncio.to_thread(test, face)

    def test(face: Face) -> None:
        class Beside(Client):
            """Someone else changes the intent whenever it is read, ``left`` times."""

            left = 2

            def get_document(self, timeout: float | None = None) -> api.GetDocumentResponse:
                found = super().get_document(timeout)
                if self.left:
                    self.left -= 1
                    self.set_weights({S1: 10 + self.left})
                return found

        client = Beside(f"unix:{face.socket}")
        with client:
            found = [client.get(f"vips/{name}") for name in ("shop", "api")]
            for each in found:
                each.vip.owners[:] = []
                each.vip.authority = "40s"
            steps = [Step(each.name, each, each.revision) for each in found]
            made = carry_out(client, steps, False, 20.0)
            assert (made.changed, client.left) == (2, 0)
            assert client.get(S1).backend.weight == 10
            with pytest.raises(ApiError, match="has the revision") as caught:
                carry_out(client, steps, False, 20.0)
            assert caught.value.reason == "REVISION_MISMATCH"

    played(run)


def test_the_place_of_a_resource_in_the_document_is_known() -> None:
    document = message(PAIR)
    assert isinstance(document, messages.Document)
    assert place_of(document, Step("vips/api", None)) == "vips[1]"
    assert place_of(document, Step("pools/new", None)) == "pools[1]"
    assert place_of(document, Step("pools/web/backends/s3", None)) == "pools[0].backends[2]"
    assert place_of(document, Step("pools/web/backends/s9", None)) == "pools[0].backends[3]"


def test_a_resource_is_edited_if_no_one_else_changed_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def test(face: Face, ek: Ek) -> None:
        monkeypatch.delenv("VISUAL", raising=False)
        monkeypatch.setenv("EDITOR", "sed -i 's/weight: 2/weight: 6/'")
        assert f"{S1} modified" in ek("edit", "backends", "web/s1")
        assert "nothing changed" in ek("edit", "backends", "web/s1")
        monkeypatch.setenv("EDITOR", "false")
        assert "false ended with 1: nothing is changed" in ek("edit", S1, code=2)
        monkeypatch.setenv("EDITOR", "/no/editor")
        assert "name an editor in EDITOR" in ek("edit", S1, code=2)
        monkeypatch.setenv("EDITOR", "sed -i 's/revision: .*/revision: 1/'")
        said = ek("edit", S1, code=6)
        kept = Path(said.rpartition("apply -f ")[2].strip())
        assert "revision: 1" in kept.read_text()
        kept.unlink()
        assert "name one resource" in ek("edit", "pools", code=2)

    play(tmp_path, test)


def test_a_resource_is_described_with_its_state_and_events(tmp_path: Path) -> None:
    def test(face: Face, ek: Ek) -> None:
        ek("drain", "s1")
        pool, end = "", time.monotonic() + PATIENCE
        while "web/tcp: table 2" not in pool:  # events reach the log a moment later
            assert time.monotonic() < end, pool
            pool = ek("describe", "pools", "web")
        assert "Name:      pools/web\n" in pool
        assert [row for row in rows(pool) if row[:4] == ["s1", "2", "0", "drain"]]
        assert "Owner:     east" in ek("describe", "vips/shop")
        assert "State:     away" in ek("describe", "switches", "lb1")
        assert "Owns:      ads, ads6, api" in ek("describe", "sites", "east")
        real = ek("describe", S1)
        assert ["tcp", "1", "0", "drain", "unknown", "-", "-"] in rows(real)
        assert "name what to describe" in ek("describe", "pools", code=2)
        assert "there is no" in ek("describe", "pools", "x", code=5)

    play(tmp_path, test)


def test_orders_and_looks_go_to_the_context(tmp_path: Path) -> None:
    def test(face: Face, ek: Ek) -> None:
        contexts.write(contexts.file(), Contexts({"here": Context(socket=face.socket)}))
        there = ("--context", "here")
        assert 'there is no site "west"' in ek("move", "shop", "west", *there, code=1)
        assert "where the intent has them, change" in ek("move", "shop", *there)
        assert "would belong to no site" in ek("site", "drain", "east", *there, code=1)
        assert "failover" in ek("failback", "web", *there, code=1)
        assert "no rehash" in ek("rehash", "web", "--cancel", *there, code=1)
        assert "term" in ek("status", *there)
        shown = json.loads(ek("status", "--json", *there))
        assert isinstance(shown["revision"], int)
        assert list(shown["pools"]["web/tcp"]["backends"]) == ["s1", "s2", "s3"]
        end = time.monotonic() + PATIENCE
        while (
            CliRunner().invoke(app, ["timeline", *there]).exit_code != 0
        ):  # events reach the log a moment later
            assert time.monotonic() < end
        assert "intent accepted" in ek("timeline", *there)
        assert json.loads(ek("timeline", "--json", *there).splitlines()[0])["event"] == "intent_accepted"
        assert "--since x: write a number" in ek("timeline", "--since", "x", *there, code=2)
        assert "no such events" in ek("timeline", "--switch", "none", *there, code=1)

    play(tmp_path, test)
