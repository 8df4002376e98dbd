"""A plain learning switch, as another os-ken application, and a process that runs it beside others.

``python -m tests.lab.learning_switch HOST PORT [MODULE ...]``. It prints a JSON line for every packet that a switch
hands to it: the cookie of the flow that did, and the packet's addresses.
"""

from __future__ import annotations

import json
import sys
from typing import Any, ClassVar

from os_ken import cfg
from os_ken.base.app_manager import AppManager, OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.lib.packet import ethernet, packet
from os_ken.ofproto import ofproto_v1_3

COOKIE = 0x1EA2
TABLE, LEARNED, MISS = 0, 10, 1
"""Where it forwards, and the priorities there."""


class LearningSwitch(OSKenApp):  # type: ignore[misc]
    """Learns which port leads to which MAC address, and writes a flow for each pair that talks."""

    OFP_VERSIONS: ClassVar[list[int]] = [ofproto_v1_3.OFP_VERSION]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._ports: dict[tuple[int, str], int] = {}

    @set_ev_cls(ofp_event.EventOFPSwitchFeatures, CONFIG_DISPATCHER)  # type: ignore[untyped-decorator]
    def switch_came(self, event: Any) -> None:
        """Ask for all packets that no flow matches."""
        path = event.msg.datapath
        to_us = path.ofproto_parser.OFPActionOutput(
            path.ofproto.OFPP_CONTROLLER, path.ofproto.OFPCML_NO_BUFFER
        )
        _add(path, MISS, path.ofproto_parser.OFPMatch(), to_us)

    @set_ev_cls(ofp_event.EventOFPPacketIn, MAIN_DISPATCHER)  # type: ignore[untyped-decorator]
    def packet_came(self, event: Any) -> None:
        """Learn from it, and send it on."""
        message = event.msg
        path, parser = message.datapath, message.datapath.ofproto_parser
        frame = packet.Packet(message.data).get_protocol(ethernet.ethernet)
        print(json.dumps({"cookie": message.cookie, "from": frame.src, "to": frame.dst}), flush=True)
        port = message.match["in_port"]
        self._ports[path.id, frame.src] = port
        known = self._ports.get((path.id, frame.dst))
        out = parser.OFPActionOutput(path.ofproto.OFPP_FLOOD if known is None else known)
        if known is not None:
            _add(path, LEARNED, parser.OFPMatch(eth_src=frame.src, eth_dst=frame.dst), out)
        path.send_msg(
            parser.OFPPacketOut(
                datapath=path,
                buffer_id=path.ofproto.OFP_NO_BUFFER,
                in_port=port,
                actions=[out],
                data=message.data,
            )
        )


def _add(path: Any, priority: int, match: Any, action: Any) -> None:
    parser = path.ofproto_parser
    apply = parser.OFPInstructionActions(path.ofproto.OFPIT_APPLY_ACTIONS, [action])
    path.send_msg(
        parser.OFPFlowMod(
            datapath=path, cookie=COOKIE, table_id=TABLE, priority=priority, match=match, instructions=[apply]
        )
    )


def main(host: str, port: str, *others: str) -> None:
    """Run until killed, as os-ken's own documentation does."""
    cfg.CONF(args=[], project="os_ken", default_config_files=[])
    cfg.CONF.set_override("ofp_listen_host", host)
    cfg.CONF.set_override("ofp_tcp_listen_port", int(port))
    AppManager.run_apps(["tests.lab.learning_switch", *others])


if __name__ == "__main__":
    main(*sys.argv[1:])
