// Flood: what is for all hosts, or for one that is unknown here, goes on within its segment as a bridge would
// send it. Only ports of the controller's choice flood; from all others (the fabric's) such a frame is dropped.
//
//   broadcast, multicast        ─┐
//   question without authority   ├─► segment (ingress port) ─hit─► copies to the group, none back where it came from
//   unicast without frame, route ┘                         └miss─► dropped, as what it was counted for

control Flood(inout headers_t hdr, inout local_t local, inout standard_metadata_t std, inout bit<32> drop) {
    action floods(bit<16> group) {
        std.mcast_grp = group;
        local.bridged = 1;
        drop = 0xff;
    }

    // legal: a multicast group of this switch; ports behind which are clients, routers or another site
    @id(0x02000012)
    table segment {
        key = { std.ingress_port : exact @name("port"); }
        actions = { floods; @defaultonly NoAction; }
        default_action = NoAction();
        size = SEGMENTS;
    }

    apply {
        // What bridges keep for themselves (spanning tree, pause, LLDP) passes none; what is for this switch itself
        // is for no other host; and the controller says where its packets go.
        if (hdr.ethernet.dst[47:4] != 0x0180c200000 && hdr.ethernet.dst != local.mac && !hdr.packet_out.isValid()) {
            segment.apply();
        }
    }
}
