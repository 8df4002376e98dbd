"""What the target list promises: each question once, of the right address and port, for all who need it."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

import pytest

from controller.health.targets import Policy, Probe, Target, members_of, targets_of
from controller.spec.health import HealthCheck, ProbeKind
from controller.spec.types import Backend, Intent, Listener, Mode, Pool, Protocol, Vip

S1 = Backend("s1", (ip_address("10.1.0.11"), ip_address("fd00::11")))
S2 = Backend("s2", (ip_address("10.1.0.12"),))
WEB = Pool("web", (S1, S2), health=HealthCheck())


def listener(pool: str, port: int, to: int, protocol: Protocol = Protocol.TCP) -> Listener:
    return Listener("v", protocol, port, pool, Mode.NAT, to)


def vip(address: str, *listeners: Listener) -> Vip:
    return Vip(address, ip_address(address), "02:45:56:00:01:01", ("east",), listeners)


def intent(pools: tuple[Pool, ...], *vips: Vip) -> Intent:
    return Intent((), (), pools, vips)


def asked(wanted: Intent) -> set[tuple[str, str, int]]:
    return {(t.probe.kind.value, str(t.probe.address), t.probe.port) for t in targets_of(wanted)}


def test_same_question_is_asked_once_for_all_pools_and_listeners() -> None:
    other = Pool("other", (Backend("elsewhere", S2.addresses),), health=HealthCheck())
    wanted = intent(
        (WEB, other),
        vip("10.0.0.100", listener("web", 80, 8080), listener("web", 81, 8080), listener("other", 82, 8080)),
        vip("10.0.0.101", listener("web", 80, 8080)),
    )
    found = {str(t.probe.address): members for t, members in targets_of(wanted).items()}
    assert found == {
        "10.1.0.11": frozenset({("web", "s1")}),
        "10.1.0.12": frozenset({("web", "s2"), ("other", "elsewhere")}),
    }


def test_pools_that_judge_differently_share_the_probe() -> None:
    strict = Pool("strict", WEB.backends, health=HealthCheck(rise=9))
    wanted = intent((WEB, strict), vip("10.0.0.100", listener("web", 80, 80), listener("strict", 81, 80)))
    targets = targets_of(wanted)
    assert len(targets) == 4
    assert len({t.probe for t in targets}) == 2
    assert {t.policy.rise for t in targets} == {2, 9}


def test_settings_that_the_kind_does_not_use_do_not_split_a_probe() -> None:
    other = Pool("other", WEB.backends, health=HealthCheck(path="/x", send=b"x", host="h", verify=True))
    wanted = intent((WEB, other), vip("10.0.0.100", listener("web", 80, 80), listener("other", 81, 80)))
    assert len(targets_of(wanted)) == 2


@pytest.mark.parametrize(
    ("check", "vips", "expected"),
    [
        pytest.param(None, [vip("10.0.0.1", listener("p", 80, 80))], set(), id="no health"),
        pytest.param(HealthCheck(), [], set(), id="no listener"),
        pytest.param(
            HealthCheck(),
            [vip("10.0.0.1", listener("p", 90, 1), listener("p", 80, 2))],
            {("tcp", "10.1.0.11", 2)},
            id="lowest listener's backend port",
        ),
        pytest.param(
            HealthCheck(),
            [vip("10.0.0.1", listener("p", 53, 1, Protocol.UDP), listener("p", 80, 2))],
            {("tcp", "10.1.0.11", 2)},
            id="own transport first",
        ),
        pytest.param(
            HealthCheck(ProbeKind.UDP),
            [vip("10.0.0.1", listener("p", 53, 1, Protocol.UDP), listener("p", 5, 2))],
            {("udp", "10.1.0.11", 1)},
            id="own transport first, udp",
        ),
        pytest.param(
            HealthCheck(port=9),
            [vip("10.0.0.1", listener("p", 80, 80))],
            {("tcp", "10.1.0.11", 9)},
            id="explicit port",
        ),
        pytest.param(
            HealthCheck(ProbeKind.ICMP, port=9),
            [vip("fd00::100", listener("p", 80, 80))],
            {("icmp", "fd00::11", 0)},
            id="icmp has no port; the VIP's family is probed",
        ),
        pytest.param(
            HealthCheck(),
            [vip("10.0.0.1", listener("p", 80, 8)), vip("fd00::100", listener("p", 80, 9))],
            {("tcp", "10.1.0.11", 8), ("tcp", "fd00::11", 9)},
            id="both families",
        ),
    ],
)
def test_address_and_port_follow_check_and_listeners(
    check: HealthCheck | None, vips: list[Vip], expected: set[tuple[str, str, int]]
) -> None:
    assert asked(intent((Pool("p", (S1,), health=check),), *vips)) == expected


def test_backend_of_two_families_hangs_on_both_targets() -> None:
    wanted = intent(
        (WEB,), vip("10.0.0.1", listener("web", 80, 80)), vip("fd00::100", listener("web", 80, 80))
    )
    assert {m: len(of) for m, of in members_of(targets_of(wanted)).items()} == {
        ("web", "s1"): 2,
        ("web", "s2"): 1,
    }


def test_check_reaches_probe_and_policy_unchanged() -> None:
    check = HealthCheck(
        ProbeKind.HTTPS, 444, 3.0, 0.7, 4, 5, "/z", "h", ((204, 204),), "ok", b"", None, True, 7, 8.0
    )
    wanted = intent((Pool("p", (S2,), health=check),), vip("10.0.0.1", listener("p", 80, 80)))
    probe = Probe(
        ProbeKind.HTTPS, S2.addresses[0], 444, 3.0, 0.7, "/z", "h", ((204, 204),), "ok", verify=True
    )
    assert list(targets_of(wanted)) == [Target(probe, Policy(4, 5, 7, 8.0))]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"path": "x"}, "path is .* begins with /"),
        ({"path": "/a b"}, "no blanks"),
        ({"path": "/\r\nX-Evil: 1"}, "no blanks"),
        ({"path": "/größe"}, "/gr%C3%B6%C3%9Fe"),
        ({"host": "a\nb"}, "host is .*\n.* which is no host"),
        ({"host": ""}, "which is no host"),
        ({"host": ":80"}, "which is no host"),
        ({"send": b"x" * 65508}, "send has 65508 octets"),
        ({"body": "("}, "unterminated subpattern"),
        ({"interval": 0.0}, "above 0"),
        ({"timeout": -1.0}, "above 0"),
    ],
)
def test_probe_that_cannot_be_put_on_the_wire_is_refused(wrong: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        Probe(ProbeKind.HTTP, ip_address("10.0.0.1"), 80, **wrong)
