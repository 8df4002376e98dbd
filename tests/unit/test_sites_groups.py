"""VIPs of one virtual MAC are one group, with one owner."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address

import pytest

from controller.sites.groups import find, homes, mac_groups, not_moving, problems, regrouped
from controller.spec.types import Intent, Vip

MAC, OTHER_MAC = "02:45:56:00:01:01", "02:45:56:00:01:02"


def _vip(name: str, mac: str = MAC, owners: tuple[str, ...] = ("east", "west")) -> Vip:
    return Vip(name, IPv4Address("10.0.0.1"), mac, owners, ())


def _intent(*vips: Vip) -> Intent:
    return Intent((), (), (), vips)


THREE = _intent(_vip("shop"), _vip("mail", OTHER_MAC, ("west", "east")), _vip("shop6"))


def test_vips_with_one_mac_are_one_group() -> None:
    groups = mac_groups(THREE)
    assert [group.vips for group in groups] == [("shop", "shop6"), ("mail",)]
    assert groups[0].key == "owner/02:45:56:00:01:01"
    assert [group.home for group in groups] == ["east", "west"]


@pytest.mark.parametrize("text", ["shop", "shop6", MAC, MAC.upper(), f" {MAC}"])
def test_a_group_is_found_by_its_mac_and_by_its_vips(text: str) -> None:
    assert find(mac_groups(THREE), text).mac == MAC


def test_what_is_no_group_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(
        ValueError, match=r"'shopp'; there are: 02:45:56:00:01:01 \(shop, shop6\), .* \(mail\)"
    ):
        find(mac_groups(THREE), "shopp")


def test_homes_count_sites_that_are_home_of_nothing() -> None:
    assert homes(mac_groups(THREE)) == {"east": 1, "west": 1}
    assert homes(mac_groups(_intent(_vip("shop")))) == {"east": 1, "west": 0}


def test_vips_of_a_group_need_the_same_owners_in_the_same_order() -> None:
    assert not list(problems(THREE))
    (problem,) = problems(_intent(_vip("shop"), _vip("shop6", owners=("west", "east"))))
    assert (problem.vip, problem.key) == ("shop6", "owners")


def test_groups_that_would_not_move_without_etcd_are_named() -> None:
    (said,) = not_moving(mac_groups(_intent(_vip("shop"), _vip("mail", OTHER_MAC, ("east",)))))
    assert said == "shop: stays at east; without etcd no VIP moves by itself to west"


def test_a_vip_does_not_change_its_group_while_it_is_served() -> None:
    moved = replace(_vip("shop"), mac=OTHER_MAC)
    (problem,) = regrouped(THREE, _intent(moved))
    assert (problem.vip, problem.key) == ("shop", "mac")
    assert not list(regrouped(_intent(_vip("shop", owners=("east",))), _intent(moved)))
    assert not list(regrouped(_intent(), _intent(moved)))
