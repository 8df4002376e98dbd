"""What clients are told of pools: who serves, in which order and proportion, in which version."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from fractions import Fraction
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.exits.xds import plan
from controller.exits.xds.endpoints import MOST, PARKED, Judged, Locality, State, localities, serving, shares
from controller.exits.xds.plan import WHOLE, Weighted, clusters, routes, weighted
from controller.plan.members import Health
from controller.plan.tuned import Tuned
from controller.spec.discovery import Discovery, Header, Service, ServiceRoute, Target
from controller.spec.policy import Failover, Zones
from controller.spec.pool import Subset
from controller.spec.types import Backend, Intent, Pool, Site

SITES = {"s1": "east", "s2": "east", "s3": "west", "s4": "west"}
EAST, WEST = ("east", "west"), ("west", "east")


def real(name: str, **more: object) -> Backend:
    number = int(name[1:])
    return replace(Backend(name, (ip_address(f"10.1.0.{number}"),)), **more)  # type: ignore[arg-type]


def pool(*reals: Backend, **more: object) -> Pool:
    return replace(Pool("web", reals), **more)  # type: ignore[arg-type]


def down(*names: str) -> Judged:
    return Judged({name: Health(False, 0.0) for name in names})


NOTHING = down()
FOUR = pool(*(real(name) for name in SITES))


def told(of: Pool, judged: Judged = NOTHING, order: Iterable[str] = EAST) -> tuple[Locality, ...]:
    return localities(of.backends, of, 80, judged, SITES, tuple(order))


def tiers(found: Iterable[Locality]) -> list[dict[str, int]]:
    """Weights of servers by priority, those that are parked last, with weight 0."""
    out: dict[int, dict[str, int]] = {}
    for each in found:
        row = out.setdefault(each.priority, {})
        row |= {server.name: server.weight if each.weight else 0 for server in each.endpoints}
    return [out[rank] for rank in sorted(out)]


@pytest.mark.parametrize(
    ("judged", "order", "expected"),
    [
        (down(), EAST, [{"s1": 1, "s2": 1}, {"s3": 1, "s4": 1}]),
        (down(), WEST, [{"s3": 1, "s4": 1}, {"s1": 1, "s2": 1}]),
        (down("s1"), EAST, [{"s2": 1}, {"s3": 1, "s4": 1}, {"s1": 0}]),
        (down("s1", "s2"), EAST, [{"s3": 1, "s4": 1}, {"s1": 0, "s2": 0}]),
        (down("s3"), EAST, [{"s1": 1, "s2": 1}, {"s4": 1}, {"s3": 0}]),
        (down(*SITES), EAST, [{"s1": 1, "s2": 1}, {"s3": 0, "s4": 0}]),
    ],
    ids=[
        "all live",
        "a client at the other site",
        "one is down",
        "a site is down",
        "one elsewhere",
        "all: panic",
    ],
)
def test_a_site_serves_its_clients_and_the_other_takes_over(
    judged: Judged, order: tuple[str, ...], expected: list[dict[str, int]]
) -> None:
    assert tiers(told(FOUR, judged, order)) == expected


def test_a_site_that_has_lost_much_takes_its_living_share_and_the_next_one_the_rest() -> None:
    of = replace(FOUR, spill_below=1.0)
    (now, rest) = tiers(told(of, down("s1")))
    assert (now, rest) == ({"s2": 2, "s3": 1, "s4": 1}, {"s1": 0})


def test_a_standby_group_comes_after_all_sites_of_the_group_before_it() -> None:
    of = pool(real("s1"), real("s3"), real("s2", group=1))
    assert tiers(told(of)) == [{"s1": 1}, {"s3": 1}, {"s2": 1}]
    assert tiers(told(of, down("s1", "s3"))) == [{"s2": 1}, {"s1": 0, "s3": 0}]


def test_what_drains_takes_nothing_and_says_so() -> None:
    of = pool(real("s1", drain=True), real("s2", weight=0), real("s3"), real("s4"))
    found = told(of, Judged({}, {"s3": Tuned(drain=True)}))
    assert tiers(found) == [{"s4": 1}, {"s1": 0, "s2": 0, "s3": 0}]
    states = {server.name: server.state for each in found if each.part == PARKED for server in each.endpoints}
    assert set(states.values()) == {State.DRAINING}


def test_of_one_writer_only_the_controller_makes_another() -> None:
    of = replace(FOUR, failover=Failover())
    assert tiers(told(of, Judged({}, writer="s3"))) == [{"s3": 1}, {"s1": 0, "s2": 0, "s4": 0}]


def test_servers_of_one_weight_are_one_locality_that_weighs_as_much_as_they_do() -> None:
    of = pool(real("s1", weight=30), real("s2", weight=10), real("s3"), real("s4"))
    found = {(each.site, each.part): each.weight for each in told(of) if not each.priority}
    assert found == {("east", "weight-3"): 3, ("east", "weight-1"): 1}


def test_tuned_weights_count() -> None:
    of = pool(real("s1"), real("s2"))
    found = told(of, Judged({}, {"s1": Tuned(percent=50)}))
    weights = tiers(found)[0]
    assert Fraction(weights["s1"], weights["s2"]) == pytest.approx(0.5, rel=1e-6)


def test_servers_of_a_site_that_is_not_known_come_last() -> None:
    of = pool(real("s1"), real("s9"))
    assert tiers(told(of)) == [{"s1": 1}, {"s9": 1}]


# -- for all pools ----------------------------------------------------------------------------------------------


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Pool, Judged, dict[str, str], tuple[str, ...]]:
    names = [f"s{number}" for number in range(1, draw(st.integers(1, 9)) + 1)]
    split = draw(st.booleans())
    zones = Zones.WEIGHTS if split else draw(st.sampled_from(Zones))
    reals = tuple(
        real(
            name,
            weight=draw(st.integers(0, 4) | st.integers(0, 65535)),
            group=draw(st.integers(0, 2)),
            drain=draw(st.booleans()) and draw(st.booleans()),
            zone=draw(st.sampled_from((None, "z1", "z2"))),
            subset=draw(st.sampled_from(("a", "b"))) if split else None,
        )
        for name in names
    )
    parts = tuple(Subset(name, draw(st.integers(0, 99))) for name in ("a", "b")) if split else ()
    of = pool(
        *reals,
        spill_below=draw(st.sampled_from((0.0, 0.5, 1.0))),
        panic_threshold=draw(st.sampled_from((0.0, 0.5, 1.0))),
        zones=zones,
        split=parts,
    )
    health = {name: Health(draw(st.booleans()), 0.0) for name in names if draw(st.booleans())}
    tuned = {
        name: Tuned(percent=draw(st.integers(0, 100)), adapted=draw(st.integers(1, 10**8)))
        for name in names
        if draw(st.booleans())
    }
    sites = {name: draw(st.sampled_from(("east", "west"))) for name in names if draw(st.booleans())}
    return of, Judged(health, tuned), sites, draw(st.sampled_from((EAST, WEST)))


@given(worlds())
def test_priorities_have_no_gaps_and_name_each_server_once(
    world: tuple[Pool, Judged, dict[str, str], tuple[str, ...]],
) -> None:
    of, judged, sites, order = world
    found = localities(of.backends, of, 80, judged, sites, order)
    priorities = {each.priority for each in found}
    assert priorities == set(range(len(priorities)))
    assert Counter(server.name for each in found for server in each.endpoints) == Counter(
        each.name for each in of.backends
    )
    heavy = {each.priority for each in found if each.weight}
    assert heavy == set(range(len(heavy))), "clients leave out localities without a weight"
    for rank in heavy:
        rows = [each for each in found if each.priority == rank]
        assert len({(each.site, each.zone, each.part) for each in rows}) == len(rows)
        assert 0 < sum(each.weight for each in rows) <= MOST
        for row in rows:
            assert row.weight == sum(server.weight for server in row.endpoints)
            assert len({server.weight for server in row.endpoints}) == 1


@given(worlds())
def test_what_serves_a_single_site_is_in_proportion_to_what_the_planner_says(
    world: tuple[Pool, Judged, dict[str, str], tuple[str, ...]],
) -> None:
    of, judged, _, _ = world
    expected = {name: weight for name, weight in serving(of.backends, of, judged).weights.items() if weight}
    found = localities(of.backends, of, 80, judged, {}, ())
    now = {
        server.name: server.weight
        for each in found
        if each.weight and not each.priority
        for server in each.endpoints
    }
    if not expected:
        return
    assert now.keys() == expected.keys()
    total, given_ = sum(now.values()), sum(expected.values())
    for name, weight in expected.items():
        assert now[name] / total == pytest.approx(weight / given_, rel=1e-6, abs=1e-8)


@given(worlds(), st.randoms())
def test_the_order_in_which_servers_are_written_changes_nothing(
    world: tuple[Pool, Judged, dict[str, str], tuple[str, ...]], random: object
) -> None:
    of, judged, sites, order = world
    mixed = list(of.backends)
    random.shuffle(mixed)  # type: ignore[attr-defined]
    other = replace(of, backends=tuple(mixed))
    assert localities(mixed, other, 80, judged, sites, order) == localities(
        of.backends, of, 80, judged, sites, order
    )


@given(st.dictionaries(st.text(max_size=3), st.fractions(0, 10**6), max_size=8))
def test_shares_of_a_route_are_proportional_in_whole_numbers(taken: Mapping[str, Fraction]) -> None:
    found = {each.cluster: each.weight for each in weighted(taken)}
    total = sum(taken.values())
    assert found.keys() == {name for name, share in taken.items() if share}
    for name, weight in found.items():
        assert abs(Fraction(weight, sum(found.values())) - taken[name] / total) <= Fraction(len(taken), WHOLE)
    assert weighted(dict(reversed(list(taken.items())))) == weighted(taken)


# -- routes and clusters ----------------------------------------------------------------------------------------

CANARY = pool(
    real("s1", subset="stable"),
    real("s3", subset="stable"),
    real("s4", subset="canary"),
    split=(Subset("stable", 90), Subset("canary", 10)),
    panic_threshold=1.0,
)


def service(*targets: Target) -> Service:
    return Service("shop", 80, (ServiceRoute(to=targets),))


def led(of: Service, pools: Mapping[str, Pool], judged: Judged = NOTHING) -> tuple[Weighted, ...]:
    (route,) = routes(of, pools, dict.fromkeys(pools, judged)).routes
    return route.clusters


def test_a_split_pool_is_a_cluster_for_each_part_by_the_weights_of_the_split() -> None:
    of = service(Target("web"))
    assert list(clusters(of, {"web": CANARY})) == ["shop/web/stable", "shop/web/canary"]
    assert led(of, {"web": CANARY}) == (Weighted("shop/web/canary", 1), Weighted("shop/web/stable", 9))


def test_a_part_that_is_down_gives_its_share_to_the_others() -> None:
    of = service(Target("web"))
    assert led(of, {"web": CANARY}, down("s4")) == (Weighted("shop/web/stable", 1),)
    assert led(of, {"web": CANARY}, down("s1", "s3")) == (Weighted("shop/web/canary", 1),)


def test_a_route_leads_somewhere_though_nothing_serves() -> None:
    idle = replace(CANARY, backends=tuple(replace(each, drain=True) for each in CANARY.backends))
    assert led(service(Target("web")), {"web": idle}) == (Weighted("shop/web/stable", 1),)


def test_a_part_without_a_share_serves_routes_that_name_it() -> None:
    staging = replace(CANARY, split=(Subset("stable", 100), Subset("canary", 0)))
    headed = ServiceRoute(headers=(Header("x-env", "staging"),), to=(Target("web", "canary"),))
    of = Service("shop", 80, (headed, ServiceRoute(to=(Target("web"),))))
    found = routes(of, {"web": staging}, {"web": down()}).routes
    assert [each.clusters for each in found] == [
        (Weighted("shop/web/canary", 1),),
        (Weighted("shop/web/stable", 1),),
    ]


def test_pools_share_a_route_by_the_weights_of_its_targets() -> None:
    pools = {"web": CANARY, "next": replace(FOUR, name="next")}
    assert led(service(Target("web", None, 3), Target("next", None, 1)), pools) == (
        Weighted("shop/next", 10),
        Weighted("shop/web/canary", 3),
        Weighted("shop/web/stable", 27),
    )


def test_backends_of_a_backup_are_a_cluster_of_their_own() -> None:
    backed = replace(CANARY, backends=(*CANARY.backends, real("s2", group=1, home="sorry")))
    of = service(Target("web"))
    assert "shop/web/+backup" in clusters(of, {"web": backed})
    assert led(of, {"web": backed}, down("s1", "s3", "s4")) == (Weighted("shop/web/+backup", 1),)
    found = {name: float(share) for name, share in shares(backed, down()).items()}
    assert found == pytest.approx({"stable": 0.9, "canary": 0.1, "": 0.0})


# -- which site comes first -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("more", "drained", "region", "expected"),
    [
        ({}, (), "", ("east", "west", "north")),
        ({}, (), "west", ("west", "east", "north")),
        ({"prefer": ("north",)}, (), "", ("north", "east", "west")),
        ({"prefer": ("north",)}, (), "west", ("west", "north", "east")),
        ({"prefer": ("north",), "local_first": False}, (), "west", ("north", "east", "west")),
        ({}, ("west",), "west", ("east", "north", "west")),
    ],
    ids=["as in the file", "local", "preferred", "local, then preferred", "preferred alone", "drained"],
)
def test_sites_come_in_the_order_of_the_client_and_the_intent(
    more: dict[str, object], drained: tuple[str, ...], region: str, expected: tuple[str, ...]
) -> None:
    of = replace(service(Target("web")), **more)  # type: ignore[arg-type]
    intent = Intent(tuple(Site(name) for name in ("east", "west", "north")), (), (FOUR,), ())
    found = plan.orders(intent, Discovery("127.0.0.1:1", (of,)), frozenset(drained))
    assert found[region]["shop"] == expected
