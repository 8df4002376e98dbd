// Respond: answers ARP, neighbour solicitations and pings for a VIP, while this site's authority lasts.
//
//   OP_AUTHORIZE ─► authority[vip] = deadline          question ─► authority[vip] > now ─► answer, else flooded
//
// A question is what a host would answer: an ARP request about Ethernet and IPv4; a solicitation that RFC 4861 (7.1.1)
// calls valid, for another may come from another network; a ping.
//
//   another MAC for the VIP, in whatever is said of it ─► the controller is told, the frame goes on
//
// Authority ends by this switch's own clock. The controller learns that clock with OP_CLOCK before it names a deadline,
// so a message that is late makes the authority shorter, never longer.

control Respond(inout headers_t hdr, inout local_t local, inout standard_metadata_t std, inout bit<8> tell,
                inout bit<32> drop) {
    register<bit<48>>(VIPS) authority;
    bit<48> deadline;
    bit<1> question;
    bit<1> proper;
    bit<48> holder;

    action back() {
        std.egress_spec = std.ingress_port;
        hdr.ethernet.dst = hdr.ethernet.src;
        hdr.ethernet.src = local.vip_mac;
        local.done = 1;
    }

    action answer_arp() {
        bit<32> asked = hdr.arp.tpa;
        hdr.arp.op = 2;
        hdr.arp.tha = hdr.arp.sha;
        hdr.arp.tpa = hdr.arp.spa;
        hdr.arp.sha = local.vip_mac;
        hdr.arp.spa = asked;
        back();
    }

    // A host that probes an address has none itself: the answer goes to all.
    action answer_probe() {
        hdr.ethernet.src = 0x333300000001;
        hdr.ipv6.src = 0xff020000000000000000000000000001;
        hdr.icmp.rest = 0x20000000;
    }

    action answer_nd() {
        hdr.ipv6.dst = hdr.ipv6.src;
        hdr.ipv6.src = hdr.nd.target;
        hdr.ipv6.length = 32;
        hdr.ipv6.hops = 255;
        hdr.icmp.type = 136;
        hdr.nd_option.setValid();
        hdr.nd_option.type = 2;
        hdr.nd_option.length = 1;
        hdr.nd_option.mac = local.vip_mac;
        local.check_nd = 1;
        back();
    }

    action answer_echo4() {
        bit<32> asked = hdr.ipv4.dst;
        hdr.ipv4.dst = hdr.ipv4.src;
        hdr.ipv4.src = asked;
        hdr.ipv4.ttl = 64;
        hdr.icmp.type = 0;
        local.delta = 0xf7ff;
        back();
    }

    action answer_echo6() {
        bit<128> asked = hdr.ipv6.dst;
        hdr.ipv6.dst = hdr.ipv6.src;
        hdr.ipv6.src = asked;
        hdr.ipv6.hops = 64;
        hdr.icmp.type = 129;
        local.delta = 0x0100;
        back();
    }

    apply {
        question = 0;
        proper = 0;
        if (hdr.nd.isValid() && hdr.icmp.type == 135 && hdr.icmp.code == 0 && hdr.ipv6.hops == 255 && hdr.ipv6.length >= 24) {
            proper = 1;
            // An option has a length, within the message. Who asks a group says a MAC, to whom the answer then says one;
            // who probes an address has no MAC to be remembered, and asks the address's own group.
            if (hdr.nd_option.isValid() && (hdr.nd_option.length == 0
                    || ((bit<16>)hdr.nd_option.length << 3) > hdr.ipv6.length - 24)) {
                proper = 0;
            } else if (hdr.ipv6.src != 0) {
                if (hdr.ipv6.dst[127:120] == 0xff && !hdr.nd_option.isValid()) {
                    proper = 0;
                }
            } else if (hdr.ipv6.dst[127:24] != 0xff0200000000000000000001ff
                       || hdr.ipv6.dst[23:0] != hdr.nd.target[23:0]
                       || (hdr.nd_option.isValid() && hdr.nd_option.type == 1)) {
                proper = 0;
            }
        }
        if (hdr.packet_out.isValid() && hdr.packet_out.op == OP_AUTHORIZE) {
            authority.write((bit<32>)hdr.packet_out.vip & (VIPS - 1), hdr.packet_out.deadline);
            mark_to_drop(std);
            local.done = 1;
        } else if (hdr.arp.isValid() && local.vip_mac != 0 && hdr.arp.op == 1 && hdr.arp.htype == 1
                   && hdr.arp.ptype == ETHERTYPE_IPV4 && hdr.arp.hlen == 6 && hdr.arp.plen == 4) {
            question = 1;
        } else if (proper == 1 && local.vip_mac != 0) {
            question = 1;
        } else if (local.responds == 1 && hdr.icmp.isValid() && hdr.icmp.code == 0 && local.fragment == FRAGMENT_NO
                   && ((hdr.ipv4.isValid() && hdr.icmp.type == 8) || (hdr.ipv6.isValid() && hdr.icmp.type == 128))) {
            question = 1;
        }
        if (local.responds == 1) {
            holder = local.vip_mac;
            if (hdr.arp.isValid() && hdr.arp.spa == local.server[31:0]) {
                holder = hdr.arp.sha;
            } else if (hdr.nd.isValid() && hdr.icmp.type == 136) {
                holder = hdr.ethernet.src;
                if (hdr.nd_option.isValid() && hdr.nd_option.type == 2) {
                    holder = hdr.nd_option.mac;
                }
            }
            if (holder != local.vip_mac) {
                tell = REASON_CONFLICT;
                local.listener = local.vip;
                local.client = holder ++ 80w0;
            }
        }
        if (question == 1) {
            authority.read(deadline, (bit<32>)local.vip & (VIPS - 1));
            // A local address (no VIP) is this switch's own and needs no authority.
            if (local.vip != 0 && (local.responds == 0 || deadline <= std.ingress_global_timestamp)) {
                // Who has the VIP may be on the same segment, at another site: the question goes on. A ping does not.
                drop = DROP_NO_AUTHORITY;
                local.done = 1;
                if (!hdr.icmp.isValid() || hdr.nd.isValid()) {
                    local.flood = 1;
                }
            } else if (hdr.arp.isValid()) {
                answer_arp();
            } else if (hdr.nd.isValid()) {
                hdr.icmp.rest = 0x60000000;
                if (hdr.ipv6.src == 0) {
                    answer_probe();
                }
                answer_nd();
            } else if (hdr.ipv4.isValid()) {
                answer_echo4();
            } else {
                answer_echo6();
            }
        }
    }
}
