// Backend: brings a packet to its server by mode, and counts (listener, backend).
//
//   dr       MACs                                 nat   + destination address and port
//   fullnat  + source: this switch's local address of the cell's way, its port the cell's place
//   tun      IPIP, IPv4 or IPv6 outside; what is too big is a packet-in, and answered packet-too-big
//
// `delta` is added to the transport checksum: one's complement sum of what comes less what goes. Of addresses that an
// entry names the controller has computed it (`change`). A later fragment has no transport header to rewrite, and an
// ICMP error is rewritten inside as well, where the same address stands as source.
//
// Of TCP, openings (SYN) and ends (FIN, RST) are counted apart. Packets that are neither do not look at that table.

control Backend(inout headers_t hdr, inout local_t local, inout standard_metadata_t std, inout bit<8> punt,
                inout bit<32> drop) {
    direct_counter(CounterType.packets_and_bytes) packets;
    direct_counter(CounterType.packets) sessions;
    bit<1> ends;
    bit<16> port;
    bit<16> local_port;
    bit<128> local_address;
    bit<1> translate;
    bit<32> gone;
    bit<32> come;
    bit<16> mtu;
    bit<48> came_from;
    bit<48> came_to;

    action leave(bit<48> mac, bit<16> group) {
        packets.count();
        hdr.ethernet.src = local.mac;
        hdr.ethernet.dst = mac;
        local.group = group;
    }

    action count() {
        sessions.count();
    }

    action dr(bit<48> mac, bit<16> group) {
        leave(mac, group);
    }

    action nat4(bit<48> mac, bit<16> group, bit<32> address, bit<16> to_port, bit<16> change) {
        leave(mac, group);
        hdr.ipv4.dst = address;
        port = to_port;
        translate = 1;
        local.delta = (bit<32>)change;
    }

    action nat6(bit<48> mac, bit<16> group, bit<128> address, bit<16> to_port, bit<16> change) {
        leave(mac, group);
        hdr.ipv6.dst = address;
        port = to_port;
        translate = 1;
        local.delta = (bit<32>)change;
    }

    // first: the local address of way 0; those of the other ways follow it.
    action fullnat4(bit<48> mac, bit<16> group, bit<32> address, bit<16> to_port, bit<16> change, bit<32> first) {
        nat4(mac, group, address, to_port, change);
        local_address = MAPPED ++ (first + (bit<32>)local.way);
    }

    action fullnat6(bit<48> mac, bit<16> group, bit<128> address, bit<16> to_port, bit<16> change, bit<128> first) {
        nat6(mac, group, address, to_port, change);
        local_address = first[127:8] ++ (first[7:0] + (bit<8>)local.way);
    }

    action tun4(bit<48> mac, bit<16> group, bit<32> from, bit<32> to, bit<16> largest) {
        leave(mac, group);
        hdr.outer4.setValid();
        hdr.outer4.version = 4;
        hdr.outer4.ihl = 5;
        hdr.outer4.df = 1;
        hdr.outer4.ttl = 64;
        hdr.outer4.src = from;
        hdr.outer4.dst = to;
        mtu = largest;
    }

    action tun6(bit<48> mac, bit<16> group, bit<128> from, bit<128> to, bit<16> largest) {
        leave(mac, group);
        hdr.outer6.setValid();
        hdr.outer6.version = 6;
        hdr.outer6.hops = 64;
        hdr.outer6.src = from;
        hdr.outer6.dst = to;
        mtu = largest;
    }

    // legal: the action of the listener's mode and family; a group of table `nexthop`, or 0 for a routed backend;
    // fullnat: `first` on a multiple of four, with all four in table `local_address`; largest: IP bytes that fit inside
    @id(0x02000009)
    table backend {
        key = {
            local.listener : exact @name("listener");
            local.backend : exact @name("backend");
        }
        actions = { dr; nat4; nat6; fullnat4; fullnat6; tun4; tun6; @defaultonly NoAction; }
        default_action = NoAction();
        counters = packets;
        size = BACKENDS;
    }

    // legal: each key of table `backend` whose listener is TCP's, once for openings and once for ends
    @id(0x02000015)
    table session {
        key = {
            local.listener : exact @name("listener");
            local.backend : exact @name("backend");
            ends : exact @name("ends");
        }
        actions = { count; @defaultonly NoAction; }
        default_action = NoAction();
        counters = sessions;
        size = SESSIONS;
    }

    apply {
        ends = local.syn ^ 1;
        if (local.syn == 1 || local.fin == 1 || local.rst == 1) {
            session.apply();
        }
        port = 0;
        translate = 0;
        local_address = 0;
        mtu = 0;
        gone = 0;
        come = 0;
        local_port = 0;
        came_from = hdr.ethernet.src;
        came_to = hdr.ethernet.dst;
        if (!backend.apply().hit) {
            drop = DROP_NO_BACKEND;
            local.done = 1;
        } else if (translate == 1) {
            if (local.group != 0) {
                local.hop = 1;
            }
            if (local.fullnat == 1) {
                local_port = local.index0;
                if (local.way == 1) {
                    local_port = local.index1;
                } else if (local.way == 2) {
                    local_port = local.index2;
                } else if (local.way == 3) {
                    local_port = local.index3;
                }
                local_port = local_port | 0x8000;
                if (hdr.ipv4.isValid()) {
                    gone = (bit<32>)local.client[31:16] + (bit<32>)local.client[15:0];
                    come = (bit<32>)local_address[31:16] + (bit<32>)local_address[15:0];
                } else {
                    gone = (bit<32>)local.client[127:112] + (bit<32>)local.client[111:96] + (bit<32>)local.client[95:80]
                        + (bit<32>)local.client[79:64] + (bit<32>)local.client[63:48] + (bit<32>)local.client[47:32]
                        + (bit<32>)local.client[31:16] + (bit<32>)local.client[15:0];
                    come = (bit<32>)local_address[127:112] + (bit<32>)local_address[111:96]
                        + (bit<32>)local_address[95:80] + (bit<32>)local_address[79:64]
                        + (bit<32>)local_address[63:48] + (bit<32>)local_address[47:32]
                        + (bit<32>)local_address[31:16] + (bit<32>)local_address[15:0];
                }
            }
            if (local.is_error == 1) {
                // Inside: from the server, not the VIP; fullnat: to the local address. An IPv4 header sums to the same
                // whatever its addresses are, so only ports count there; over IPv6 every address counts.
                if (hdr.inner4.isValid()) {
                    local.delta = 0;
                    hdr.inner4.src = hdr.ipv4.dst;
                } else {
                    local.delta = local.delta + local.delta;
                    hdr.inner6.src = hdr.ipv6.dst;
                }
                local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.quoted.sport);
                hdr.quoted.sport = port;
                if (local.fullnat == 1) {
                    if (hdr.inner4.isValid()) {
                        hdr.inner4.dst = local_address[31:0];
                    } else {
                        hdr.inner6.dst = local_address;
                        local.delta = local.delta + come + (0x7fff8 - gone);
                    }
                    local.delta = local.delta + (bit<32>)local_port + (bit<32>)(~hdr.quoted.dport);
                    hdr.quoted.dport = local_port;
                }
            } else {
                if (local.fullnat == 1) {
                    if (hdr.ipv4.isValid()) {
                        hdr.ipv4.src = local_address[31:0];
                    } else {
                        hdr.ipv6.src = local_address;
                    }
                    local.delta = local.delta + come + (0x7fff8 - gone);
                }
                if (hdr.tcp.isValid()) {
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.tcp.dport);
                    hdr.tcp.dport = port;
                    if (local.fullnat == 1) {
                        local.delta = local.delta + (bit<32>)local_port + (bit<32>)(~hdr.tcp.sport);
                        hdr.tcp.sport = local_port;
                    }
                } else if (hdr.udp.isValid()) {
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.udp.dport);
                    hdr.udp.dport = port;
                    if (local.fullnat == 1) {
                        local.delta = local.delta + (bit<32>)local_port + (bit<32>)(~hdr.udp.sport);
                        hdr.udp.sport = local_port;
                    }
                }
            }
        } else if (mtu != 0) {
            bit<16> length = (bit<16>)std.packet_length - 14;
            if (hdr.packet_out.isValid()) {
                length = length - 12;
            }
            if (hdr.tag.isValid()) {
                length = length - 4;
            }
            if (length > mtu) {
                hdr.outer4.setInvalid();
                hdr.outer6.setInvalid();
                hdr.ethernet.src = came_from;
                hdr.ethernet.dst = came_to;
                punt = REASON_TOO_BIG;
                local.done = 1;
            } else {
                bit<8> carried = PROTO_IPV6;
                if (hdr.ipv4.isValid()) {
                    carried = PROTO_IPV4;
                }
                hdr.ethernet.type = ETHERTYPE_IPV6;
                if (hdr.outer4.isValid()) {
                    hdr.ethernet.type = ETHERTYPE_IPV4;
                }
                hdr.outer4.length = length + 20;
                hdr.outer4.proto = carried;
                hdr.outer6.length = length;
                hdr.outer6.next = carried;
            }
        }
    }
}
