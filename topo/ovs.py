"""One Open vSwitch per switch: its own ovsdb-server and ovs-vswitchd, started, asked and restarted alone."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

from topo import netns, process, routed, underlay, wires
from topo.errors import CommandError
from topo.plan import (
    AGENT_PORT,
    OPENFLOW_PORT,
    OVSDB_PORT,
    TUNNEL_GATEWAY,
    TUNNEL_PORT,
    VXLAN_PORT,
    Fabric,
    Switch,
)

SCHEMA = Path("/usr/share/openvswitch/vswitch.ovsschema")
BRIDGE = "br0"
MAX_IDLE_MS = 1500
"""How long a switch caches an unused decision (its own default: 10,000). Every new connection takes one that is used
a few times, and those waiting to be thrown away are looked through again and again."""
_SMALLEST_FRAGMENT = "400"
"""Octets of a frame that is a fragment, not the last: the least that the userspace datapath can be told. By itself it
drops fragments below 1,200 octets of IPv4 and 1,280 of IPv6, at conntrack; a narrow path makes them all the time."""
_FIRST = ("nice", "-n", "-10")
"""A switch of its own has processors of its own: its daemons come before everything else on this machine."""
_TLS = tuple(
    f"--{name.replace('_', '-')}=db:Open_vSwitch,SSL,{name}"
    for name in ("private_key", "certificate", "ca_cert")
)
"""For remotes that a test adds (``pssl:``): what ``ovs-vsctl set-ssl`` says, as Debian starts it too."""
_QUIET = ("-vconsole:off", "-vsyslog:off")


def missing() -> str | None:
    """Why no Open vSwitch can be started here; None if one can."""
    tools = ("ovsdb-tool", "ovsdb-server", "ovs-vswitchd", "ovs-vsctl", "ovs-ofctl", "ovs-appctl")
    absent = [tool for tool in tools if shutil.which(tool) is None]
    if absent or not SCHEMA.is_file():
        lacking = ", ".join(absent) or str(SCHEMA)
        return f"Open vSwitch is not installed ({lacking}): apt-get install openvswitch-switch"
    return None


class OpenVSwitch:
    """A switch of the lab; ``directory`` holds its database, sockets, pid files and logs."""

    def __init__(self, fabric: Fabric, switch: Switch, directory: Path, space: str, pids: Path) -> None:
        self.fabric = fabric
        self.switch = switch
        self.directory = directory
        self.space = space
        self.pids = pids
        self.env: Mapping[str, str] = {
            key: str(directory) for key in ("OVS_RUNDIR", "OVS_DBDIR", "OVS_LOGDIR")
        }
        # Towards a P4 switch BFD would call every port dead.
        self._with_bfd = frozenset(port.interface for port in fabric.to_ovs(switch.name))
        self.socket = f"unix:{directory}/db.sock"

    def create(self, shared: Path) -> None:
        """Lay out the switch's directory with an empty database; all copy the one in ``shared``."""
        self.directory.mkdir(parents=True)
        shutil.copyfile(template(shared), self.directory / "conf.db")

    def start(self, shut: bool = False) -> None:
        """Start both daemons and install the lab's own forwarding. Raises ``CommandError``.

        ``shut``: neighbours are told by BFD to send nothing until ``open``. A switch that comes back has its
        links up one after the other over a second or two, and must not be used for transit meanwhile.
        """
        with netns.enter(self.space):
            self._daemon(
                "ovsdb-server",
                str(self.directory / "conf.db"),
                f"--remote=punix:{self.directory}/db.sock",
                f"--remote=ptcp:{OVSDB_PORT}:{self.switch.control}",
                *_TLS,
            )
            self._configure(shut)
            self._daemon("ovs-vswitchd", self.socket)
            self.appctl("vlog/disable-rate-limit", "bfd")  # who asks later has to find each change
            self._forward()

    def _daemon(self, program: str, *arguments: str) -> None:
        pidfile = self.directory / f"{program}.pid"
        pidfile.unlink(missing_ok=True)
        process.run(
            [
                *_FIRST,
                program,
                *arguments,
                f"--pidfile={pidfile}",
                "--detach",
                "--no-chdir",
                "--log-file",
                *_QUIET,
            ],
            env=self.env,
        )
        pid = int(pidfile.read_text())
        process.favour(pid)
        process.remember(self.pids, f"{self.switch.name}.{program}", pid)

    def _configure(self, shut: bool) -> None:
        """The whole switch in one transaction, before ovs-vswitchd sees any of it; may be repeated."""
        switch = self.switch
        command = [
            "--no-wait",
            "init",
            "--",
            "set",
            "Open_vSwitch",
            ".",
            "other_config:n-handler-threads=1",
            "other_config:n-revalidator-threads=1",
            f"other_config:max-idle={MAX_IDLE_MS}",
            f"other_config:userspace-tso-enable={str(self.fabric.topology.tso).lower()}",
            "--",
            "--may-exist",
            "add-br",
            BRIDGE,
            "--",
            "set",
            "bridge",
            BRIDGE,
            "datapath_type=netdev",
            "fail_mode=secure",
            "other_config:disable-in-band=true",
            "protocols=OpenFlow13,OpenFlow14,OpenFlow15",
            f"other_config:datapath-id={switch.id:016x}",
            f'other_config:hwaddr="{switch.mac}"',
        ]
        for port in switch.ports:
            command += [
                "--",
                "--may-exist",
                "add-port",
                BRIDGE,
                port.interface,
                "--",
                "set",
                "interface",
                port.interface,
                f"ofport_request={port.number}",
            ]
            if port.interface in self._with_bfd:
                command += [
                    "bfd:enable=true",
                    "bfd:min_tx=50",
                    "bfd:min_rx=50",
                    f"bfd:cpath_down={_flag(shut)}",
                ]
        for fence in switch.fences:
            command += ["--", "--may-exist", "add-port", BRIDGE, fence.name]
            command += ["--", "set", "interface", fence.name, f"ofport_request={fence.port}"]
        if switch.vtep is not None:
            command += [
                "--",
                "--may-exist",
                "add-port",
                BRIDGE,
                "vx0",
                "--",
                "set",
                "interface",
                "vx0",
                "type=vxlan",
                f"ofport_request={TUNNEL_PORT}",
                "options:remote_ip=flow",
                "options:key=flow",
                f"options:dst_port={VXLAN_PORT}",
            ]
        command += [
            *controllers(self.fabric, self.switch),
        ]
        self.vsctl(*command)

    def _forward(self) -> None:
        """The underlay, at once and before any controller is heard."""
        for version in ("v4", "v6"):
            self.appctl("dpctl/ipf-set-min-frag", version, _SMALLEST_FRAGMENT)
        flows = self.directory / "underlay"
        flows.write_text(
            underlay.bundle(self.fabric, self.switch.name) + routed.flows(self.fabric, self.switch.name)
        )
        self.ofctl("bundle", BRIDGE, str(flows))
        if self.switch.vtep is not None:
            mac = self.fabric.topology.gateway_mac
            wires.set_up_tunnel(self.switch, mac)
            # Spares the first packet; when the entry ages away, OVS asks and the underlay's ARP flow answers.
            self.appctl("tnl/neigh/set", BRIDGE, str(TUNNEL_GATEWAY), mac)

    def vsctl(self, *arguments: str) -> str:
        """``ovs-vsctl`` on this switch. Raises ``CommandError``."""
        return process.run(["ovs-vsctl", f"--db={self.socket}", "--timeout=10", *arguments], env=self.env)

    def ofctl(self, *arguments: str) -> str:
        """``ovs-ofctl -O OpenFlow15`` on this switch; a given -O wins. Raises ``CommandError``."""
        version = [] if any(argument.startswith("-O") for argument in arguments) else ["-O", "OpenFlow15"]
        return process.run(["ovs-ofctl", "--timeout=10", *version, *arguments], env=self.env)

    def appctl(self, *arguments: str) -> str:
        """``ovs-appctl`` on this switch's ovs-vswitchd; a given -t wins. Raises ``CommandError``."""
        return process.run(["ovs-appctl", "--timeout=10", *arguments], env=self.env)

    def liveness(self) -> dict[str, bool]:
        """What BFD says of each link to a switch, by interface; to a P4 switch, whether it has a carrier."""
        return {name: "Forwarding: true" in block for name, block in self._bfd()} | self._carriers()

    def _bfd(self) -> list[tuple[str, str]]:
        """What ovs-vswitchd tells of each port with BFD."""
        return re.findall(r"^---- (\S+) ----\n(.*?)(?=^---- |\Z)", self.appctl("bfd/show"), re.M | re.S)

    def _carriers(self) -> dict[str, bool]:
        """Links to neighbours without BFD, and whether they have a carrier."""
        silent = {port.interface for port in self.fabric.cables(self.switch.name)} - self._with_bfd
        up = wires.links(self.space) if silent else {}
        return {name: up.get(name, False) for name in silent}

    def sessions(self) -> set[str]:
        """Links to switches with which the BFD session is up, whether or not they may be used."""
        up = {name for name, block in self._bfd() if "Local Session State: up" in block}
        return up | {name for name, carrier in self._carriers().items() if carrier}

    def open(self) -> None:
        """Tell neighbours by BFD that this switch may be used; a controller's edges are told by the controller."""
        marked = self.vsctl(
            "--bare", "--columns=name", "find", "interface", "external_ids:evenkeel=shut-at-boot"
        ).split()
        for port in self.switch.ports:
            if port.interface in self._with_bfd and port.interface not in marked:
                self.vsctl("set", "interface", port.interface, "bfd:cpath_down=false")

    def running(self) -> bool:
        """Whether both daemons live."""
        found = process.recall(self.pids, self.switch.name)
        return len(found) == 2 and all(each.alive for each in found)

    def kill(self) -> None:
        """End both daemons with SIGKILL, as a crash would."""
        process.kill(each.pid for each in process.recall(self.pids, self.switch.name) if each.alive)


def controllers(fabric: Fabric, switch: Switch) -> list[str]:
    """What has a switch dial all places of controllers and its site's agents, for ``ovs-vsctl``; of the controllers
    only the one that leads answers."""
    places = [(address, OPENFLOW_PORT) for address in fabric.controllers.values()]
    places += [(address, AGENT_PORT) for address in fabric.agents(switch.site).values()]
    names = [f"@controller{number}" for number, _ in enumerate(places)]
    command: list[str] = []
    for name, (address, port) in zip(names, places, strict=True):
        command += ["--", f"--id={name}", "create", "controller"]
        command += [f'target="tcp:{address}:{port}"', "connection_mode=out-of-band"]
        command += ["max_backoff=1000", "inactivity_probe=5000"]
    return [*command, "--", "set", "bridge", BRIDGE, f"controller={','.join(names)}"]


def _flag(value: bool) -> str:
    return str(value).lower()


def template(directory: Path) -> Path:
    """An empty switch database, made once and copied for every switch."""
    reason = missing()
    if reason is not None:
        raise CommandError(reason)
    path = directory / "empty.db"
    if path.exists():
        return path
    process.run(["ovsdb-tool", "create", str(path), str(SCHEMA)])
    return path
