// Guard: meters whatever opens connections: bare SYNs, and where memory was asked what neither it nor a pin knows.
//
//   known, or memory not asked ─► passes        new ─► guard_source ─► guard_listener ─red─► dropped, counted
//
// A packet that either meter finds red is dropped; established traffic meets neither. On a settled slot what is no SYN
// costs neither a cell nor a report, so there is nothing to guard.

control Guard(inout local_t local, inout bit<32> drop) {
    direct_meter<bit<2>>(MeterType.packets) source_rate;
    direct_meter<bit<2>>(MeterType.packets) listener_rate;
    bit<2> color;

    action limit_source() {
        source_rate.read(color);
    }

    action limit_listener() {
        listener_rate.read(color);
    }

    // legal: prefixes of one family (IPv4 from /96 on, see MAPPED); each entry with a meter
    @id(0x02000005)
    table guard_source {
        key = {
            local.listener : exact @name("listener");
            local.client : lpm @name("client");
        }
        actions = { limit_source; @defaultonly NoAction; }
        default_action = NoAction();
        meters = source_rate;
        size = GUARDS;
    }

    @id(0x02000006)
    table guard_listener {
        key = { local.listener : exact @name("listener"); }
        actions = { limit_listener; @defaultonly NoAction; }
        default_action = NoAction();
        meters = listener_rate;
        size = LISTENERS;
    }

    apply {
        color = 0;
        guard_source.apply();
        if (color != 2) {
            guard_listener.apply();
        }
        if (color == 2) {
            drop = DROP_GUARD;
            local.done = 1;
        }
    }
}
