// Answer: undoes nat, statelessly, at whatever switch the server's answer passes.
//
//   (server, port, protocol) ─► from (VIP, port) ─► routed          to a bypass host: untouched
//   ICMP error to the client about what it sent to (server, port) ─► from the VIP, about what it sent to (VIP, port)

control Answer(inout headers_t hdr, inout local_t local) {
    bit<16> port;

    action undo_nat4(bit<32> vip, bit<16> vip_port, bit<16> change) {
        hdr.ipv4.src = vip;
        port = vip_port;
        local.delta = (bit<32>)change;
    }

    action undo_nat6(bit<128> vip, bit<16> vip_port, bit<16> change) {
        hdr.ipv6.src = vip;
        port = vip_port;
        local.delta = (bit<32>)change;
    }

    // legal: one entry for each server port of a nat listener; a server port serves one nat listener
    @id(0x0200000c)
    table answer {
        key = {
            local.client : exact @name("server");
            local.client_port : exact @name("port");
            local.proto : exact @name("protocol");
        }
        actions = { undo_nat4; undo_nat6; @defaultonly NoAction; }
        default_action = NoAction();
        size = BACKENDS;
    }

    action direct() { }

    // legal: the site's bypass prefixes
    @id(0x0200000d)
    table bypass {
        key = { local.dst : lpm @name("address"); }
        actions = { direct; @defaultonly NoAction; }
        default_action = NoAction();
        size = BYPASSES;
    }

    apply {
        port = 0;
        if (!bypass.apply().hit) {
            if (answer.apply().hit) {
                if (hdr.tcp.isValid()) {
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.tcp.sport);
                    hdr.tcp.sport = port;
                } else if (hdr.udp.isValid()) {
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.udp.sport);
                    hdr.udp.sport = port;
                } else if (local.is_error == 1) {
                    // The sum of an IPv4 header does not tell its addresses; over IPv6 both that are the VIP now count,
                    // that outside the sender of the error.
                    if (hdr.inner4.isValid()) {
                        local.delta = 0;
                        hdr.inner4.dst = hdr.ipv4.src;
                    } else {
                        local.delta = local.delta + local.delta + words(local.client) + (0x7fff8 - words(local.src));
                        hdr.inner6.dst = hdr.ipv6.src;
                    }
                    local.delta = local.delta + (bit<32>)port + (bit<32>)(~hdr.quoted.dport);
                    hdr.quoted.dport = port;
                }
            }
        }
    }
}
