"""Try whether an Open vSwitch takes small fragments, and say so if it drops them.

The userspace datapath drops fragments under 1,200 octets (IPv6: 1,280) unless told otherwise on the switch itself;
neither OpenFlow nor OVSDB shows or sets that. So two small fragments are sent through conntrack: the pipeline reports
the first (``Kind.FRAGMENT_SHORT``) if conntrack calls it invalid, and drops both where they find each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from controller.core.openflow_link import OpenFlowLink
from controller.frames.trial import small_fragments
from controller.southbound.errors import SwitchError
from flows.actions import CONTROLLER, pack_all
from flows.stages.fragment import trial

if TYPE_CHECKING:
    from controller.core.controller import Controller
    from controller.core.fleet import Member

EVENT = "small_fragments_dropped"
_LEAST = {4: 1200, 6: 1280}


async def try_fragments(core: Controller, member: Member) -> None:
    """Send a datagram of each IP version in small fragments through a switch's conntrack."""
    link = member.link
    if not isinstance(link, OpenFlowLink):
        return
    actions = pack_all(trial(link.placed))
    try:
        for version in _LEAST:
            for frame in small_fragments(version):
                await link.session.send_packet(frame, actions, CONTROLLER)
    except SwitchError as error:
        core.journal.event("switch_error", switch=member.switch.name, error=str(error))


def report(core: Controller, switch: str, version: int) -> None:
    """The switch called a small fragment invalid."""
    core.journal.event(
        EVENT,
        switch=switch,
        version=version,
        why=f"fragments under {_LEAST[version]:,} octets do not pass this switch's conntrack",
        remedy=f"at each start of ovs-vswitchd: ovs-appctl dpctl/ipf-set-min-frag v{version} 400",
    )
