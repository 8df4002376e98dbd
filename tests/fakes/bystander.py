"""Another os-ken application in the same process: notes every message that reaches it."""

from __future__ import annotations

from typing import Any, ClassVar

from os_ken.base.app_manager import OSKenApp
from os_ken.controller import ofp_event
from os_ken.controller.handler import CONFIG_DISPATCHER, MAIN_DISPATCHER, set_ev_cls
from os_ken.ofproto import ofproto_v1_3

_ALWAYS = [CONFIG_DISPATCHER, MAIN_DISPATCHER]


class Bystander(OSKenApp):  # type: ignore[misc]
    """Takes part in nothing."""

    OFP_VERSIONS: ClassVar[list[int]] = [ofproto_v1_3.OFP_VERSION]
    seen: ClassVar[list[Any]] = []
    """Messages, as os-ken parsed them."""

    @set_ev_cls(ofp_event.EventOFPPacketIn, _ALWAYS)  # type: ignore[untyped-decorator]
    @set_ev_cls(ofp_event.EventOFPFlowRemoved, _ALWAYS)  # type: ignore[untyped-decorator]
    @set_ev_cls(ofp_event.EventOFPBarrierReply, _ALWAYS)  # type: ignore[untyped-decorator]
    @set_ev_cls(ofp_event.EventOFPFlowStatsReply, _ALWAYS)  # type: ignore[untyped-decorator]
    @set_ev_cls(ofp_event.EventOFPErrorMsg, _ALWAYS)  # type: ignore[untyped-decorator]
    @set_ev_cls(ofp_event.EventOFPPortStatus, _ALWAYS)  # type: ignore[untyped-decorator]
    def note(self, event: Any) -> None:
        """Keep a message."""
        self.seen.append(event.msg)
