// Vip: is this packet for a virtual address, and what does this switch do for it?
//
//   ARP target (of an answer its sender), neighbour discovery's target, destination
//       └► vip ─┬► claim: edge (uplinks) or lb, with the virtual MAC
//               └► local: ARP for a fullnat address of this switch

control Vip(inout headers_t hdr, inout local_t local) {
    // uplinks: ECMP group of an edge, 0 where this switch balances; responds: it is the segment's responder.
    action claim(bit<16> vip, bit<48> mac, bit<16> uplinks, bit<1> responds) {
        local.vip = vip;
        local.vip_mac = mac;
        local.uplinks = uplinks;
        local.responds = responds;
    }

    // A fullnat address of this switch: the switch answers ARP for it, always.
    action own(bit<48> mac) {
        local.vip_mac = mac;
    }

    // legal: address of a VIP or a local address; vip >= 1; own: IPv4 and IPv6 local addresses only
    @id(0x02000002)
    table vip {
        key = { local.server : exact @name("address"); }
        actions = { claim; own; @defaultonly NoAction; }
        default_action = NoAction();
        size = VIPS;
    }

    apply {
        if (hdr.arp.isValid()) {
            local.server = MAPPED ++ hdr.arp.tpa;
            if (hdr.arp.op == 2) {
                local.server = MAPPED ++ hdr.arp.spa;
            }
        } else if (hdr.nd.isValid()) {
            local.server = hdr.nd.target;
        }
        vip.apply();
    }
}
