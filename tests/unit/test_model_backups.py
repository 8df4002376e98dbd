"""``backup``: the backends of another pool become later priority groups, for everything that follows."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.health.targets import targets_of
from controller.model.backups import with_backups
from controller.model.load import load_text
from controller.model.summary import notes, summarise
from controller.spec.types import Backend, Pool
from tests.unit.spoil import DATA

BASE = (DATA / "base.yaml").read_text()
FAR = """\
  - name: far
    backup: web
    health: {type: tcp}
    backends:
      - {name: w1, address: 10.1.0.21, mac: 02:45:56:02:00:21, at: leaf1, weight: 3}
      - {name: s2, addresses: [10.1.0.12, "fd00::12"], mac: 02:45:56:02:00:02, group: 7}
"""
BOTH = BASE.replace("    drain_then: keep\n", "    drain_then: keep\n    backup: far\n", 1).replace(
    "  - name: dns\n", f"{FAR}  - name: dns\n", 1
)


def pool(name: str, *names: str, backup: str | None = None, groups: tuple[int, ...] = ()) -> Pool:
    reals = tuple(
        Backend(each, (ip_address("10.1.0.1"),), group=groups[number] if groups else 0)
        for number, each in enumerate(names)
    )
    return Pool(name, reals, backup=backup)


def rows(of: Pool) -> list[tuple[str, int, str]]:
    return [(real.name, real.group, real.home) for real in of.backends]


def test_a_backups_groups_follow_in_its_own_order_and_then_those_of_its_backup() -> None:
    made = with_backups(
        (
            pool("web", "s1", "s2", backup="west", groups=(3, 9)),
            pool("west", "w1", "w2", backup="sorry", groups=(5, 0)),
            pool("sorry", "x1"),
        )
    )
    assert rows(made[0]) == [
        *(("s1", 3, ""), ("s2", 9, "")),
        *(("w1", 11, "west"), ("w2", 10, "west"), ("x1", 12, "sorry")),
    ]
    assert rows(made[2]) == [("x1", 0, "")]


def test_two_pools_may_back_each_other_and_share_a_server() -> None:
    web, west = with_backups((pool("web", "s1", "x", backup="west"), pool("west", "w1", "x", backup="web")))
    assert rows(web) == [("s1", 0, ""), ("x", 0, ""), ("w1", 1, "west")]
    assert rows(west) == [("w1", 0, ""), ("x", 0, ""), ("s1", 1, "web")]


NAMES = ("a", "b", "c", "d")


@given(st.lists(st.tuples(st.sets(st.sampled_from("stuvwxyz")), st.sampled_from([*NAMES, None])), max_size=4))
def test_whatever_backs_whatever_a_server_is_there_once_and_the_pools_own_come_first(
    drawn: list[tuple[set[str], str | None]],
) -> None:
    pools = tuple(
        pool(name, *sorted(servers), backup=backup)
        for name, (servers, backup) in zip(NAMES, drawn, strict=False)
    )
    made = with_backups(pools)
    for before, after in zip(pools, made, strict=True):
        assert after.own == before.backends
        names = [real.name for real in after.backends]
        assert len(set(names)) == len(names)
        groups = [real.group for real in after.backends]
        assert groups == sorted(groups)
        assert after.slots == before.slots
    assert with_backups(made) == made, "what was added is not added again"
    alone = with_backups(tuple(replace(each, backup=None) for each in made))
    assert alone == tuple(replace(each, backup=None) for each in pools)


def test_a_backups_servers_are_probed_as_the_pool_that_they_serve_says_and_equal_probes_are_one() -> None:
    intent = load_text(BOTH.replace("health: {type: tcp}", "health: {type: http, path: /up}"), "f")
    web = intent.pool("web")
    found = {ref for refs in targets_of(intent).values() for ref in refs}
    assert {ref for ref in found if ref[0] == "web"} == {("web", real.name) for real in web.backends}
    same = BOTH.replace("pool: web, mode: tun", "pool: far, mode: tun").replace(
        "health: {type: tcp}",
        'health: {type: http, interval: 2s, timeout: 1s, path: /up, status: [200, 301-308], body: "ok", port: 80}',
    )
    shared = [refs for refs in targets_of(load_text(same, "f")).values() if ("web", "w1") in refs]
    assert shared == [frozenset({("web", "w1"), ("far", "w1")})]


def test_check_shows_who_takes_over_and_when() -> None:
    shown = summarise(load_text(BOTH, "f"))
    assert "web   2+1 of 3   3       512" in shown
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    assert "web 0 s1, s2 3 all, while 50% of its weight lives; below, in proportion" in lines
    assert "1 (far) w1 3 what the groups before leave" in lines
    strict = summarise(
        load_text(BOTH.replace("    backup: far\n", "    backup: far\n    spill_below: 0%\n"), "f")
    )
    assert "all, unless all of it is down" in strict


def test_check_reminds_of_a_backup_that_adds_nothing_and_not_of_a_pool_that_only_backs() -> None:
    assert not [note for note in notes(load_text(BOTH, "f")) if '"far"' in note]
    empty = BOTH.replace(
        "      - {name: w1, address: 10.1.0.21, mac: 02:45:56:02:00:21, at: leaf1, weight: 3}\n", ""
    )
    assert 'pool "web" gains no server by its backup "far"' in notes(load_text(empty, "f"))


@pytest.mark.parametrize("backup", ["    backup: far\n", ""])
def test_what_a_pool_has_by_its_backup_goes_with_it(backup: str) -> None:
    intent = load_text(BOTH.replace("    backup: far\n", backup), "f")
    names = [real.name for real in intent.pool("web").backends]
    assert names == (["s1", "s2", "w1"] if backup else ["s1", "s2"])


def test_answers_of_nat_lead_back_to_one_listener_also_from_a_backup() -> None:
    spoiled = BOTH.replace("pool: web, mode: tun", "pool: far, mode: nat, backend_port: 8081")
    with pytest.raises(
        Exception, match=r"both lead by nat to port 8081 of backend .*use another backend_port"
    ):
        load_text(spoiled, "f")
