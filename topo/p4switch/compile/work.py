"""What a stage leaves to be done with a packet: kinds of work items and bmv2's instance types."""

from __future__ import annotations

from enum import IntEnum


class Work(IntEnum):
    """First element of a work item; the rest of the tuple by kind.

    EGRESS (state, port, rid or None); CLONE_INGRESS (frame, ingress port, state, session, field list);
    CLONE_EGRESS (state, session, field list); MULTICAST (state, group);
    INGRESS (frame, ingress port, instance type, state, field list).
    """

    EGRESS = 0
    CLONE_INGRESS = 1
    CLONE_EGRESS = 2
    MULTICAST = 3
    INGRESS = 4


class Instance(IntEnum):
    """Values of standard_metadata.instance_type."""

    NORMAL = 0
    INGRESS_CLONE = 1
    EGRESS_CLONE = 2
    RECIRCULATED = 4
    REPLICATION = 5
    RESUBMITTED = 6
