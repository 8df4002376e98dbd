"""FRR's configuration: read as a tree, compared, and made of each other by commands; what it says of neighbours."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.exits.routes.frr import lines, state
from controller.exits.routes.frr.config import Edit, Tree, commands, diff, hidden, negated, opens, parse
from controller.exits.routes.frr.engine import read_passwords
from controller.exits.routes.holding import Announcement
from controller.exits.routes.rules import Attributes
from controller.spec.routes import Bgp, Neighbor, Ospf, OspfInterface, Speaker

RUNNING = """frr version 8.4.4
frr defaults traditional
!
hostname vm
! "log file /run/x.log debugging" enabled by "--log" startup option
!
router bgp 65010
 bgp router-id 10.5.1.100
 neighbor 10.5.1.1 remote-as 65001
 neighbor 10.5.1.1 password geheim
 !
 address-family ipv4 unicast
  network 10.0.0.100/32 route-map EVENKEEL-1
  neighbor 10.5.1.1 activate
 exit-address-family
exit
!
route-map EVENKEEL-IN deny 10
exit
!
bfd
 profile evenkeel
  transmit-interval 50
 exit
 !
exit
"""
FOUND: Tree = {
    "router bgp 65010": {
        "bgp router-id 10.5.1.100": {},
        "neighbor 10.5.1.1 remote-as 65001": {},
        "neighbor 10.5.1.1 password geheim": {},
        "address-family ipv4 unicast": {
            "network 10.0.0.100/32 route-map EVENKEEL-1": {},
            "neighbor 10.5.1.1 activate": {},
        },
    },
    "route-map EVENKEEL-IN deny 10": {},
    "bfd": {"profile evenkeel": {"transmit-interval 50": {}}},
}
NEIGHBORS = (Neighbor(ip_address("10.5.1.1"), 65001), Neighbor(ip_address("10.5.1.2"), 65002, bfd=False))
SPEAKER = Speaker(
    "sp1",
    "lb1",
    "/run",
    ip_address("10.5.1.100"),
    bgp=Bgp(65010, NEIGHBORS),
    ospf=Ospf((OspfInterface("eth0"),), ip_address("0.0.0.0")),
)
PREFIXES = ("10.0.0.100/32", "10.0.0.101/32", "fd00::100/128")


def test_a_running_configuration_is_read_as_it_stands() -> None:
    assert parse(RUNNING) == FOUND


def test_a_vip_is_withdrawn_by_one_command_and_one_altered_by_one() -> None:
    family = ("router bgp 65010", "address-family ipv4 unicast")
    without = parse(RUNNING.replace("  network 10.0.0.100/32 route-map EVENKEEL-1\n", ""))
    assert diff(without, FOUND, lines.owns).edits == [
        Edit(family, "no network 10.0.0.100/32 route-map EVENKEEL-1")
    ]
    other = parse(RUNNING.replace("EVENKEEL-1", "EVENKEEL-2"))
    assert diff(other, FOUND, lines.owns).edits == [
        Edit(family, "network 10.0.0.100/32 route-map EVENKEEL-2")
    ]


def test_a_neighbour_goes_with_all_that_is_said_of_it() -> None:
    without = parse("\n".join(line for line in RUNNING.splitlines() if "neighbor" not in line))
    assert diff(without, FOUND, lines.owns).edits == [Edit(("router bgp 65010",), "no neighbor 10.5.1.1")]


def test_lines_of_others_stay() -> None:
    theirs = (
        "ip route 192.0.2.0/24 Null0\nip route 192.0.2.1/32 Null0 tag 5\nroute-map THEIRS permit 1\nexit\n"
    )
    theirs += (
        "router bgp 64999 vrf blue\n bgp router-id 1.1.1.1\nexit\ninterface eth0\n ip ospf area 0.0.0.0\n"
    )
    theirs += " description uplink\nexit\nbfd\n profile slow\n exit\nexit\n"
    assert diff({}, parse(theirs), lines.owns).edits == [Edit(("interface eth0",), "no ip ospf area 0.0.0.0")]


@pytest.mark.parametrize(
    ("text", "foreign"),
    [
        ("", False),
        (RUNNING, False),
        ("router bgp 65010\n neighbor 1.1.1.1 remote-as 1\n", True),
        ("router ospf\nexit\n", True),
        ("router bgp 64999 vrf blue\nexit\n", False),
        ("route-map THEIRS permit 1\n", False),
    ],
)
def test_a_router_without_anything_of_ours_is_anothers(text: str, foreign: bool) -> None:
    assert lines.is_foreign(parse(text)) is foreign


def test_commands_lead_into_contexts_and_out_of_them() -> None:
    family = ("router bgp 1", "address-family ipv4 unicast")
    edits = [
        Edit((), "route-map A permit 10"),
        Edit(family, "a"),
        Edit(family, "b"),
        Edit(family[:1], "c"),
        Edit((), "d"),
    ]
    assert [command for command, _ in commands(edits)] == [
        *("route-map A permit 10", "exit", "router bgp 1", "address-family ipv4 unicast", "a", "b", "exit"),
        *("c", "exit", "d"),
    ]


def test_passwords_are_not_shown() -> None:
    assert str(Edit(("router bgp 1",), "neighbor 10.5.1.1 password geheim")).endswith("password ***")
    assert hidden("no neighbor x password a") == "no neighbor x password ***"


# -- a small FRR: commands that ``commands`` makes, carried out on a tree


def _carried_out(found: Tree, edits: list[Edit]) -> Tree:
    """What a daemon holds after these edits, as far as our lines go; AssertionError for what it would refuse."""
    root = parse(_text(found))
    here: list[Tree] = [root]
    for command, edit in commands(edits):
        below = here[-1]
        if command == "exit":
            here.pop()
            assert here, "more ways out than in"
        elif command.startswith("no neighbor ") and edit is not None and len(command.split()) == 3:
            _forget(below, command.split()[2])
        elif command.startswith("no ") and command not in _NEGATIVE:
            assert command[3:] in below, f"{command}: there is no such line"
            del below[command[3:]]
        else:
            _take(below, command)
            if opens(command):
                here.append(below[command])
    assert len(here) == 1, "all contexts are left"
    return root


_NEGATIVE = {"no bgp ebgp-requires-policy", "no bgp default ipv4-unicast", "no bgp network import-check"}


def _take(below: Tree, line: str) -> None:
    """A line takes the place of one that says another value of the same."""
    from controller.exits.routes.frr import config

    for known in [k for k in below if config._key(k) == config._key(line) and not opens(k) and k != line]:
        del below[known]
    below.setdefault(line, {})


def _forget(below: Tree, name: str) -> None:
    for line in list(below):
        if line.startswith(f"neighbor {name} "):
            del below[line]
        else:
            _forget(below[line], name)


def _text(tree: Tree, depth: int = 0) -> str:
    return "".join(f"{' ' * depth}{line}\n{_text(below, depth + 1)}" for line, below in tree.items())


Attrs = st.builds(
    Attributes,
    st.integers(0, 500),
    st.integers(1, 500),
    st.integers(0, 2),
    st.integers(1, 200),
    st.lists(st.sampled_from(["65000:1", "65000:2"]), unique=True).map(lambda found: tuple(sorted(found))),
)
Said = st.lists(
    st.builds(Announcement, st.sampled_from(PREFIXES), Attrs, st.booleans()),
    unique_by=lambda each: each.prefix,
)
Bgps = st.builds(Bgp, st.just(65010), st.lists(st.sampled_from(NEIGHBORS), unique=True).map(tuple))


@settings(max_examples=40)
@given(Bgps, Said, Bgps, Said)
def test_the_edits_make_of_any_announcements_any_other_and_then_there_are_none(
    one: Bgp, said: list[Announcement], two: Bgp, after: list[Announcement]
) -> None:
    def tree(of: Bgp, announced: list[Announcement]) -> Tree:
        speaker = Speaker("sp1", "lb1", "/run", ip_address("10.5.1.100"), bgp=of)
        return lines.bgp(speaker, PREFIXES, announced, 10, {})

    found, wanted = tree(one, said), tree(two, after)
    made = _carried_out(found, diff(wanted, found, lines.owns).edits)
    assert diff(wanted, made, lines.owns).edits == []
    assert parse(_text(made)) == parse(_text(wanted)), "nothing of before is left"


@settings(max_examples=40)
@given(Said, Said)
def test_no_map_that_is_in_use_is_ever_altered(said: list[Announcement], after: list[Announcement]) -> None:
    """bgpd looks at an altered map only seconds later."""
    found = lines.bgp(SPEAKER, PREFIXES, said, 10, {})
    wanted = lines.bgp(SPEAKER, PREFIXES, after, 10, {})
    maps = {line for line in found if line.startswith("route-map")}
    assert all(not (edit.path and edit.path[0] in maps) for edit in diff(wanted, found, lines.owns).edits)


def test_only_vips_of_the_speaker_are_passed_and_nothing_is_taken_in() -> None:
    tree = lines.bgp(SPEAKER, ("10.0.0.100/32",), (), 10, {})
    assert [line for line in tree if "prefix-list" in line] == [
        "ip prefix-list EVENKEEL seq 5 permit 10.0.0.100/32",
        "ipv6 prefix-list EVENKEEL seq 5 deny any",
    ]
    family = tree["router bgp 65010"]["address-family ipv4 unicast"]
    for neighbor in NEIGHBORS:
        assert f"neighbor {neighbor.address} route-map EVENKEEL-IN in" in family
        assert f"neighbor {neighbor.address} route-map EVENKEEL-OUT out" in family
        assert f"neighbor {neighbor.address} maximum-prefix-out 10" in family
    assert tree["route-map EVENKEEL-IN deny 10"] == {}


def test_what_leaves_is_the_last_resort_by_either_protocol() -> None:
    said = Announcement("10.0.0.100/32", Attributes(100, 20, 0, 200, ("65000:1",)), leaving=True)
    assert "set community 65000:1 graceful-shutdown" in lines.settings(said, 65010)
    assert lines.cost_of(said) == 16_777_214


def test_beside_an_lb_switch_that_is_not_in_use_ospf_has_no_neighbours() -> None:
    assert "interface eth0" in lines.ospf(SPEAKER, 4, (20,), in_use=True)
    assert "interface eth0" not in lines.ospf(SPEAKER, 4, (20,), in_use=False)


@pytest.mark.parametrize("line", ["bfd", "profile evenkeel", "router bgp 1", "route-map A permit 1"])
def test_lines_that_lead_into_contexts_are_known(line: str) -> None:
    assert opens(line)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("no bgp x", "bgp x"),
        ("bgp x", "no bgp x"),
        ("detect-multiplier 5", "detect-multiplier 3"),
    ],
)
def test_lines_are_taken_away(line: str, command: str) -> None:
    assert negated(line) == command


def test_neighbours_are_read_of_what_the_daemons_say() -> None:
    summary = {
        "ipv4Unicast": {"peers": {"10.5.1.1": {"state": "Established", "pfxSnt": 2}}},
        "ipv6Unicast": {},
    }
    assert list(state.bgp(summary)) == [state.Met("bgp", "10.5.1.1", True, "Established", 2)]
    ospf = {"neighbors": {"10.255.0.1": [{"nbrState": "Full/DR", "ifaceName": "eth0:10.5.1.100"}]}}
    assert list(state.ospf(ospf)) == [state.Met("ospf", "10.255.0.1%eth0", True, "Full")]
    ospf6 = {"neighbors": [{"neighborId": "10.255.0.1", "state": "Init", "interfaceName": "eth0"}]}
    assert list(state.ospf6(ospf6)) == [state.Met("ospf6", "10.255.0.1%eth0", False, "Init")]
    bfd = [{"peer": "10.5.1.1", "interface": "eth0", "status": "up"}, {"peer": "10.5.1.2", "status": "down"}]
    assert list(state.bfd(bfd)) == [
        state.Met("bfd", "10.5.1.1%eth0", True, "up"),
        state.Met("bfd", "10.5.1.2", False, "down"),
    ]


@pytest.mark.parametrize("found", [None, [], {}, {"neighbors": {}}, {"ipv4Unicast": {}}, "nothing"])
def test_daemons_that_say_nothing_have_no_neighbours(found: object) -> None:
    for read in (state.bgp, state.ospf, state.ospf6, state.bfd):
        if not (read is state.ospf6 and isinstance(found, dict) and found.get("neighbors") == {}):
            assert list(read(found)) == []


@pytest.mark.parametrize("text", ["", "\n", "two words\n", "a\nb\n", "x" * 81, "tab\there"])
def test_a_password_file_that_holds_none_is_said(tmp_path: Path, text: str) -> None:
    path = tmp_path / "key"
    path.write_text(text)
    neighbor = Neighbor(ip_address("10.5.1.1"), 65001, password_file=str(path))
    found, problems = read_passwords([neighbor])
    assert found == {}
    assert problems == [
        f"password of 10.5.1.1: {path}: is not one line of 1 to 80 printable characters without blanks"
    ]
