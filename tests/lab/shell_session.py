"""What an operator types into p4runtime-shell; run by that shell's own Python, never by ours.

Arguments: address, P4Info file, JSON file. Prints one JSON object of what the shell saw.
"""

import json
import sys
from typing import Any

import p4runtime_sh.shell as shell  # type: ignore[import-not-found]


def slot(number: str, backend: str) -> Any:
    entry = shell.TableEntry("Enter.slot")(action="set_backend")
    entry.match["meta.pool"] = "7"
    entry.match["hdr.address.slot"] = number
    entry.action["backend"] = backend
    return entry


def tables(seen: dict[str, Any]) -> None:
    for number in ("1", "2", "300"):
        slot(number, "5").insert()
    slot("300", "6").modify()
    slot("2", "5").delete()
    seen["slots"] = sorted(
        [entry.match["hdr.address.slot"].exact.value.hex(), entry.action["backend"].value.hex()]
        for entry in shell.TableEntry("Enter.slot").read()
    )
    try:
        slot("1", "5").insert()
    except Exception as refused:
        seen["refused"] = str(refused)
    rule = shell.TableEntry("Enter.acl")(action="drop")
    rule.match["hdr.address.src"] = "10.0.0.0&&&255.0.0.0"
    rule.match["hdr.address.port"] = "80..90"
    rule.priority = 3
    rule.insert()
    seen["acl"] = [entry.priority for entry in shell.TableEntry("Enter.acl").read()]
    default = shell.TableEntry("Enter.route")(action="forward", is_default=True)
    default.action["out_port"] = "3"
    default.modify()


def profiles(seen: dict[str, Any]) -> None:
    member = shell.ActionProfileMember("spread")(member_id=1, action="forward")
    member.action["out_port"] = "2"
    member.insert()
    group = shell.ActionProfileGroup("spread")(group_id=2, max_size=8)
    group.add(1, 3)
    group.insert()
    seen["groups"] = [one.group_id for one in shell.ActionProfileGroup("spread").read()]


def arrays(seen: dict[str, Any]) -> None:
    counter = shell.CounterEntry("ports")
    counter.index = 1
    counter.packet_count = 4
    counter.modify()
    seen["counters"] = [one.packet_count for one in shell.CounterEntry("ports").read()]
    meter = shell.MeterEntry("rates")
    meter.index, meter.cir, meter.cburst, meter.pir, meter.pburst = 1, 1, 2, 3, 4
    meter.modify()
    shell.MulticastGroupEntry(1).add(1, 1).add(2, 1).insert()
    shell.CloneSessionEntry(5).add(2, 1).insert()
    seen["groups of ports"] = [
        [one.egress_port for one in group.replicas] for group in shell.MulticastGroupEntry(1).read()
    ]


def main() -> None:
    seen: dict[str, Any] = {}
    address, info, program = sys.argv[1:4]
    shell.setup(1, address, (0, 50), config=shell.FwdPipeConfig(info, program))
    try:
        tables(seen)
        profiles(seen)
        arrays(seen)
        packet = shell.PacketOut()
        packet.payload = b"\x02" * 20
        packet.metadata["egress_port"] = "2"
        packet.metadata["pad"] = "0"
        packet.send()
        seen["table names"] = sorted(shell.P4Objects(shell.P4Type.table)._names)
    finally:
        shell.teardown()
    print(json.dumps(seen))


if __name__ == "__main__":
    main()
