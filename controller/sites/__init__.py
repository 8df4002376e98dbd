"""Ownership of VIPs, fencing, and the stores that outlive a controller.

    groups ─► which VIPs move together            fitness ─► what a site lacks
                        └──────────► placement ◄─────┘       which site should own: wish
                                         ▼
    store, peers, switches ─► lease, promise ─► Put, Speak, Silence, Announce, Ask, Reply, Note
                              guards            each what two sites must not lack
    heartbeats ─► who is heard   causes ─► why, in the timeline

All of these are pure: they take ``now`` of one clock (CLOCK_BOOTTIME, which goes on while a machine is suspended) and
what was observed, and return what to do. An activity reads and watches the key of each group, hands in what arrives
with the time at which it read its clock *after* the arrival, stamps what it sends *before* it is sent, and takes the
actions in their order. ``store`` and ``base`` are what is stored.
"""
