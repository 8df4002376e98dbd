// One of every kind of entity that P4Runtime can write, for tests of the embedded switch's server.
//
//   parser (value set) > port > slot > acl > route > member > choice > limit > egress
//
// A packet from the CPU port carries packet_out and leaves by its port; everything else is decided by the tables.
#include <core.p4>
#include <v1model.p4>

#define CPU_PORT 510

@controller_header("packet_in")
header packet_in_t {
    bit<9> ingress_port;
    bit<7> reason;
}

@controller_header("packet_out")
header packet_out_t {
    bit<9> egress_port;
    bit<7> pad;
}

header ethernet_t {
    bit<48> dst;
    bit<48> src;
    bit<16> type;
}

// What this program calls an address: enough to match on, simple to craft.
header address_t {
    bit<32> src;
    bit<32> dst;
    bit<16> port;
    bit<16> slot;
}

struct headers_t {
    packet_in_t  packet_in;
    packet_out_t packet_out;
    ethernet_t   ethernet;
    address_t    address;
}

struct seen_t {
    bit<48> src;
    bit<9>  port;
}

struct metadata_t {
    bit<16> pool;
    bit<16> backend;
    bit<2>  color;
}

parser Parse(packet_in packet, out headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    value_set<bit<16>>(4) address_types;

    state start {
        transition select(std.ingress_port) {
            CPU_PORT: from_cpu;
            default: ethernet;
        }
    }
    state from_cpu {
        packet.extract(hdr.packet_out);
        transition ethernet;
    }
    state ethernet {
        packet.extract(hdr.ethernet);
        transition select(hdr.ethernet.type) {
            address_types: address;
            0x88b5: address;
            default: accept;
        }
    }
    state address {
        packet.extract(hdr.address);
        transition accept;
    }
}

control Verify(inout headers_t hdr, inout metadata_t meta) { apply { } }

control Enter(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) {
    counter(16, CounterType.packets_and_bytes) ports;
    meter(4, MeterType.packets) rates;
    direct_counter(CounterType.packets_and_bytes) slot_hits;
    direct_meter<bit<2>>(MeterType.packets) limit_meter;
    register<bit<32>>(8) cells;
    @max_group_size(8) action_selector(HashAlgorithm.crc16, 64, 16) spread;
    action_profile(16) profile;

    action drop() { mark_to_drop(std); }
    action set_pool(bit<16> pool) { meta.pool = pool; }
    action set_backend(bit<16> backend) { meta.backend = backend; }
    action forward(bit<9> out_port) { std.egress_spec = out_port; }
    action rewrite(bit<48> dst, bit<9> out_port) { hdr.ethernet.dst = dst; std.egress_spec = out_port; }
    action to_group(bit<16> group) { std.mcast_grp = group; }
    action mirror(bit<9> out_port) { clone(CloneType.I2E, 7); std.egress_spec = out_port; }
    action learn() { digest<seen_t>(1, { hdr.ethernet.src, std.ingress_port }); }
    action to_cpu(bit<7> reason) {
        hdr.packet_in.setValid();
        hdr.packet_in.ingress_port = std.ingress_port;
        hdr.packet_in.reason = reason;
        std.egress_spec = CPU_PORT;
    }

    // Const: the controller may read it and nothing else.
    table port {
        key = { std.ingress_port: exact; }
        actions = { set_pool; @defaultonly NoAction; }
        const entries = {
            1: set_pool(7);
            2: set_pool(8);
        }
        const default_action = NoAction;
    }

    // Written by the thousand.
    table slot {
        key = { meta.pool: exact; hdr.address.slot: exact; }
        actions = { set_backend; @defaultonly NoAction; }
        default_action = NoAction;
        counters = slot_hits;
        size = 65536;
    }

    table acl {
        key = {
            hdr.address.src: ternary;
            hdr.address.port: range;
            hdr.ethernet.type: optional;
        }
        actions = { drop; learn; @tableonly to_cpu; NoAction; }
        default_action = NoAction;
        size = 8;
    }

    table route {
        key = { hdr.address.dst: lpm; }
        actions = { forward; rewrite; to_group; mirror; drop; }
        default_action = drop;
        support_timeout = true;
        size = 1024;
    }

    table member {
        key = { meta.backend: exact; }
        actions = { forward; rewrite; }
        implementation = profile;
        size = 64;
    }

    table choice {
        key = { hdr.ethernet.dst: exact; hdr.address.src: selector; }
        actions = { forward; rewrite; }
        implementation = spread;
        size = 64;
    }

    action measure() { limit_meter.read(meta.color); }

    table limit {
        key = { hdr.ethernet.src: exact; }
        actions = { measure; @defaultonly NoAction; }
        default_action = NoAction;
        meters = limit_meter;
        size = 64;
    }

    apply {
        if (hdr.packet_out.isValid()) {
            std.egress_spec = hdr.packet_out.egress_port;
            hdr.packet_out.setInvalid();
        } else {
            ports.count((bit<32>) std.ingress_port);
            rates.execute_meter((bit<32>) 0, meta.color);
            bit<32> held;
            cells.read(held, 0);
            cells.write(0, held + 1);
            port.apply();
            if (hdr.address.isValid()) {
                route.apply();
                slot.apply();
                member.apply();
                acl.apply();
            }
            choice.apply();
            limit.apply();
        }
    }
}

control Leave(inout headers_t hdr, inout metadata_t meta, inout standard_metadata_t std) { apply { } }

control Compute(inout headers_t hdr, inout metadata_t meta) { apply { } }

control Deparse(packet_out packet, in headers_t hdr) {
    apply { packet.emit(hdr); }
}

V1Switch(Parse(), Verify(), Enter(), Leave(), Compute(), Deparse()) main;
