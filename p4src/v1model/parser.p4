// Parser: Ethernet, ARP, IPv4 with options, IPv6 with a fragment header, TCP, UDP, ICMP; inside ICMP errors the
// quoted IP header and eight bytes; inside neighbour solicitations and
// advertisements the target and its option.
//
//   cpu ─► packet_out ─┐
//   port ──────────────┴► ethernet ─► tag ─┬► arp
//                                          ├► ipv4 ─► options ─┬► tcp
//                                          └► ipv6 ─► fragment ┼► udp
//                                                              └► icmp ─┬► nd ─► option
//                                                                       └► inner4, inner6 ─► quoted
//
// VIPs live where untagged frames do. A tag that names no VLAN (VID 0) is taken off, as a bridge does; what is in a
// VLAN is another network's, in which the same addresses may be another host's: it is not looked into.

parser PacketParser(packet_in packet, out headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    state start {
        transition select(std.ingress_port) {
            CPU_PORT: parse_packet_out;
            default: parse_ethernet;
        }
    }

    state parse_packet_out {
        packet.extract(hdr.packet_out);
        transition select(hdr.packet_out.op) {
            OP_AUTHORIZE: accept;
            OP_CLOCK: accept;
            default: parse_ethernet;
        }
    }

    state parse_ethernet {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            ETHERTYPE_IPV4: parse_ipv4;
            ETHERTYPE_IPV6: parse_ipv6;
            ETHERTYPE_ARP: parse_arp;
            ETHERTYPE_VLAN: parse_vlan;
            ETHERTYPE_SERVICE_VLAN: parse_vlan;
            default: accept;
        }
    }

    state parse_vlan {
        transition select(packet.lookahead<bit<16>>()) {
            0x0000 &&& 0x0fff: parse_tag;
            default: accept;
        }
    }

    state parse_tag {
        packet.extract(hdr.tag);
        hdr.ethernet.type = hdr.tag.type;
        transition select(hdr.tag.type) {
            ETHERTYPE_IPV4: parse_ipv4;
            ETHERTYPE_IPV6: parse_ipv6;
            ETHERTYPE_ARP: parse_arp;
            default: accept;
        }
    }

    state parse_arp {
        packet.extract(hdr.arp);
        transition accept;
    }

    state parse_ipv4 {
        packet.extract(hdr.ipv4);
        verify(hdr.ipv4.ihl >= 5, error.HeaderTooShort);
        transition select(hdr.ipv4.ihl) {
            5: parse_ipv4_payload;
            default: parse_ipv4_options;
        }
    }

    state parse_ipv4_options {
        packet.extract(hdr.options, (bit<32>)(((bit<16>)hdr.ipv4.ihl - 5) << 5));
        transition parse_ipv4_payload;
    }

    state parse_ipv4_payload {
        transition select(hdr.ipv4.offset, hdr.ipv4.proto) {
            (0, PROTO_TCP): parse_tcp;
            (0, PROTO_UDP): parse_udp;
            (0, PROTO_ICMP): parse_icmp4;
            default: accept;
        }
    }

    state parse_ipv6 {
        packet.extract(hdr.ipv6);
        transition select(hdr.ipv6.next) {
            PROTO_TCP: parse_tcp;
            PROTO_UDP: parse_udp;
            PROTO_ICMP6: parse_icmp6;
            PROTO_FRAGMENT: parse_fragment;
            default: accept;
        }
    }

    state parse_fragment {
        packet.extract(hdr.fragment);
        transition select(hdr.fragment.offset, hdr.fragment.next) {
            (0, PROTO_TCP): parse_tcp;
            (0, PROTO_UDP): parse_udp;
            default: accept;
        }
    }

    state parse_tcp {
        packet.extract(hdr.tcp);
        transition accept;
    }

    state parse_udp {
        packet.extract(hdr.udp);
        transition accept;
    }

    // Unreachable, time exceeded, parameter problem.
    state parse_icmp4 {
        packet.extract(hdr.icmp);
        transition select(hdr.icmp.type) {
            3: parse_inner4;
            11: parse_inner4;
            12: parse_inner4;
            default: accept;
        }
    }

    // Unreachable, too big, time exceeded, parameter problem; neighbour solicitation and advertisement.
    state parse_icmp6 {
        packet.extract(hdr.icmp);
        transition select(hdr.icmp.type) {
            1: parse_inner6;
            2: parse_inner6;
            3: parse_inner6;
            4: parse_inner6;
            135: parse_nd;
            136: parse_nd;
            default: accept;
        }
    }

    state parse_nd {
        packet.extract(hdr.nd);
        transition select(hdr.ipv6.length) {
            24: accept;
            default: parse_nd_option;
        }
    }

    state parse_nd_option {
        packet.extract(hdr.nd_option);
        transition accept;
    }

    // A quoted header with options is left as it is: connections are not opened with them.
    state parse_inner4 {
        packet.extract(hdr.inner4);
        transition select(hdr.inner4.ihl, hdr.inner4.offset, hdr.inner4.proto) {
            (5, 0, PROTO_TCP): parse_quoted;
            (5, 0, PROTO_UDP): parse_quoted;
            default: accept;
        }
    }

    state parse_inner6 {
        packet.extract(hdr.inner6);
        transition select(hdr.inner6.next) {
            PROTO_TCP: parse_quoted;
            PROTO_UDP: parse_quoted;
            default: accept;
        }
    }

    state parse_quoted {
        packet.extract(hdr.quoted);
        transition accept;
    }
}
