// The least a switch can do: forward by destination MAC. The yardstick that benchmarks hold the balancer against.

#include <core.p4>
#include <v1model.p4>

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

struct headers_t {
    ethernet_t ethernet;
}

struct local_t { }

parser L2Parser(packet_in packet, out headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    state start {
        packet.extract(hdr.ethernet);
        transition accept;
    }
}

control L2Sums(inout headers_t hdr, inout local_t local) {
    apply { }
}

control L2Ingress(inout headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    action send(bit<9> port) {
        std.egress_spec = port;
    }

    action drop() {
        mark_to_drop(std);
    }

    table mac {
        key = { hdr.ethernet.dst : exact; }
        actions = { send; drop; }
        const default_action = drop();
        const entries = {
            0x020000000001 : send(1);
            0x020000000002 : send(2);
        }
    }

    apply {
        mac.apply();
    }
}

control L2Egress(inout headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    apply { }
}

control L2Deparser(packet_out packet, in headers_t hdr) {
    apply {
        packet.emit(hdr.ethernet);
    }
}

V1Switch(L2Parser(), L2Sums(), L2Ingress(), L2Egress(), L2Sums(), L2Deparser()) main;
