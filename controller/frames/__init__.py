"""Frames that the controller makes or rewrites; pure functions of bytes, and None for what is not understood.

    reported by a switch ─► tuple_of          whose packet is this
                         ─► tcp_reset         end a connection in the VIP's name
                         ─► packet_too_big    the tunnel is narrower than the packet
                         ─► quoted            whose packet an ICMP error is about
                         ─► redirect_error    the same error, as the server must see it
    a new owner          ─► gratuitous_arp, unsolicited_na
    a switch on trial    ─► small_fragments

Whatever the network sends, these raise nothing: only wrong arguments (a MAC that is none) are ``ValueError``.
Frames are untagged Ethernet, for switches take a priority tag off; any other VLAN tag counts as not understood.
"""

from controller.frames.announce import gratuitous_arp, unsolicited_na
from controller.frames.quote import Endpoint, Quoted, quoted, redirect_error
from controller.frames.reset import tcp_reset
from controller.frames.toobig import packet_too_big
from controller.frames.trial import small_fragments
from controller.frames.tuple import Flow5, tuple_of

__all__ = [
    "Endpoint",
    "Flow5",
    "Quoted",
    "gratuitous_arp",
    "packet_too_big",
    "quoted",
    "redirect_error",
    "small_fragments",
    "tcp_reset",
    "tuple_of",
    "unsolicited_na",
]
