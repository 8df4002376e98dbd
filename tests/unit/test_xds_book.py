"""All resources at one moment: equal for equal inputs, made again only where something changed, retired in time."""

from __future__ import annotations

from dataclasses import replace

from controller.exits.xds.book import RETIRES, Maker
from controller.exits.xds.kinds import Kind
from tests.unit.test_xds_session import book


def test_equal_inputs_have_equal_versions_whoever_makes_them() -> None:
    one, other = book("a", "b", down=("s1",)), book("a", "b", down=("s1",), revision=5)
    for kind in Kind:
        for region in ("", "east", "north"):
            assert one.rows(kind, region) == other.rows(kind, region)


def test_what_did_not_change_is_not_made_again() -> None:
    maker = Maker()
    one = book("a", "b", maker=maker)
    other = book("a", "b", maker=maker, before=one, down=("s3",))
    for region in ("", "east", "west"):
        was, now = one.rows(Kind.ENDPOINTS, region), other.rows(Kind.ENDPOINTS, region)
        assert was["a/a"] is now["a/a"]
        assert was["b/b"].version != now["b/b"].version


def test_a_cluster_stays_for_a_while_when_nothing_leads_there_any_more() -> None:
    maker = Maker()
    both = book("a", "b", maker=maker)
    one = book("a", maker=maker, before=both, now=10.0)
    assert set(one.rows(Kind.CLUSTERS, "")) == set(one.rows(Kind.ENDPOINTS, "east")) == {"a/a", "b/b"}
    assert set(one.rows(Kind.ROUTES, "")) == {"a"}
    still = book("a", maker=maker, before=one, now=9.9 + RETIRES)
    assert set(still.rows(Kind.CLUSTERS, "")) == {"a/a", "b/b"}
    over = book("a", maker=maker, before=still, now=10.0 + RETIRES)
    assert set(over.rows(Kind.CLUSTERS, "")) == set(over.rows(Kind.ENDPOINTS, "")) == {"a/a"}
    again = book("a", "b", maker=maker, before=one, now=12.0)
    assert not again.retired


def test_clients_of_each_site_have_an_order_of_their_own() -> None:
    found = book("a")
    assert found.rows(Kind.ENDPOINTS, "nowhere") == found.rows(Kind.ENDPOINTS, "")
    assert replace(found, revision=2).rows(Kind.ROUTES, "east") == found.rows(Kind.ROUTES, "")
