// Checksums: IPv4 headers and neighbour solicitations are checked; IPv4 headers are summed again, transport checksums get
// what changed, neighbour advertisements are summed.

control CheckSums(inout headers_t hdr, inout local_t local) {
    apply {
        verify_checksum(hdr.ipv4.isValid(), {
            hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.reserved, hdr.ipv4.df,
            hdr.ipv4.mf, hdr.ipv4.offset, hdr.ipv4.ttl, hdr.ipv4.proto, hdr.ipv4.src, hdr.ipv4.dst, hdr.options.data
        }, hdr.ipv4.checksum, HashAlgorithm.csum16);
        // Questions as hosts ask them: with one option, or none. Others are not added up.
        verify_checksum(hdr.nd.isValid() && hdr.ipv6.length == 24, {
            hdr.ipv6.src, hdr.ipv6.dst, 16w0, hdr.ipv6.length, 24w0, hdr.ipv6.next,
            hdr.icmp.type, hdr.icmp.code, hdr.icmp.rest, hdr.nd.target
        }, hdr.icmp.checksum, HashAlgorithm.csum16);
        verify_checksum(hdr.nd_option.isValid() && hdr.ipv6.length == 32, {
            hdr.ipv6.src, hdr.ipv6.dst, 16w0, hdr.ipv6.length, 24w0, hdr.ipv6.next,
            hdr.icmp.type, hdr.icmp.code, hdr.icmp.rest, hdr.nd.target,
            hdr.nd_option.type, hdr.nd_option.length, hdr.nd_option.mac
        }, hdr.icmp.checksum, HashAlgorithm.csum16);
    }
}

// Adds `local.delta` to the one's complement sum behind a checksum; UDP over IPv4 without one stays without.
control Adjust(inout headers_t hdr, inout local_t local) {
    bit<32> sum;
    bit<16> old;

    apply {
        old = 0;
        if (hdr.tcp.isValid()) {
            old = hdr.tcp.checksum;
        } else if (hdr.udp.isValid()) {
            old = hdr.udp.checksum;
        } else if (hdr.icmp.isValid()) {
            old = hdr.icmp.checksum;
        }
        sum = (bit<32>)(~old) + (local.delta & 0xffff) + (local.delta >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        sum = (sum & 0xffff) + (sum >> 16);
        if (hdr.tcp.isValid()) {
            hdr.tcp.checksum = ~sum[15:0];
        } else if (hdr.udp.isValid()) {
            if (old != 0) {
                hdr.udp.checksum = ~sum[15:0];
                if (hdr.udp.checksum == 0) {
                    hdr.udp.checksum = 0xffff;
                }
            }
        } else if (hdr.icmp.isValid()) {
            hdr.icmp.checksum = ~sum[15:0];
        }
    }
}

control WriteSums(inout headers_t hdr, inout local_t local) {
    apply {
        update_checksum(hdr.ipv4.isValid(), {
            hdr.ipv4.version, hdr.ipv4.ihl, hdr.ipv4.tos, hdr.ipv4.length, hdr.ipv4.id, hdr.ipv4.reserved, hdr.ipv4.df,
            hdr.ipv4.mf, hdr.ipv4.offset, hdr.ipv4.ttl, hdr.ipv4.proto, hdr.ipv4.src, hdr.ipv4.dst, hdr.options.data
        }, hdr.ipv4.checksum, HashAlgorithm.csum16);
        update_checksum(hdr.inner4.isValid(), {
            hdr.inner4.version, hdr.inner4.ihl, hdr.inner4.tos, hdr.inner4.length, hdr.inner4.id, hdr.inner4.reserved,
            hdr.inner4.df, hdr.inner4.mf, hdr.inner4.offset, hdr.inner4.ttl, hdr.inner4.proto, hdr.inner4.src,
            hdr.inner4.dst
        }, hdr.inner4.checksum, HashAlgorithm.csum16);
        update_checksum(hdr.outer4.isValid(), {
            hdr.outer4.version, hdr.outer4.ihl, hdr.outer4.tos, hdr.outer4.length, hdr.outer4.id, hdr.outer4.reserved,
            hdr.outer4.df, hdr.outer4.mf, hdr.outer4.offset, hdr.outer4.ttl, hdr.outer4.proto, hdr.outer4.src,
            hdr.outer4.dst
        }, hdr.outer4.checksum, HashAlgorithm.csum16);
        update_checksum(local.check_nd == 1, {
            hdr.ipv6.src, hdr.ipv6.dst, 16w0, hdr.ipv6.length, 24w0, hdr.ipv6.next,
            hdr.icmp.type, hdr.icmp.code, hdr.icmp.rest, hdr.nd.target,
            hdr.nd_option.type, hdr.nd_option.length, hdr.nd_option.mac
        }, hdr.icmp.checksum, HashAlgorithm.csum16);
    }
}

control PacketDeparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.packet_in);
        packet.emit(hdr.ethernet);
        packet.emit(hdr.outer4);
        packet.emit(hdr.outer6);
        packet.emit(hdr.arp);
        packet.emit(hdr.ipv4);
        packet.emit(hdr.options);
        packet.emit(hdr.ipv6);
        packet.emit(hdr.fragment);
        packet.emit(hdr.icmp);
        packet.emit(hdr.nd);
        packet.emit(hdr.nd_option);
        packet.emit(hdr.inner4);
        packet.emit(hdr.inner6);
        packet.emit(hdr.quoted);
        packet.emit(hdr.tcp);
        packet.emit(hdr.udp);
    }
}
