"""The entrances that are fuzzed, by name; each is loaded when it is asked for."""

from __future__ import annotations

from importlib import import_module

from tests.fuzz.target import Target

TARGETS = {
    "api": "api:Api",
    "audit": "audit:Audit",
    "frames": "frames:Frames",
    "intent": "intent:IntentText",
    "names": "names:Names",
    "ofstream": "ofstream:OpenFlowStreams",
    "openflow": "openflow:OpenFlow",
    "oskenparse": "oskenparse:OsKen",
    "plane": "plane:PlaneCalls",
    "planeframes": "planeframes:PlaneFrames",
    "peer": "peer:PeerMessages",
    "p4read": "p4read:P4Read",
    "p4stream": "p4stream:P4Stream",
    "roles": "roles:Roles",
    "tokens": "roles:TokenLines",
    "xds": "xds:Discovery",
}
"""Module and class."""


def target(name: str) -> Target:
    """One of them."""
    module, _, kind = TARGETS[name].partition(":")
    made: Target = getattr(import_module(f"tests.fuzz.targets.{module}"), kind)()
    return made
