// Access: which sources a listener serves. Counts the packets that each prefix names.
//
//   of a listener ─► access ─┬─ block ─► dropped
//                            └─ allow, or no prefix names the source ─► slot
//
// The longest prefix counts. Packets of established connections are looked at as well; ICMP errors are not: a router
// sends them.

control Access(inout local_t local, inout bit<32> drop) {
    direct_counter(CounterType.packets) named;

    action block() {
        named.count();
        drop = DROP_ACCESS;
        local.done = 1;
    }

    action allow() {
        named.count();
    }

    // legal: prefixes of one family (IPv4 from /96 on, see MAPPED)
    @id(0x02000013)
    table access {
        key = {
            local.listener : exact @name("listener");
            local.client : lpm @name("client");
        }
        actions = { block; allow; @defaultonly NoAction; }
        default_action = NoAction();
        counters = named;
        size = ACCESS;
    }

    apply {
        if (local.listener != 0 && local.is_error == 0) {
            access.apply();
        }
    }
}
