// Evenkeel on v1model: a layer-4 load balancer as one pipeline, whatever role a switch has. Tables say which.
//
//   classify ─ fragments ─ self ─ vip ─ respond ─┬─ edge: listener ─────────────────────────── spread ─ nexthop
//                                                ├─ lb: listener ─ access ─ slot ─ pin ─ memory ─ guard ─ choose ─ remember
//                                                │                        │ └─ settled ─────── guard ─┐      │
//                                                │                        └───────────────────────────┴─ peer (fullnat) ─ backend
//                                                ├─ other unicast: answer_local, answer ─ route ─ nexthop, or flood
//                                                └─ the rest: flood
//
// Nothing here is an entry: the controller writes them all (`legal` beside each table says which are). What the switch
// has to tell goes out as digests (connections) and packet-ins (packets that need an answer), both metered.

#include <core.p4>
#include <v1model.p4>

#define CPU_PORT 510

#include "../shared/sizes.p4"
#include "../shared/ids.p4"
#include "../shared/headers.p4"
#include "../shared/types.p4"

// Index: REASON_*. What exceeds its rate is not reported; an exception is reported again by the next packet.
meter(REASONS, MeterType.packets) limits;
// Index: REASON_*. Digests that exceeded their rate: a connection may have been silent since.
counter(REASONS, CounterType.packets) lost;
// Index: DROP_*.
counter(DROPS, CounterType.packets) drops;

#include "parser.p4"
#include "classify.p4"
#include "hello.p4"
#include "self.p4"
#include "vip.p4"
#include "respond.p4"
#include "listener.p4"
#include "access.p4"
#include "pin.p4"
#include "memory.p4"
#include "guard.p4"
#include "slot.p4"
#include "choose.p4"
#include "fullnat.p4"
#include "backend.p4"
#include "answer.p4"
#include "nexthop.p4"
#include "route.p4"
#include "flood.p4"
#include "checksum.p4"

control Balance(inout headers_t hdr, inout local_t local, inout standard_metadata_t std, inout bit<8> tell,
                inout bit<8> punt, inout bit<32> drop) {
    Pin() pin;
    Memory() memory;
    Guard() guard;
    Slot() slot;
    Choose() choose;
    Remember() remember;
    Peer() peer;
    Backend() backend;
    meter_color_t color;

    apply {
        color = 0;
        local.way = NO_WAY;
        slot.apply(local);
        pin.apply(local);
        // All connections of a settled slot are its backend's, but for those that have a pin; a SYN may have gone past it.
        if (local.remembers == 1 || local.slot_class != 0 || local.pinned != 0) {
            local.recalled = 1;
            memory.apply(local);
        }
        if (local.syn == 1
            || (local.recalled == 1 && local.known == 0 && local.pinned == 0 && local.is_error == 0)) {
            guard.apply(local, drop);
        }
        if (local.done == 0) {
            if (local.recalled == 1) {
                choose.apply(local, tell, punt, drop);
            } else if (local.slot_now != 0) {
                local.backend = local.slot_now;
            } else {
                drop = DROP_NO_BACKEND;
                local.done = 1;
            }
        }
        // An error about a connection that is unknown here. Only another lb switch can know a fullnat one, and may know
        // who has one whose slot has moved: they are asked, and what is over the rate goes where the slot says. A switch
        // that was asked does not guess.
        if (local.done == 0 && local.is_error == 1 && local.known == 0 && local.pinned == 0) {
            if (hdr.packet_out.isValid() && hdr.packet_out.op == OP_ASK) {
                drop = DROP_ERROR;
                local.done = 1;
            } else if (local.fullnat == 1) {
                punt = REASON_ERROR_UNKNOWN;
                drop = DROP_ERROR;
                local.done = 1;
            } else if (local.slot_base != 0 && !hdr.packet_out.isValid()) {
                limits.execute_meter((bit<32>)REASON_ERROR_UNKNOWN, color);
                if (color != METER_RED) {
                    punt = REASON_ERROR_UNKNOWN;
                    local.metered = 1;
                    local.done = 1;
                }
            }
        }
        if (local.done == 0 && local.fullnat == 1) {
            peer.apply(local, drop);
        }
        if (local.done == 0 && local.is_error == 0) {
            if (local.way != NO_WAY) {
                remember.apply(local, color);
            } else if (local.recalled == 1 && local.syn == 0 && local.known == 0 && local.pinned == 0) {
                tell = REASON_OVERFLOW;
            }
        }
        if (local.done == 0) {
            backend.apply(hdr, local, std, punt, drop);
        }
    }
}

control Incoming(inout headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    Classify() classify;
    Hello() hello;
    Fragments() fragments;
    Self() self;
    Vip() vip;
    Respond() respond;
    Listener() listener;
    Access() access;
    Spread() spread;
    Balance() balance;
    AnswerLocal() answer_local;
    Answer() answer;
    Route() route;
    Flood() flood;
    Nexthop() nexthop;
    bit<8> tell;
    bit<8> punt;
    bit<32> drop;
    meter_color_t color;

    // To the controller, with the frame as it came in as far as that matters to it.
    action to_cpu() {
        hdr.packet_in.setValid();
        hdr.packet_in.port = (bit<16>)std.ingress_port;
        hdr.packet_in.reason = punt;
        hdr.packet_in.way = 0;
        hdr.packet_in.listener = local.listener;
        hdr.packet_in.backend = local.backend;
        hdr.packet_in.time = std.ingress_global_timestamp;
        std.egress_spec = CPU_PORT;
    }

    apply {
        tell = 0;
        punt = 0;
        drop = 0xff;
        color = 0;
        local.bucket = 0;
        if (hdr.packet_out.isValid() && hdr.packet_out.op == OP_SEND) {
            std.egress_spec = (bit<9>)hdr.packet_out.port;
            local.done = 1;
        } else if (hdr.packet_out.isValid() && hdr.packet_out.op == OP_CLOCK) {
            punt = REASON_CLOCK;
            local.done = 1;
        } else if (hdr.packet_out.isValid() && hdr.packet_out.op != OP_AUTHORIZE) {
            std.ingress_port = (bit<9>)hdr.packet_out.port;
        } else if (hdr.ethernet.isValid() && hdr.ethernet.type == ETHERTYPE_HELLO) {
            hello.apply(local, std, punt, drop);
        }
        if (std.parser_error != error.NoError || std.checksum_error == 1) {
            drop = DROP_MALFORMED;
            local.done = 1;
        }
        if (local.done == 0) {
            classify.apply(hdr, local, std);
            self.apply(local);
            if (local.fragment != FRAGMENT_NO) {
                fragments.apply(hdr, local, std);
            }
            local.port_key = local.client_port;
            vip.apply(hdr, local);
            respond.apply(hdr, local, std, tell, drop);
        }
        if (local.done == 0 && local.vip != 0 && local.dst == local.server) {
            // Later fragments whose first did not come by, and protocols without ports.
            if (local.is_transport == 1 || local.is_error == 1) {
                listener.apply(local);
            }
            if (local.uplinks != 0) {
                if (local.sticky == 1 || local.fragment != FRAGMENT_NO) {
                    local.port_key = 0;
                }
                spread.apply(local);
                hdr.ethernet.src = local.mac;
                local.group = local.uplinks;
            } else if (local.listener == 0) {
                drop = DROP_NO_LISTENER;
                if (local.fragment == FRAGMENT_LATER && local.is_transport == 0) {
                    drop = DROP_FRAGMENT;
                }
                local.done = 1;
            } else {
                access.apply(local, drop);
                if (local.done == 0) {
                    spread.apply(local);
                    balance.apply(hdr, local, std, tell, punt, drop);
                }
            }
        } else if (local.done == 0 && hdr.ethernet.dst[40:40] == 0) {
            if (local.is_ip == 1) {
                answer_local.apply(hdr, local, drop);
                if (local.done == 0 && (local.is_transport == 1 || local.is_error == 1) && local.forward == 0) {
                    answer.apply(hdr, local);
                }
            }
            spread.apply(local);
            local.forward = 1;
        } else if (local.done == 0) {
            drop = DROP_NO_ROUTE;
            local.done = 1;
            local.flood = 1;
        }
        if (local.done == 0 && local.group == 0) {
            route.apply(hdr, local, drop);
        }
        if (local.flood == 1) {
            flood.apply(hdr, local, std, drop);
        }
        if (local.done == 0 && local.hop == 1) {
            if (hdr.ipv4.isValid()) {
                if (hdr.ipv4.ttl <= 1) {
                    drop = DROP_MALFORMED;
                    local.done = 1;
                }
                hdr.ipv4.ttl = hdr.ipv4.ttl - 1;
            } else {
                if (hdr.ipv6.hops <= 1) {
                    drop = DROP_MALFORMED;
                    local.done = 1;
                }
                hdr.ipv6.hops = hdr.ipv6.hops - 1;
            }
        }
        if (local.done == 0) {
            nexthop.apply(local, std, drop);
        }
        if (tell != 0) {
            limits.execute_meter((bit<32>)tell, color);
            if (color != METER_RED) {
                digest<report_t>(1, {tell, local.listener, local.client, local.port_key, local.backend});
            } else {
                lost.count((bit<32>)tell);
            }
        }
        if (punt != 0) {
            color = 0;
            if (local.metered == 0) {
                limits.execute_meter((bit<32>)punt, color);
            }
            if (color != METER_RED) {
                to_cpu();
                drop = 0xff;
            } else {
                drop = DROP_LIMITED;
            }
        }
        hdr.packet_out.setInvalid();
        if (drop != 0xff) {
            drops.count(drop);
            mark_to_drop(std);
        }
    }
}

control Outgoing(inout headers_t hdr, inout local_t local, inout standard_metadata_t std) {
    Adjust() adjust;

    apply {
        if (local.bridged == 1 && std.egress_port == std.ingress_port) {
            mark_to_drop(std);
        }
        if (local.delta != 0) {
            adjust.apply(hdr, local);
        }
    }
}

V1Switch(PacketParser(), CheckSums(), Incoming(), Outgoing(), WriteSums(), PacketDeparser()) main;
