// Nexthop: ECMP. An exact table (group, bucket), which the controller fills by rendezvous, so that the loss of one next
// hop moves only what went through it.
//
//   high bits of the hash ─► bucket ─► (group, bucket) ─► port

control Nexthop(inout local_t local, inout standard_metadata_t std, inout bit<32> drop) {
    action send(bit<16> port) {
        std.egress_spec = (bit<9>)port;
    }

    // legal: group >= 1; bucket 0 to 255, all of them or none
    @id(0x0200000e)
    table nexthop {
        key = {
            local.group : exact @name("group");
            local.bucket : exact @name("bucket");
        }
        actions = { send; @defaultonly NoAction; }
        default_action = NoAction();
        size = NEXTHOPS;
    }

    apply {
        if (!nexthop.apply().hit) {
            drop = DROP_NO_ROUTE;
        }
    }
}
