"""The fence of an edge: a BFD session in which a process of ours claims authority, and falls silent by itself.

    controller ── deadline ──► speaker (a process) ── BFD, 50 ms x 3 ──► port of the edge's bridge
                                                                          └► live: the edge answers for its VIPs

Open vSwitch calls a port live while its session is up and the other end's diagnostic is none of 5, 6 and 8. The session
is up always; diagnostic 6 says "no authority" and 0 "authority". The edge's responder stands behind a fast-failover
bucket that watches the port.
"""
