"""Try whether an Open vSwitch takes small fragments, and say so if it drops them.

The userspace datapath drops fragments under 1,200 octets (IPv6: 1,280) unless told otherwise on the switch itself;
neither OpenFlow nor OVSDB shows or sets that. So two small fragments are sent through conntrack: the pipeline reports
the first (``Kind.FRAGMENT_SHORT``) if conntrack calls it invalid, and drops both where they find each other.
"""

from __future__ import annotations

from collections.abc import Iterator

from controller.frames.trial import small_fragments
from controller.southbound.driver import Packet
from controller.southbound.openflow.driver import OpenFlowPacket
from controller.spec.types import Switch
from flows.actions import pack_all
from flows.stages.fragment import trial
from flows.tables import Placed

_LEAST = {4: 1200, 6: 1280}


def packets(switch: Switch) -> Iterator[Packet]:
    """A datagram of each IP version, in small fragments through the switch's conntrack."""
    actions = pack_all(trial(Placed(switch.placement)))
    for version in _LEAST:
        yield from (OpenFlowPacket(frame, actions) for frame in small_fragments(version))


def finding(switch: str, version: int) -> dict[str, object]:
    """Fields of the event ``small_fragments_dropped``: the switch called a small fragment invalid."""
    return {
        "switch": switch,
        "version": version,
        "why": f"fragments under {_LEAST[version]:,} octets do not pass this switch's conntrack",
        "remedy": f"at each start of ovs-vswitchd: ovs-appctl dpctl/ipf-set-min-frag v{version} 400",
    }
