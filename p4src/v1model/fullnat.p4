// Fullnat: who is behind a local port. A connection's place in the memory, way and index, is its local address and
// port, so ports are given out and taken back with the cells, and rest as long as a closed cell does.
//
//   client ─► cell (way, index) ─► peers[way][index] = client, port, listener
//   server ─► local address (way), port (index) ─► cell alive? ─► peers ─► answer_local ─► from the VIP, to the client
//   ICMP error about what was sent to a server: the same, inside too
//
//   peer (160 bits): client 128 | client port 16 | listener 16; an IPv4 client takes as much room as an IPv6 one

register<bit<160>>(PEERS) peers0;
register<bit<160>>(PEERS) peers1;
register<bit<160>>(PEERS) peers2;
register<bit<160>>(PEERS) peers3;

// Writes the peer of a new cell; of a known one it makes sure: a false hit of the digest must not mix two clients up.
control Peer(inout local_t local, inout bit<32> drop) {
    bit<160> wanted;
    bit<160> found;

    apply {
        wanted = local.client ++ local.client_port ++ local.listener;
        found = wanted;
        if (local.known == 1) {
            if (local.way == 0) {
                peers0.read(found, (bit<32>)local.index0);
            } else if (local.way == 1) {
                peers1.read(found, (bit<32>)local.index1);
            } else if (local.way == 2) {
                peers2.read(found, (bit<32>)local.index2);
            } else {
                peers3.read(found, (bit<32>)local.index3);
            }
        } else if (local.way == 0) {
            peers0.write((bit<32>)local.index0, wanted);
        } else if (local.way == 1) {
            peers1.write((bit<32>)local.index1, wanted);
        } else if (local.way == 2) {
            peers2.write((bit<32>)local.index2, wanted);
        } else if (local.way == 3) {
            peers3.write((bit<32>)local.index3, wanted);
        }
        if (local.way == NO_WAY || found != wanted) {
            drop = DROP_MEMORY;
            local.done = 1;
        }
    }
}

control AnswerLocal(inout headers_t hdr, inout local_t local, inout bit<32> drop) {
    bit<3> way;
    bit<32> index;
    bit<96> bits;
    bit<160> peer;
    bit<128> client;
    bit<16> port;
    bit<24> left;
    bit<32> gone;
    bit<32> come;

    action here(bit<3> of_way) {
        way = of_way;
    }

    // legal: addresses that a `fullnat` action of table `backend` names, with their way, 0 to 3
    @id(0x0200000a)
    table local_address {
        key = { local.dst : exact @name("address"); }
        actions = { here; @defaultonly NoAction; }
        default_action = NoAction();
        size = VIPS;
    }

    action undo_fullnat4(bit<32> vip, bit<16> vip_port, bit<16> change) {
        hdr.ipv4.src = vip;
        port = vip_port;
        local.delta = (bit<32>)change;
    }

    action undo_fullnat6(bit<128> vip, bit<16> vip_port, bit<16> change) {
        hdr.ipv6.src = vip;
        port = vip_port;
        local.delta = (bit<32>)change;
    }

    // legal: one entry for each fullnat backend of table `backend`; others than that server get no answer through
    @id(0x0200000b)
    table answer_local {
        key = {
            local.listener : exact @name("listener");
            local.backend : exact @name("backend");
            local.client : exact @name("server");
            local.client_port : exact @name("port");
        }
        actions = { undo_fullnat4; undo_fullnat6; @defaultonly NoAction; }
        default_action = NoAction();
        size = BACKENDS;
    }

    apply {
        way = 0;
        if (local_address.apply().hit) {
            index = (bit<32>)(local.server_port & 0x7fff);
            if (way == 0) {
                cells0.read(bits, index);
                peers0.read(peer, index);
            } else if (way == 1) {
                cells1.read(bits, index);
                peers1.read(peer, index);
            } else if (way == 2) {
                cells2.read(bits, index);
                peers2.read(peer, index);
            } else {
                cells3.read(bits, index);
                peers3.read(peer, index);
            }
            client = peer[159:32];
            local.listener = peer[15:0];
            local.backend = bits[63:48];
            port = 0;
            left = bits[31:8] - local.now;
            if ((local.is_transport == 0 && local.is_error == 0) || local.server_port < 0x8000
                || bits[7:5] == CELL_FREE || bits[3:3] == 0 || left == 0 || left > LONGEST
                || !answer_local.apply().hit) {
                drop = DROP_ANSWER;
                local.done = 1;
            } else {
                if (hdr.ipv4.isValid()) {
                    gone = (bit<32>)hdr.ipv4.dst[31:16] + (bit<32>)hdr.ipv4.dst[15:0];
                    come = (bit<32>)client[31:16] + (bit<32>)client[15:0];
                    hdr.ipv4.dst = client[31:0];
                } else {
                    gone = (bit<32>)hdr.ipv6.dst[127:112] + (bit<32>)hdr.ipv6.dst[111:96]
                        + (bit<32>)hdr.ipv6.dst[95:80] + (bit<32>)hdr.ipv6.dst[79:64] + (bit<32>)hdr.ipv6.dst[63:48]
                        + (bit<32>)hdr.ipv6.dst[47:32] + (bit<32>)hdr.ipv6.dst[31:16] + (bit<32>)hdr.ipv6.dst[15:0];
                    come = (bit<32>)client[127:112] + (bit<32>)client[111:96] + (bit<32>)client[95:80]
                        + (bit<32>)client[79:64] + (bit<32>)client[63:48] + (bit<32>)client[47:32]
                        + (bit<32>)client[31:16] + (bit<32>)client[15:0];
                    hdr.ipv6.dst = client;
                }
                local.dst = client;
                local.delta = local.delta + come + (0x7fff8 - gone);
                if (hdr.tcp.isValid()) {
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.tcp.sport)
                        + (bit<32>)peer[31:16] + (bit<32>)(~hdr.tcp.dport);
                    hdr.tcp.sport = port;
                    hdr.tcp.dport = peer[31:16];
                } else if (hdr.udp.isValid()) {
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.udp.sport)
                        + (bit<32>)peer[31:16] + (bit<32>)(~hdr.udp.dport);
                    hdr.udp.sport = port;
                    hdr.udp.dport = peer[31:16];
                } else if (local.is_error == 1) {
                    // As in answer.p4; of the client's address, too, there are two.
                    if (hdr.inner4.isValid()) {
                        local.delta = 0;
                        hdr.inner4.src = hdr.ipv4.dst;
                        hdr.inner4.dst = hdr.ipv4.src;
                    } else {
                        local.delta = local.delta + local.delta + words(local.client) + (0x7fff8 - words(local.src));
                        hdr.inner6.src = hdr.ipv6.dst;
                        hdr.inner6.dst = hdr.ipv6.src;
                    }
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.quoted.dport)
                        + (bit<32>)peer[31:16] + (bit<32>)(~hdr.quoted.sport);
                    hdr.quoted.dport = port;
                    hdr.quoted.sport = peer[31:16];
                }
                local.forward = 1;
            }
        }
    }
}
