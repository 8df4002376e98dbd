"""From a topology to every number of the lab: ports, MACs, addresses. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Interface,
    IPv4Network,
    IPv6Address,
    IPv6Interface,
    IPv6Network,
    ip_address,
    ip_interface,
    ip_network,
)
from itertools import count

from controller.spec.kinds import KINDS, Protocol
from topo.model import DEFAULT_KIND, HostSpec, SwitchKind, SwitchSpec, Topology

Address = IPv4Address | IPv6Address
Interface = IPv4Interface | IPv6Interface
Network = IPv4Network | IPv6Network

CONTROLLER = "ctl"
"""Node in whose namespace the controller runs."""
CONTROL_NETWORK = IPv4Network("172.31.0.0/16")
CONTROL_ADDRESS = IPv4Address("172.31.0.1")
"""Of the first controller; the further ones follow, up to .8."""
MEMBER_ADDRESS = IPv4Address("172.31.0.9")
"""Of the first member of the store; the further ones follow, up to .15."""
OPENFLOW_PORT = 6653
AGENT_PORT = 6654
"""Where an agent waits for the switches of its site."""
PEER_PORT = 7654
"""Where it waits for other agents."""
OVSDB_PORT = 6640
P4RUNTIME_PORT = 9559
CPU_PORT = 510
"""Port number of a P4 switch's packet-ins and packet-outs."""
TUNNEL_PORT = 20
"""OpenFlow number of the VXLAN port vx0."""
FENCE_PORT = 60000
"""OpenFlow number of the port of an edge's first fence; those to further controllers follow."""
VNI = 69
VXLAN_PORT = 4789
VXLAN_MTU = 1450
"""1,500 less VXLAN's 50 octets."""
IPIP_MTU = {4: 1480, 6: 1460}
"""By version of the outer header, the only thing that is added."""
TUNNEL_NETWORK = IPv4Network("10.4.0.0/24")
TUNNEL_GATEWAY = IPv4Address("10.4.0.254")
UNDERLAY_TABLE = 200
"""Table of the lab's own forwarding, where the controller hands what it has rewritten."""
_ID_BASE = {"edge": 0x11, "lb": 0x21, "leaf": 0x31}


@dataclass(frozen=True)
class Port:
    """A switch port: its OpenFlow number and the node behind it."""

    number: int
    to: str
    stretch: str = ""
    """Name of the stretch link, where the node is a switch of another site."""

    @property
    def interface(self) -> str:
        """Name of the interface: the node's, or the stretch link's."""
        return self.stretch or self.to


@dataclass(frozen=True)
class Stretch:
    """A link between switches of two sites."""

    name: str
    ends: tuple[str, str]


@dataclass(frozen=True)
class Fence:
    """A cable from an edge to a controller."""

    port: int
    """OpenFlow number of the edge's end."""
    name: str
    """Interface of the edge's end."""
    controller: str
    """Node in which the other end is."""
    interface: str
    """Interface of that end."""


@dataclass(frozen=True)
class Switch:
    """A switch with everything assigned."""

    name: str
    kind: SwitchKind
    id: int
    """OpenFlow datapath id or P4Runtime device id."""
    site: str
    roles: tuple[str, ...]
    mac: str
    control: IPv4Address
    """Its address on the control network."""
    ports: tuple[Port, ...]
    vtep: IPv4Address | None
    """VXLAN tunnel source, on ovs lb switches."""
    local: tuple[Network, ...]
    """Source addresses for fullnat and for P4's tunnels, on lb switches."""
    fences: tuple[Fence, ...] = ()
    """Cables to the controllers of its site, on which these claim their authority."""

    @property
    def p4(self) -> bool:
        """Whether it is run over P4Runtime, and so has no forwarding but the controller's."""
        return KINDS[self.kind].protocol is Protocol.P4RUNTIME

    def port(self, neighbour: str) -> int:
        """OpenFlow number of the port towards a neighbour."""
        return next(port.number for port in self.ports if port.to == neighbour)


@dataclass(frozen=True)
class Host:
    """A host with everything assigned."""

    name: str
    kind: str
    attach: str
    mac: str
    addresses: tuple[Interface, ...]
    gateways: tuple[Address, ...]


@dataclass(frozen=True)
class Fabric:
    """A planned lab."""

    topology: Topology
    switches: dict[str, Switch]
    hosts: dict[str, Host]
    links: tuple[tuple[str, str], ...]
    """Between switches of one site."""
    stretch: tuple[Stretch, ...]
    """Between switches of two sites."""
    vips: tuple[Address, ...]
    tunnelled: frozenset[Address]
    """VIPs with a tun listener: answers of their servers leave room for the tunnel's header."""

    @property
    def controllers(self) -> dict[str, IPv4Address]:
        """Nodes in whose namespaces controllers may run, and their addresses on the control network."""
        names = [host.name for host in self.topology.hosts if host.kind == "probe"] or [CONTROLLER]
        names.sort(key=lambda name: name != CONTROLLER)
        return {name: CONTROL_ADDRESS + index for index, name in enumerate(names)}

    def agents(self, site: str) -> dict[str, IPv4Address]:
        """Nodes in which agents of a site run, and their addresses on the control network."""
        if not self.topology.agents:
            return {}
        return {name: at for name, at in self.controllers.items() if self.site_of(name) == site}

    @property
    def members(self) -> dict[str, IPv4Address]:
        """Nodes in whose namespaces members of the store run, and their addresses on the control network."""
        return {each.name: MEMBER_ADDRESS + index for index, each in enumerate(self.topology.store)}

    @property
    def sites(self) -> tuple[str, ...]:
        """Names of the sites."""
        return tuple(site.name for site in self.topology.sites)

    @property
    def places(self) -> tuple[str, ...]:
        """What has a control network of its own: sites, then members of the store that are at none."""
        return (*self.sites, *(each.name for each in self.topology.store if each.site is None))

    def site_of(self, node: str) -> str:
        """The site of a switch, a host, a controller or a member of the store; of a witness, its own name."""
        for each in self.topology.store:
            if each.name == node:
                return each.site or node
        host = self.hosts.get(node)
        switch = self.switches.get(node if host is None else host.attach)
        return self.sites[0] if switch is None else switch.site

    @property
    def nodes(self) -> tuple[str, ...]:
        """Every namespace that a user meets: switches, hosts, the controller, members of the store, routers."""
        alone = () if CONTROLLER in self.hosts else (CONTROLLER,)
        apart = () if self.topology.routed is None else self.topology.routed.nodes
        return (*self.switches, *self.hosts, *alone, *self.members, *apart)

    def neighbours(self, switch: str) -> tuple[str, ...]:
        """Switches linked to this one."""
        return tuple(dict.fromkeys(port.to for port in self.cables(switch)))

    def cables(self, switch: str) -> tuple[Port, ...]:
        """Ports that lead to switches."""
        return tuple(port for port in self.switches[switch].ports if port.to in self.switches)

    @property
    def lbs(self) -> tuple[Switch, ...]:
        """Switches that balance."""
        return tuple(switch for switch in self.switches.values() if "lb" in switch.roles)

    @property
    def ipip(self) -> bool:
        """Whether servers get packets in IPIP: what mode tun is on P4 switches."""
        return bool(self.tunnelled) and any(switch.p4 for switch in self.lbs)

    def tunnel_mtu(self, host: Host) -> int:
        """Largest IP packet (octets) that reaches a server through the tunnel of any lb switch."""
        vxlan = [VXLAN_MTU] if any(not switch.p4 for switch in self.lbs) else []
        outer = 4 if any(address.version == 4 for address in host.addresses) else 6
        return min(
            [*vxlan, *([IPIP_MTU[outer]] if any(switch.p4 for switch in self.lbs) else [])], default=1500
        )

    def ovs_neighbours(self, switch: str) -> frozenset[str]:
        """Ovs switches linked to this one. Two of them watch each other by BFD, which P4 switches do not have."""
        return frozenset(name for name in self.neighbours(switch) if not self.switches[name].p4)

    def to_ovs(self, switch: str) -> tuple[Port, ...]:
        """Ports that lead to ovs switches."""
        return tuple(port for port in self.cables(switch) if not self.switches[port.to].p4)


def plan(topology: Topology) -> Fabric:
    """Assign every number; the same topology always gives the same numbers."""
    switches = _switches(topology)
    vips = topology.services.vips
    return Fabric(
        topology=topology,
        switches=switches,
        hosts=_hosts(topology),
        links=topology.links,
        stretch=tuple(Stretch(each.name, each.ends) for each in topology.stretch),
        vips=tuple(ip_address(str(vip["address"])) for vip in vips if "address" in vip),
        tunnelled=frozenset(
            ip_address(str(vip["address"]))
            for vip in vips
            if "address" in vip
            for listener in vip.get("listeners", ())
            if listener.get("mode") == "tun"
        ),
    )


def gateway(network: Network) -> Address:
    """The router's address in a subnet: the last usable one of IPv4, ::fe of IPv6."""
    return network[-2] if isinstance(network, IPv4Network) else network[0xFE]


def _switches(topology: Topology) -> dict[str, Switch]:
    taken = {spec.id for spec in topology.switches if spec.id is not None}
    counters = {role: count(base) for role, base in _ID_BASE.items()}
    lbs = count(1)
    result = {}
    for spec in topology.switches:
        identity = spec.id
        while identity is None or (spec.id is None and identity in taken):
            identity = next(counters[spec.roles[0]])
        taken.add(identity)
        kind = spec.kind or DEFAULT_KIND
        has_tunnel_port = KINDS[kind].protocol is Protocol.OPENFLOW
        ordinal = next(lbs) if "lb" in spec.roles else None
        result[spec.name] = Switch(
            name=spec.name,
            kind=kind,
            id=identity,
            site=spec.site or topology.sites[0].name,
            roles=spec.roles,
            mac=f"02:45:56:01:{identity >> 8:02x}:{identity & 0xFF:02x}",
            control=CONTROL_NETWORK[identity],
            ports=_ports(topology, spec),
            vtep=None if ordinal is None or not has_tunnel_port else TUNNEL_NETWORK[ordinal],
            local=()
            if ordinal is None
            else (ip_network(f"10.3.{ordinal}.0/28"), ip_network(f"fd00:0:0:3:{ordinal:x}::/80")),
            fences=_fences(topology, spec) if spec.fence and has_tunnel_port else (),
        )
    return result


def _fences(topology: Topology, spec: SwitchSpec) -> tuple[Fence, ...]:
    """One for each controller at its site; one that is not attached anywhere is at every site."""
    site = {each.name: each.site or topology.sites[0].name for each in topology.switches}
    attached = {host.name: site[host.attach] for host in topology.hosts if host.kind == "probe"}
    names = [name for name, its in attached.items() if its == site[spec.name]] if attached else [CONTROLLER]
    return tuple(
        Fence(FENCE_PORT + index, f"fence{index}", name, f"f{index}-{spec.name}")
        for index, name in enumerate(names)
    )


def _ports(topology: Topology, spec: SwitchSpec) -> tuple[Port, ...]:
    """Links in file order, then stretch links, hosts, routers and speakers; the tunnel's number is left out."""
    behind = [
        (other if one == spec.name else one, "") for one, other in topology.links if spec.name in (one, other)
    ]
    for link in topology.stretch:
        one, other = link.ends
        if spec.name in link.ends:
            behind.append((other if one == spec.name else one, link.name))
    behind += [(host.name, "") for host in topology.hosts if host.attach == spec.name]
    behind += [(name, "") for name in (topology.routed.at(spec.name) if topology.routed else ())]
    numbers = (number for number in count(1) if number != TUNNEL_PORT)
    return tuple(Port(number, *each) for number, each in zip(numbers, behind, strict=False))


def _hosts(topology: Topology) -> dict[str, Host]:
    subnets = {subnet.name: subnet for subnet in topology.subnets}
    counters = {name: count(11) for name in subnets}
    result = {}
    for index, spec in enumerate(topology.hosts, start=1):
        number = spec.number if spec.number is not None else next(counters[spec.subnet])
        prefixes = subnets[spec.subnet].prefixes
        result[spec.name] = Host(
            name=spec.name,
            kind=spec.kind,
            attach=spec.attach,
            mac=f"02:45:56:02:{index >> 8:02x}:{index & 0xFF:02x}",
            addresses=tuple(_interface(prefix, number) for prefix in prefixes),
            gateways=tuple(gateway(prefix) for prefix in prefixes),
        )
    return result


def _interface(network: Network, number: int) -> Interface:
    """The address with that last part: the same digits in both versions, so that ::14 belongs to .14."""
    offset = number if network.version == 4 else int(str(number), 16)
    return ip_interface(f"{network[offset]}/{network.prefixlen}")


def servers(fabric: Fabric) -> tuple[Host, ...]:
    """Hosts that run the server program."""
    return tuple(host for host in fabric.hosts.values() if host.kind == "server")


def probes(topology: Topology) -> tuple[HostSpec, ...]:
    """Hosts whose subnets go past the load balancer."""
    return tuple(host for host in topology.hosts if host.kind == "probe")
