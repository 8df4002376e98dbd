// Route: everything that is not balanced, and what is balanced to servers behind others: by the MAC of a known host as
// it is, else by address as a router does.
//
//   destination MAC ─► frame ─hit─► group ─► nexthop
//                        └miss─► address (longest prefix) ─hit─► TTL, MACs ─► group ─► nexthop
//                                                         └miss─► flood
//
// What neighbours say to each other (RFC 4861) is for one link: no router passes it on, so it is a frame or floods.

control Route(inout headers_t hdr, inout local_t local, inout bit<32> drop) {
    bit<1> link_local;

    action to(bit<16> group) {
        local.group = group;
    }

    // legal: MACs of hosts; a group of table `nexthop`
    @id(0x0200000f)
    table frame {
        key = { hdr.ethernet.dst : exact @name("mac"); }
        actions = { to; @defaultonly NoAction; }
        default_action = NoAction();
        size = ROUTES;
    }

    // To a router or switch on the way.
    action via(bit<16> group) {
        local.group = group;
    }

    // To a host on a port of this switch. from: the MAC of the subnet's gateway.
    action deliver(bit<16> group, bit<48> mac, bit<48> from) {
        local.group = group;
        hdr.ethernet.dst = mac;
        hdr.ethernet.src = from;
    }

    // legal: IPv4 prefixes from /96 on (see MAPPED); a group of table `nexthop`
    @id(0x02000010)
    table address {
        key = { local.dst : lpm @name("address"); }
        actions = { via; deliver; @defaultonly NoAction; }
        default_action = NoAction();
        size = ROUTES;
    }

    apply {
        link_local = 0;
        if (hdr.ipv6.isValid() && hdr.icmp.isValid() && hdr.icmp.type >= 133 && hdr.icmp.type <= 137) {
            link_local = 1;
        }
        if (frame.apply().hit) {
            // What the controller lets come in where it has to go out is no bridge's business.
            if (!hdr.packet_out.isValid()) {
                local.bridged = 1;
            }
        } else if (local.is_ip == 1 && link_local == 0) {
            if (address.apply().hit) {
                local.hop = 1;
            }
        }
        if (local.group == 0) {
            drop = DROP_NO_ROUTE;
            local.done = 1;
            // Not what was balanced: a server that is not to be found is no other host on the clients' segment.
            local.flood = local.forward;
        }
    }
}
