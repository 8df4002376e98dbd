"""The topology file: its schema, and reading it with line numbers in every complaint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError

from topo.errors import TopologyError
from topo.parts import Name, Part, RoutedSpec

Mac = Annotated[str, Field(pattern=r"^[0-9a-f]{2}(:[0-9a-f]{2}){5}$")]
TcpPort = Annotated[int, Field(ge=1, le=65535)]

SwitchKind = Literal["ovs", "bmv2", "embedded"]
KINDS: tuple[SwitchKind, ...] = get_args(SwitchKind)
"""What a switch can be: Open vSwitch, BMv2's simple_switch_grpc, or ``evenkeel switch``."""
DEFAULT_KIND: SwitchKind = "ovs"
SIMULATED_KIND: SwitchKind = "embedded"
"""What can be run without privileges, over pipes in place of interfaces."""

_RESERVED = {"net", "br0", "lo", "vx0", "tun0", "mgmt0", "segment"} | {f"fence{n}" for n in range(16)}
_CONTROLLER = re.compile(r"ctl[0-9]*")
"""Hosts in whose namespaces controllers run."""
SHIPPED = Path(__file__).parent / "topologies"


class SiteSpec(Part):
    """A data centre."""

    name: Name


class SubnetSpec(Part):
    """A segment with at most one prefix per IP version; its gateways are the last IPv4 address and ::fe."""

    name: Name
    prefixes: tuple[IPv4Network | IPv6Network, ...] = Field(min_length=1, max_length=2)

    @model_validator(mode="after")
    def _one_per_version(self) -> SubnetSpec:
        if len({prefix.version for prefix in self.prefixes}) != len(self.prefixes):
            raise ValueError("a subnet has at most one IPv4 and one IPv6 prefix")
        for prefix in self.prefixes:
            if prefix.num_addresses < 256:
                raise ValueError(f"{prefix} is too small: a lab subnet is a /24 (IPv6: /120) or wider")
        return self


class SwitchSpec(Part):
    """A switch and what it does for VIPs."""

    name: Name
    roles: tuple[Literal["edge", "lb", "leaf"], ...] = Field(min_length=1)
    kind: SwitchKind | None = None
    """Default: what the lab is brought up with (``lab up --switch``), ovs if that says nothing."""
    site: Name | None = None
    """Default: the only site."""
    id: int | None = Field(default=None, ge=1, le=0xFFFF)
    """Datapath id; default: 0x11.. for edges, 0x21.. for lbs, 0x31.. for leaves, in file order."""
    fence: bool = False
    """An edge that is an Open vSwitch: a cable to each controller of its site, on which that claims its authority."""


class HostSpec(Part):
    """A host with one interface."""

    name: Name
    attach: Name
    """Switch that it hangs on."""
    subnet: Name
    kind: Literal["client", "server", "probe"] = "client"
    """A server runs the server program and holds every VIP on lo; a probe is the controller's data leg."""
    number: int | None = Field(default=None, ge=1, le=199)
    """Last part of its addresses (14: 10.1.0.14 and ::14); default: 11, 12, ... in file order."""


class ServerSpec(Part):
    """Ports that every server program listens on."""

    http: tuple[TcpPort, ...] = (80,)
    echo: tuple[TcpPort, ...] = (7000,)
    udp: tuple[TcpPort, ...] = (7001,)


class StretchSpec(Part):
    """A link between switches of two sites, through a relay that makes it as slow as the distance does."""

    name: Name
    """Of the link, and of the interface at both ends."""
    ends: tuple[Name, Name]
    """Two switches of different sites; two such links may join the same two."""


class MemberSpec(Part):
    """A member of the store (etcd) that the controllers may share."""

    name: Name
    site: Name | None = None
    """Where it is; default: at a place of its own, which no site's death touches: a witness."""


class Services(Part):
    """What the controller shall balance, in the words of the intent file (checked by the controller)."""

    pools: tuple[dict[str, Any], ...] = ()
    """A backend that is a server of the lab needs only its ``name``; the rest is filled in."""
    vips: tuple[dict[str, Any], ...] = ()


class Topology(Part):
    """A whole lab."""

    name: Name
    sites: tuple[SiteSpec, ...] = (SiteSpec(name="east"),)
    subnets: tuple[SubnetSpec, ...]
    switches: tuple[SwitchSpec, ...] = Field(min_length=1)
    links: tuple[tuple[Name, Name], ...] = ()
    """Pairs of switches; each switch numbers its ports from 1: links as listed, then hosts as listed."""
    stretch: tuple[StretchSpec, ...] = Field(default=(), max_length=16)
    """Links between sites; at each switch their ports come after those to switches of its own site."""
    round_trip_ms: float = Field(default=3.0, ge=0, le=20)
    """How long a frame takes to another site and back, on stretch links and between the sites' control networks."""
    agents: bool = False
    """Each place of a controller is one of an agent too, which owns VIPs for its site."""
    store: tuple[MemberSpec, ...] = Field(default=(), max_length=7)
    """Members of an etcd on the control network, which ``lab up --store`` starts."""
    hosts: tuple[HostSpec, ...] = ()
    routed: RoutedSpec | None = None
    """Routers in the place of edges."""
    gateway_mac: Mac = "02:45:56:00:00:fe"
    """One MAC for the gateways of all subnets, everywhere."""
    tso: bool = False
    """Segmentation offload through the switches; excludes mode tun (large packets die at tunnel ports)."""
    servers: ServerSpec = ServerSpec()
    services: Services = Services()

    @model_validator(mode="after")
    def _hangs_together(self) -> Topology:
        faults = list(_faults(self))
        if faults:
            raise _DanglingError(faults)
        return self

    def with_agents(self) -> Topology:
        """The same with agents, and fences at every edge that needs one, which a P4 switch does not."""
        switches = tuple(
            switch.model_copy(update={"fence": "edge" in switch.roles}) for switch in self.switches
        )
        return self.model_copy(update={"agents": True, "switches": switches})

    def of_kind(self, kind: SwitchKind) -> Topology:
        """The same with every switch of this kind whose kind is open."""
        switches = tuple(
            switch if switch.kind is not None else switch.model_copy(update={"kind": kind})
            for switch in self.switches
        )
        return self.model_copy(update={"switches": switches})


Fault = tuple[tuple[str | int, ...], str]
"""Keys that lead to it, and what is wrong."""


class _DanglingError(ValueError):
    """Parts that do not fit together."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("\n".join(text for _, text in faults))
        self.faults = faults


def _faults(topology: Topology) -> Iterator[Fault]:
    """References that lead nowhere and names used twice."""
    switches = [switch.name for switch in topology.switches]
    subnets = [subnet.name for subnet in topology.subnets]
    sites = [site.name for site in topology.sites]
    yield from _names(topology)
    yield from _links(topology, switches)
    for index, switch in enumerate(topology.switches):
        if switch.fence and "edge" not in switch.roles:
            yield ("switches", index, "fence"), f"{switch.name} is no edge, and answers for no VIP"
        if switch.site is None and len(sites) != 1:
            yield ("switches", index), f"{switch.name}: say which site it is in, there are {', '.join(sites)}"
        elif switch.site is not None and switch.site not in sites:
            yield ("switches", index, "site"), f"no site {switch.site!r}; there are {', '.join(sites)}"
    for index, host in enumerate(topology.hosts):
        if host.attach not in switches:
            yield ("hosts", index, "attach"), f"no switch {host.attach!r}; there are {', '.join(switches)}"
        if host.subnet not in subnets:
            yield ("hosts", index, "subnet"), f"no subnet {host.subnet!r}; there are {', '.join(subnets)}"
        if (_CONTROLLER.fullmatch(host.name) is not None) != (host.kind == "probe"):
            yield (
                ("hosts", index, "name"),
                "hosts of kind probe, and only they, are called 'ctl', 'ctl2', 'ctl3', ...",
            )
    if sum(host.kind == "probe" for host in topology.hosts) and "ctl" not in {h.name for h in topology.hosts}:
        yield ("hosts",), "the first host of kind probe is called 'ctl'"
    yield from _stretch(topology)
    yield from _store(topology, sites)
    yield from _routed(topology)


def _stretch(topology: Topology) -> Iterator[Fault]:
    """Links between sites that join no two sites, or cannot be carried."""
    site = {each.name: each.site or topology.sites[0].name for each in topology.switches}
    for index, link in enumerate(topology.stretch):
        for position, end in enumerate(link.ends):
            if end not in site:
                yield ("stretch", index, "ends", position), f"no switch {end!r}; there are {', '.join(site)}"
        if len({site[end] for end in link.ends if end in site}) == 1 and set(link.ends) <= site.keys():
            yield (
                ("stretch", index, "ends"),
                "a stretch link joins switches of two sites; use links within one",
            )
    for index, (one, other) in enumerate(topology.links):
        if one in site and other in site and site[one] != site[other]:
            yield ("links", index), f"{one} and {other} are in two sites: name the link under stretch"
    if topology.tso and topology.stretch:
        yield ("tso",), "tso is for labs of one site: what is relayed between sites has to be whole packets"


def _store(topology: Topology, sites: list[str]) -> Iterator[Fault]:
    """Members of the store at sites that there are not."""
    for index, member in enumerate(topology.store):
        if member.site is not None and member.site not in sites:
            yield ("store", index, "site"), f"no site {member.site!r}; there are {', '.join(sites)}"


def _routed(topology: Topology) -> Iterator[Fault]:
    """Speakers beside no lb switch of their own, names that are taken."""
    if topology.routed is None:
        return
    lbs = [each.name for each in topology.switches if "lb" in each.roles]
    seen: set[str] = set()
    for index, speaker in enumerate(topology.routed.speakers):
        where = ("routed", "speakers", index, "at")
        if speaker.at not in lbs:
            yield where, f"no lb switch {speaker.at!r}; there are {', '.join(lbs)}"
        elif speaker.at in seen:
            yield where, f"{speaker.at} has a speaker already"
        seen.add(speaker.at)
    for speaker, router in product(topology.routed.speakers, topology.routed.routers):
        if len(speaker.name) + len(router.name) > 14:
            yield ("routed",), f"{speaker.name}-{router.name} is to be an interface: choose shorter names"
    taken = {"eth0", *_RESERVED}
    taken |= {each.name for each in topology.switches} | {each.name for each in topology.hosts}
    taken |= {each.name for each in topology.store} | {each.name for each in topology.sites}
    for name in topology.routed.nodes:
        if name in taken:
            yield ("routed",), f"{name!r} is taken: give routers, speakers and clients names of their own"
        taken.add(name)


def _names(topology: Topology) -> Iterator[Fault]:
    """Names used twice or by the lab itself; what can be failed by its name shares one set of names."""
    nodes: set[str] = set()
    for key in ("switches", "hosts", "store", "stretch", "subnets", "sites"):
        seen = set() if key == "subnets" else nodes
        for index, part in enumerate(getattr(topology, key)):
            if part.name in seen:
                yield (key, index, "name"), f"{part.name!r} is defined twice"
            elif seen is nodes and (part.name in _RESERVED or part.name.startswith("wan")):
                yield (
                    (key, index, "name"),
                    f"a node may not be called {part.name!r}: the lab uses that name itself",
                )
            elif key != "hosts" and _CONTROLLER.fullmatch(part.name):
                yield (
                    (key, index, "name"),
                    f"a switch may not be called {part.name!r}: that is the controller's namespace",
                )
            seen.add(part.name)


def _links(topology: Topology, switches: list[str]) -> Iterator[Fault]:
    seen: set[frozenset[str]] = set()
    for index, (one, other) in enumerate(topology.links):
        for position, end in enumerate((one, other)):
            if end not in switches:
                yield ("links", index, position), f"no switch {end!r}; there are {', '.join(switches)}"
        if one == other or frozenset((one, other)) in seen:
            yield ("links", index), "a link joins two different switches, once"
        seen.add(frozenset((one, other)))


def find(name: str | Path) -> Path:
    """The topology file of that path, or the shipped one of that name. Raises ``TopologyError``."""
    path = Path(name)
    if path.is_file():
        return path
    shipped = SHIPPED / f"{name}.yaml"
    if shipped.is_file():
        return shipped
    names = ", ".join(sorted(each.stem for each in SHIPPED.glob("*.yaml")))
    raise TopologyError(f"{name}: no such file; the topologies that come with the lab are {names}")


def load(path: str | Path) -> Topology:
    """Read a topology file. Raises ``TopologyError`` listing all faults as ``FILE:LINE:COL: ...``."""
    path = find(path)
    try:
        document = YAML(typ="rt", pure=True).load(path.read_text())
    except MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise TopologyError(f"{where}: not YAML: {error.problem}") from None
    if not isinstance(document, dict):
        raise TopologyError(f"{path}:1:1: a topology is a mapping with name, subnets, switches, links, hosts")
    try:
        return Topology.model_validate(_plain(document))
    except ValidationError as error:
        raise TopologyError(
            "\n".join(_complaint(path, document, where, text) for where, text in _all_faults(error))
        ) from None


def _all_faults(error: ValidationError) -> Iterator[Fault]:
    """What pydantic found and what we did, without complaints about a whole whose part is wrong."""
    found = error.errors()
    for fault in found:
        inner = fault.get("ctx", {}).get("error")
        if isinstance(inner, _DanglingError):
            yield from inner.faults
        elif not any(
            fault["loc"] == other["loc"][: len(fault["loc"])] for other in found if other is not fault
        ):
            yield fault["loc"], fault["msg"].removeprefix("Value error, ")


def _complaint(path: Path, document: Any, where: tuple[str | int, ...], text: str) -> str:
    line, column = _position(document, where)
    key = ".".join(str(part) for part in where)
    return f"{path}:{line}:{column}: {key}: {text}" if key else f"{path}:{line}:{column}: {text}"


def _plain(value: Any) -> Any:
    """YAML nodes as plain Python values, so that they can be dumped again without their comments."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    for kind in (bool, int, float, str):
        if isinstance(value, kind):
            return kind(value)
    return value


def _position(node: Any, path: Sequence[str | int]) -> tuple[int, int]:
    """Line and column (from 1) of the innermost part of ``path`` that is in the document."""
    line, column = 0, 0
    for part in path:
        try:
            if isinstance(node, dict):
                line, column = node.lc.key(part)  # type: ignore[attr-defined]
            elif isinstance(node, list):
                line, column = node.lc.item(part)  # type: ignore[attr-defined]
            node = node[part]
        except (KeyError, IndexError, TypeError):
            break
    return line + 1, column + 1
