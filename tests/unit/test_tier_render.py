"""The file of a tier: equal for equal tiers, taken by HAProxy, and with a digest of exactly what takes a reload."""

from __future__ import annotations

import subprocess
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.exits.tier.filecheck import refusals
from controller.exits.tier.render import render, server_ids
from controller.exits.tier.wanted import Line, Marks, Wanted
from controller.spec import tier as t
from tests.examples import examples
from tests.fakes.tier import needs_haproxy
from tests.fakes.tierplans import tiers

FEW = settings(max_examples=examples(10, 400))
OWN = [ip_address("10.9.0.1")]


def rendered(tier: t.Tier, marks: Marks = Marks()) -> Wanted:  # noqa: B008
    return render(tier, tier.instances[0], OWN, marks)


def with_pool(tier: t.Tier, name: str, **changes: object) -> t.Tier:
    pools = tuple(replace(each, **changes) if each.name == name else each for each in tier.pools)  # type: ignore[arg-type]
    return replace(tier, pools=pools)


@FEW
@given(tiers())
def test_equal_tiers_give_equal_octets_and_every_line_is_one(tier: t.Tier) -> None:
    wanted = rendered(tier)
    assert rendered(replace(tier)) == wanted
    assert all("\n" not in line.text for line in wanted.lines)
    assert f"description evenkeel {wanted.digest}\n" in wanted.text


@FEW
@given(tiers(), st.data())
def test_weights_drains_and_marks_take_no_reload_and_all_else_does(tier: t.Tier, data: st.DataObject) -> None:
    before = rendered(tier)
    web = next(each for each in tier.pools if each.name == "web")
    lighter = tuple(
        replace(each, weight=(each.weight + 1) % 257, drain=not each.drain) for each in web.servers
    )
    assert rendered(with_pool(tier, "web", servers=lighter)).digest == before.digest
    refs = [(pool.name, each.name) for pool in tier.pools for each in pool.servers]
    retired = frozenset(data.draw(st.lists(st.sampled_from(refs)))) if refs else frozenset()
    assert rendered(tier, Marks(leaving=True, retired=retired)).digest == before.digest
    for other in (
        replace(tier, timeouts=t.TierTimeouts(client=61.0)),
        replace(tier, raw_sections=(*tier.raw_sections, "# more")),
        replace(tier, status_port=9000),
        with_pool(
            tier, "web", balance=t.Balance.FIRST if web.balance is not t.Balance.FIRST else t.Balance.RANDOM
        ),
        with_pool(tier, "api", raw=("fullconn 7",)),
        with_pool(tier, "db", retries=t.Retries(7)),
    ):
        assert rendered(other).digest != before.digest


@FEW
@given(tiers())
def test_servers_come_and_go_without_a_reload_only_where_haproxy_can_do_that(tier: t.Tier) -> None:
    web = next(each for each in tier.pools if each.name == "web")
    fewer = with_pool(tier, "web", servers=web.servers[1:])
    if not web.servers:
        return
    grows = web.sticky is None and not any(each.backup for each in web.servers)
    assert rendered(tier).pools["web"].grows is grows
    assert (rendered(fewer).digest == rendered(tier).digest) is grows


@given(st.sets(st.text("abcdefgh", min_size=1, max_size=6), max_size=40))
def test_ids_of_servers_are_their_own_and_come_from_their_names(names: set[str]) -> None:
    ids = server_ids(names)
    assert len(set(ids.values())) == len(names)
    assert all(1 <= each < 1_000_000 for each in ids.values())
    assert server_ids(sorted(names, reverse=True)) == ids


@needs_haproxy
@settings(
    max_examples=examples(6, 300),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(tiers())
def test_haproxy_takes_every_tier_that_check_takes(tmp_path: Path, tier: t.Tier) -> None:
    path = tmp_path / "h.cfg"
    path.write_text(rendered(tier).text)
    done = subprocess.run(["haproxy", "-c", "-f", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.stderr}\n{path.read_text()}"


SAID = """[NOTICE]   (157) : haproxy version is 2.6.12-1+deb12u4
[WARNING]  (11) : config : config: Can't open global server state file '/x.state': No such file or directory
[ALERT]    (157) : config : parsing [/x.new:2] : unknown keyword 'bogus' in 'backend' section
[ALERT]    (157) : config : parsing [/x.new:1] : 'bind *:443' in section 'frontend' : unable to stat '/a.pem'.
[ALERT]    (157) : config : Error(s) found in configuration file : /x.new
[ALERT]    (157) : [/x.new:3] : 'server web/s1' : invalid address
[ALERT]    (157) : config : Proxy 'http': unable to find required default_backend: 'web'.
[ALERT]    (157) : config : Fatal errors found in configuration.
"""


def test_haproxys_words_are_said_at_the_key_that_they_are_about() -> None:
    lines = [
        Line("a", "frontends http: binds[0]"),
        Line("b", "pools web: raw[0]"),
        Line("c", "pools web: servers s1"),
    ]
    assert refusals(SAID, "/x.new", lines) == [
        "pools web: raw[0]: unknown keyword 'bogus' in 'backend' section",
        "frontends http: binds[0]: 'bind *:443' in section 'frontend' : unable to stat '/a.pem'",
        "pools web: servers s1: 'server web/s1' : invalid address",
        "Proxy 'http': unable to find required default_backend: 'web'",
    ]
