// Headers on the wire, the same for every target.
#ifndef EVENKEEL_HEADERS
#define EVENKEEL_HEADERS

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

// IEEE 802.1Q: of a frame that names no VLAN (VID 0), only a priority.
header tag_t {
    bit<3> priority;
    bit<1> dei;
    bit<12> vid;
    bit<16> type;
}

header arp_t {
    bit<16> htype;
    bit<16> ptype;
    bit<8> hlen;
    bit<8> plen;
    bit<16> op;
    bit<48> sha;
    bit<32> spa;
    bit<48> tha;
    bit<32> tpa;
}

header ipv4_t {
    bit<4> version;
    bit<4> ihl;
    bit<8> tos;
    bit<16> length;
    bit<16> id;
    bit<1> reserved;
    bit<1> df;
    bit<1> mf;
    bit<13> offset;
    bit<8> ttl;
    bit<8> proto;
    bit<16> checksum;
    bit<32> src;
    bit<32> dst;
}

header ipv4_options_t {
    varbit<320> data;
}

header ipv6_t {
    bit<4> version;
    bit<8> traffic_class;
    bit<20> flow_label;
    bit<16> length;
    bit<8> next;
    bit<8> hops;
    bit<128> src;
    bit<128> dst;
}

header fragment_t {
    bit<8> next;
    bit<8> reserved;
    bit<13> offset;
    bit<2> reserved2;
    bit<1> mf;
    bit<32> id;
}

header tcp_t {
    bit<16> sport;
    bit<16> dport;
    bit<32> seq;
    bit<32> ack;
    bit<4> offset;
    bit<6> reserved;
    bit<1> urg_flag;
    bit<1> ack_flag;
    bit<1> psh_flag;
    bit<1> rst_flag;
    bit<1> syn_flag;
    bit<1> fin_flag;
    bit<16> window;
    bit<16> checksum;
    bit<16> urgent;
}

header udp_t {
    bit<16> sport;
    bit<16> dport;
    bit<16> length;
    bit<16> checksum;
}

// ICMP and ICMPv6: errors and echoes have four more bytes before what they carry.
header icmp_t {
    bit<8> type;
    bit<8> code;
    bit<16> checksum;
    bit<32> rest;
}

// What follows icmp_t in a neighbour solicitation or advertisement.
header nd_t {
    bit<128> target;
}

header nd_option_t {
    bit<8> type;
    bit<8> length;
    bit<48> mac;
}

// The first eight bytes of TCP or UDP as an ICMP error quotes them.
header quoted_t {
    bit<16> sport;
    bit<16> dport;
    bit<32> rest;
}

@controller_header("packet_in")
header packet_in_t {
    bit<16> port;       // where the frame came in
    bit<8> reason;      // REASON_*
    bit<8> way;         // fullnat: unused elsewhere
    bit<16> listener;
    bit<16> backend;
    bit<48> time;       // this switch's clock, microseconds
}

@controller_header("packet_out")
header packet_out_t {
    bit<16> port;       // OP_SEND: out of it; OP_INJECT, OP_ASK: as if received there
    bit<8> op;          // OP_*
    bit<8> unused;
    bit<16> vip;        // OP_AUTHORIZE
    bit<48> deadline;   // OP_AUTHORIZE: this switch's clock, microseconds
}

struct headers_t {
    packet_in_t packet_in;
    packet_out_t packet_out;
    ethernet_t ethernet;
    tag_t tag;          // never sent
    ipv4_t outer4;
    ipv6_t outer6;
    arp_t arp;
    ipv4_t ipv4;
    ipv4_options_t options;
    ipv6_t ipv6;
    fragment_t fragment;
    icmp_t icmp;
    nd_t nd;
    nd_option_t nd_option;
    ipv4_t inner4;
    ipv6_t inner6;
    quoted_t quoted;
    tcp_t tcp;
    udp_t udp;
}

#endif
