"""Edits that would break connections: refused with their price, at once or in two steps."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address

import pytest

from controller.plan.edits import breaking
from controller.spec.policy import Failover, Then
from controller.spec.types import Affinity, Intent, Listener, Mode, Pool
from tests.unit.test_plan_tables import API, DRAIN, SHOP80, WEB, Life, intent, listener, pool, vip

BOTH = intent(vip(listener(80), listener(81)))
WITHOUT = intent(vip(listener(81)))


def _with(item: Listener) -> Intent:
    return intent(vip(item, listener(81)))


def _moved(web: Pool, mac: str = "02:45:56:02:00:99") -> Pool:
    first, *rest = web.backends
    return replace(web, backends=(replace(first, addresses=(ip_address("10.1.0.99"),), mac=mac), *rest))


def _refusals(life: Life, new: Intent) -> list[str]:
    return breaking(life.intent, new, life.tables)


@pytest.mark.parametrize(
    ("back", "what"),
    [
        (listener(80, affinity=Affinity.SOURCE), "affinity connection to source"),
        (listener(80, mode=Mode.TUN), "mode dr to tun"),
        (listener(80, "api", mode=Mode.TUN), "mode dr to tun"),
    ],
)
def test_a_listener_that_drains_comes_back_as_it_was(back: Listener, what: str) -> None:
    """Fails on 2ad1e45: it was compared with the intent, which no longer named it; ``tests.edits`` found it."""
    life = Life(BOTH)
    life.take(WITHOUT)
    life.go(DRAIN / 2)
    (why,) = _refusals(life, _with(back))
    assert why.startswith(f"listener {SHOP80}: {what} would move or reset every established connection of it")
    assert _refusals(life, _with(listener(80))) == []
    assert _refusals(life, _with(replace(back, accept_loss=True))) == []


def test_a_listener_that_has_drained_may_come_back_otherwise() -> None:
    life = Life(BOTH)
    life.take(WITHOUT)
    life.go(10 * DRAIN)
    assert _refusals(life, _with(listener(80, mode=Mode.TUN))) == []


def test_one_writer_resets_what_a_listener_drains_as_well() -> None:
    one = replace(pool("one", "s1", "s2"), failover=Failover())
    life = Life(BOTH)
    life.take(intent(vip(listener(81, "api")), pools=(API,)))
    new = intent(vip(listener(80, "one"), listener(81, "api")), pools=(API, one))
    (why,) = _refusals(life, new)
    assert why.startswith(f'listener {SHOP80}: failover of pool "one" would reset')


@pytest.mark.parametrize("mode", [Mode.DR, Mode.NAT])
def test_a_backend_does_not_become_another_machine(mode: Mode) -> None:
    """Fails on 2ad1e45: its connections were sent there."""
    life = Life(intent(vip(listener(80, mode=mode))))
    new = intent(vip(listener(80, mode=mode)), pools=(_moved(WEB), API))
    (why,) = _refusals(life, new)
    assert why == (
        f"listener {SHOP80}: backend s1 of pool web from 10.1.0.49 to 10.1.0.99 would reset every established "
        "connection of it: give the new server another name, so that the old one drains, or set accept_loss: true "
        "on the listener to break them"
    )
    lossy = intent(vip(listener(80, mode=mode, accept_loss=True)), pools=(_moved(WEB), API))
    assert _refusals(life, lossy) == []


def test_nor_in_two_steps_or_by_another_pool() -> None:
    life = Life(BOTH)
    without = replace(WEB, backends=WEB.backends[1:])
    life.take(intent(vip(listener(80), listener(81)), pools=(without, API)))
    again = intent(vip(listener(80), listener(81)), pools=(_moved(WEB), API))
    assert len(_refusals(life, again)) == 2
    other = replace(_moved(WEB), name="other")
    assert (
        len(_refusals(life, intent(vip(listener(80, "other"), listener(81)), pools=(without, other, API))))
        == 1
    )


def test_the_same_machine_may_have_another_address_where_its_mac_is_what_counts() -> None:
    mac = str(WEB.backends[0].mac)
    dr, nat = (
        intent(vip(listener(80, mode=mode)), pools=(_moved(WEB, mac), API)) for mode in (Mode.DR, Mode.NAT)
    )
    assert _refusals(Life(intent(vip(listener(80)))), dr) == []
    assert len(_refusals(Life(intent(vip(listener(80, mode=Mode.NAT)))), nat)) == 1


def test_an_address_of_the_other_ip_version_is_no_connections() -> None:
    first, *rest = WEB.backends
    both = replace(first, addresses=(*first.addresses, ip_address("fd00::1")))
    life = Life(BOTH)
    assert _refusals(life, replace(BOTH, pools=(replace(WEB, backends=(both, *rest)), API))) == []


def test_what_has_given_its_connections_away_may_be_replaced() -> None:
    quick = replace(WEB, drain_timeout=10.0, drain_then=Then.MOVE)
    life = Life(intent(vip(listener(80)), pools=(quick, API)))
    drains = replace(quick, backends=(replace(quick.backends[0], drain=True), *quick.backends[1:]))
    life.take(intent(vip(listener(80)), pools=(drains, API)))
    new = intent(vip(listener(80)), pools=(_moved(drains), API))
    assert len(_refusals(life, new)) == 1
    life.go(11.0)
    assert _refusals(life, new) == []
