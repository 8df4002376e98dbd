// Classify: who talks to whom, as the stages see it. An ICMP error stands for the packet that it quotes, which went
// from server to client; a later fragment gets its ports from the first.
//
//   packet ─► addresses ─► ports ─┬► TCP, UDP           ─► fragments ─► client, server, ports
//                                 └► error: the quoted packet, turned round

control Classify(inout headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    action v4() {
        local.is_ip = 1;
        local.src = MAPPED ++ hdr.ipv4.src;
        local.dst = MAPPED ++ hdr.ipv4.dst;
        local.proto = hdr.ipv4.proto;
    }

    action v6() {
        local.is_ip = 1;
        local.src = hdr.ipv6.src;
        local.dst = hdr.ipv6.dst;
        local.proto = hdr.ipv6.next;
    }

    apply {
        local.now = std.ingress_global_timestamp[43:20];
        if (hdr.ipv4.isValid()) {
            v4();
            if (hdr.ipv4.offset != 0) {
                local.fragment = FRAGMENT_LATER;
            } else if (hdr.ipv4.mf == 1) {
                local.fragment = FRAGMENT_FIRST;
            }
        } else if (hdr.ipv6.isValid()) {
            v6();
            if (hdr.fragment.isValid()) {
                local.proto = hdr.fragment.next;
                if (hdr.fragment.offset != 0) {
                    local.fragment = FRAGMENT_LATER;
                } else if (hdr.fragment.mf == 1) {
                    local.fragment = FRAGMENT_FIRST;
                }
            }
        }
        local.client = local.src;
        local.server = local.dst;
        if (hdr.tcp.isValid()) {
            local.is_transport = 1;
            local.client_port = hdr.tcp.sport;
            local.server_port = hdr.tcp.dport;
            local.syn = hdr.tcp.syn_flag & (hdr.tcp.ack_flag ^ 1);
            local.fin = hdr.tcp.fin_flag;
            local.rst = hdr.tcp.rst_flag;
        } else if (hdr.udp.isValid()) {
            local.is_transport = 1;
            local.client_port = hdr.udp.sport;
            local.server_port = hdr.udp.dport;
        } else if (hdr.quoted.isValid()) {
            local.is_error = 1;
            local.client_port = hdr.quoted.dport;
            local.server_port = hdr.quoted.sport;
            if (hdr.inner4.isValid()) {
                local.client = MAPPED ++ hdr.inner4.dst;
                local.server = MAPPED ++ hdr.inner4.src;
                local.proto = hdr.inner4.proto;
            } else {
                local.client = hdr.inner6.dst;
                local.server = hdr.inner6.src;
                local.proto = hdr.inner6.next;
            }
        }
    }
}

// Fragments: the first one of a datagram leaves its ports for the later ones, for a few seconds.
//
//   cell (96 bits): digest 32 | client port 16 | server port 16 | until 24 | unused 8
control Fragments(inout headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    register<bit<96>>(FRAGMENTS) datagrams;
    bit<32> id;
    bit<32> place;
    bit<32> check;
    bit<96> cell;

    apply {
        id = (bit<32>)hdr.ipv4.id;
        if (hdr.fragment.isValid()) {
            id = hdr.fragment.id;
        }
        hash(place, HashAlgorithm.crc32, 32w0, {local.src, local.dst, id, local.proto}, 64w0x100000000);
        hash(check, HashAlgorithm.crc32, 32w0, {id + local.key_ports, local.dst, local.proto, local.src}, 64w0x100000000);
        place = place & (FRAGMENTS - 1);
        datagrams.read(cell, place);
        if (local.fragment == FRAGMENT_FIRST) {
            datagrams.write(place, check ++ local.client_port ++ local.server_port ++ (local.now + 16) ++ 8w0);
        } else if (cell[95:64] == check && cell[31:8] - local.now <= 16) {
            local.is_transport = 1;
            local.client_port = cell[63:48];
            local.server_port = cell[47:32];
        }
    }
}
